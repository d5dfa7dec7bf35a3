"""`replaylake retention plan|apply|verify|sweep`: how long data lives, applied to the bucket and proved."""

import json
from datetime import timedelta
from typing import Annotated

import msgspec
import typer

from flows.commands_job import CommandFailed, JsonOption, LakeOption
from flows.settings import Settings, load_settings
from flows.shown import console, plain_table, size, today
from schemas.lifecycle import PROMISE_DAYS
from sinks.lifecycle import Action, Plan, coverage_problems, overdue, plan, wanted_prefixes
from sinks.lifecycle import apply as apply_rules
from sinks.open_store import open_store
from sinks.store import Lifecycle, ObjectStore

app = typer.Typer(
    no_args_is_help=True,
    help="How long data lives. A class of N days means: gone at latest N + 2 days after the day it was received.",
)
_SIGNS = {Action.ADD: "+", Action.CHANGE: "~", Action.REMOVE: "-", Action.KEEP: " "}
_SHOWN = 50
_NO_LIFECYCLE = "a local lake has no lifecycle rules: run `replaylake retention sweep` every day instead"


@app.command("plan")
def plan_command(lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """Show the difference between the bucket's lifecycle rules and the wanted ones; changes nothing.

    Example: replaylake retention plan --lake s3://my-bucket/rum
    """
    settings = load_settings(**_lake(lake))
    store = open_lake(settings)
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
    settings = load_settings(**_lake(lake))
    store = open_lake(settings)
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
    settings = load_settings(**_lake(lake))
    store = open_lake(settings)
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
            print(f"  {problem}")
        print(f"{len(problems)} problems" if problems else "every object of the lake expires as promised")
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
    store = open_lake(load_settings(**_lake(lake)))
    found = [one for one, _ in overdue(store, today())]
    if not dry_run:
        store.delete(one.key for one in found)
    total = sum(one.size for one in found)
    if as_json:
        print(json.dumps({"deleted": not dry_run, "objects": [one.key for one in found], "bytes": total}))
        return
    if dry_run:
        for one in found[:_SHOWN]:
            print(f"  {one.key}")
    print(f"{'would delete' if dry_run else 'deleted'} {len(found)} objects, {size(total)}")


def open_lake(settings: Settings) -> ObjectStore:
    return open_store(settings.lake, settings.s3.storage_options())


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
        f"{counts[Action.KEEP]} as they are; {planned.foreign} foreign rules untouched"
    )
    for conflict in planned.conflicts:
        print(f"  conflict: {conflict}")


def _lake(lake: str | None) -> dict[str, str]:
    return {} if lake is None else {"lake": lake}
