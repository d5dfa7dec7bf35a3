"""Plain rrweb batches and PostHog messages: `$snapshot` messages are replay segments, other events are lines.

A message of a session's browser window stands for a segment; it has no number, so its content is its identity.
"""

import base64
import binascii
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import msgspec

from operators.inflate import inflate
from operators.json_text import array_elements, tolerant
from operators.replay_scan import Record, scan_records
from operators.unusable import (
    JSON_ERRORS,
    Limits,
    Unusable,
    checked_id,
    checked_size,
    identity,
    json_refusal,
    time_us,
)
from schemas.items import Family, Item, Kind, Rejected, RejectReason, SegmentMeta
from schemas.units import MS_PER_SECOND, US_PER_MS, US_PER_SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FULL_SNAPSHOT = 2
_VIEW_EVENTS = {"$pageview", "$pageleave", "$web_vitals"}
_FORM_FIELDS_MAX = 16  # posthog-js sends 2


class _Properties(msgspec.Struct, gc=False):
    session_id: str = msgspec.field(default="", name="$session_id")
    window_id: str = msgspec.field(default="", name="$window_id")
    token: str = ""
    lib: str = msgspec.field(default="", name="$lib")
    lib_version: str = msgspec.field(default="", name="$lib_version")
    snapshot_data: list[Record] | None = msgspec.field(default=None, name="$snapshot_data")
    snapshot_items: list[Record] | None = msgspec.field(default=None, name="$snapshot_items")
    pageview_id: str | None = msgspec.field(default=None, name="$pageview_id")
    prev_pageview_id: str | None = msgspec.field(default=None, name="$prev_pageview_id")
    prev_pageview_duration: float | None = msgspec.field(default=None, name="$prev_pageview_duration")
    time: float | None = msgspec.field(default=None, name="$time")


class _Message(msgspec.Struct, gc=False):
    """A PostHog event; or a plain batch, which has `events`; or the envelope of a newer posthog-js, with a `batch`."""

    event: str = ""
    uuid: str = ""
    api_key: str = ""
    timestamp: str | None = None
    properties: _Properties = msgspec.field(default_factory=_Properties)
    events: list[Record] | None = None
    session_id: str = ""
    window_id: str = ""
    app_id: str = ""
    batch: msgspec.Raw = msgspec.Raw()


_decode_message = tolerant(msgspec.json.Decoder(_Message))


def decode_messages(body: bytes, app_id: str, received_ms: int, limits: Limits) -> Iterator[Item | Rejected]:
    """Items of an inflated body. `app_id`: for batches that name none. Raises Unusable for the whole body."""
    if body.startswith(b"data="):
        body = _form_data(body, limits)
    if body.lstrip()[:1] != b"[":
        message = _decoded(body)
        if isinstance(message, Rejected) or not message.batch:
            yield _result(message, body, app_id, received_ms, limits)
            return
        body, app_id = bytes(message.batch), message.api_key or app_id
    for raw in array_elements(body, limits.lines_per_message):
        yield _result(_decoded(raw), raw, app_id, received_ms, limits)


def _decoded(raw: bytes) -> _Message | Rejected:
    try:
        return _decode_message(raw)
    except JSON_ERRORS as error:
        return _refused(error, raw)


def _result(message: _Message | Rejected, raw: bytes, app_id: str, received_ms: int, limits: Limits) -> Item | Rejected:
    if isinstance(message, Rejected):
        return message
    try:
        return _item(message, raw, app_id, received_ms, limits)
    except Unusable as refusal:
        return Rejected(refusal.reason, refusal.detail, raw)
    except JSON_ERRORS as error:
        return _refused(error, raw)


def _refused(error: Exception, raw: bytes) -> Rejected:
    refused = json_refusal(error)
    return Rejected(refused.reason, refused.detail, raw)


def _form_data(body: bytes, limits: Limits) -> bytes:
    """The `data` field of a form: base64, as posthog-js sends with `compression=base64`."""
    try:
        encoded = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=_FORM_FIELDS_MAX)["data"][0]
        return inflate(base64.b64decode(encoded.replace(" ", "+"), validate=True), limits.inflated_bytes)
    except (ValueError, KeyError, binascii.Error) as error:
        raise Unusable(RejectReason.MALFORMED_JSON, f"form without base64 data: {error}") from None


def _item(message: _Message, raw: bytes, app_id: str, received_ms: int, limits: Limits) -> Item:
    properties = message.properties
    found_app = message.app_id or properties.token or message.api_key or app_id or "unknown"
    app_id = checked_id("app id", found_app, limits)
    session_id = checked_id("session id", message.session_id or properties.session_id, limits)
    if message.events is not None or message.event in {"$snapshot", "$snapshot_items"}:
        return _segment(message, raw, (app_id, session_id), received_ms, limits)
    if not message.event:
        raise Unusable(RejectReason.INVALID_FIELD, "neither rrweb events nor a named event")
    checked_size(len(raw), limits)
    kind, begin_us, end_us = _moments(message)
    if kind is Kind.VIEW:
        view_id = (message.event == "$pageleave" and properties.prev_pageview_id) or properties.pageview_id or ""
        ident = identity(kind, view_id, raw)
    else:
        ident = identity(kind, message.uuid) if message.uuid else identity(kind, b"", raw)
    return Item(app_id, session_id, kind, Family.RRWEB, begin_us, end_us, received_ms, ident, True, False, raw)  # noqa: FBT003 - a struct of the wire


def _moments(message: _Message) -> tuple[Kind, int, int]:
    at_us = _event_us(message)
    if message.event in _VIEW_EVENTS:
        lasted = message.properties.prev_pageview_duration if message.event == "$pageleave" else None
        if lasted is None:
            return Kind.VIEW, at_us, at_us
        if not math.isfinite(lasted) or lasted < 0 or lasted * US_PER_SECOND >= at_us:
            raise Unusable(RejectReason.INVALID_TIME, f"$prev_pageview_duration is {lasted!r}")
        return Kind.VIEW, at_us - int(lasted * US_PER_SECOND), at_us
    return (Kind.ERROR if message.event == "$exception" else Kind.ACTION), at_us, at_us


def _event_us(message: _Message) -> int:
    if message.timestamp is not None:
        try:
            moment = datetime.fromisoformat(message.timestamp)
        except ValueError:
            raise Unusable(RejectReason.INVALID_TIME, f"timestamp {message.timestamp[:50]!r}") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        at_us = (moment - _EPOCH) // timedelta(microseconds=1)
        time_us("timestamp", at_us / US_PER_MS)
        return at_us
    if message.properties.time is None:
        raise Unusable(RejectReason.INVALID_TIME, "event without timestamp")
    return time_us("$time", message.properties.time * MS_PER_SECOND)


def _segment(message: _Message, raw: bytes, ids: tuple[str, str], received_ms: int, limits: Limits) -> Item:
    properties = message.properties
    records = message.events
    if records is None:
        records = properties.snapshot_data if properties.snapshot_data is not None else properties.snapshot_items
    if not records:
        raise Unusable(RejectReason.INVALID_FIELD, "no rrweb events")
    times_ms = [record.timestamp for record in records if record.timestamp is not None]
    if len(times_ms) < len(records):
        raise Unusable(RejectReason.INVALID_TIME, "an rrweb event without timestamp")
    start_us, end_us = time_us("timestamp", min(times_ms)), time_us("timestamp", max(times_ms))
    window_id = checked_id("window id", message.window_id or properties.window_id or "0", limits)
    meta = SegmentMeta(
        view_id=window_id,
        index_in_view=0,
        start_ms=start_us // US_PER_MS,
        end_ms=end_us // US_PER_MS,
        records_count=len(records),
        has_full_snapshot=any(record.type == _FULL_SNAPSHOT for record in records),
        creation_reason="",
        raw_bytes=len(raw),
        encoding="identity",
        sdk_name=properties.lib or "rrweb",
        sdk_version=properties.lib_version,
    )
    return Item(
        app_id=ids[0],
        session_id=ids[1],
        kind=Kind.SEGMENT,
        family=Family.RRWEB,
        begin_us=start_us,
        end_us=end_us,
        received_ms=received_ms,
        ident=identity(Kind.SEGMENT, window_id, str(start_us), raw),
        opens=True,
        ends=False,
        body=raw,
        segment=meta,
        scan=scan_records(raw, records, Family.RRWEB, meta),
    )
