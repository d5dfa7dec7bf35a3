"""What a table file says of all its rows: between which times and apps they lie, and whether one replaces another."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa

from lake.block_files import Question
from lake.blocks import BlockCache
from schemas.errors import Damaged
from schemas.tables import TABLES
from sinks.store import ObjectInfo
from sinks.table_files import read_footer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = "time"


class NotOfTable(Damaged):
    """A file is not Parquet, or has not the columns that every file of its table has."""


class Span(msgspec.Struct, frozen=True):
    """What is asked for. Times: client clock, epoch us, half open; `apps`, `days` (UTC): None is all."""

    from_us: int | None = None
    to_us: int | None = None
    apps: frozenset[str] | None = None
    days: frozenset[str] | None = None

    def takes_day(self, day: str) -> bool:
        return self.days is None or day in self.days


class FileBounds(msgspec.Struct, frozen=True):
    """What is true of every row; None: not known."""

    first_us: int | None = None
    last_us: int | None = None
    first_app: str | None = None
    last_app: str | None = None
    has_revisions: bool = True

    def meets(self, span: Span) -> bool:
        """Whether a row of the file can be in the span."""
        if span.from_us is not None and self.last_us is not None and self.last_us < span.from_us:
            return False
        if span.to_us is not None and self.first_us is not None and self.first_us >= span.to_us:
            return False
        if span.apps is None or self.first_app is None or self.last_app is None:
            return True
        return any(self.first_app <= app <= self.last_app for app in span.apps)


EVERYTHING = FileBounds()


def bounds_of(blocks: BlockCache, found: ObjectInfo, table: str, question: Question) -> FileBounds:
    """From the file's footer. Raises NotOfTable, TooMuch, ObjectMissing."""

    def read(start: int, length: int) -> bytes:
        question.charge(length)
        return blocks.read(found, start, length)

    try:
        footer = read_footer(read, found.size)
    except (pa.ArrowInvalid, OSError) as error:
        raise NotOfTable(str(error)) from error
    names = set(footer.schema.to_arrow_schema().names)
    needed = (one.name for one in TABLES[table].fields if not one.nullable and one.since == 1)
    missing = [name for name in needed if name not in names]
    if missing:
        raise NotOfTable(f"it has no {', '.join(missing[:5])}")
    times = list(_statistics(footer, _TIME))
    apps = list(_statistics(footer, "app_id"))
    revisions = list(_statistics(footer, "revision"))
    return FileBounds(
        first_us=_least([_microseconds(one, "min") for one in times]),
        last_us=_most([_microseconds(one, "max") for one in times]),
        first_app=_least([one and _text(one.min) for one in apps]),
        last_app=_most([one and _text(one.max) for one in apps]),
        has_revisions=any(one is None or one.max > 0 for one in revisions),
    )


def _statistics(footer: Any, column: str) -> Iterator[Any]:  # noqa: ANN401 - pyarrow has no types
    """Of each row group; None where it has none."""
    place = next((n for n in range(footer.num_columns) if footer.schema.column(n).path == column), None)
    for number in range(footer.num_row_groups):
        found = None if place is None else footer.row_group(number).column(place).statistics
        yield found if found is not None and found.has_min_max else None


def _least(values: list[Any]) -> Any:  # noqa: ANN401 - of one type
    return None if None in values or not values else min(values)


def _most(values: list[Any]) -> Any:  # noqa: ANN401 - of one type
    return None if None in values or not values else max(values)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _microseconds(statistics: Any, which: str) -> int | None:  # noqa: ANN401 - pyarrow has no types
    try:
        value = getattr(statistics, which, None)
    except (OverflowError, ValueError):  # beyond what Python has names for
        return None
    if not isinstance(value, datetime):
        return None
    zoned = value if value.tzinfo else value.replace(tzinfo=UTC)
    return (zoned - _EPOCH) // timedelta(microseconds=1)
