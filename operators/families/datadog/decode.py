"""Datadog browser SDK 5 and 7: RUM events as NDJSON, and replay segments.

`date` is epoch ms (for a view: its start, re-sent with every update), durations are ns. A `view_update` is an update of
a view that says only what changed.
"""

import re
from collections.abc import Iterator, Mapping

import msgspec

from operators.families.browser_sdk.segments import Header, number_of, segment_item
from operators.families.datadog.events import KINDS
from operators.families.datadog.recording import RECORDING
from operators.rows.paths import child
from operators.rows.values import Attributes, decode_object, text_of_id
from operators.wire.json_text import tolerant
from operators.wire.unusable import (
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
from operators.wire.utf8_rows import checked_utf8
from schemas.items import Family, Item, Kind, Rejected, RejectReason, Skipped, SkipReason

_TELEMETRY = "telemetry"


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
    vital: _Id | None = None


_decode_event = tolerant(msgspec.json.Decoder(_Event))
_LINE = re.compile(rb"\S[^\n]*")


def decode_events(body: bytes, received_ms: int, limits: Limits) -> Iterator[Item | Rejected | Skipped]:
    """Items of an NDJSON body without compression; a bad line is refused alone. Raises Unusable for the whole body."""
    for number, found in enumerate(_LINE.finditer(body), 1):
        if number > limits.lines_per_message:
            raise Unusable(RejectReason.TOO_MANY_LINES, f"more than {limits.lines_per_message} lines in a message")
        line = found[0]
        try:
            checked_size(len(line), limits)
            event = _event(checked_utf8(line))
            is_telemetry = event.type == _TELEMETRY
            yield Skipped(SkipReason.TELEMETRY) if is_telemetry else _item(event, line, received_ms, limits)
        except Unusable as refusal:
            yield Rejected(refusal.reason, refusal.detail, line)


def decode_segment(parts: Mapping[str, bytes], received_ms: int, limits: Limits) -> Item:
    """A segment from its parts `segment` and `event`. Raises Unusable."""
    if "event" not in parts:
        raise Unusable(RejectReason.INVALID_FIELD, "segment without event")
    event = _object(parts["event"])
    reason, has_full_snapshot = event.get("creation_reason"), event.get("has_full_snapshot")
    header = Header(
        view_id=_id_of(event, "view"),
        index_in_view=number_of(event.get("index_in_view")),
        start_ms=number_of(event.get("start")),
        end_ms=number_of(event.get("end")),
        records_count=number_of(event.get("records_count")),
        has_full_snapshot=has_full_snapshot if isinstance(has_full_snapshot, bool) else None,
        creation_reason=reason if isinstance(reason, str) else "",
        sdk_name="datadog-browser-rum",
        sdk_version=parts.get("sdk_version", b"").decode(errors="replace"),
    )
    ids = _id_of(event, "application"), _id_of(event, "session")
    return segment_item(RECORDING, ids, header, parts.get("segment", b""), received_ms, limits)


def segment_ids(event: bytes) -> tuple[str, str]:
    """Application and session of a segment's part `event`; empty where it does not say."""
    try:
        sent = _object(event)
    except Unusable:
        return "", ""
    return _id_of(sent, "application"), _id_of(sent, "session")


def _event(line: bytes) -> _Event:
    try:
        return _decode_event(line)
    except JSON_ERRORS as error:
        return _odd_event(line, error)


def _odd_event(line: bytes, error: Exception) -> _Event:
    """An event with null, a number for an id, or another wrong type somewhere: what has no use is as absent."""
    try:
        sent = decode_object(line)
    except RecursionError as deep:
        raise json_refusal(deep) from None
    except ValueError:
        raise json_refusal(error) from None
    date, view, session = number_of(sent.get("date")), child(sent, "view"), child(sent, "session")
    if date is None:
        raise Unusable(RejectReason.INVALID_TIME, f"date is {sent.get('date')!r:.40}")
    is_active = session.get("is_active")
    return _Event(
        type=str(sent.get("type")),
        date=date,
        application=_Id(_id_of(sent, "application")),
        session=_Session(_id_of(sent, "session"), is_active if isinstance(is_active, bool) else None),
        view=_View(_id_of(sent, "view"), number_of(view.get("time_spent"))),
        resource=_Timed(_id_of(sent, "resource"), number_of(child(sent, "resource").get("duration"))),
        long_task=_Timed(_id_of(sent, "long_task"), number_of(child(sent, "long_task").get("duration"))),
        error=_Id(_id_of(sent, "error")),
        action=_Action(_id_of(sent, "action"), number_of(child(sent, "action").get("loading_time"))),
        vital=_Id(_id_of(sent, "vital")),
    )


def _object(text: bytes) -> Attributes:
    try:
        return decode_object(text)
    except (ValueError, RecursionError) as error:
        raise Unusable(RejectReason.MALFORMED_JSON, str(error)) from None


def _id_of(sent: Attributes, name: str) -> str:
    return text_of_id(child(sent, name).get("id"))


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
    own = event.vital if kind is Kind.NOTE else event.long_task
    return own.id if own else ""
