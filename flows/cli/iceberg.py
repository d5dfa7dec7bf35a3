"""`replaylake iceberg ...`: the lake's files as Apache Iceberg tables, in any catalog that PyIceberg knows."""

import json
import logging
from typing import Annotated

import msgspec
import typer

from flows.cli.maintaining import now_ms
from flows.cli.options import JsonOption, LakeOption, opened_lake, settings_with
from flows.log_setup import set_up_logging
from flows.logs import LOGGER
from flows.shown import counted, printable
from flows.stopping import STOP, install_stop_handlers
from schemas.errors import TryAgain
from sinks.iceberg.options import open_registrar
from sinks.store import StoreUnavailable

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The lake's files as Apache Iceberg tables: one state for every reader, superseded rows left out.",
)
_log = logging.getLogger(LOGGER)


@app.command("sync")
def sync_command(
    lake: LakeOption = None,
    every: Annotated[
        float | None, typer.Option(min=0.1, help="go on, with so many seconds between runs, until stopped")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the Iceberg tables to the state of the lake: one snapshot a table that changed.

    Works beside a running job and every other command, may be killed at any time, and does nothing when nothing
    changed. Run one of them, every 1 to 5 minutes; it also deletes what compact and erase have replaced.
    Example: replaylake iceberg sync --every 60 --lake s3://my-bucket/rum
    """
    settings = settings_with(lake)
    store = opened_lake(settings)
    registrar = open_registrar(store, settings.iceberg.options(settings.s3), now_ms)
    if every is None:
        done = registrar.sync()
        if as_json:
            print(json.dumps(msgspec.to_builtins(done)))
            return
        print(
            f"{counted(done.snapshots, 'new snapshot')} of {counted(done.tables, 'table')}: "
            f"{counted(done.files_added, 'file')} added, {done.files_removed:,} removed; "
            f"now {counted(done.files, 'file')}, {counted(done.rows, 'row')}, {done.superseded:,} superseded left out"
        )
        print(f"{counted(done.expired, 'snapshot')} expired, {counted(done.deleted, 'object')} deleted")
        return
    set_up_logging(settings)
    install_stop_handlers()
    while not STOP.is_set():
        try:
            done = registrar.sync()
        except (TryAgain, StoreUnavailable) as error:
            _log.warning("iceberg: %s; the next run tries again", error)
        else:
            _log.info("iceberg: %s", ", ".join(f"{name} {count}" for name, count in msgspec.to_builtins(done).items()))
        STOP.wait(every)


@app.command("verify")
def verify_command(lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """Prove that no snapshot names a file that is gone or was replaced, and that superseded rows are left out.

    Exit code 1 and a list if not. Files that came since the last sync are no problem.
    Example: replaylake iceberg verify --lake s3://my-bucket/rum
    """
    settings = settings_with(lake)
    store = opened_lake(settings)
    problems = open_registrar(store, settings.iceberg.options(settings.s3), now_ms).problems()
    if as_json:
        print(json.dumps({"problems": problems}))
    else:
        for problem in problems:
            print(f"  {printable(problem)}")
        print(counted(len(problems), "problem") if problems else "the tables say what the lake says")
    if problems:
        raise typer.Exit(1)


@app.command("drop")
def drop_command(lake: LakeOption = None) -> None:
    """Take the tables out of the catalog and delete what was made for them; the lake's own files stay.

    First stop the registrar.
    Example: replaylake iceberg drop --lake s3://my-bucket/rum
    """
    settings = settings_with(lake)
    store = opened_lake(settings)
    open_registrar(store, settings.iceberg.options(settings.s3), now_ms).drop()
    print("dropped; the lake is as before")
