"""Guance / DataFlux: RUM lines (line protocol or JSON) and replay segments.

A line's `time` is epoch ms (for a view: its start, re-sent with every update), durations are ns. The ids of errors,
resources and long tasks are tags, an action's is a field; `action_id` on any other line is only a reference.
"""

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

import msgspec

from operators.families.browser_sdk.segments import Header, number_of, segment_item
from operators.families.guance.line_protocol import TELEMETRY, Row, parse_rows
from operators.families.guance.native import LINES
from operators.families.guance.recording import RECORDING
from operators.rows.values import as_text, compact_json, decode_object
from operators.wire.json_text import array_elements, tolerant
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
from operators.wire.utf8_rows import body_text, checked_utf8, row_bytes
from schemas.items import LINE_KINDS, Family, Item, Kind, Rejected, RejectReason, Skipped, SkipReason

Result = Item | Rejected | Skipped


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
_ODD_ROWS_MAX = 16  # of a message that the leaf goes on after: to look behind each costs the rest of the message
_encode = msgspec.json.Encoder().encode
_Unit = tuple[int, int]  # of time: ms, as a fraction
_MS = (1, 1)
_UNITS: dict[str, _Unit] = {  # by the names that the address of a request may give
    **dict.fromkeys(("n", "ns"), (1, 1_000_000)),
    **dict.fromkeys(("u", "us", "\u00b5", "\u00b5s"), (1, 1_000)),
    "ms": _MS,
    "s": (1_000, 1),
    "m": (60_000, 1),
    "h": (3_600_000, 1),
}


def decode_lines(body: bytes, precision: str, received_ms: int, limits: Limits) -> Iterable[Result]:
    """Items of a RUM body without compression; a bad row is refused alone. Raises Unusable for the whole body.

    `precision`: unit of the rows' times.
    """
    unit = _MS if precision == "ms" else _UNITS.get(precision.lower() or "ms")  # `?precision=` is as none
    if unit is None:
        raise Unusable(RejectReason.INVALID_TIME, f"precision {precision[:40]!r}")
    start = body.lstrip()[:1]
    if start == b"{":
        return [_json_line(body, unit, received_ms, limits)]
    if start == b"[":
        rows = array_elements(body, limits.lines_per_message)
        return [_json_line(row, unit, received_ms, limits) for row in rows]
    return _protocol_lines(body, unit, received_ms, limits)


def decode_segment(parts: Mapping[str, bytes], received_ms: int, limits: Limits) -> Item:
    """A segment from its form fields or message headers, file part `segment` included. Raises Unusable."""
    fields = {name: value.decode(errors="replace") for name, value in parts.items() if name != "segment"}
    header = Header(
        view_id=fields.get("view_id", ""),
        index_in_view=number_of(fields.get("index_in_view")),
        start_ms=number_of(fields.get("start")),
        end_ms=number_of(fields.get("end")),
        records_count=number_of(fields.get("records_count")),
        has_full_snapshot={"true": True, "false": False}.get(fields.get("has_full_snapshot", "")),
        creation_reason=fields.get("creation_reason", ""),
        sdk_name=fields.get("sdk_name", ""),
        sdk_version=fields.get("sdk_version", ""),
    )
    ids = fields.get("app_id", ""), fields.get("session_id", "")
    return segment_item(RECORDING, ids, header, parts.get("segment", b""), received_ms, limits)


def _protocol_lines(body: bytes, unit: _Unit, received_ms: int, limits: Limits) -> Iterable[Result]:
    """Rows of line protocol. The leaf reads those that leave no choice; what stops it is read here, a row at a time."""
    found: list[Result] = []
    start = len(BOM_UTF8) if body.startswith(BOM_UTF8) else 0
    if LINES is not None and unit == _MS:
        for _ in range(_ODD_ROWS_MAX):
            items, start = LINES.protocol_items(body, start, received_ms, limits.line_bytes, limits.id_length)
            found += items
            odd = next(_rows(body, start, limits), None)
            if odd is None:
                break
            found.append(_protocol_line(odd, unit, received_ms, limits))
            start += len(odd.source)
    rows: list[_SourceRow] = []
    for row in _rows(body, start, limits):
        _check_count(len(found) + len(rows) + 1, limits)
        rows.append(row)
    _check_count(len(found), limits)
    return chain(found, (_protocol_line(row, unit, received_ms, limits) for row in rows))


class _SourceRow(NamedTuple):
    """A row of line protocol as it came, and what it says or why it is none."""

    source: bytes
    row: Row | Unusable


def _rows(body: bytes, start: int, limits: Limits) -> Iterator[_SourceRow]:
    """The rows of a body, which may not be UTF-8 throughout, from `start` on."""
    text = body_text(body[start:])
    return (_SourceRow(row_bytes(source), row) for source, row in parse_rows(text, limits.line_bytes))


def _protocol_line(one: _SourceRow, unit: _Unit, received_ms: int, limits: Limits) -> Result:
    try:
        checked_utf8(one.source)
        if isinstance(one.row, Unusable):
            raise one.row
        measurement, tags, fields, time = one.row
        time_ms = received_ms if time is None else _in_ms(time, unit)
        line = {"measurement": measurement, "tags": tags, "fields": fields, "time": time_ms}
        try:
            known = _Line(measurement, msgspec.convert(tags, _Tags), msgspec.convert(fields, _Fields), time_ms)
        except msgspec.ValidationError:
            known = _known(line)
        return _result(known, _encode(line), received_ms, limits)
    except Unusable as refusal:
        return Rejected(refusal.reason, refusal.detail, one.source)


def _check_count(rows: int, limits: Limits) -> None:
    if rows > limits.lines_per_message:
        raise Unusable(RejectReason.TOO_MANY_LINES, f"more than {limits.lines_per_message} lines in a message")


def _in_ms(time: float, unit: _Unit) -> float | int:
    time_ms = time * unit[0] / unit[1]
    return int(time_ms) if time_ms.is_integer() else time_ms


def _json_line(raw: bytes, unit: _Unit, received_ms: int, limits: Limits) -> Result:
    if LINES is not None and unit == _MS:
        item = LINES.json_item(raw, received_ms, limits.line_bytes, limits.id_length)
        if item is not None:
            return item
    try:
        checked_size(len(raw), limits)
        line = _line(checked_utf8(raw))
        if line.measurement == TELEMETRY:
            return Skipped(SkipReason.TELEMETRY)
        body = raw
        if line.time is None or unit != _MS:  # what is stored says its time, in ms
            line.time = received_ms if line.time is None else _in_ms(float(line.time), unit)
            body = _with_time(raw, line.time)
        return _result(line, body, received_ms, limits)
    except Unusable as refusal:
        return Rejected(refusal.reason, refusal.detail, raw)


def _line(raw: bytes) -> _Line:
    """What the rules need of a line. Raises Unusable."""
    try:
        return _decode_line(raw)
    except JSON_ERRORS as error:
        try:
            line = decode_object(raw)
        except RecursionError as deep:
            raise json_refusal(deep) from None
        except ValueError:
            raise json_refusal(error) from None
    return _known(line)


def _with_time(raw: bytes, time_ms: float) -> bytes:
    try:
        return compact_json(decode_object(raw) | {"time": time_ms}).encode()
    except (ValueError, RecursionError) as error:
        raise Unusable(RejectReason.MALFORMED_JSON, str(error)) from None


def _known(line: Mapping[str, object]) -> _Line:
    """The same of a line with values that no SDK sends, slowly. Null is as absent, and so is a number that cannot be;
    an id that is a number is text. Raises Unusable.
    """
    measurement, tags, fields = line.get("measurement"), line.get("tags"), line.get("fields")
    if not isinstance(measurement, str):
        raise Unusable(RejectReason.UNKNOWN_MEASUREMENT, f"measurement {measurement!r:.100}")
    tags, fields = (part if isinstance(part, dict) else {} for part in (tags, fields))
    ends = fields.get("session_is_active")
    return _Line(
        measurement,
        _Tags(*(_id(tags.get(name)) for name in _Tags.__struct_fields__)),
        _Fields(
            _number(fields.get("time_spent")),
            _number(fields.get("duration")),
            ends if isinstance(ends, bool) else None,
            *(_id(fields.get(name)) for name in _Fields.__struct_fields__[3:]),
        ),
        _time(line.get("time")),
    )


def _id(value: object) -> str:
    is_text = isinstance(value, str | int | float) and not isinstance(value, bool)
    return as_text(value) if is_text else ""


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _time(value: object) -> float | None:
    if value is None or value == "NaN":
        return None
    number = _number(value)
    if number is None:
        raise Unusable(RejectReason.INVALID_TIME, f"time is {value!r:.40}")
    return number


def _result(line: _Line, raw: bytes, received_ms: int, limits: Limits) -> Item | Skipped:
    return Skipped(SkipReason.TELEMETRY) if line.measurement == TELEMETRY else _item(line, raw, received_ms, limits)


def _item(line: _Line, raw: bytes, received_ms: int, limits: Limits) -> Item:
    kind = LINE_KINDS.get(line.measurement)
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
