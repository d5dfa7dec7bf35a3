"""Plain rrweb batches and PostHog messages: `$snapshot` messages are replay segments, other events are lines.

A message of a session's browser window stands for a segment; it has no number, so its content is its identity.
"""

import base64
import binascii
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import msgspec

from operators.client.user_agent import client_of_user_agent
from operators.families.posthog.entries import POSTHOG_SDK, RRWEB_SDK, entries_of
from operators.families.posthog.events import HEATMAP, PAGE_LEAVE, kind_of
from operators.families.posthog.recording import RECORDING
from operators.replay.recording import open_body
from operators.replay.records import NoRecords, first_byte, shallow
from operators.replay.scan import is_snapshot, scan_records
from operators.rows.values import text_of_id
from operators.wire.inflate import inflate
from operators.wire.json_text import array_elements, tolerant, with_numbers
from operators.wire.unusable import (
    JSON_ERRORS,
    Limits,
    Unusable,
    checked_id,
    checked_size,
    identity,
    json_refusal,
    time_us,
)
from schemas.items import Family, Item, Kind, Rejected, RejectReason, SegmentMeta, Skipped, SkipReason
from schemas.units import MS_PER_SECOND, US_PER_MS

Result = Item | Rejected | Skipped
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM_FIELDS_MAX = 16  # posthog-js sends 2
_ENVELOPES_MAX = 6  # in each other: proxies that collect bodies put them into arrays


class _Properties(msgspec.Struct, gc=False):
    session_id: str = msgspec.field(default="", name="$session_id")
    token: str = ""
    lib: str = msgspec.field(default="", name="$lib")
    lib_version: str = msgspec.field(default="", name="$lib_version")
    pageview_id: str | None = msgspec.field(default=None, name="$pageview_id")
    prev_pageview_id: str | None = msgspec.field(default=None, name="$prev_pageview_id")
    time: float | None = msgspec.field(default=None, name="$time")
    user_agent: str = msgspec.field(default="", name="$raw_user_agent")


class _Message(msgspec.Struct, gc=False):
    """A PostHog event; or a plain batch, which has `events`; or the envelope of a newer posthog-js, with a `batch`; or
    one of PostHog's own capture service, with an event as the text `data`.
    """

    event: str = ""
    uuid: str = ""
    api_key: str = ""
    timestamp: str | None = None
    properties: _Properties = msgspec.field(default_factory=_Properties)
    events: msgspec.Raw = msgspec.Raw()
    session_id: str = ""
    app_id: str = ""
    batch: msgspec.Raw = msgspec.Raw()
    data: msgspec.Raw = msgspec.Raw()


_Found = tuple[_Message | Rejected, bytes, str]  # with its JSON and the app of what was around it
_decode_message = tolerant(msgspec.json.Decoder(_Message))
_decode_text = tolerant(msgspec.json.Decoder(str))


def decode_messages(body: bytes, app_id: str, received_ms: int, limits: Limits) -> Iterator[Item | Rejected | Skipped]:
    """Items of an inflated body. `app_id`: for batches that name none. Raises Unusable for the whole body."""
    if body.startswith(b"data="):
        body = _form_data(body, limits)
    for number, (message, raw, app) in enumerate(_messages(body, app_id, limits, 0), 1):
        if number > limits.lines_per_message:
            raise Unusable(RejectReason.TOO_MANY_LINES, f"more than {limits.lines_per_message} messages in a body")
        yield _result(message, raw, app, received_ms, limits)


def _messages(body: bytes, app_id: str, limits: Limits, depth: int) -> Iterator[_Found]:
    """All of a body, which is a message, an envelope or an array of them."""
    elements = array_elements(body, limits.lines_per_message, depth) if body.lstrip()[:1] == b"[" else [body]
    for element in elements:
        if element.lstrip()[:1] == b"[" and depth < _ENVELOPES_MAX:
            yield from _messages(element, app_id, limits, depth + 1)
            continue
        message, raw = _decoded(element)
        if isinstance(message, Rejected) or message.event or depth == _ENVELOPES_MAX:
            yield message, raw, app_id
        elif first_byte(message.data) == b'"' and not message.events:
            try:
                text = _decode_text(bytes(message.data)).encode()
            except JSON_ERRORS as error:
                yield _refused(error, raw), raw, app_id
            else:
                yield from _messages(text, app_id, limits, depth + 1)
        elif first_byte(message.batch) == b"[":
            yield from _messages(bytes(message.batch), message.api_key or app_id, limits, depth + 1)
        elif first_byte(message.batch) in (b"", b"n"):
            yield message, raw, app_id
        else:
            yield Rejected(RejectReason.INVALID_FIELD, "the batch of an envelope is not an array", raw), raw, app_id


def _decoded(raw: bytes) -> tuple[_Message | Rejected, bytes]:
    """A message, and its JSON: as it came but for what is no JSON in it."""
    try:
        return with_numbers(raw, lambda text: shallow(text, _message)[0])
    except JSON_ERRORS as error:
        return _refused(error, raw), raw


def _message(raw: bytes) -> _Message:
    try:
        return _decode_message(raw)
    except msgspec.ValidationError:
        return _odd_message(raw)


def _odd_message(raw: bytes) -> _Message:
    """A message with null, a number for an id, or another wrong type somewhere: what has no use is as absent."""
    try:
        members = _decode_members(raw)
    except msgspec.ValidationError as error:
        raise msgspec.DecodeError(str(error)) from None
    properties = _values(members.get("properties"))
    time, timestamp = properties.get("$time"), _value(members.get("timestamp"))
    return _Message(
        event=_text(_value(members.get("event"))),
        uuid=text_of_id(_value(members.get("uuid"))),
        api_key=text_of_id(_value(members.get("api_key"))),
        timestamp=timestamp if isinstance(timestamp, str) else None,
        properties=_Properties(
            session_id=text_of_id(properties.get("$session_id")),
            token=text_of_id(properties.get("token")),
            lib=_text(properties.get("$lib")),
            lib_version=text_of_id(properties.get("$lib_version")),
            pageview_id=text_of_id(properties.get("$pageview_id")),
            prev_pageview_id=text_of_id(properties.get("$prev_pageview_id")),
            time=time if isinstance(time, int | float) and not isinstance(time, bool) else None,
            user_agent=_text(properties.get("$raw_user_agent")),
        ),
        events=members.get("events", msgspec.Raw()),
        session_id=text_of_id(_value(members.get("session_id"))),
        app_id=text_of_id(_value(members.get("app_id"))),
        batch=members.get("batch", msgspec.Raw()),
        data=members.get("data", msgspec.Raw()),
    )


_decode_members = tolerant(msgspec.json.Decoder(dict[str, msgspec.Raw]))
_decode_value = tolerant(msgspec.json.Decoder(str | int | float | None))


def _values(raw: msgspec.Raw | None) -> dict[str, object]:
    """The members of an object that are no objects or lists themselves."""
    try:
        members = _decode_members(bytes(raw or b"{}"))
    except msgspec.ValidationError:
        return {}
    return {name: _value(value) for name, value in members.items()}


def _value(raw: msgspec.Raw | None) -> object:
    try:
        return _decode_value(bytes(raw)) if raw else None
    except msgspec.MsgspecError:
        return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _result(message: _Message | Rejected, raw: bytes, app_id: str, received_ms: int, limits: Limits) -> Result:
    if isinstance(message, Rejected):
        return message
    if message.event == HEATMAP:
        return Skipped(SkipReason.HEATMAP)
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
    if first_byte(message.events) == b"[" or message.event in {"$snapshot", "$snapshot_items"}:
        return _segment(message, raw, (app_id, session_id), received_ms, limits)
    if not message.event:
        raise Unusable(RejectReason.INVALID_FIELD, "neither rrweb events nor a named event")
    checked_size(len(raw), limits)
    at_us = _event_us(message)
    kind = kind_of(message.event)
    if kind is Kind.VIEW:
        view_id = (message.event == PAGE_LEAVE and properties.prev_pageview_id) or properties.pageview_id or ""
        ident = identity(kind, view_id, raw)
    else:
        ident = identity(kind, message.uuid) if message.uuid else identity(kind, b"", raw)
    return Item(
        app_id=app_id,
        session_id=session_id,
        kind=kind,
        family=Family.RRWEB,
        begin_us=at_us,
        end_us=at_us,
        received_ms=received_ms,
        ident=ident,
        # A leave tells of a page that was opened before, maybe hours before and in another session: it begins nothing.
        opens=message.event != PAGE_LEAVE,
        ends=False,
        body=raw,
        client=client_of_user_agent(properties.user_agent),
    )


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
    try:
        found_window_id, _, records, others = open_body(raw, RECORDING)
    except NoRecords as error:
        raise Unusable(RejectReason.INVALID_FIELD, str(error)) from None
    if not records:
        raise Unusable(RejectReason.INVALID_FIELD, "no rrweb events")
    if len(others) > limits.lines_per_message:
        raise Unusable(RejectReason.INVALID_TIME, f"{len(others)} rrweb events without a usable kind or time")
    times_ms = [record.timestamp for record in records if record.timestamp is not None]
    start_us, end_us = time_us("timestamp", min(times_ms)), time_us("timestamp", max(times_ms))
    window_id = checked_id("window id", found_window_id, limits)
    meta = SegmentMeta(
        view_id=window_id,
        index_in_view=0,
        start_ms=start_us // US_PER_MS,
        end_ms=end_us // US_PER_MS,
        records_count=len(records),
        has_full_snapshot=any(map(is_snapshot, records)),
        creation_reason="",
        raw_bytes=len(raw),
        encoding="identity",
        sdk_name=properties.lib or (POSTHOG_SDK if message.event else RRWEB_SDK),
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
        scan=scan_records(raw, records, len(others), RECORDING, meta, entries_of(records, message.event)),
    )
