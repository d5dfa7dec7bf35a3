"""Guance / DataFlux: RUM lines (line protocol or JSON) and replay segments.

A line's `time` is epoch ms (for a view: its start, re-sent with every update), durations are ns. The ids of errors,
resources and long tasks are tags, an action's is a field; `action_id` on any other line is only a reference.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from operators.json_text import array_elements, tolerant
from operators.line_protocol import Row, parse_rows
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
from schemas.items import Family, Item, Kind, Rejected, RejectReason, SegmentMeta

KINDS = {
    "view": Kind.VIEW,
    "action": Kind.ACTION,
    "error": Kind.ERROR,
    "resource": Kind.RESOURCE,
    "long_task": Kind.LONG_TASK,
}


class _Tags(msgspec.Struct, gc=False):
    app_id: str = ""
    session_id: str = ""
    view_id: str = ""
    resource_id: str = ""
    error_id: str = ""
    long_task_id: str = ""
    action_id: str = ""


class _Fields(msgspec.Struct, gc=False):
    time_spent: float | None = None
    duration: float | None = None
    session_is_active: bool | None = None
    action_id: str | None = None
    resource_id: str | None = None
    error_id: str | None = None
    long_task_id: str | None = None


class _Line(msgspec.Struct, gc=False):
    measurement: str
    tags: _Tags
    fields: _Fields
    time: float | None = None


_decode_line = tolerant(msgspec.json.Decoder(_Line))
_ENCODER = msgspec.json.Encoder()


def decode_lines(body: bytes, received_ms: int, limits: Limits) -> Iterable[Item | Rejected]:
    """Items of a RUM body without compression; a bad row is refused alone. Raises Unusable for the whole body."""
    start = body.lstrip()[:1]
    if start == b"{":
        return [_json_line(body, received_ms, limits)]
    if start == b"[":
        return [_json_line(row, received_ms, limits) for row in array_elements(body, limits.lines_per_message)]
    return _protocol_lines(body, received_ms, limits)


def decode_segment(parts: Mapping[str, bytes], received_ms: int, limits: Limits) -> Item:
    """A segment from its form fields or message headers, file part `segment` included. Raises Unusable."""
    fields = {name: value.decode(errors="replace") for name, value in parts.items() if name != "segment"}
    try:
        meta = SegmentMeta(
            view_id=fields["view_id"],
            index_in_view=int(fields["index_in_view"]),
            start_ms=int(fields["start"]),
            end_ms=int(fields["end"]),
            records_count=int(fields["records_count"]),
            has_full_snapshot=fields["has_full_snapshot"] == "true",
            creation_reason=fields.get("creation_reason", ""),
            raw_bytes=0,
            encoding="",
            sdk_name=fields.get("sdk_name", ""),
            sdk_version=fields.get("sdk_version", ""),
        )
    except KeyError as error:
        raise Unusable(RejectReason.INVALID_FIELD, f"segment without {error.args[0]}") from None
    except ValueError as error:
        raise Unusable(RejectReason.INVALID_FIELD, f"segment: {error}") from None
    ids = fields.get("app_id", ""), fields.get("session_id", "")
    return segment_item(Family.GUANCE, ids, meta, parts.get("segment", b""), received_ms, limits)


def _protocol_lines(body: bytes, received_ms: int, limits: Limits) -> Iterator[Item | Rejected]:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Unusable(RejectReason.MALFORMED_LINE_PROTOCOL, str(error)) from None
    rows = list(_limited(parse_rows(text, limits.line_bytes), limits))
    for source, row in rows:
        if isinstance(row, Unusable):
            yield Rejected(row.reason, row.detail, source.encode())
            continue
        measurement, tags, fields, time_ms = row
        time_ms = received_ms if time_ms is None else time_ms
        try:
            raw = _ENCODER.encode({"measurement": measurement, "tags": tags, "fields": fields, "time": _whole(time_ms)})
            known = msgspec.convert(fields, _Fields, strict=True)
            line = _Line(measurement, msgspec.convert(tags, _Tags), known, time_ms)
            yield _item(line, raw, received_ms, limits)
        except Unusable as refusal:
            yield Rejected(refusal.reason, refusal.detail, source.encode())
        except msgspec.ValidationError as error:
            yield Rejected(RejectReason.INVALID_FIELD, str(error), source.encode())


def _whole(time_ms: float) -> float | int:
    return int(time_ms) if time_ms == time_ms // 1 else time_ms  # NaN stays as it is and is refused later


def _limited(rows: Iterable[tuple[str, Row | Unusable]], limits: Limits) -> Iterator[tuple[str, Row | Unusable]]:
    for number, row in enumerate(rows, 1):
        if number > limits.lines_per_message:
            raise Unusable(RejectReason.TOO_MANY_LINES, f"more than {limits.lines_per_message} lines in a message")
        yield row


def _json_line(raw: bytes, received_ms: int, limits: Limits) -> Item | Rejected:
    try:
        checked_size(len(raw), limits)
        return _item(_decode_line(raw), raw, received_ms, limits)
    except Unusable as refusal:
        return Rejected(refusal.reason, refusal.detail, raw)
    except JSON_ERRORS as error:
        refused = json_refusal(error)
        return Rejected(refused.reason, refused.detail, raw)


def _item(line: _Line, raw: bytes, received_ms: int, limits: Limits) -> Item:
    kind = KINDS.get(line.measurement)
    if kind is None:
        raise Unusable(RejectReason.UNKNOWN_MEASUREMENT, f"measurement {line.measurement[:100]!r}")
    tags, fields = line.tags, line.fields
    begin_us = time_us("time", received_ms if line.time is None else line.time)
    end_us, ends = begin_us, False
    if kind is Kind.VIEW:
        end_us += duration_us(fields.time_spent)
        ends = fields.session_is_active is False
        ident = identity(kind, tags.view_id, raw)
    else:
        if kind is not Kind.ERROR:
            end_us += duration_us(fields.duration)
        own_id = _own_id(kind, tags, fields)
        ident = identity(kind, own_id) if own_id else identity(kind, b"", raw)
    return Item(
        app_id=checked_id("app_id", tags.app_id, limits),
        session_id=checked_id("session_id", tags.session_id, limits),
        kind=kind,
        family=Family.GUANCE,
        begin_us=begin_us,
        end_us=end_us,
        received_ms=received_ms,
        ident=ident,
        opens=not ends,
        ends=ends,
        body=raw,
    )


def _own_id(kind: Kind, tags: _Tags, fields: _Fields) -> str:
    if kind is Kind.ACTION:
        return fields.action_id or tags.action_id
    if kind is Kind.RESOURCE:
        return tags.resource_id or fields.resource_id or ""
    if kind is Kind.ERROR:
        return tags.error_id or fields.error_id or ""
    return tags.long_task_id or fields.long_task_id or ""
