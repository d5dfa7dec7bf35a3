"""Keys of `custom` that an operator has made columns of: in every view of a table with `custom`, of the type they want.

A view works the column out of `custom`, which stays as it is. So rows of any age have it, whoever reads `custom` goes
on, and a column that is declared anew, or no more, changes no file. A value that does not fit the type is null.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec

from schemas.engine_views import extras
from schemas.fields import Table
from schemas.tables import TABLES

PromotedType = Literal["string", "double", "bool"]
Cast = Callable[[str], str]  # SQL of a text to SQL of a double, null where it is not a number

_CUSTOM = "custom"
_PARTITION = ("dt", "retention")


class Promoted(msgspec.Struct, frozen=True):
    """`name`: of the column; `key`: in `custom`."""

    name: str
    key: str
    type: PromotedType

    @property
    def doc(self) -> str:
        return f"`{self.key}` of `custom`, where it is of type {self.type}"


def of_table(table: Table, promoted: Iterable[Promoted]) -> Iterator[Promoted]:
    """Those that the views of a table have: all or none."""
    if any(field.name == _CUSTOM for field in table.fields):
        yield from promoted


def expression(one: Promoted, value: Callable[[str], str], double: Cast) -> str:
    """What a view selects. `value`: the SQL of an entry of `custom`, of the SQL of its key."""
    found = value("'" + one.key.replace("'", "''") + "'")
    if one.type == "double":
        found = double(found)
    elif one.type == "bool":  # written out: what engines take for true is not the same
        found = f"case {found} when 'true' then true when 'false' then false end"
    return f'{found} as "{one.name}"'


def taken_names() -> frozenset[str]:
    """Names that no promoted column may have: views have a column of that name already."""
    declared = {field.name for table in TABLES.values() for field in table.fields}
    return frozenset({*declared, *_PARTITION, *(one.name for table in TABLES.values() for one in extras(table))})
