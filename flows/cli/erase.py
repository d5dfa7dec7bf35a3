"""`replaylake erase`: a session, a person or an app out of every object of the lake, with a receipt."""

import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from flows.cli.maintaining import StoppedOption, WaitOption, instant, now_ms, telling
from flows.cli.options import JsonOption, LakeOption, opened_lake, settings_with
from flows.recovery_folder import FolderInUse, unused_folder
from flows.settings import ConfigurationError, Settings
from flows.shown import counted, printable, size
from schemas.erasure import Failure, Receipt, SessionKey, Subject
from schemas.errors import ReplayLakeError
from sinks.erase import Eraser
from sinks.erase_find import Progress as Told
from sinks.erase_recovery import erase_in_folder
from sinks.fence import owner_of
from sinks.iceberg.options import open_registrar
from sinks.maintenance import maintenance
from sinks.retired import registration
from sinks.store import ObjectStore

UnreadableOption = Annotated[
    bool,
    typer.Option("--with-unreadable", help="also erase quarantined input that cannot be read, whosever it is"),
]
NotYetOption = Annotated[
    bool,
    typer.Option("--not-yet-here", help="finding nothing is no error: refuse what arrives of it in the next 30 days"),
]


def erase(  # noqa: PLR0913 - one option per setting
    lake: LakeOption = None,
    app: Annotated[str | None, typer.Option(help="everything of this app; with another option: only there")] = None,
    session: Annotated[str | None, typer.Option(help="this session: its whole id, not the beginning")] = None,
    user_id: Annotated[str | None, typer.Option(help="every session of the person with this user id")] = None,
    user_email: Annotated[str | None, typer.Option(help="every session of the person with this e-mail")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count")] = False,
    wait: WaitOption = 120.0,
    job_is_stopped: StoppedOption = False,
    with_unreadable: UnreadableOption = False,
    not_yet_here: NotYetOption = False,
    receipt: Annotated[Path | None, typer.Option(help="also write the receipt to this file")] = None,
    as_json: JsonOption = False,
) -> None:
    """Erase a session, a person or an app: tables, replays, packs, staging, quarantine, and what is still to come.

    Works beside a running job. A run that was cut off is started again with the same options. Exit code 1 and a list
    when anything could not be removed or looked into, and when there is nothing of the subject at all.
    Example: replaylake erase --user-email jane@example.com --lake s3://my-bucket/rum
    """
    subject = Subject(app, session, user_id, user_email)
    if subject == Subject():
        raise ConfigurationError("erase: name --session, --user-id, --user-email or --app")
    if session and (user_id or user_email):
        raise ConfigurationError("erase: a session, or a person, not both")
    settings = settings_with(lake)
    store = opened_lake(settings)
    with telling() as tell:
        eraser = Eraser(
            store, subject, now_ms, instant, None if job_is_stopped else wait, tell,
            lambda keys: _in_recovery_folder(settings, store, keys, job_is_stopped=job_is_stopped),
            lambda: _out_of_iceberg(settings, store, tell),
            with_unreadable=with_unreadable, is_expected=not not_yet_here,
        )  # fmt: skip
        if dry_run:
            done = eraser.dry_run()
        else:
            with maintenance(store, "replaylake erase", now_ms()):
                done = eraser.run()
    text = msgspec.json.format(msgspec.json.encode(done))
    if receipt is not None and not dry_run:
        receipt.write_bytes(text + b"\n")
    if as_json:
        print(text.decode())
    elif done.changes or done.failures:
        _show(done, is_done=not dry_run)
    if done.failures:
        raise typer.Exit(1)


def _in_recovery_folder(
    settings: Settings, store: ObjectStore, keys: AbstractSet[SessionKey], *, job_is_stopped: bool
) -> Iterator[Failure]:
    """The state of a stopped job on this machine; a running one, wherever it is, cleans its own."""
    owner = owner_of(store)
    folder = settings.run.recovery_dir
    try:
        with unused_folder(folder) as job_id:
            if owner is not None and job_id == owner:
                yield from erase_in_folder(folder, settings.cache_dir(), keys)
                return
    except FolderInUse:
        return
    if owner is not None and job_is_stopped:
        yield Failure(
            "recovery folder",
            f"that of job {owner} is not {folder}: the ids of open and lately closed sessions stay in it until the job "
            "has run again, or the folder is deleted. Name it with REPLAYLAKE_RUN__RECOVERY_DIR where it is",
        )


def _out_of_iceberg(settings: Settings, store: ObjectStore, tell: Told) -> Iterator[Failure]:
    """In a lake with Iceberg tables: what was replaced leaves every snapshot, then the bucket."""
    known = registration(store)
    if known is None:
        return
    tell(f"Iceberg tables: queries that have begun get {known.grace_seconds} s to end")
    try:
        open_registrar(store, settings.iceberg.options(settings.s3), now_ms).forget(time.sleep)
    except ReplayLakeError as error:
        yield Failure("Iceberg tables", f"older snapshots may still reach what was erased: {error}; run it again")


def _show(done: Receipt, *, is_done: bool) -> None:
    said = "erased" if is_done else "would erase"
    rows = ", ".join(f"{count:,} {table}" for table, count in sorted(done.rows.items())) or "no rows"
    objects = f"{counted(done.objects, 'object')}, {size(done.bytes)}"
    print(f"{said} {counted(done.sessions, 'session')}: {rows}; {objects}")
    if is_done:
        print(f"late data is refused until {done.late_data_refused_until}; receipt {done.sha256}")
    for failure in done.failures:
        print(f"  not erased: {printable(failure.object)}: {printable(failure.reason)}")
