"""Envelopes as Sentry's SDKs write them, and a plain reader of them that shares nothing with the project's own."""

import base64
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from operators.families.sentry.decode import decode_envelope
from operators.wire.unusable import Limits
from schemas.items import Item, Rejected, Skipped

APP = "4242"
REPLAY = "9ccb94c0813e47c68bb36f7737ea0e73"
TRACE = "7928a99ec8c04ad2bb85f7ee92eeaaab"
START_S = 1_795_898_276.25
RECEIVED_MS = 1_795_898_290_000
SDK = {"name": "sentry.javascript.browser", "version": "11.12.0"}
SAMPLES = Path(__file__).parents[2] / "samples" / "sentry"

Json = dict[str, Any]


def header(**more: Any) -> Json:
    return {
        "sent_at": "2026-11-28T20:38:09.098Z",
        "sdk": {"name": "sentry.javascript.browser", "version": "11.12.0"},
    } | more


def envelope(*items: tuple[Json, bytes | Json], **more: Any) -> bytes:
    """Items as (header, payload); a payload that is no JSON has its length in the header."""
    lines = [json.dumps(header(**more)).encode()]
    for item_header, payload in items:
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        length = {"length": len(raw)} if isinstance(payload, bytes) else {}
        lines += [json.dumps(item_header | length).encode(), raw]
    return b"\n".join(lines)


def event(**more: Any) -> tuple[Json, Json]:
    """An error of a recorded visit."""
    frames = [
        {"filename": "https://shop.example/a.js", "function": "outer", "lineno": 1, "colno": 2},
        {"filename": "https://shop.example/b.js", "function": "inner", "lineno": 3, "colno": 4},
    ]
    thrown = {
        "type": "TypeError",
        "value": "boom",
        "stacktrace": {"frames": frames},
        "mechanism": {"type": "auto.browser.global_handlers.onerror", "handled": False},
    }
    found = {
        "event_id": "ed1d15e12f60409f92b84410f4260a03",
        "timestamp": START_S + 10,
        "exception": {"values": [thrown]},
        "level": "error",
        "platform": "javascript",
        "request": {"url": "https://shop.example/cart?x=1", "headers": {"Referer": "https://shop.example/"}},
        "contexts": {"trace": {"trace_id": TRACE, "span_id": "80c456901259da05"}, "culture": {"timezone": "UTC"}},
        "environment": "prod",
        "release": "shop@1",
        "tags": {"replayId": REPLAY, "tenant": "t1"},
    }
    return {"type": "event"}, found | more


def replay(
    number: int = 0, events: Sequence[Json] | None = None, *, packed: bool = True, **more: Any
) -> list[tuple[Json, bytes | Json]]:
    """The two items of a segment."""
    events = default_events(number) if events is None else events
    said = {
        "type": "replay_event",
        "replay_start_timestamp": START_S,
        "timestamp": START_S + 5 * (number + 1),
        "error_ids": [],
        "trace_ids": [TRACE],
        "urls": ["https://shop.example/"],
        "replay_id": REPLAY,
        "segment_id": number,
        "replay_type": "session",
        "event_id": REPLAY,
        "environment": "prod",
        "release": "shop@1",
        "request": {"url": "https://shop.example/"},
        "user": {"id": "u-7", "email": "ann@example.org", "username": "ann"},
        "sdk": SDK,
    }
    text = json.dumps(events).encode()
    recording = b'{"segment_id":%d}\n' % number + (zlib.compress(text) if packed else text)
    return [({"type": "replay_event"}, said | more), ({"type": "replay_recording"}, recording)]


def default_events(number: int = 0) -> list[Json]:
    """A page and a click on it, and what the SDK says of its memory, in seconds."""
    at_ms = int(START_S * 1000) + 5000 * number
    return [
        {"type": 4, "timestamp": at_ms, "data": {"href": "https://shop.example/", "width": 800, "height": 600}},
        {"type": 2, "timestamp": at_ms + 10, "data": {"node": {"type": 0, "childNodes": [], "id": 1}}},
        {"type": 3, "timestamp": at_ms + 900, "data": {"source": 2, "type": 2, "id": 1, "x": 3, "y": 4}},
        {"type": 5, "timestamp": at_ms / 1000 + 4, "data": {"tag": "performanceSpan", "payload": {"op": "memory"}}},
    ]


def span(op: str, name: str = "span", attributes: Json | None = None, seconds: float = 1.0) -> Json:
    """A span of SDK 11."""
    said = {"sentry.op": op, "sentry.replay_id": REPLAY, "sentry.release": "shop@1", **(attributes or {})}
    return {
        "name": name,
        "span_id": "86d57382084fc58d",
        "trace_id": TRACE,
        "start_timestamp": START_S,
        "end_timestamp": START_S + seconds,
        "status": "ok",
        "attributes": {key: {"value": value, "type": type(value).__name__} for key, value in said.items()},
    }


def batch(kind: str, *members: Json) -> tuple[Json, Json]:
    """Several spans, logs or metrics in one item, as SDK 10 and 11 send them."""
    item_header = {
        "type": kind,
        "item_count": len(members),
        "content_type": f"application/vnd.sentry.items.{kind}+json",
    }
    return item_header, {"version": 2, "items": list(members)}


def decoded(body: bytes, limits: Limits | None = None, app_id: str = APP) -> list[Item | Rejected | Skipped]:
    return list(decode_envelope(body, app_id, RECEIVED_MS, limits or Limits()))


def requests(capture: Path) -> Iterator[Json]:
    with gzip.open(capture) as lines:
        yield from map(json.loads, lines)


def received(capture: Path) -> Iterator[tuple[bytes, int]]:
    """Every envelope of a capture, and when it was received, ms."""
    for request in requests(capture):
        yield base64.b64decode(request["body_b64"]), int(request["t_ms"])


def plainly_read(body: bytes) -> Iterator[tuple[str, Any]]:
    """Type and payload of each item; of a recording its events. For whole envelopes only."""
    _, _, rest = body.partition(b"\n")
    while rest:
        line, _, rest = rest.partition(b"\n")
        item_header = json.loads(line)
        length = item_header.get("length", rest.find(b"\n") if b"\n" in rest else len(rest))
        payload, rest = rest[:length], rest[length + 1 :]
        if item_header["type"] == "replay_recording":
            packed = payload.partition(b"\n")[2]
            yield "replay_recording", json.loads(packed if packed.startswith(b"[") else zlib.decompress(packed))
        else:
            yield item_header["type"], json.loads(payload)
