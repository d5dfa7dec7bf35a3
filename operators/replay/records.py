"""The records of a replay body. Decode, scan, export, the player and the live reader all see them through here.

    Guance, Datadog      {"records": [...], "view": {"id"}, "index_in_view", ...}
    plain rrweb          {"events": [...], "window_id", ...}
    PostHog              {"event": "$snapshot", "properties": {"$snapshot_data": [...], "$window_id", ...}}
    the same, server     {"event": "$snapshot_items", "properties": {"$snapshot_items": [...], ...}}

A list of PostHog's may be a single record.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec

from operators.rows.values import text_of_id
from operators.wire.json_text import cut_deep, tolerant
from operators.wire.unusable import is_time_ms
from schemas.items import NOT_NUMBERED, Family

NO_WINDOW = "0"  # of a batch that names no browser window
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


class _SdkBody(msgspec.Struct, gc=False):
    records: msgspec.Raw = msgspec.Raw()
    view: msgspec.Raw = msgspec.Raw()
    index_in_view: msgspec.Raw = msgspec.Raw()


class _Properties(msgspec.Struct, gc=False):
    data: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="$snapshot_data")
    items: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="$snapshot_items")
    window_id: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="$window_id")


class _RrwebBody(msgspec.Struct, gc=False):
    events: msgspec.Raw = msgspec.Raw()
    window_id: msgspec.Raw = msgspec.Raw()
    properties: msgspec.Raw = msgspec.Raw()


class _UsualView(msgspec.Struct, gc=False):
    id: str = ""


class _UsualSdkBody(msgspec.Struct, gc=False):
    """As SDKs write it: all of it is read at once, most of a segment only skipped over."""

    records: list[Record]
    view: _UsualView = msgspec.field(default_factory=_UsualView)
    index_in_view: int = NOT_NUMBERED


class _UsualProperties(msgspec.Struct, gc=False):
    data: list[Record] | None = msgspec.field(default=None, name="$snapshot_data")
    items: list[Record] | None = msgspec.field(default=None, name="$snapshot_items")
    window_id: str = msgspec.field(default="", name="$window_id")


class _UsualRrwebBody(msgspec.Struct, gc=False):
    events: list[Record] | None = None
    window_id: str = ""
    properties: _UsualProperties = msgspec.field(default_factory=_UsualProperties)


class _View(msgspec.Struct, gc=False):
    id: msgspec.Raw = msgspec.Raw()


_list = tolerant(msgspec.json.Decoder(list[msgspec.Raw]))
_records = tolerant(msgspec.json.Decoder(list[Record]))
_one = tolerant(msgspec.json.Decoder(Record))
_sdk_body = tolerant(msgspec.json.Decoder(_SdkBody))
_rrweb_body = tolerant(msgspec.json.Decoder(_RrwebBody))
_properties = tolerant(msgspec.json.Decoder(_Properties))
_view = tolerant(msgspec.json.Decoder(_View))
_usual_sdk_body = tolerant(msgspec.json.Decoder(_UsualSdkBody))
_usual_rrweb_body = tolerant(msgspec.json.Decoder(_UsualRrwebBody))
_id = tolerant(msgspec.json.Decoder(str | int | float | None))
_number = msgspec.json.Decoder(int | None).decode


def open_body(raw: bytes, family: Family) -> Opened:
    """The body of a segment or batch, inflated, and its records. Raises as `replay_body`."""
    try:
        opened = _usual_rrweb(raw) if family is Family.RRWEB else _usual_sdk(raw)
    except (msgspec.ValidationError, RecursionError):
        opened = None
    if opened is not None:
        return opened
    body = replay_body(raw, family)
    return Opened(body.view_id, body.index_in_view, *body.usable())


def replay_body(raw: bytes, family: Family) -> ReplayBody:
    """The body of a segment or batch, inflated. Raises NoRecords, and msgspec's errors for what is not JSON."""
    read = _read_rrweb if family is Family.RRWEB else _read_sdk
    body, is_cut = shallow(raw, read)
    return msgspec.structs.replace(body, is_cut=True) if is_cut else body


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


def _usual_sdk(raw: bytes) -> Opened:
    body = _usual_sdk_body(raw)
    return Opened(body.view.id, max(NOT_NUMBERED, body.index_in_view), body.records, [])


def _usual_rrweb(raw: bytes) -> Opened | None:
    """None where a record lacks something, or all of them."""
    body = _usual_rrweb_body(raw)
    inner = body.properties
    records = next((one for one in (body.events, inner.data, inner.items) if one is not None), None)
    if records is None or not all(one.timestamp is not None and is_time_ms(one.timestamp) for one in records):
        return None
    return Opened(body.window_id or inner.window_id or NO_WINDOW, NOT_NUMBERED, records, [])


def _read_sdk(raw: bytes) -> ReplayBody:
    body = _sdk_body(raw)
    view = _view(bytes(body.view)) if _is_object(body.view) else _View()
    return ReplayBody(
        _raw_id(view.id), _index(body.index_in_view), _first_list(body.records), needs_times=False, is_cut=False
    )


def _read_rrweb(raw: bytes) -> ReplayBody:
    body = _rrweb_body(raw)
    inner = _properties(bytes(body.properties)) if _is_object(body.properties) else _Properties()
    window_id = _raw_id(body.window_id) or _raw_id(inner.window_id) or NO_WINDOW
    records = _first_list(body.events, inner.data, inner.items)
    return ReplayBody(window_id, NOT_NUMBERED, records, needs_times=True, is_cut=False)


def _is_object(raw: msgspec.Raw) -> bool:
    return first_byte(raw) == b"{"


def _first_list(records: msgspec.Raw, *may_be_one: msgspec.Raw) -> bytes:
    if first_byte(records) == b"[":
        return bytes(records)
    for one in may_be_one:
        if first_byte(one) in (b"[", b"{"):
            return bytes(one)
    raise NoRecords("no list of records")


def _raw_id(raw: msgspec.Raw) -> str:
    if not raw:
        return ""
    try:
        return text_of_id(_id(bytes(raw)))
    except msgspec.MsgspecError:
        return ""


def _index(raw: msgspec.Raw) -> int:
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
