"""The command that proves a lake: `verify`."""

import json
from typing import Annotated

import typer

from flows.cli.options import JsonOption, LakeOption, opened_lake, settings_with
from flows.shown import console, counted, plain, printable, size, today
from lake.verify import Expiry
from lake.verify import verify as verify_lake

_PROBLEMS_SHOWN = 50


def verify(
    lake: LakeOption = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="also fail if a recording cannot be played although it is stored as received"),
    ] = False,
    no_play: Annotated[
        bool,
        typer.Option(
            "--no-play", help="do not try whether every recording can be played, which takes most of the time"
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read the whole lake back: checksums, index against bytes, counts, orphans. Exit code 1 if the lake is damaged.

    A recording that is stored as it came and cannot be played is a warning: any visitor can send one.
    Example: replaylake verify --lake s3://my-bucket/rum
    """
    if strict and no_play:
        raise typer.BadParameter("--strict is about what --no-play leaves out")
    settings = settings_with(lake)
    store, expiry = opened_lake(settings), Expiry(today(), settings.retention_rules())
    out = console()
    if as_json or not out.is_terminal:
        report = verify_lake(store, expiry=expiry, plays=not no_play)
    else:
        with out.status("reading") as status:
            report = verify_lake(store, lambda key: status.update(plain(f"reading {key}")), expiry, plays=not no_play)
    if as_json:
        summary = {name: getattr(report, name) for name in report.__struct_fields__}
        print(json.dumps(summary))
    else:
        files, rows = counted(report.files, "file"), counted(sum(report.rows.values()), "row")
        print(f"{files}, {rows}, {counted(report.blobs, 'blob')} of {size(report.blob_bytes)}", end=", ")
        print(f"{counted(report.styles, 'style')} of {size(report.style_bytes)}", end="; ")
        print(f"{counted(report.packs, 'pack')} and {counted(report.staged, 'staged object')} (lifecycle removes them)")
        for problem in report.problems[:_PROBLEMS_SHOWN]:
            print(f"  {printable(problem)}")
        for reason in report.unplayable[:_PROBLEMS_SHOWN]:
            print(f"  as received: {printable(reason)}")
        if not report.is_played:
            print("whether recordings can be played was not tried")
        if report.unplayable:
            print(f"{counted(len(report.unplayable), 'part')} of recordings cannot be played, as received")
        sound = "the lake is consistent" if report.files or report.blobs else f"{store.uri} has no sessions yet"
        print(counted(len(report.problems), "problem") if report.problems else sound)
    if report.problems or (strict and report.unplayable):
        raise typer.Exit(1)
