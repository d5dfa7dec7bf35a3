"""An envelope of Sentry's SDKs as its header and items; damage costs the item it is in.

    {"sent_at": …, "sdk": …, "trace": …, "dsn": …}\\n      header, one line of JSON
    {"type": "event"}\\n                                  header of an item, one line of JSON
    {…}\\n                                                payload, to the end of its line
    {"type": "replay_recording", "length": 19401}\\n      a payload that has line breaks names its length in bytes
    …19401 bytes…\\n

The last line end may be missing. Source: `serializeEnvelope` and `parseEnvelope`, utils/envelope.js of `@sentry/core`
11.12, the same since `@sentry/utils` 7.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from operators.rows.values import Attributes, decode_object
from operators.wire.unusable import Limits, Unusable
from schemas.items import Rejected, RejectReason

_HEADER_BYTES_MAX = 4 << 10  # of a line that may be an item's header; SDKs write some hundred bytes
_LINE_END = b"\n"
_BINARY = frozenset({"replay_recording", "attachment", "profile_chunk", "replay_video"})  # types that have line breaks
_OF_PAYLOADS = frozenset({"event_id", "timestamp", "contexts", "items", "spans", "sid"})  # they may have a type, too


class EnvelopeItem(NamedTuple):
    """One item. `header` has a `type` that is text; `raw`: header and payload as they came."""

    type: str
    header: Attributes
    payload: bytes
    raw: bytes


class Envelope(NamedTuple):
    """`header`: empty where it cannot be read, which is then the first of `damaged`."""

    header: Attributes
    items: list[EnvelopeItem]
    damaged: list[Rejected]


def read_envelope(body: bytes, limits: Limits) -> Envelope:
    """Take a body apart. Raises Unusable for more items than a message may have lines."""
    first, position = _line(body, 0)
    header = _object(first)
    damaged = [] if header is not None else [Rejected(RejectReason.MALFORMED_JSON, "no header of an envelope", first)]
    items: list[EnvelopeItem] = []
    for found in _items(body, position):
        if len(items) + len(damaged) >= limits.lines_per_message:
            raise Unusable(RejectReason.TOO_MANY_LINES, f"more than {limits.lines_per_message} items in an envelope")
        if isinstance(found, EnvelopeItem):
            items.append(found)
        else:
            damaged.append(found)
    return Envelope(header or {}, items, damaged)


def write_envelope(header: Attributes, items: list[tuple[Attributes, bytes]]) -> bytes:
    """An envelope of items, each its header and payload; every one names its length."""
    lines = [msgspec.json.encode(header)]
    for item_header, payload in items:
        lines += [msgspec.json.encode({**item_header, "length": len(payload)}), payload]
    return _LINE_END.join(lines) + _LINE_END


def answer_to(body: bytes) -> bytes:
    """What Sentry's servers say to an envelope that they take: its `event_id`, as JSON. The SDK does not read it."""
    header = _object(_line(body, 0)[0]) or {}
    event_id = header.get("event_id")
    return msgspec.json.encode({"id": event_id} if isinstance(event_id, str) else {})


def _items(body: bytes, position: int) -> Iterator[EnvelopeItem | Rejected]:
    while position < len(body):
        start = position
        line, position = _line(body, position)
        if not line.strip():
            continue
        header = _object(line)
        if header is None:
            position = _next_header(body, position)  # its payload is lost with it
            yield Rejected(RejectReason.MALFORMED_JSON, "no header of an item", body[start:position])
            continue
        payload, position = _payload(body, position, header)
        kind = header.get("type")
        if isinstance(kind, str) and kind:
            yield EnvelopeItem(kind, header, payload, body[start:position])
        else:
            yield Rejected(RejectReason.INVALID_FIELD, "an item without a type", body[start:position])


def _payload(body: bytes, position: int, header: Attributes) -> tuple[bytes, int]:
    """The payload that begins at a position, and where the next item may begin.

    A length that cannot be, or that does not end at a line's end, is as absent.
    """
    length = header.get("length")
    if isinstance(length, int) and not isinstance(length, bool) and 0 < length <= len(body) - position:
        end = position + length
        if end == len(body) or body[end : end + 1] == _LINE_END:
            return body[position:end], end + 1
    kind = header.get("type")
    if isinstance(kind, str) and kind in _BINARY:
        end = _next_header(body, position)
        return body[position:end].removesuffix(_LINE_END), end
    line, after = _line(body, position)
    return (b"", position) if _is_header(line) else (line, after)


def _next_header(body: bytes, position: int) -> int:
    """Where the next line begins that is the header of an item, from the beginning of a line on; else the end."""
    while position < len(body):
        line, after = _line(body, position)
        if _is_header(line):
            return position
        position = after
    return len(body)


def _is_header(line: bytes) -> bool:
    """Whether a line can be nothing else than the header of an item."""
    if len(line) > _HEADER_BYTES_MAX or not line.startswith(b"{") or b'"type"' not in line:
        return False
    header = _object(line)
    return header is not None and isinstance(header.get("type"), str) and _OF_PAYLOADS.isdisjoint(header)


def _line(body: bytes, position: int) -> tuple[bytes, int]:
    """A line without its end, and where the next one begins."""
    end = body.find(_LINE_END, position)
    return (body[position:], len(body)) if end < 0 else (body[position:end], end + 1)


def _object(line: bytes) -> Attributes | None:
    try:
        return decode_object(line)
    except (ValueError, RecursionError):
        return None
