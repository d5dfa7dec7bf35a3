"""Pages of a list: its order, and the cursor with which the next page goes on, whatever has come or gone meanwhile."""

import base64
import binascii
from collections.abc import Sequence

import msgspec

from viewer.filters import BadRequest, Column, Condition, column, int64
from viewer.listed import SESSIONS, Listed


class Order(msgspec.Struct, frozen=True):
    """How a list is sorted: a column, then the row's key; what is not known comes last."""

    column: Column
    descending: bool
    of: Listed

    @property
    def sql(self) -> str:
        return f"{self.by_value}, {self.of.key_sql}"

    @property
    def by_value(self) -> str:
        """Without the key."""
        return f"{self.column.sql} {'DESC' if self.descending else 'ASC'} NULLS LAST"


def order(text: str, of: Listed = SESSIONS) -> Order:
    """`start` or `-start`. Raises BadRequest."""
    found = column(text.removeprefix("-"), of)
    if found.params:
        raise BadRequest("a list cannot be sorted by an entry of custom")
    return Order(found, text.startswith("-"), of)


def cursor(sort: str, value: object, key: Sequence[object]) -> str:
    """Behind a row with this value in the column of the order, and this key. Times: epoch us."""
    return base64.urlsafe_b64encode(msgspec.json.encode([sort, value, *key])).decode().rstrip("=")


def after(text: str, sort: str, of: Listed = SESSIONS) -> Condition:
    """What comes behind a cursor that an earlier page of the same order gave. Raises BadRequest."""
    wanted = order(sort, of)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        of_sort, found, *key = msgspec.json.decode(raw, type=list[str | int | float | bool | None])
        value = None if found is None else _checked(wanted.column, found)
        key = [_plain(one, kind) for one, kind in zip(key, of.key.values(), strict=True)]
    except (binascii.Error, msgspec.DecodeError, ValueError):
        raise BadRequest("not a cursor of this list") from None
    if of_sort != sort:
        raise BadRequest("the cursor belongs to another order")
    name, behind = wanted.column.sql, f"({of.key_sql}) > ({', '.join('?' for _ in key)})"
    if value is None:
        return Condition(f"{name} IS NULL AND {behind}", tuple(key))
    sign, given = "<" if wanted.descending else ">", wanted.column.value_sql
    return Condition(
        f"{name} {sign} {given} OR {name} IS NULL OR ({name} = {given} AND {behind})", (value, value, *key)
    )


def _checked(found: Column, value: object) -> str | float:
    kinds: dict[str, type] = {"string": str, "bool": bool, "double": float}
    return _plain(value, kinds.get(found.type, int))


def _plain(value: object, kind: type) -> str | float:
    """The value, when it is of that very type and DuckDB takes it. Raises ValueError."""
    if type(value) is not kind or not isinstance(value, str | int | float):
        raise ValueError(value)
    if isinstance(value, str):
        value.encode()  # lone surrogates are no text
    return int64(value) if isinstance(value, int) and not isinstance(value, bool) else value
