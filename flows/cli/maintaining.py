"""What the commands that change a lake share: their clock, their options, and what they say while they work."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from flows.shown import printable
from schemas.units import MS_PER_SECOND
from sinks.erase_find import Progress as Told

WaitOption = Annotated[
    float,
    typer.Option("--wait", min=1, help="seconds to wait for a running job to confirm"),
]
StoppedOption = Annotated[bool, typer.Option("--job-is-stopped", help="no job is running: do not wait for one")]


def now_ms() -> int:
    return int(time.time() * MS_PER_SECOND)


def instant(epoch_ms: int) -> str:
    """A time in ISO 8601."""
    return datetime.fromtimestamp(epoch_ms / MS_PER_SECOND, UTC).isoformat(timespec="seconds")


@contextmanager
def telling() -> Iterator[Told]:
    """What is being done, on a terminal."""
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("")
        yield lambda text: progress.update(task, description=escape(printable(text)))
