"""`replaylake retention ...`: how long data lives, applied to the bucket and proved; other classes, legal holds."""

import hashlib
import json
from datetime import timedelta
from typing import Annotated

import msgspec
import typer

from flows.cli.maintaining import StoppedOption, WaitOption, instant, now_ms, telling
from flows.cli.options import CommandFailed, JsonOption, LakeOption, opened_lake, settings_with
from flows.settings import Settings
from flows.shown import console, counted, plain_table, printable, size, today
from schemas.keys import STAGING
from schemas.lifecycle import PROMISE_DAYS
from schemas.notices import Notice, NoticeKind, Notices
from schemas.pack import key_hash
from schemas.retention import HELD_DAYS
from schemas.units import MS_PER_DAY
from sinks.lifecycle import Action, Plan, coverage_problems, overdue, plan, wanted_prefixes
from sinks.lifecycle import apply as apply_rules
from sinks.maintenance import maintenance
from sinks.move import Moved, Mover, Target
from sinks.notices import all_notices, await_heard, put_notice, take_back
from sinks.open_store import open_store
from sinks.store import Lifecycle, ObjectStore

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="How long data lives. A class of N days means: gone at latest N + 2 days after the day it was received.",
)
_SIGNS = {Action.ADD: "+", Action.CHANGE: "~", Action.REMOVE: "-", Action.KEEP: " "}
_SHOWN = 50
_FOR_EVER_MS = 1 << 53
_SYNC_MS = MS_PER_DAY  # a sync notice is taken back at the end; one that a crash left is void then
AppOption = Annotated[str, typer.Option("--app", help="the app")]
SessionOption = Annotated[str | None, typer.Option("--session", help="only this session of it")]
_NO_LIFECYCLE = "a local lake has no lifecycle rules: run `replaylake retention sweep` every day instead"


def _bucket(settings: Settings) -> ObjectStore:
    """Where the lake is or will be: rules are for setting before the first start."""
    return open_store(settings.lake, settings.s3.storage_options())


@app.command("plan")
def plan_command(lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """Show the difference between the bucket's lifecycle rules and the wanted ones; changes nothing.

    Example: replaylake retention plan --lake s3://my-bucket/rum
    """
    settings = settings_with(lake)
    store = _bucket(settings)
    lifecycle = _lifecycle(store)
    _show(
        plan(lifecycle.rules(), wanted_prefixes(store, settings.retention_rules()), lifecycle.root),
        as_json=as_json,
        is_done=False,
    )


@app.command("apply")
def apply_command(lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """Set the lifecycle rules. Foreign rules stay; a second run changes nothing.

    Example: replaylake retention apply --lake s3://my-bucket/rum
    """
    settings = settings_with(lake)
    store = _bucket(settings)
    _show(
        apply_rules(_lifecycle(store), wanted_prefixes(store, settings.retention_rules())),
        as_json=as_json,
        is_done=True,
    )


@app.command("verify")
def verify_command(lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """Prove that every prefix the job writes has exactly one rule with the right days, and that nothing is overdue.

    On a local lake: that nothing is overdue. Exit code 1 and a list if not.
    Example: replaylake retention verify --lake s3://my-bucket/rum
    """
    settings = settings_with(lake)
    store = _bucket(settings)
    if store.lifecycle() is None:  # without rules there is only what is there to look at
        store = opened_lake(settings)
    lifecycle = store.lifecycle()
    problems = []
    if lifecycle is not None:
        problems = coverage_problems(
            lifecycle.rules(), wanted_prefixes(store, settings.retention_rules()), lifecycle.root
        )
    grace = timedelta(days=PROMISE_DAYS - 1 if lifecycle is not None else 0)
    problems += [f"{one.key}: should be gone since {day}" for one, day in overdue(store, today() - grace)]
    if as_json:
        print(json.dumps({"problems": problems}))
    else:
        for problem in problems[:_SHOWN]:
            print(f"  {printable(problem)}")
        print(counted(len(problems), "problem") if problems else "every object of the lake expires as promised")
    if problems:
        raise typer.Exit(1)


@app.command("sweep")
def sweep_command(
    lake: LakeOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be deleted")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete what is due by the day in its key: for stores without lifecycle, and after backfills.

    Example: replaylake retention sweep --lake ./lake --dry-run
    """
    store = opened_lake(settings_with(lake))
    found = [one for one, _ in overdue(store, today())]
    if not dry_run:
        store.delete(one.key for one in found)
    total = sum(one.size for one in found)
    if as_json:
        print(json.dumps({"deleted": not dry_run, "objects": [one.key for one in found], "bytes": total}))
        return
    if dry_run:
        for one in found[:_SHOWN]:
            print(f"  {printable(one.key)}")
    print(f"{'would delete' if dry_run else 'deleted'} {counted(len(found), 'object')}, {size(total)}")


@app.command("migrate")
def migrate_command(
    lake: LakeOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count")] = False,
    wait: WaitOption = 120.0,
    job_is_stopped: StoppedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Move data that is already there to the classes of today's settings; its age still counts from its own day.

    First restart the job with the new settings, which it needs for new data. Objects that were moved are younger than
    their data: `replaylake retention sweep` deletes them in time.
    Example: replaylake retention migrate --dry-run
    """
    settings = settings_with(lake)
    store, retention = opened_lake(settings), settings.retention_rules()
    notices = Notices(all_notices(store).values())

    def target(app_id: str, session_id: str) -> tuple[int, int]:
        if notices.holds(app_id, session_id):
            return HELD_DAYS, HELD_DAYS
        return retention.rum_days(app_id), retention.replay_days(app_id)

    name = f"migrate-{now_ms()}"
    with maintenance(store, "replaylake retention migrate", now_ms()):
        if not dry_run:
            put_notice(store, name, Notice(NoticeKind.SYNC, now_ms(), now_ms() + _SYNC_MS))
        try:
            if not dry_run:
                _await_job(store, name, wait, job_is_stopped=job_is_stopped)
            moved = _move(store, target, name, dry_run=dry_run)
        finally:
            take_back(store, [name])
    _show_moved(moved, "would move" if dry_run else "moved", as_json=as_json)


@app.command("hold")
def hold_command(  # noqa: PLR0913 - one option per setting
    app_id: AppOption,
    session: SessionOption = None,
    lake: LakeOption = None,
    wait: WaitOption = 120.0,
    job_is_stopped: StoppedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put a session or an app under legal hold: nothing deletes it, neither lifecycle nor sweep nor erase.

    Example: replaylake retention hold --app shop --session 5f0e...
    """
    store = opened_lake(settings_with(lake))
    name = _hold_name(app_id, session)
    if session is not None and Notices(all_notices(store).values()).is_erased(app_id, session):
        raise CommandFailed(f"session {session!r} of {app_id!r} is erased, or is being erased")
    with maintenance(store, "replaylake retention hold", now_ms()):
        about = f"session {session} of app {app_id}" if session else f"app {app_id}"
        sessions, apps = ([key_hash(app_id, session)], []) if session else ([], [app_id])
        put_notice(store, name, Notice(NoticeKind.HOLD, now_ms(), _FOR_EVER_MS, sessions, apps, about=about))
        _await_job(store, name, wait, job_is_stopped=job_is_stopped)
        moved = _move(store, _of_subject(app_id, session, (HELD_DAYS, HELD_DAYS)), f"{name}-{now_ms()}")
    _show_moved(moved, f"{about} is under hold; moved", as_json=as_json)


@app.command("release")
def release_command(  # noqa: PLR0913 - one option per setting
    app_id: AppOption,
    session: SessionOption = None,
    lake: LakeOption = None,
    wait: WaitOption = 120.0,
    job_is_stopped: StoppedOption = False,
    as_json: JsonOption = False,
) -> None:
    """End a legal hold: the data goes back to its app's classes, and what is overdue there goes with the next sweep.

    Example: replaylake retention release --app shop --session 5f0e...
    """
    settings = settings_with(lake)
    store, retention = opened_lake(settings), settings.retention_rules()
    held = _hold_name(app_id, session)
    if held not in all_notices(store):
        raise CommandFailed("no such hold; `replaylake retention holds` lists them")
    name = f"release-{now_ms()}"
    with maintenance(store, "replaylake retention release", now_ms()):
        take_back(store, [held])
        others = Notices(all_notices(store).values())
        put_notice(store, name, Notice(NoticeKind.SYNC, now_ms(), now_ms() + _SYNC_MS))
        try:
            _await_job(store, name, wait, job_is_stopped=job_is_stopped)
            back = _of_subject(app_id, session, (retention.rum_days(app_id), retention.replay_days(app_id)))
            moved = _move(store, lambda a, s: None if others.holds(a, s) else back(a, s), name)
        finally:
            take_back(store, [name])
    _show_moved(moved, "released; moved back", as_json=as_json)


@app.command("holds")
def holds_command(lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """List the legal holds.

    Example: replaylake retention holds
    """
    store = opened_lake(settings_with(lake))
    holds = [notice for notice in all_notices(store).values() if notice.kind == NoticeKind.HOLD]
    if as_json:
        print(json.dumps([{"about": hold.about, "since_ms": hold.since_ms} for hold in holds]))
        return
    for hold in sorted(holds, key=lambda hold: hold.since_ms):
        print(f"since {instant(hold.since_ms)}: {printable(hold.about)}")
    print(counted(len(holds), "hold"))


def _hold_name(app_id: str, session_id: str | None) -> str:
    return f"hold-{hashlib.sha256(repr((app_id, session_id)).encode()).hexdigest()[:24]}"


def _of_subject(app_id: str, session_id: str | None, classes: tuple[int, int]) -> Target:
    def target(found_app: str, found_session: str) -> tuple[int, int] | None:
        return classes if found_app == app_id and session_id in {None, found_session} else None

    return target


def _await_job(store: ObjectStore, name: str, wait: float, *, job_is_stopped: bool) -> None:
    """Until nothing that is to be moved can be published any more."""
    if not job_is_stopped:
        await_heard(store, name, wait)
    elif next(iter(store.list(STAGING)), None) is not None:
        raise CommandFailed(
            f"{store.uri} has staged objects, which the next start of the job may publish: start it, and stop it again"
        )


def _move(store: ObjectStore, target: Target, name: str, *, dry_run: bool = False) -> Moved:
    with telling() as tell:
        return Mover(store, target, name, tell).run(dry_run=dry_run)


def _show_moved(moved: Moved, said: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(msgspec.to_builtins(moved)))
        return
    rows, files = counted(moved.rows, "row"), counted(moved.files, "file")
    print(f"{said} {rows} of {files}, {counted(moved.blobs, 'replay')}, {size(moved.blob_bytes)}")


def _lifecycle(store: ObjectStore) -> Lifecycle:
    lifecycle = store.lifecycle()
    if lifecycle is None:
        raise CommandFailed(f"{store.uri}: {_NO_LIFECYCLE}")
    return lifecycle


def _show(planned: Plan, *, as_json: bool, is_done: bool) -> None:
    if as_json:
        changes = [msgspec.to_builtins(change) for change in planned.changes]
        print(json.dumps({"changes": changes, "foreign": planned.foreign, "conflicts": planned.conflicts}))
        return
    table = plain_table("", "prefix", "days", right=("days",))
    for change in planned.changes:
        table.add_row(_SIGNS[change.action], change.prefix, str(change.days))
    console().print(table)
    counts = {action: sum(one.action == action for one in planned.changes) for action in Action}
    said = "added" if is_done else "to add"
    others = ("changed", "removed") if is_done else ("to change", "to remove")
    print(
        f"{counts[Action.ADD]} {said}, {counts[Action.CHANGE]} {others[0]}, {counts[Action.REMOVE]} {others[1]}, "
        f"{counts[Action.KEEP]} as they are; {counted(planned.foreign, 'foreign rule')} untouched"
    )
    for conflict in planned.conflicts:
        print(f"  conflict: {printable(conflict)}")
