"""The records of a replay body. Decode, scan, export, the player and the live reader all see them through here.

Where in a body they are is known to the family (its `bodies.py`); here is what all have in common.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec

from operators.rows.values import text_of_id
from operators.wire.json_text import cut_deep, tolerant
from operators.wire.unusable import is_time_ms
from schemas.items import NOT_NUMBERED

_LEVELS = (800, 400, 100)  # of JSON that is too deep to be read whole: as many as the stack has room for

Decoded = TypeVar("Decoded")


class Record(msgspec.Struct, gc=False):
    """`data` stays unparsed: a full snapshot is skipped over, not built."""

    type: int
    timestamp: float | None = None  # null when the SDK computed NaN
    data: msgspec.Raw = msgspec.Raw(b"null")


class ReplayBody(msgspec.Struct, frozen=True):
    """What one segment or batch holds. `view_id`: of rrweb, the browser window; empty when a segment names no view."""

    view_id: str
    index_in_view: int  # or NOT_NUMBERED
    records: bytes  # a JSON array, or one record
    needs_times: bool  # without a time, a record of rrweb is nowhere; those of the others are in a segment that has one
    is_cut: bool  # nested too deeply to be read whole: below some levels, arrays are empty

    def texts(self) -> list[bytes]:
        """The records as JSON, each by itself."""
        return [self.records] if self.records[:1] == b"{" else list(map(bytes, _list(self.records)))

    def usable(self) -> tuple[list[Record], list[bytes]]:
        """The records that have a kind and a time; and the others, as JSON. Raises NoRecords."""
        try:
            records = _records(self.records)
        except msgspec.ValidationError:
            pass
        else:
            if not self.needs_times or all(map(self._is_usable, records)):
                return records, []
        found: list[Record] = []
        others: list[bytes] = []
        for text in self.texts():
            record = _record(text)
            if record is not None and self._is_usable(record):
                found.append(record)
            else:
                others.append(text)
        if others and not found:
            needed = "kind and time" if self.needs_times else "kind"
            raise NoRecords(f"none of {len(others)} records has a usable {needed}")
        return found, others

    def _is_usable(self, record: Record) -> bool:
        if not self.needs_times:
            return True
        return record.timestamp is not None and is_time_ms(record.timestamp)


class Opened(NamedTuple):
    """A body with its records read. `others`: those without a kind or, in rrweb, a time, as JSON."""

    view_id: str
    index_in_view: int
    records: list[Record]
    others: list[bytes]


class NoRecords(ValueError):
    """The body is JSON and holds no list of records, or none that is usable."""


_list = tolerant(msgspec.json.Decoder(list[msgspec.Raw]))
_records = tolerant(msgspec.json.Decoder(list[Record]))
_one = tolerant(msgspec.json.Decoder(Record))
_id = tolerant(msgspec.json.Decoder(str | int | float | None))
_number = msgspec.json.Decoder(int | None).decode


def shallow(raw: bytes, read: Callable[[bytes], Decoded]) -> tuple[Decoded, bool]:
    """What a reader makes of JSON; of JSON too deep for it, with the deepest arrays empty, and True."""
    for levels in (0, *_LEVELS):
        try:
            return read(cut_deep(raw, levels) if levels else raw), bool(levels)
        except RecursionError:
            continue
    raise RecursionError


def first_byte(raw: msgspec.Raw) -> bytes:
    """What kind of JSON it is; empty for none."""
    return bytes(memoryview(raw)[:1])


def is_object(raw: msgspec.Raw) -> bool:
    """Whether it is a JSON object."""
    return first_byte(raw) == b"{"


def first_list(records: msgspec.Raw, *may_be_one: msgspec.Raw) -> bytes:
    """The first that is a list of records, or of those behind it one record. Raises NoRecords."""
    if first_byte(records) == b"[":
        return bytes(records)
    for one in may_be_one:
        if first_byte(one) in (b"[", b"{"):
            return bytes(one)
    raise NoRecords("no list of records")


def raw_id(raw: msgspec.Raw) -> str:
    """An id as text; empty for what is not one."""
    if not raw:
        return ""
    try:
        return text_of_id(_id(bytes(raw)))
    except msgspec.MsgspecError:
        return ""


def index_of(raw: msgspec.Raw) -> int:
    """A segment's place in its view, or NOT_NUMBERED."""
    try:
        number = _number(raw) if raw else None
    except msgspec.MsgspecError:
        return NOT_NUMBERED
    return number if number is not None and number >= 0 else NOT_NUMBERED


def _record(text: bytes) -> Record | None:
    try:
        return _one(text)
    except msgspec.MsgspecError:
        return None
