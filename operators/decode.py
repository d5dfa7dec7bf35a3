"""Decode: every message to items, refusals, what is skipped, or several; never an exception, never nothing.

What a request is gets decided once. An intake that has read a request says in the header `decision` whose it is, and
the job keeps to that: the value is not looked through for a form again, and what turns out to be of another app or
session is refused.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from operators.families.browser_sdk.segments import describes_datadog, self_described
from operators.families.datadog import decode as decode_datadog
from operators.families.guance import decode as decode_guance
from operators.families.rrweb import decode as decode_rrweb
from operators.wire.inflate import inflate, is_zlib, undo
from operators.wire.multipart_body import multipart_fields, sniffed_boundary
from operators.wire.unusable import JSON_ERRORS, Limits, Unusable
from schemas.items import Family, Item, Rejected, RejectReason, Skipped

__all__ = [
    "DECISION", "REPLAYS", "Limits", "Message", "decided", "decode", "form_ids", "form_parts", "without_coding",
]  # fmt: skip

DECISION = "decision"  # header: JSON array of the only app and session that the message may be of
REPLAYS = ("guance.replay", "datadog.replay")


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One message as it came. Header names are lower case; `type` is the header of that name, taken out."""

    type: str | None
    headers: dict[str, bytes]
    value: bytes
    received_ms: int


Result = Item | Rejected | Skipped
_Decoder = Callable[[Message, Limits], Iterable[Result]]

# Headers that say: the form was read already, the value is the segment.
_FIELDS = {"event", "index_in_view", "app_id", "session_id", "view_id", DECISION}
_PROTOCOL_LINE = re.compile(rb"[\r\n]*[a-z_]+[, ]")


def decode(message: Message, limits: Limits) -> list[Result]:
    """All that is in a message. What cannot be used is a `Rejected` with the smallest part that is bad.

    A segment of which some records cannot be used is one item; `segments.unusable_records` gives these.
    """
    results = _decode(message, limits)
    decision = message.headers.get(DECISION)
    if decision is not None:
        return _as_decided(results, decision)
    if message.type in (*REPLAYS, None) and isinstance(results[0], Rejected):  # a cut-off upload is still of somebody
        return [_of(results[0], *_known_ids(message, limits), limits)]
    return results


def decided(message: Message, app_id: str, session_id: str) -> Message:
    """The message as an intake passes it on: nothing in it may be of another app or session. Empty: nothing at all."""
    ids = msgspec.json.encode((app_id, session_id))
    return msgspec.structs.replace(message, headers={**message.headers, DECISION: ids})


def form_ids(kind: str | None, parts: Mapping[str, bytes]) -> tuple[str, str]:
    """App and session of a segment by its form or headers; empty where they do not say."""
    if kind == "datadog.replay" or (kind is None and "event" in parts):
        return decode_datadog.segment_ids(parts.get("event", b""))
    app_id, session_id = parts.get("app_id", b""), parts.get("session_id", b"")
    return app_id.decode(errors="replace"), session_id.decode(errors="replace")


def _decode(message: Message, limits: Limits) -> list[Result]:
    results: list[Result] = []
    try:
        if len(message.value) > limits.message_bytes:
            size = len(message.value)
            raise Unusable(RejectReason.TOO_LARGE, f"{size} bytes, the limit is {limits.message_bytes}")
        if not message.value:
            raise Unusable(RejectReason.EMPTY_BODY, "message without content")
        plain = without_coding(message, limits)
        results.extend(_decoder(plain, limits)(plain, limits))
        if not results:
            raise Unusable(RejectReason.EMPTY_BODY, "message without rows")
    except Unusable as refusal:
        # Items decoded before the refusal are dropped with it: the raw message holds them all.
        return [Rejected(refusal.reason, refusal.detail, message.value)]
    return results


def without_coding(message: Message, limits: Limits) -> Message:
    """The message without the encoding that its header `content-encoding` names. Raises Unusable.

    What an SDK compresses by itself no header names: that is seen by its first bytes, behind this.
    """
    coding = message.headers.get("content-encoding")
    if coding is None:
        return message
    headers = {name: value for name, value in message.headers.items() if name != "content-encoding"}
    value = undo(message.value, coding.decode("latin-1"), limits.inflated_bytes)
    return msgspec.structs.replace(message, headers=headers, value=value)


def _as_decided(results: list[Result], decision: bytes) -> list[Result]:
    try:
        app_id, session_id = _decode_decision(decision)
    except JSON_ERRORS:
        app_id = session_id = ""
    return [_held_to(result, app_id, session_id) for result in results]


def _held_to(result: Result, app_id: str, session_id: str) -> Result:
    if isinstance(result, Rejected):
        return _of(result, app_id, session_id)
    if isinstance(result, Skipped) or (result.app_id, result.session_id) == (app_id, session_id):
        return result
    return Rejected(RejectReason.INVALID_FIELD, "of another app or session than the intake found", result.body)


def _of(rejected: Rejected, app_id: str, session_id: str, limits: Limits | None = None) -> Rejected:
    """With the ids that are known of it, so that an erasure or a class of retention finds it."""
    if not app_id or not session_id or (limits and max(len(app_id), len(session_id)) > limits.id_length):
        return rejected
    return msgspec.structs.replace(rejected, app_id=app_id, session_id=session_id)


def _known_ids(message: Message, limits: Limits) -> tuple[str, str]:
    try:
        return form_ids(message.type, form_parts(without_coding(message, limits)))
    except Unusable:
        return form_ids(message.type, message.headers)


_decode_decision = msgspec.json.Decoder(tuple[str, str]).decode


def _guance_rum(message: Message, limits: Limits) -> Iterable[Result]:
    precision = message.headers.get("precision", b"ms").decode("latin-1")
    return decode_guance.decode_lines(_inflated(message, limits), precision, message.received_ms, limits)


def _datadog_rum(message: Message, limits: Limits) -> Iterator[Result]:
    return decode_datadog.decode_events(_inflated(message, limits), message.received_ms, limits)


def _rrweb(message: Message, limits: Limits) -> Iterator[Result]:
    app_id = message.headers.get("app_id", b"").decode(errors="replace")
    return decode_rrweb.decode_messages(_inflated(message, limits), app_id, message.received_ms, limits)


def _guance_replay(message: Message, limits: Limits) -> Iterator[Result]:
    parts = form_parts(message)
    if "session_id" in parts:
        yield decode_guance.decode_segment(parts, message.received_ms, limits)
    else:
        yield self_described(Family.GUANCE, parts.get("segment", b""), message.received_ms, limits)


def _datadog_replay(message: Message, limits: Limits) -> Iterator[Result]:
    parts = form_parts(message)
    if "event" in parts:
        yield decode_datadog.decode_segment(parts, message.received_ms, limits)
    else:
        yield self_described(Family.DATADOG, parts.get("segment", b""), message.received_ms, limits)


_DECODERS: dict[str, _Decoder] = {
    "guance.rum": _guance_rum,
    "guance.replay": _guance_replay,
    "datadog.rum": _datadog_rum,
    "datadog.replay": _datadog_replay,
    "rrweb": _rrweb,
}


def _decoder(message: Message, limits: Limits) -> _Decoder:
    kind = message.type if message.type is not None else _recognise(message, limits)
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise Unusable(RejectReason.UNKNOWN_TYPE, f"type {kind[:100]!r}")
    return decoder


def _recognise(message: Message, limits: Limits) -> str:  # noqa: PLR0911 - a decision list
    """The type of a message without one, by headers and first bytes."""
    if "event" in message.headers:
        return "datadog.replay"
    if "index_in_view" in message.headers:
        return "guance.replay"
    if message.value.startswith(b"--"):
        parts = form_parts(message)
        return "datadog.replay" if "event" in parts else "guance.replay"
    body = _inflated(message, limits)
    start = body[:4096].lstrip()
    if _PROTOCOL_LINE.match(start):
        return "guance.rum" if not start.startswith(b"data=") else "rrweb"
    if b'"records"' in start[:200] and is_zlib(message.value):
        return "datadog.replay" if describes_datadog(message.value, limits) else "guance.replay"
    if b'"measurement"' in body and b'"tags"' in body:
        return "guance.rum"
    if start.startswith((b"{", b"[")):
        return "datadog.rum" if b'"application"' in body and b'"date"' in body else "rrweb"
    raise Unusable(RejectReason.UNKNOWN_TYPE, "neither a type header nor a known beginning")


def _inflated(message: Message, limits: Limits) -> bytes:
    return inflate(message.value, limits.inflated_bytes)


def form_parts(message: Message) -> dict[str, bytes]:
    """Form fields of a multipart body; else the headers with the value as part `segment`. Raises Unusable.

    A body is looked through for a form only where no header says what it is.
    """
    content_type = message.headers.get("content-type", b"").decode("latin-1")
    if not content_type.startswith("multipart/") and message.headers.keys().isdisjoint(_FIELDS):
        content_type = sniffed_boundary(message.value) or content_type
    if content_type.startswith("multipart/"):
        return multipart_fields(message.value, content_type)
    return {**message.headers, "segment": message.value}
