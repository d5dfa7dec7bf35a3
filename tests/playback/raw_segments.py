"""Replay segments straight from a capture of HTTP requests, without the project's own decoding: a second opinion."""

import base64
import gzip
import json
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from schemas.items import Family
from tests.unit.envelopes import plainly_read

_REPLAY_ROUTES = {"/v1/write/rum/replay": Family.GUANCE, "/api/v2/replay": Family.DATADOG}
_ANY_FORMAT = 32 + zlib.MAX_WBITS  # zlib or gzip, by its header

Identity = tuple[str, int, int]  # view, index, start


class _Segment(NamedTuple):
    session_id: str
    identity: Identity
    body: bytes


def segments_of(capture: Path) -> dict[str, tuple[Family, list[bytes]]]:
    """Per session: its segments once each, ordered by view start, view, index (rrweb: as they came)."""
    sessions: dict[str, tuple[Family, list[bytes]]] = {}
    numbered: defaultdict[tuple[str, Family], dict[Identity, bytes]] = defaultdict(dict)
    for request in _requests(capture):
        family = _REPLAY_ROUTES.get(urlsplit(request["path"]).path)
        if family is not None:
            segment = _segment(request)
            numbered[segment.session_id, family].setdefault(segment.identity, segment.body)
        elif "/envelope" in request["path"]:
            for session_id, message in _of_envelope(request["body"]):
                sessions.setdefault(session_id, (Family.SENTRY, []))[1].append(message)
        elif _is_batch(request):
            for session_id, message in _messages(request):
                sessions.setdefault(session_id, (Family.RRWEB, []))[1].append(message)
    for (session_id, family), segments in numbered.items():
        sessions[session_id] = (family, _in_order(segments))
    return sessions


def _requests(capture: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(capture, "rt", encoding="utf-8") as lines:
        requests = [json.loads(line) for line in lines]
    for request in sorted(requests, key=lambda request: int(request["seq"])):
        if request["method"] == "POST":
            yield request | {"body": base64.b64decode(request["body_b64"])}


def _segment(request: dict[str, Any]) -> _Segment:
    names = [name.lower() for name in request["raw_headers"][::2]]
    headers = dict(zip(names, request["raw_headers"][1::2], strict=True))
    boundary = headers["content-type"].partition("boundary=")[2].strip('"')
    for part in request["body"].split(b"--" + boundary.encode()):
        head, _, content = part.partition(b"\r\n\r\n")
        if b'name="segment"' in head:
            body = zlib.decompressobj().decompress(content)
            facts = json.loads(body)
            identity = facts["view"]["id"], facts["index_in_view"], facts["start"]
            return _Segment(facts["session"]["id"], identity, body)
    raise AssertionError("a replay request without a segment")


def _in_order(segments: dict[Identity, bytes]) -> list[bytes]:
    view_start: dict[str, int] = {}
    for view_id, _, start in segments:
        view_start[view_id] = min(start, view_start.get(view_id, start))
    ordered = sorted(segments, key=lambda identity: (view_start[identity[0]], *identity))
    return [segments[identity] for identity in ordered]


def _is_batch(request: dict[str, Any]) -> bool:
    return bool(urlsplit(request["path"]).path == "/s/")


def _of_envelope(body: bytes) -> Iterator[tuple[str, bytes]]:
    """A recording in the form in which it is stored: SDKs send a segment as two items."""
    items = dict(plainly_read(body))
    if "replay_event" in items:
        event = items["replay_event"]
        number, replay_id = event["segment_id"], event["replay_id"]
        segment = {"replay_id": replay_id, "segment_id": number, "events": items["replay_recording"]}
        yield replay_id, json.dumps(segment).encode()


def _messages(request: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    body = request["body"]
    if body[:2] == b"\x1f\x8b":
        body = zlib.decompress(body, _ANY_FORMAT)
    content = json.loads(body)
    for message in content if isinstance(content, list) else [content]:
        if message.get("event") == "$snapshot":
            yield message["properties"]["$session_id"], json.dumps(message).encode()
