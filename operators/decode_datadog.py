"""Datadog browser SDK 5 and 7: RUM events as NDJSON, and replay segments.

`date` is epoch ms (for a view: its start, re-sent with every update), durations are ns.
"""

import re
from collections.abc import Iterator, Mapping

import msgspec

from operators.decode_guance import KINDS
from operators.json_text import tolerant
from operators.segments import segment_item
from operators.unusable import (
    JSON_ERRORS,
    Limits,
    Unusable,
    checked_id,
    checked_size,
    duration_us,
    identity,
    json_refusal,
    time_us,
)
from operators.utf8_rows import checked_utf8
from schemas.items import Family, Item, Kind, Rejected, RejectReason, SegmentMeta


class _Id(msgspec.Struct, gc=False):
    id: str = ""


class _Session(msgspec.Struct, gc=False):
    id: str = ""
    is_active: bool | None = None


class _View(msgspec.Struct, gc=False):
    id: str = ""
    time_spent: float | None = None


class _Timed(msgspec.Struct, gc=False):
    id: str = ""
    duration: float | None = None


class _Action(msgspec.Struct, gc=False):
    id: str | list[str] = ""  # on other events: the actions they belong to
    loading_time: float | None = None


class _Event(msgspec.Struct, gc=False):
    type: str
    date: float
    application: _Id = msgspec.field(default_factory=_Id)
    session: _Session = msgspec.field(default_factory=_Session)
    view: _View = msgspec.field(default_factory=_View)
    resource: _Timed | None = None
    long_task: _Timed | None = None
    error: _Id | None = None
    action: _Action | None = None


class _SegmentEvent(msgspec.Struct, gc=False):
    start: int
    end: int
    records_count: int
    index_in_view: int
    application: _Id
    session: _Id
    view: _Id
    has_full_snapshot: bool = False
    creation_reason: str = ""


class _SegmentIds(msgspec.Struct, gc=False):
    application: _Id = msgspec.field(default_factory=_Id)
    session: _Id = msgspec.field(default_factory=_Id)


_decode_event = tolerant(msgspec.json.Decoder(_Event))
_decode_segment_event = tolerant(msgspec.json.Decoder(_SegmentEvent))
_decode_segment_ids = tolerant(msgspec.json.Decoder(_SegmentIds))
_LINE = re.compile(rb"\S[^\n]*")


def decode_events(body: bytes, received_ms: int, limits: Limits) -> Iterator[Item | Rejected]:
    """Items of an NDJSON body without compression; a bad line is refused alone. Raises Unusable for the whole body."""
    for number, found in enumerate(_LINE.finditer(body), 1):
        if number > limits.lines_per_message:
            raise Unusable(RejectReason.TOO_MANY_LINES, f"more than {limits.lines_per_message} lines in a message")
        line = found[0]
        try:
            checked_size(len(line), limits)
            yield _item(_decode_event(checked_utf8(line)), line, received_ms, limits)
        except Unusable as refusal:
            yield Rejected(refusal.reason, refusal.detail, line)
        except JSON_ERRORS as error:
            refused = json_refusal(error)
            yield Rejected(refused.reason, refused.detail, line)


def decode_segment(parts: Mapping[str, bytes], received_ms: int, limits: Limits) -> Item:
    """A segment from its parts `segment` and `event`. Raises Unusable."""
    try:
        event = _decode_segment_event(parts["event"])
    except KeyError:
        raise Unusable(RejectReason.INVALID_FIELD, "segment without event") from None
    except JSON_ERRORS as error:
        raise json_refusal(error) from None
    meta = SegmentMeta(
        view_id=event.view.id,
        index_in_view=event.index_in_view,
        start_ms=event.start,
        end_ms=event.end,
        records_count=event.records_count,
        has_full_snapshot=event.has_full_snapshot,
        creation_reason=event.creation_reason,
        raw_bytes=0,
        encoding="",
        sdk_name="datadog-browser-rum",
        sdk_version=parts.get("sdk_version", b"").decode(errors="replace"),
    )
    ids = event.application.id, event.session.id
    return segment_item(Family.DATADOG, ids, meta, parts.get("segment", b""), received_ms, limits)


def segment_ids(event: bytes) -> tuple[str, str]:
    """Application and session of a segment's part `event`; empty where it does not say."""
    try:
        ids = _decode_segment_ids(event)
    except JSON_ERRORS:
        return "", ""
    return ids.application.id, ids.session.id


def _item(event: _Event, raw: bytes, received_ms: int, limits: Limits) -> Item:
    kind = KINDS.get(event.type)
    if kind is None:
        raise Unusable(RejectReason.UNKNOWN_MEASUREMENT, f"event type {event.type[:100]!r}")
    begin_us = time_us("date", event.date)
    end_us = begin_us + _span_us(kind, event)
    own_id = _own_id(kind, event)
    if kind is Kind.VIEW:
        ident = identity(kind, event.view.id, raw)
    else:
        ident = identity(kind, own_id) if own_id else identity(kind, b"", raw)
    ends = kind is Kind.VIEW and event.session.is_active is False
    return Item(
        app_id=checked_id("application.id", event.application.id, limits),
        session_id=checked_id("session.id", event.session.id, limits),
        kind=kind,
        family=Family.DATADOG,
        begin_us=begin_us,
        end_us=end_us,
        received_ms=received_ms,
        ident=ident,
        opens=not ends,
        ends=ends,
        body=raw,
    )


def _span_us(kind: Kind, event: _Event) -> int:
    if kind is Kind.VIEW:
        return duration_us(event.view.time_spent)
    if kind is Kind.RESOURCE and event.resource is not None:
        return duration_us(event.resource.duration)
    if kind is Kind.LONG_TASK and event.long_task is not None:
        return duration_us(event.long_task.duration)
    if kind is Kind.ACTION and event.action is not None:
        return duration_us(event.action.loading_time)
    return 0


def _own_id(kind: Kind, event: _Event) -> str:
    if kind is Kind.ACTION:
        found = event.action.id if event.action else ""
        return found if isinstance(found, str) else ""
    if kind is Kind.RESOURCE:
        return event.resource.id if event.resource else ""
    if kind is Kind.ERROR:
        return event.error.id if event.error else ""
    return event.long_task.id if event.long_task else ""
