"""The command that shows everything at once: `demo`."""

from pathlib import Path
from typing import Annotated

import typer

from flows.demo.live import run_live
from flows.demo.run import run_demo, serve_demo
from flows.settings import load_settings
from flows.stopping import install_stop_handlers


def demo(
    folder: Annotated[Path, typer.Option(help="where the lake is left to look at")] = Path("demo-lake"),
    serve: Annotated[bool, typer.Option("--serve", help="and then show it in the browser, until stopped")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="no recordings: intake, job and viewer for a page of yours, until stopped")
    ] = False,
) -> None:
    """Everything at once on this machine: real broker and S3 server, real recordings, the streaming job.

    With --live the intake listens on intake.address and the viewer on the next port. A session ends after a minute.
    Example: replaylake demo
    """
    if live:
        install_stop_handlers()
        run_live(folder, load_settings().intake)
        return
    run_demo(folder)
    if serve:
        serve_demo(folder)
