"""What a view of a table shows in any engine: every column, names that need no quotes, and durations in seconds.

A sum of nanoseconds leaves 64 bits after 292 years of visits, and most engines go on with a wrong number. So each
column in ns has a second one in seconds, a double, which cannot wrap; and `start`, `end`, `offset`, ... which are
keywords of one engine or another, have a second name.
"""

from collections.abc import Callable, Iterator

import msgspec

from schemas.fields import Field, Table

SECOND_NAMES = {
    "start": "started_at",
    "end": "ended_at",
    "time": "happened_at",
    "partition": "topic_partition",
    "offset": "topic_offset",
}
_NS_PER_SECOND = "1e9"


class Extra(msgspec.Struct, frozen=True):
    """A column that only the view has. `is_seconds`: of a column in ns; else another name for it."""

    name: str
    field: Field
    is_seconds: bool

    @property
    def doc(self) -> str:
        if self.is_seconds:
            return f"{self.field.doc} (seconds)"
        unit = f" ({self.field.unit})" if self.field.unit else ""
        return f"{self.field.doc}{unit}; the same as `{self.field.name}`"


def extras(table: Table) -> Iterator[Extra]:
    """What the view of a table has beside the columns of the files."""
    for field in table.fields:
        if field.unit == "ns":
            yield Extra(f"{field.name}_seconds", field, is_seconds=True)
        elif field.name in SECOND_NAMES:
            yield Extra(SECOND_NAMES[field.name], field, is_seconds=False)


def expressions(table: Table, quoted: Callable[[str], str], double: str = "double") -> list[str]:
    """`quoted`: a name as the engine writes one; `double`: its type of 64 bits."""
    return [
        f"cast({quoted(one.field.name)} as {double}) / {_NS_PER_SECOND} as {one.name}"
        if one.is_seconds
        else f"{quoted(one.field.name)} as {one.name}"
        for one in extras(table)
    ]
