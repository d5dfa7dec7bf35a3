"""Which sessions are wanted, as the API says it, turned into SQL with parameters. No text of a caller becomes SQL."""

import base64
import binascii
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from schemas.tables import TABLES
from schemas.units import US_PER_MS

COLUMNS = {field.name: field for field in TABLES["sessions"].fields}
CUSTOM = "custom."
# Free text is looked for in these, and in `search_text`. They have few values, and DuckDB looks at each value once.
_SEARCHED = (
    *("browser", "browser_version", "os", "os_version", "device", "country", "province", "city", "isp"),
    *("env", "service", "version"),
)
_ANYWHERE = f"({' OR '.join(f'contains(lower({name}), ?)' for name in _SEARCHED)} OR contains(search_text, ?))"
_INT64_MAX = 2**63 - 1
_Part = tuple[str, tuple[object, ...]]  # SQL and its parameters
_KEY = "app_id, session_id, session_part"


class BadRequest(ValueError):
    """What was asked cannot be answered; the message says why, to the caller."""


class Wanted(msgspec.Struct, frozen=True):
    """A filter over sessions. Times: client clock, epoch ms. Pairs are `column:value`.

    Pairs of `is_` on one column are alternatives; everything else must all hold.
    """

    apps: frozenset[str] | None  # that the caller may read; None: all
    app: str | None = None
    from_ms: float | None = None
    to_ms: float | None = None
    text: str = ""
    is_: Sequence[str] = ()
    not_: Sequence[str] = ()
    gt: Sequence[str] = ()
    lt: Sequence[str] = ()


class Condition(msgspec.Struct, frozen=True):
    """A WHERE clause and its parameters."""

    sql: str
    params: tuple[object, ...]

    def also(self, sql: str, *params: object) -> "Condition":
        return Condition(f"({self.sql}) AND ({sql})", self.params + params)


class Column(msgspec.Struct, frozen=True):
    """A column that was asked for, or one entry of `custom`; `sql` needs `params`."""

    name: str
    type: str
    sql: str
    params: tuple[object, ...] = ()


def column(name: str) -> Column:
    """A column of `sessions`, or `custom.KEY`. Raises BadRequest."""
    if name.startswith(CUSTOM) and len(name) > len(CUSTOM):
        return Column(name, "string", "custom[?]", (name.removeprefix(CUSTOM),))
    field = COLUMNS.get(name)
    if field is None or field.type.startswith("map"):
        raise BadRequest(f"sessions have no column {name[:80]!r}")
    return Column(name, field.type, f'"{name}"')


def condition(wanted: Wanted) -> Condition:
    """What a session must fulfil. Raises BadRequest."""
    parts = [*_place(wanted), *_alternatives(wanted.is_), *_excluded(wanted.not_)]
    parts += _compared(">", wanted.gt) + _compared("<", wanted.lt)
    parts += [(_ANYWHERE, (_text(word),) * _ANYWHERE.count("?")) for word in wanted.text.lower().split()]
    if not parts:
        return Condition("TRUE", ())
    return Condition(" AND ".join(sql for sql, _ in parts), tuple(one for _, params in parts for one in params))


def _place(wanted: Wanted) -> Iterator[_Part]:
    if wanted.apps is not None:
        yield "app_id IN (SELECT unnest(?::VARCHAR[]))", (sorted(wanted.apps),)
    if wanted.app is not None:
        yield "app_id = ?", (wanted.app,)
    if wanted.from_ms is not None:
        yield '"start" >= ?', (microseconds(wanted.from_ms),)
    if wanted.to_ms is not None:
        yield '"start" < ?', (microseconds(wanted.to_ms),)


def _excluded(pairs: Iterable[str]) -> Iterator[_Part]:
    for pair in pairs:
        found, value = _pair(pair)
        yield f"{found.sql} IS DISTINCT FROM ?", (*found.params, value)
        if value == "":  # neither empty nor unknown
            yield f"{found.sql} IS NOT NULL", found.params


def _compared(sign: str, pairs: Iterable[str]) -> list[_Part]:
    parts: list[_Part] = []
    for pair in pairs:
        found, value = _pair(pair)
        if found.type not in {"int64", "double", "timestamp"}:
            raise BadRequest(f"{found.name[:80]!r} is neither a number nor a time")
        parts.append((f"{found.sql} {sign} ?", (*found.params, value)))
    return parts


def _alternatives(pairs: Iterable[str]) -> list[_Part]:
    by_column: dict[str, list[_Part]] = {}
    for pair in pairs:
        found, value = _pair(pair)
        one = (f"{found.sql} = ?", (*found.params, value))
        choices = by_column.setdefault(found.name, [])
        choices.append(one)
        if value == "":  # also: not known
            choices.append((f"{found.sql} IS NULL", found.params))
    return [
        (f"({' OR '.join(sql for sql, _ in choices)})", tuple(one for _, params in choices for one in params))
        for choices in by_column.values()
    ]


def _pair(text: str) -> tuple[Column, object]:
    name, colon, value = text.partition(":")
    if not colon:
        raise BadRequest(f"{text[:80]!r} is not column:value")
    found = column(name)
    return found, typed(found, value)


def typed(found: Column, value: str) -> object:
    """A value as its column has it. Raises BadRequest. An empty value stays: it means "not known"."""
    try:
        if value == "" or found.type == "string":
            return _text(value) if value or found.type == "string" else None
        if found.type == "bool":
            return {"true": True, "false": False}[value.lower()]
        if found.type == "timestamp":
            return _time(value)
        return _number(value)
    except (ValueError, KeyError, OverflowError):
        raise BadRequest(f"{found.name!r} takes a {found.type}, not {value[:80]!r}") from None


def _number(value: str) -> int | float:
    """A whole number exactly, whatever the column is; DuckDB compares a fraction with both kinds of columns."""
    try:
        whole = int(value)
    except ValueError:
        fraction = float(value)
        if not math.isfinite(fraction):
            raise
        return fraction
    return _int64(whole)


def _text(value: str) -> str:
    value.encode()  # lone surrogates are no text
    return value


def _time(value: str) -> int:
    try:
        return microseconds(float(value))
    except ValueError:
        parsed = datetime.fromisoformat(value)
        zoned = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        return int(zoned.timestamp() * 1_000) * US_PER_MS


def microseconds(value_ms: float) -> int:
    """Epoch us of epoch ms. Raises BadRequest."""
    try:
        return _int64(int(value_ms * US_PER_MS))
    except (ValueError, OverflowError):
        raise BadRequest("a time is out of range") from None


def _int64(value: int) -> int:
    if not -_INT64_MAX <= value <= _INT64_MAX:
        raise ValueError(value)
    return value


class Order(msgspec.Struct, frozen=True):
    """How a list is sorted: a column, then the session's key; what is not known comes last."""

    column: Column
    descending: bool

    @property
    def sql(self) -> str:
        return f"{self.column.sql} {'DESC' if self.descending else 'ASC'} NULLS LAST, {_KEY}"


def order(text: str) -> Order:
    """`start` or `-start`. Raises BadRequest."""
    found = column(text.removeprefix("-"))
    if found.params:
        raise BadRequest("a list cannot be sorted by an entry of custom")
    return Order(found, text.startswith("-"))


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """The last row of a page: where the next one goes on, whatever has come or gone meanwhile."""

    sort: str
    value: str | int | float | bool | None
    app_id: str
    session_id: str
    session_part: int

    def text(self) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")


def after(cursor: str, sort: str) -> Condition:
    """What comes behind a cursor that an earlier page of the same order gave. Raises BadRequest."""
    wanted = order(sort)
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = msgspec.json.decode(raw, type=Cursor)
        value = None if found.value is None else _checked(wanted.column, found.value)
        part = _int64(found.session_part)
        key = (_text(found.app_id), _text(found.session_id), part)
    except (binascii.Error, msgspec.DecodeError, ValueError):
        raise BadRequest("not a cursor of this list") from None
    if found.sort != sort:
        raise BadRequest("the cursor belongs to another order")
    name, behind = wanted.column.sql, f"({_KEY}) > (?, ?, ?)"
    if value is None:
        return Condition(f"{name} IS NULL AND {behind}", key)
    sign = "<" if wanted.descending else ">"
    return Condition(f"{name} {sign} ? OR {name} IS NULL OR ({name} = ? AND {behind})", (value, value, *key))


def _checked(found: Column, value: str | float) -> object:
    expected = {"string": str, "bool": bool, "double": float}.get(found.type, int)
    if type(value) is not expected:
        raise ValueError(value)
    return _int64(value) if isinstance(value, int) and not isinstance(value, bool) else value
