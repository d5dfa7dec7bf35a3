"""From decoded JSON to column values: typed where the value fits the column, text in `custom` where it does not.

A line table's row is a plain dict here, because a line fills a third of its columns: absent means null.
"""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec

from operators.wire.unusable import DURATION_MAX_NS
from schemas.fields import JSON, Field
from schemas.items import Kind
from schemas.units import NS_PER_MS, US_PER_MS

RowValue = str | int | float | bool | dict[str, str]
Row = dict[str, RowValue]
Attributes = dict[str, object]
Converter = Callable[[object], RowValue | None]  # None: the value does not fit the column

_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_EXACT_FLOAT_MAX = 1 << 53
_DIGITS_MAX = 1000
_PATH_LENGTH_MAX = 160  # of an object taken apart: a long key above many values would multiply its memory

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class LineRow(msgspec.Struct, frozen=True, gc=False):
    """One line as a row of its kind's table, without `session_part`, `revision` and `received_at`.

    A note has no table: of its row, `custom` goes to its view, and so does what it `adds`.
    """

    kind: Kind
    row: Row
    is_start: bool = True  # of a view: not what only comes after its start
    is_difference: bool = False  # of a view: says only what changed since the line before
    left: tuple[str, int] | None = None  # the view that this one followed, and how long that was, in ns
    adds: Mapping[str, RowValue] = MappingProxyType({})  # of a note: columns of its view; the largest value counts


def decode_object(body: bytes) -> Attributes:
    """The JSON object in `body`. Raises ValueError if it is none."""
    try:
        decoded = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        decoded = _decode_leniently(body)
    if not isinstance(decoded, dict):
        raise ValueError(f"a line is a JSON object, this is {type(decoded).__name__}")
    return decoded


def converter(field: Field) -> Converter:
    """What turns a value as sent under the column's own source into the column's type and unit."""
    if field.type == "string":
        if field.unit == JSON:
            return json_text
        return identifier if field.name == "userid" or field.name.endswith("_id") else string
    if field.unit == "ns":
        return nanoseconds
    return {"int64": int64, "double": double, "bool": boolean, "timestamp": timestamp_us}[field.type]


def unchanged_type(field: Field) -> type[RowValue] | None:
    """The type whose values fit the column as they are; None if there is no such type (a time or a duration)."""
    if field.unit == "ns":
        return None
    return {"string": str, "int64": int, "double": float, "bool": bool}.get(field.type)


def string(value: object) -> str | None:
    return value if type(value) is str else None


def identifier(value: object) -> str | None:
    """An id as text, also where it is sent as a number."""
    return value if type(value) is str else text_of_id(value) or None


def nanoseconds(value: object) -> int | None:
    """A duration; not one that cannot be."""
    whole = int64(value)
    return whole if whole is not None and 0 <= whole < DURATION_MAX_NS else None


def json_text(value: object) -> str | None:
    """A structure as compact JSON; text is taken to be JSON already."""
    if type(value) is str:
        return value
    return compact_json(value) if isinstance(value, dict | list) else None


def boolean(value: object) -> bool | None:
    return value if type(value) is bool else None


def int64(value: object) -> int | None:
    """Line protocol has only floats, so integral ones count as integers; 1.5, NaN and what needs 65 bits do not."""
    if type(value) is float:
        if not value.is_integer():
            return None
        value = int(value)
    elif type(value) is not int:
        return None
    return value if _INT64_MIN <= value <= _INT64_MAX else None


def duration(value: object) -> int | None:
    """No time lasts less than none."""
    whole = int64(value)
    return whole if whole is not None and whole >= 0 else None


def double(value: object) -> float | None:
    if type(value) is float:
        return value if value - value == 0 else None  # not for NaN and infinities
    if type(value) is int and -_EXACT_FLOAT_MAX <= value <= _EXACT_FLOAT_MAX:
        return float(value)
    return None


def timestamp_us(value: object) -> int | None:
    """Epoch ms, with or without a fraction, as epoch us."""
    return scaled(value, US_PER_MS)


def ms_as_ns(value: object) -> int | None:
    """A duration sent in ms, with or without a fraction, as ns."""
    return scaled(value, NS_PER_MS)


def scaled(value: object, factor: int) -> int | None:
    """A number in a finer unit, rounded to a whole."""
    if type(value) is int and abs(value) * factor <= _EXACT_FLOAT_MAX:
        return value * factor
    number = double(value)
    if number is None or abs(number) * factor > _INT64_MAX:
        return None
    return int64(round(number * factor))


def text_of_id(value: object) -> str:
    """An id as text, also where it is sent as a number; empty for anything else."""
    if isinstance(value, str):
        return value
    return as_text(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def keep(custom: dict[str, str], path: str, value: object) -> None:
    """Put a value that has no column into `custom`; an object is taken apart, null is nothing."""
    if isinstance(value, str):
        kept = value
    elif value is None:
        return
    elif isinstance(value, dict) and value and len(path) <= _PATH_LENGTH_MAX:
        for name, inner in value.items():
            keep(custom, f"{path}.{name}", inner)
        return
    else:
        kept = as_text(value)
    if path in custom:  # a dot in a key can make two paths alike
        path += "~"
    while path in custom:
        path += f"~{len(custom)}"  # not one `~` more: of many alike, each would try all that went before
    custom[path] = kept


def as_text(value: object) -> str:
    """Text as it is, anything else as compact JSON; whole numbers without `.0`, which only line protocol adds."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_FLOAT_MAX:
        return str(int(value))
    return str(value) if isinstance(value, int) else compact_json(value)


def compact_json(value: object) -> str:
    """JSON without spaces, non-ASCII as it is."""
    try:
        return _encode(value).decode()
    except OverflowError:  # an integer of more than 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _decode_leniently(body: bytes) -> object:
    # Half of an emoji, from text that the page cut by length, is legal in JavaScript and in no UTF-8. NaN and 1e999
    # are legal nowhere, and integers of a thousand digits useless; they become text, which fits no number column.
    try:
        decoded = json.loads(
            body.decode(errors="replace"), parse_constant=str, parse_float=_float_or_text, parse_int=_int_or_text
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return _decode(json.dumps(decoded, ensure_ascii=False).encode(errors="replace"))


def _float_or_text(literal: str) -> float | str:
    number = float(literal)
    return number if number - number == 0 else literal


def _int_or_text(literal: str) -> int | str:
    return int(literal) if len(literal) < _DIGITS_MAX else literal
