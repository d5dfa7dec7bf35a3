"""Where the records of a batch of rrweb events are.

    plain rrweb          {"events": [...], "window_id", ...}
    PostHog              {"event": "$snapshot", "properties": {"$snapshot_data": [...], "$window_id", ...}}
    the same, server     {"event": "$snapshot_items", "properties": {"$snapshot_items": [...], ...}}

A list of PostHog's may be a single record.
"""

import msgspec

from operators.replay.records import Opened, Record, ReplayBody, first_list, is_object, raw_id
from operators.wire.json_text import tolerant
from operators.wire.unusable import is_time_ms
from schemas.items import NOT_NUMBERED

CONTENT_NAMES = frozenset({"events", "$snapshot_data", "$snapshot_items"})
NO_WINDOW = "0"  # of a batch that names no browser window


class _Properties(msgspec.Struct, gc=False):
    data: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="$snapshot_data")
    items: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="$snapshot_items")
    window_id: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="$window_id")


class _Body(msgspec.Struct, gc=False):
    events: msgspec.Raw = msgspec.Raw()
    window_id: msgspec.Raw = msgspec.Raw()
    properties: msgspec.Raw = msgspec.Raw()


class _UsualProperties(msgspec.Struct, gc=False):
    data: list[Record] | None = msgspec.field(default=None, name="$snapshot_data")
    items: list[Record] | None = msgspec.field(default=None, name="$snapshot_items")
    window_id: str = msgspec.field(default="", name="$window_id")


class _UsualBody(msgspec.Struct, gc=False):
    events: list[Record] | None = None
    window_id: str = ""
    properties: _UsualProperties = msgspec.field(default_factory=_UsualProperties)


_body = tolerant(msgspec.json.Decoder(_Body))
_properties = tolerant(msgspec.json.Decoder(_Properties))
_usual_body = tolerant(msgspec.json.Decoder(_UsualBody))


def read_usual(raw: bytes) -> Opened | None:
    """All at once; None where a record lacks something, or all of them."""
    body = _usual_body(raw)
    inner = body.properties
    records = next((one for one in (body.events, inner.data, inner.items) if one is not None), None)
    if records is None or not all(one.timestamp is not None and is_time_ms(one.timestamp) for one in records):
        return None
    return Opened(body.window_id or inner.window_id or NO_WINDOW, NOT_NUMBERED, records, [])


def read(raw: bytes) -> ReplayBody:
    """Whatever shape the rest has. Raises NoRecords, and msgspec's errors for what is not JSON."""
    body = _body(raw)
    inner = _properties(bytes(body.properties)) if is_object(body.properties) else _Properties()
    window_id = raw_id(body.window_id) or raw_id(inner.window_id) or NO_WINDOW
    records = first_list(body.events, inner.data, inner.items)
    return ReplayBody(window_id, NOT_NUMBERED, records, needs_times=True, is_cut=False)
