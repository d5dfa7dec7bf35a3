"""`replaylake compact`: the many small files of finished days into few large ones."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
import typer

from flows.cli.maintaining import StoppedOption, WaitOption, now_ms, telling
from flows.cli.options import JsonOption, LakeOption, opened_lake, settings_with
from flows.settings import ConfigurationError
from flows.shown import counted, printable, size, today
from schemas.notices import Notice, NoticeKind
from schemas.units import MIB, MS_PER_DAY
from sinks.compact import TARGET_BYTES, Compacted, compact, plan, would_compact
from sinks.maintenance import maintenance
from sinks.notices import await_heard, put_notice, take_back, tidy
from sinks.store import ObjectStore

_SETTLED = timedelta(hours=6)  # after its end a day is finished: a session lives 4 h, and late rows are few then


def compact_command(  # noqa: PLR0913 - one option per setting
    lake: LakeOption = None,
    until: Annotated[
        str | None, typer.Option(metavar="DAY", help="last UTC day; without it the last that ended 6 hours ago")
    ] = None,
    target_mb: Annotated[int, typer.Option(min=1, help="size of a file to aim at, in MiB")] = TARGET_BYTES // MIB,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be merged")] = False,
    wait: WaitOption = 120.0,
    job_is_stopped: StoppedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Merge the small files of finished days, per class and table, into few large ones; drop superseded revisions.

    Works beside a running job and its readers; run it once a day. It also deletes table files whose retention is over:
    merged files are younger than their rows, so the bucket's own rules would keep them too long. After a crash, run it
    again: it does the rest.
    Example: replaylake compact --lake s3://my-bucket/rum
    """
    last = _day(until)
    settings = settings_with(lake)
    store = opened_lake(settings)
    if dry_run:
        done = would_compact(plan(store, last, today(), target_mb * MIB))
    else:
        done = _compact(store, last, target_mb * MIB, None if job_is_stopped else wait)
    if as_json:
        print(json.dumps(msgspec.to_builtins(done)))
    else:
        _show(done, is_done=not dry_run)
    if done.skipped:
        raise typer.Exit(1)


def _compact(store: ObjectStore, last: str, target_bytes: int, wait: float | None) -> Compacted:
    name = f"compact-{now_ms()}"
    with maintenance(store, "replaylake compact", now_ms()) as renew, telling() as tell:
        groups = plan(store, last, today(), target_bytes)
        if groups and wait is not None:
            put_notice(store, name, Notice(NoticeKind.SYNC, now_ms(), now_ms() + MS_PER_DAY))
        try:
            if groups and wait is not None:
                tell("waiting until the job has put what it had when this began")
                await_heard(store, name, wait)
            done = compact(store, groups, name, today(), renew, tell)
        finally:
            take_back(store, [name])
        tidy(store, now_ms())
    return done


def _day(until: str | None) -> str:
    newest = (datetime.now(UTC) - _SETTLED).date() - timedelta(days=1)
    if until is None:
        return newest.isoformat()
    try:
        day = datetime.strptime(until, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise ConfigurationError(f"--until: {until!r} is not a day like 2026-01-31") from None
    if day >= today():
        raise ConfigurationError(f"--until: {until} has not ended yet")
    return day.isoformat()


def _show(done: Compacted, *, is_done: bool) -> None:
    after = f" ({size(done.bytes_after)})" if is_done else ""
    files, folders = counted(done.files_before, "file"), counted(done.folders, "folder")
    said = "merged" if is_done else "would merge"
    print(f"{said} {files} ({size(done.bytes_before)}) of {folders} into {done.files_after:,}{after}")
    if is_done:
        ended = counted(done.ended, "file was due", "files were due")
        print(f"{counted(done.rows, 'row')}; {done.superseded_rows:,} superseded ones left out; {ended}")
    for line in done.skipped:
        print(f"  left alone: {printable(line)}")
