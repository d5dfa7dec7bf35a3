"""An SDK's HTTP request as messages for the topic: the route names the type, and every message is of one session.

The intake and the capture files both go through here.
"""

import gzip
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qs

import msgspec

from operators.decode import (
    DECISION,
    REPLAYS,
    Limits,
    Message,
    decided,
    decode,
    form_ids,
    form_parts,
    without_coding,
)  # fmt: skip
from operators.families.guance.line_protocol import only_session
from operators.wire.inflate import inflate
from operators.wire.unusable import Unusable
from schemas.items import Item, Rejected
from schemas.units import MIB

ROUTES = {
    "/v1/write/rum": "guance.rum",
    "/v1/write/rum/replay": "guance.replay",
    "/api/v2/rum": "datadog.rum",
    "/api/v2/replay": "datadog.replay",
    "/s": "rrweb",
    "/e": "rrweb",
    "/i/v0/e": "rrweb",
    "/batch": "rrweb",
}
_NO_FIELDS = {"segment", "content-type", "content-encoding", "type", DECISION}
_PARAMETERS_MAX = 64
_PLAIN_BYTES_MAX = 1 * MIB  # what is put together anew is cut into messages of about this size

Edit = Callable[[Item], bytes]
_Part = tuple[str, str, Message]  # app, session


class Keyed(msgspec.Struct, frozen=True):
    """A message of one session, which it also says to the job; without ids it holds only what will be refused."""

    app_id: str
    session_id: str
    message: Message


def route_of(path: str, query: str) -> str:
    """The path that says what a request is. Datadog's `proxy` option puts it, with its query, into `ddforward`."""
    if "ddforward=" in query:
        path = _parameter(query, "ddforward").partition("?")[0]
    return path.rstrip("/")


def _parameter(query: str, name: str) -> str:
    if f"{name}=" not in query or query.count("&") >= _PARAMETERS_MAX:
        return ""
    return parse_qs(query, max_num_fields=_PARAMETERS_MAX).get(name, [""])[0]


def request_message(kind: str, query: str, headers: Mapping[str, str], body: bytes, received_ms: int) -> Message:
    """The request as one message, its body as it came. `headers`: names in lower case.

    What says how to read the body goes with it as headers, so that nobody has to guess: the form's content type, the
    content encoding, and the unit of Guance's times where it is not ms.
    """
    said = {"content-type": headers.get("content-type", ""), "content-encoding": headers.get("content-encoding", "")}
    if kind.startswith("guance."):
        said["content-encoding"] = said["content-encoding"] or _parameter(query, "encoding")
    if kind == "guance.rum":
        precision = _parameter(query, "precision")
        said["precision"] = precision if precision != "ms" else ""
    kept = {name: value.encode("latin-1", "replace") for name, value in said.items() if value}
    return Message(kind, kept, body, received_ms)


def keyed_by_session(message: Message, limits: Limits, edit: Edit | None = None) -> list[Keyed]:
    """The message as it is when it is of one session, else one or more for each.

    `edit` gives an item's body as it shall be stored; where it changes nothing, the bytes stay as they came. What
    decode refuses goes on without ids, for the job to put into quarantine: it holds to that, however it would read it.
    What it skips goes on for the job to count, unless it had to be edited.
    """
    return [
        Keyed(app_id, session_id, decided(part, app_id, session_id))
        for app_id, session_id, part in _by_session(message, limits, edit)
    ]


def _by_session(message: Message, limits: Limits, edit: Edit | None) -> list[_Part]:
    if message.type in REPLAYS:
        return [_segment(message, limits, edit)]
    if edit is None and message.type == "guance.rum":
        only = _only_session(message, limits)
        if only is not None:
            return [(*only, message)]
    results = decode(message, limits)
    items = [result for result in results if isinstance(result, Item)]
    refused = [result for result in results if isinstance(result, Rejected)]
    if not items:
        return [("", "", message)] if refused or edit is None else []
    bodies = [item.body if edit is None else edit(item) for item in items]
    sessions = dict.fromkeys((item.app_id, item.session_id) for item in items)
    is_clean = edit is None or len(items) == len(results)  # what was refused was not edited either: it goes apart
    if is_clean and len(sessions) == 1 and all(new is item.body for new, item in zip(bodies, items, strict=True)):
        [(app_id, session_id)] = sessions
        return [(app_id, session_id, message)]
    found: dict[tuple[str, str], list[bytes]] = {session: [] for session in sessions}
    for item, body in zip(items, bodies, strict=True):
        found[item.app_id, item.session_id].append(body)
    values = [(ids, value) for ids, rows in found.items() for value in _joined(message.type, rows, limits)]
    parts = [(*ids, _part(message, ids[0], value)) for ids, value in values]
    headers = _without(message.headers, "content-encoding")
    return parts + [("", "", msgspec.structs.replace(message, value=one.raw, headers=headers)) for one in refused]


def _part(message: Message, app_id: str, value: bytes) -> Message:
    """Items in a message of their own: plain, their times in ms.

    Rows of rrweb and PostHog may leave it to what was around them to name the app.
    """
    headers = _without(message.headers, "content-encoding", "precision")
    if message.type == "rrweb" and app_id:
        headers["app_id"] = app_id.encode()
    return msgspec.structs.replace(message, value=value, headers=headers)


def _without(headers: Mapping[str, bytes], *names: str) -> dict[str, bytes]:
    return {name: value for name, value in headers.items() if name not in names}


def _only_session(message: Message, limits: Limits) -> tuple[str, str] | None:
    try:
        body = inflate(without_coding(message, limits).value, limits.inflated_bytes)
    except Unusable:
        return None
    return None if body.lstrip()[:1] in {b"{", b"["} else only_session(body)


def _segment(message: Message, limits: Limits, edit: Edit | None) -> _Part:
    """Keyed by what the form says; the segment itself is inflated only where that is not enough, or to edit it."""
    try:
        parts = form_parts(without_coding(message, limits))
    except Unusable:
        return "", "", message
    ids = form_ids(message.type, parts)
    if edit is None and all(ids):
        return (*ids, _fields_as_headers(message, parts))
    [result] = decode(message, limits)
    if not isinstance(result, Item):
        return "", "", message
    body = result.body if edit is None else edit(result)
    if body is not result.body:
        parts = {**parts, "segment": body}
    return result.app_id, result.session_id, _fields_as_headers(message, parts)


def _fields_as_headers(message: Message, parts: Mapping[str, bytes]) -> Message:
    """The form is read here already, so that the job need not: its fields become headers, the segment is the value.

    What has no segment stays as it is, for the quarantine. Names in capital letters and the name of the type's own
    header are no fields of an SDK, and would read as another.
    """
    if not parts.get("segment"):
        return message
    fields = {name: value for name, value in parts.items() if name == name.lower() and name not in _NO_FIELDS}
    return Message(message.type, fields, parts["segment"], message.received_ms)


def _joined(kind: str | None, bodies: Iterable[bytes], limits: Limits) -> list[bytes]:
    """Bodies of one session in as few messages as stay small; one that is large by itself is compressed."""
    groups: list[list[bytes]] = [[]]
    size = 0
    for body in bodies:
        if groups[-1] and size + len(body) > min(_PLAIN_BYTES_MAX, limits.message_bytes):
            groups.append([])
            size = 0
        groups[-1].append(body)
        size += len(body) + 1
    values = [b"\n".join(group) if kind == "datadog.rum" else b"[" + b",".join(group) + b"]" for group in groups]
    return [_sized(value) for value in values]


def _sized(value: bytes) -> bytes:
    return gzip.compress(value, 1, mtime=0) if len(value) > _PLAIN_BYTES_MAX else value
