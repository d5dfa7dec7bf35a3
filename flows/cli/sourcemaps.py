"""`replaylake sourcemaps ...`: maps of the pages' scripts, so that stacks show the sources."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from flows.cli.options import CommandFailed, JsonOption, LakeOption, opened_lake
from flows.settings import Settings, load_settings
from flows.shown import console, counted, moment, plain, plain_table, printable, size
from schemas.units import MS_PER_SECOND
from sinks.open_store import open_store
from sinks.source_maps import ENDING, NoSourceMap, check, put_maps, releases, remove
from sinks.store import ObjectStore

app = typer.Typer(
    no_args_is_help=True,
    help="Source maps by app and release, so that `serve` shows stacks in the sources.",
)
_NOT_OF_SCRIPTS = (".css.map", ".d.ts.map")
AppOption = Annotated[str, typer.Option("--app", help="the app, as in the column app_id")]
ReleaseArgument = Annotated[str, typer.Argument(help="as in the column version of the errors")]


@app.command("upload")
def upload_command(
    release: ReleaseArgument,
    folder: Annotated[
        Path, typer.Argument(help="of the build; looked through for .map files", exists=True, file_okay=False)
    ],
    app_id: AppOption,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Store the maps of a release; those of the same path are replaced.

    A script is found by the end of its path, so the folder may be the root of the site or any part of it.
    Example: replaylake sourcemaps upload 1.5.0 ./dist --app shop --lake s3://my-bucket/rum
    """
    skipped: dict[str, str] = {}
    count = put_maps(_store(_settings(lake)), app_id, release, _usable(folder, skipped))
    if as_json:
        print(json.dumps({"uploaded": count, "skipped": skipped}))
    else:
        for path, reason in skipped.items():
            print(f"  {printable(path)}: {printable(reason)}")
        print(f"{counted(count, 'map')} of {printable(app_id)} {printable(release)} stored, {len(skipped)} skipped")
    if not count:
        raise CommandFailed(f"no source map in {folder}: does the build write them (.js{ENDING})?")


@app.command("list")
def list_command(
    app_id: Annotated[str | None, typer.Option("--app", help="only this app")] = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Which releases have maps, how many, how large, and since when.

    Example: replaylake sourcemaps list --lake s3://my-bucket/rum
    """
    found = releases(_store(_settings(lake)), app_id)
    if as_json:
        print(json.dumps([msgspec.to_builtins(one) for one in found]))
        return
    shown = plain_table("app", "release", "maps", "size", "newest", right=("maps", "size"))
    for one in found:
        newest = datetime.fromtimestamp(one.newest_ms / MS_PER_SECOND, UTC)
        shown.add_row(plain(one.app_id), plain(one.release), f"{one.files:,}", size(one.size), moment(newest))
    console().print(shown)


@app.command("remove")
def remove_command(release: ReleaseArgument, app_id: AppOption, lake: LakeOption = None) -> None:
    """Remove the maps of a release; its stacks are then shown as they were recorded.

    Nothing else removes them: they hold nothing of a visitor, so retention and erasure leave them.
    Example: replaylake sourcemaps remove 1.4.2 --app shop --lake s3://my-bucket/rum
    """
    count = remove(_store(_settings(lake)), app_id, release)
    print(f"{counted(count, 'map')} of {printable(app_id)} {printable(release)} removed")


def _usable(folder: Path, skipped: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """The maps below a folder, by path; those that are none go to `skipped`, with the reason."""
    for file in sorted(folder.rglob(f"*{ENDING}")):
        path = file.relative_to(folder).as_posix()
        if not file.is_file() or path.endswith(_NOT_OF_SCRIPTS):
            continue
        content = file.read_bytes()
        try:
            check(content)
        except NoSourceMap as error:
            skipped[path] = str(error)
        else:
            yield path, content


def _settings(lake: str | None) -> Settings:
    return load_settings(**({} if lake is None else {"lake": lake}))


def _store(settings: Settings) -> ObjectStore:
    """Where the maps are. A lake must be there, a place of their own need not."""
    if not settings.source_maps.uri:
        opened_lake(settings)
    return open_store(settings.source_maps_uri(), settings.s3.storage_options())
