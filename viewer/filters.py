"""Which rows are wanted, as the API says it, turned into SQL with parameters. No text of a caller becomes SQL."""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import zip_longest

import msgspec
import pyarrow as pa

from schemas.units import US_PER_MS
from viewer.listed import SESSIONS, WINDOW_OF_SESSION, Listed, anywhere

CUSTOM = "custom."
_INT64_MAX = 2**63 - 1
_Part = tuple[str, tuple[object, ...]]  # SQL and its parameters


class BadRequest(ValueError):
    """What was asked cannot be answered; the message says why, to the caller."""


class SessionSet(msgspec.Struct, frozen=True):
    """Windows that are wanted, or not: `windows` has the column `window_hash`, and DuckDB knows it by `name`."""

    name: str
    windows: pa.Table
    is_absent: bool


class TextSets(msgspec.Struct, frozen=True):
    """Of each word of the free text the windows in which something happened that has it.

    `is_whole`: all that happened was looked into; else the words were not looked for in all of it.
    """

    sets: Sequence[SessionSet]
    is_whole: bool


class Wanted(msgspec.Struct, frozen=True):
    """A filter over the rows of a table. Times: client clock, epoch ms. Pairs are `column:value`.

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
    between: Sequence[str] = ()  # `column:low,high`, both included
    happened: Sequence[SessionSet] = ()  # of sessions alone
    texts: TextSets | None = None  # the same; None: words are looked for in the row alone

    @property
    def words(self) -> list[str]:
        """Of the free text."""
        return list(dict.fromkeys(self.text.lower().split()))

    def without(self, column_name: str) -> "Wanted":
        """The same without what `is_` and `not_` say of one column."""

        def of_others(pairs: Sequence[str]) -> list[str]:
            return [pair for pair in pairs if pair.partition(":")[0] != column_name]

        return msgspec.structs.replace(self, is_=of_others(self.is_), not_=of_others(self.not_))


class Condition(msgspec.Struct, frozen=True):
    """A WHERE clause, its parameters, and the sets that it names."""

    sql: str
    params: tuple[object, ...]
    sets: Sequence[SessionSet] = ()

    def also(self, sql: str, *params: object) -> "Condition":
        return Condition(f"({self.sql}) AND ({sql})", self.params + params, self.sets)


class Column(msgspec.Struct, frozen=True):
    """A column that was asked for, or one entry of `custom`; `sql` needs `params`.

    `source`: the column of the table; `value_sql`: what a parameter with a value of it must go through.
    """

    name: str
    type: str
    sql: str
    source: str
    value_sql: str = "?"
    params: tuple[object, ...] = ()


def column(name: str, of: Listed = SESSIONS) -> Column:
    """A column of the table, or `custom.KEY`. Raises BadRequest."""
    if name.startswith(CUSTOM) and len(name) > len(CUSTOM):
        return Column(name, "string", "custom[?]", "custom", params=(_text(name.removeprefix(CUSTOM)),))
    field = of.columns.get(name)
    if field is None or field.type.startswith("map"):
        raise BadRequest(f"{of.table} have no column {name[:80]!r}")
    return Column(name, field.type, f'"{name}"', name, of.moment if field.type == "timestamp" else "?")


def condition(wanted: Wanted, of: Listed = SESSIONS) -> Condition:
    """What a row must fulfil. Raises BadRequest."""
    parts: list[_Part] = [*_place(wanted, of), *_alternatives(wanted.is_, of), *_excluded(wanted.not_, of)]
    parts += _compared(">", wanted.gt, of) + _compared("<", wanted.lt, of) + _between(wanted.between, of)
    texts = wanted.texts.sets if wanted.texts and of is SESSIONS else ()
    for word, own in zip_longest(wanted.words, texts):
        own_columns, params = of.search, (_text(word),) * of.search.count("?")
        parts.append((f"({own_columns} OR {_in(own)})" if own else own_columns, params))
    parts += [(_in(one), ()) for one in wanted.happened]
    if not parts:
        return Condition("TRUE", ())
    every = tuple(one for _, own in parts for one in own)
    return Condition(" AND ".join(sql for sql, _ in parts), every, (*wanted.happened, *texts))


def has_word(columns: Sequence[str], word: str) -> Condition:
    """A row has the word in one of the columns. Raises BadRequest."""
    return Condition(anywhere(columns), (_text(word),) * len(columns))


def _in(windows: SessionSet) -> str:
    return f"{WINDOW_OF_SESSION} {'NOT ' if windows.is_absent else ''}IN (SELECT window_hash FROM {windows.name})"


def _place(wanted: Wanted, of: Listed) -> Iterator[_Part]:
    if wanted.apps is not None:
        yield "app_id IN (SELECT unnest(?::VARCHAR[]))", (sorted(wanted.apps),)
    if wanted.app is not None:
        yield "app_id = ?", (_text(wanted.app),)
    if wanted.from_ms is not None:
        yield f'"{of.time}" >= {of.moment}', (of.in_range(microseconds(wanted.from_ms)),)
    if wanted.to_ms is not None:
        yield f'"{of.time}" < {of.moment}', (of.in_range(microseconds(wanted.to_ms)),)


def _excluded(pairs: Iterable[str], of: Listed) -> Iterator[_Part]:
    for pair in pairs:
        found, value = _pair(pair, of)
        yield f"{found.sql} IS DISTINCT FROM {found.value_sql}", (*found.params, value)
        if value == "":  # neither empty nor unknown
            yield f"{found.sql} IS NOT NULL", found.params


def _compared(sign: str, pairs: Iterable[str], of: Listed) -> list[_Part]:
    parts: list[_Part] = []
    for pair in pairs:
        found, value = _pair(pair, of)
        _check_measured(found)
        parts.append((f"{found.sql} {sign} {found.value_sql}", (*found.params, value)))
    return parts


def _between(triples: Iterable[str], of: Listed) -> list[_Part]:
    parts: list[_Part] = []
    for triple in triples:
        name, _, values = triple.partition(":")
        low, comma, high = values.partition(",")
        if not low or not comma or not high:
            raise BadRequest(f"{triple[:80]!r} is not column:low,high")
        found = column(name, of)
        _check_measured(found)
        ends = typed(found, low, of), typed(found, high, of)
        parts.append((f"{found.sql} BETWEEN {found.value_sql} AND {found.value_sql}", (*found.params, *ends)))
    return parts


def _check_measured(found: Column) -> None:
    if found.type not in {"int64", "double", "timestamp"}:
        raise BadRequest(f"{found.name[:80]!r} is neither a number nor a time")


def _alternatives(pairs: Iterable[str], of: Listed) -> list[_Part]:
    by_column: dict[str, list[_Part]] = {}
    for pair in pairs:
        found, value = _pair(pair, of)
        one = (f"{found.sql} = {found.value_sql}", (*found.params, value))
        choices = by_column.setdefault(found.name, [])
        choices.append(one)
        if value == "":  # also: not known
            choices.append((f"{found.sql} IS NULL", found.params))
    return [
        (f"({' OR '.join(sql for sql, _ in choices)})", tuple(one for _, params in choices for one in params))
        for choices in by_column.values()
    ]


def _pair(text: str, of: Listed) -> tuple[Column, object]:
    name, colon, value = text.partition(":")
    if not colon:
        raise BadRequest(f"{text[:80]!r} is not column:value")
    found = column(name, of)
    return found, typed(found, value, of)


def typed(found: Column, value: str, of: Listed = SESSIONS) -> object:
    """A value as its column has it. Raises BadRequest. An empty value stays: it means "not known"."""
    try:
        if value == "" or found.type == "string":
            return _text(value) if value or found.type == "string" else None
        if found.type == "bool":
            return {"true": True, "false": False}[value.lower()]
        if found.type == "timestamp":
            return of.in_range(_time(value))
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
    return int64(whole)


def _text(value: str) -> str:
    """Raises BadRequest: lone surrogates are no text."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRequest("a value is not text") from None
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
        return int64(int(value_ms * US_PER_MS))
    except (ValueError, OverflowError):
        raise BadRequest("a time is out of range") from None


def int64(value: int) -> int:
    if not -_INT64_MAX <= value <= _INT64_MAX:
        raise ValueError(value)
    return value
