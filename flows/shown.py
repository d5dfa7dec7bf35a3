"""How values look to a person: durations, sizes, times; and the console they are printed on."""

import sys
from datetime import UTC, date, datetime

from rich.console import Console
from rich.table import Table

_KILO = 1000
_PIPED_WIDTH = 200


def console() -> Console:
    """Standard output; wide enough when nobody watches, so that a pipe gets whole lines."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(width=_PIPED_WIDTH, highlight=False)


def plain_table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """An aligned table without boxes."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=bool(columns))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    return table


def duration(nanoseconds: float) -> str:
    """`4 h 00 min`, `3 min 47 s`, `25.4 s`, `12 ms`."""
    seconds = nanoseconds / 1e9
    if seconds >= 3599.5:
        minutes = round(seconds / 60)
        return f"{minutes // 60} h {minutes % 60:02d} min"
    if seconds >= 59.95:
        return f"{round(seconds) // 60} min {round(seconds) % 60:02d} s"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * _KILO:.0f} ms"


def size(count: float) -> str:
    """`812 B`, `40.5 kB`, `1.2 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < _KILO:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _KILO
    return f"{count:.1f} TB"


def counted(count: int, one: str, many: str = "") -> str:
    """`1 session`, `2,000 sessions`; `many` where it takes more than an s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def moment(value: object) -> str:
    """A UTC time to the second."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else ""


def today() -> date:
    """The current UTC day."""
    return datetime.now(UTC).date()
