"""The command that shows a lake: `serve`."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from flows.commands_job import LakeOption
from flows.commands_read import _lake, _store
from flows.settings import load_settings
from schemas.units import MIB
from viewer.app import Viewer, build
from viewer.session_index import IndexLimits, SessionIndex


def serve(
    lake: LakeOption = None,
    host: Annotated[str | None, typer.Option(help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on")] = None,
) -> None:
    """The lake in a browser, and its API.

    Example: replaylake serve --lake ./demo-lake
    """
    store = _store(load_settings(**_lake(lake)))
    with tempfile.TemporaryDirectory(prefix="replaylake-serve-") as folder:
        index = SessionIndex(store, Path(folder) / "sessions.duckdb", IndexLimits(1024 * MIB))
        uvicorn.run(build(Viewer(store, index, 5)), host=host or "127.0.0.1", port=port or 8080, log_level="warning")
