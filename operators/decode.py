"""Decode: every message to items, refusals, or both; never an exception, never nothing."""

import re
from collections.abc import Callable, Iterable, Iterator

import msgspec

from operators import decode_datadog, decode_guance, decode_rrweb
from operators.inflate import inflate, is_zlib
from operators.multipart_body import multipart_fields, sniffed_boundary
from operators.segments import describes_datadog, self_described, unusable_records
from operators.unusable import Limits, Unusable
from schemas.items import Family, Item, Rejected, RejectReason

__all__ = ["Limits", "Message", "decode", "form_parts"]


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One message as it came. Header names are lower case; `type` is the header of that name, taken out."""

    type: str | None
    headers: dict[str, bytes]
    value: bytes
    received_ms: int


Result = Item | Rejected
_Decoder = Callable[[Message, Limits], Iterable[Result]]

_FIELDS = {"event", "index_in_view"}  # headers that say: the form was read already, the value is the segment
_PROTOCOL_LINE = re.compile(rb"[\r\n]*[a-z_]+[, ]")


def decode(message: Message, limits: Limits) -> list[Result]:
    """All that is in a message. What cannot be used is a `Rejected` with the smallest part that is bad."""
    results: list[Result] = []
    try:
        if len(message.value) > limits.message_bytes:
            size = len(message.value)
            raise Unusable(RejectReason.TOO_LARGE, f"{size} bytes, the limit is {limits.message_bytes}")
        if not message.value:
            raise Unusable(RejectReason.EMPTY_BODY, "message without content")
        for result in _decoder(message, limits)(message, limits):
            results.append(result)
            if isinstance(result, Item) and result.scan is not None and result.scan.unusable_count:
                results.extend(unusable_records(result, limits))
        if not results:
            raise Unusable(RejectReason.EMPTY_BODY, "message without rows")
    except Unusable as refusal:
        # Items decoded before the refusal are dropped with it: the raw message holds them all.
        return [Rejected(refusal.reason, refusal.detail, message.value)]
    return results


def _guance_rum(message: Message, limits: Limits) -> Iterable[Result]:
    return decode_guance.decode_lines(_inflated(message, limits), message.received_ms, limits)


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
    if message.value.startswith(b"--"):
        parts = form_parts(message)
        return "datadog.replay" if "event" in parts else "guance.replay"
    if "event" in message.headers:
        return "datadog.replay"
    if "index_in_view" in message.headers:
        return "guance.replay"
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
    """Form fields of a multipart body; else the headers with the value as part `segment`. Raises Unusable."""
    content_type = message.headers.get("content-type", b"").decode("latin-1")
    if not content_type.startswith("multipart/") and message.headers.keys().isdisjoint(_FIELDS):
        content_type = sniffed_boundary(message.value) or content_type
    if content_type.startswith("multipart/"):
        return multipart_fields(message.value, content_type)
    return {**message.headers, "segment": message.value}
