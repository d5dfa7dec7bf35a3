"""Reading members of JSON objects whose shape nobody guarantees."""

import json
import math
from enum import StrEnum

import orjson

from operators.rrweb.track import JsonObject
from operators.wire.json_text import without_halves
from operators.wire.unusable import is_time_ms

_MAX_INTEGER = 2**53
_NAMED_KINDS = range(100)


class Skip(StrEnum):
    """Why a record, or a part of one, is not in the converted events."""

    MALFORMED = "malformed"
    BEFORE_SNAPSHOT = "before_full_snapshot"
    DANGLING = "unknown_node"  # refers to a node that is not in the page: a segment before it was lost
    TOO_DEEP = "tree_too_deep"
    LOST_CONTEXT = "after_lost_segment"  # a Change record whose string table or node ids are not known
    IMAGE_CONTENT = "image_content"  # its bytes lie in another store
    TOO_LARGE = "too_large"  # a compressed field inflates to more than a recording may hold
    MISSING_SEGMENT = "missing_segment"  # by the numbers of the others; not a record
    UNREADABLE = "unreadable_segment"
    NO_SIZE = "no_size"  # no Meta record: a page of a usual size was assumed


class ShapeError(Exception):
    """A record has not the shape its type promises. Caught per record and counted."""

    def __init__(self, reason: str = Skip.MALFORMED) -> None:
        super().__init__(reason)
        self.reason = str(reason)


def parse(text: bytes) -> object:
    """Parse JSON. Halves of surrogate pairs, which browsers write where a masked text is cut, become U+FFFD; numbers
    that no player can use (NaN, 1e999) null. Raises ShapeError.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        whole = without_halves(text)
        found = json.loads(whole, parse_constant=lambda _: None, parse_float=_finite, parse_int=_finite)
        plain = json.dumps(found, ensure_ascii=False)
        return orjson.loads(plain.encode("utf-8", "replace"))
    except RecursionError as error:
        raise ShapeError(Skip.TOO_DEEP) from error
    except ValueError as error:
        raise ShapeError from error


def _finite(literal: str) -> float | None:
    number = float(literal)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < _MAX_INTEGER else number


def object_of(value: object) -> JsonObject:
    if isinstance(value, dict):
        return value
    raise ShapeError


def list_of(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    raise ShapeError


def list_or_empty(value: object) -> list[object]:
    """A list that SDKs may leave out."""
    return [] if value is None else list_of(value)


def text_of(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ShapeError


def integer_of(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and -_MAX_INTEGER < value < _MAX_INTEGER:
        return value
    raise ShapeError


def number_of(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    raise ShapeError


def time_of(record: JsonObject) -> int:
    """A record's timestamp, epoch ms. Some browsers give fractions."""
    timestamp = number_of(record.get("timestamp"))
    if is_time_ms(timestamp):
        return int(timestamp)
    raise ShapeError


def kind_name(prefix: str, number: object) -> str:
    """A reason for an unknown number, from a small set of names whatever a recording holds."""
    known = isinstance(number, int) and not isinstance(number, bool) and number in _NAMED_KINDS
    return f"{prefix}_{number}" if known else f"{prefix}_other"
