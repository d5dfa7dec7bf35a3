"""An SDK's HTTP request as messages for the topic: the route names the type, and every message is of one session.

The intake and the capture files both go through here.
"""

import gzip
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import parse_qs

import msgspec

from operators.client.headers import CLIENT_HEADERS, HEADER_BYTES_MAX
from operators.decode import decided, decode
from operators.families.family import Family
from operators.families.registry import FAMILIES, family_of, family_of_kind
from operators.wire.form import form_parts
from operators.wire.message import DECISION, Message, without_coding
from operators.wire.unusable import Limits, Unusable
from schemas.items import Item, Rejected
from schemas.units import MIB

_PATH_PARAMETERS = tuple(family.path_parameter for family in FAMILIES if family.path_parameter)
_NO_FIELDS = {"segment", "content-type", "content-encoding", "type", DECISION, *CLIENT_HEADERS}
_READING = ("content-type", "content-encoding")
_CLIENTS_KEPT = 256  # browsers whose headers are at hand
_PARAMETERS_MAX = 64
_PLAIN_BYTES_MAX = 1 * MIB  # what is put together anew is cut into messages of about this size

Edit = Callable[[Item], bytes]
_Part = tuple[str, str, Message]  # app, session
_Row = tuple[Item, bytes]  # an item, and what of it to store


class Keyed(msgspec.Struct, frozen=True):
    """A message of one session, which it also says to the job; without ids it holds only what will be refused."""

    app_id: str
    session_id: str
    message: Message


def route_of(path: str, query: str) -> str:
    """The path that says what a request is; an SDK may put it, with its query, into a parameter, for a proxy."""
    for name in _PATH_PARAMETERS:
        if f"{name}=" in query:
            path = _parameter(query, name).partition("?")[0]
    return path.rstrip("/")


def _parameter(query: str, name: str) -> str:
    if f"{name}=" not in query or query.count("&") >= _PARAMETERS_MAX:
        return ""
    if "%" not in query and "+" not in query:
        return next((text for one in query.split("&") if (text := one.removeprefix(f"{name}=")) and text != one), "")
    return parse_qs(query, max_num_fields=_PARAMETERS_MAX).get(name, [""])[0]


def request_message(  # noqa: PLR0913 - what a request consists of
    kind: str, query: str, headers: Mapping[str, str], body: bytes, received_ms: int, path: str = ""
) -> Message:
    """The request as one message, its body as it came. `headers`: names in lower case. `path`: from `route_of`.

    What says how to read the body goes with it as headers, so that nobody has to guess: the form's content type, the
    content encoding, and what its family puts elsewhere. So does what names the browser.
    """
    kept = {name: _encoded(text) for name in _READING if (text := headers.get(name))}
    kept |= _client_headers(tuple(map(headers.get, CLIENT_HEADERS)))
    family = family_of_kind(kind)
    more = {} if family is None else family.message_headers(kind, path, lambda name: _parameter(query, name))
    for name, text in more.items():
        if text and name not in kept:  # a header is believed before a parameter
            kept[name] = _encoded(text)
    return Message(kind, kept, body, received_ms)


@lru_cache(_CLIENTS_KEPT)
def _client_headers(texts: tuple[str | None, ...]) -> Mapping[str, bytes]:
    """Those of `CLIENT_HEADERS`: a browser sends the same with each request."""
    pairs = zip(CLIENT_HEADERS, texts, strict=True)
    return {name: _encoded(text) for name, text in pairs if text and len(text) <= HEADER_BYTES_MAX}


def _encoded(text: str) -> bytes:
    return text.encode("latin-1", "replace")


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
    family = family_of_kind(message.type)
    if family is not None and message.type in family.form_kinds:
        return [_segment(message, family, limits, edit)]
    if edit is None and family is not None:
        only = family.only_session(message, limits)
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
    family = family or family_of(items[0].family)
    found: dict[tuple[str, str], list[_Row]] = {session: [] for session in sessions}
    for item, body in zip(items, bodies, strict=True):
        found[item.app_id, item.session_id].append((item, body))
    values = [(ids, value) for ids, rows in found.items() for value in _joined(family, rows, limits)]
    parts = [(*ids, _part(message, family.part_headers(ids[0]), value)) for ids, value in values]
    headers = _without(message.headers, "content-encoding")
    return parts + [("", "", msgspec.structs.replace(message, value=one.raw, headers=headers)) for one in refused]


def _part(message: Message, more: Mapping[str, bytes], value: bytes) -> Message:
    """Items in a message of their own: plain, their times in ms."""
    headers = {**_without(message.headers, "content-encoding", "precision"), **more}
    return msgspec.structs.replace(message, value=value, headers=headers)


def _without(headers: Mapping[str, bytes], *names: str) -> dict[str, bytes]:
    return {name: value for name, value in headers.items() if name not in names}


def _segment(message: Message, family: Family, limits: Limits, edit: Edit | None) -> _Part:
    """Keyed by what the form says; the segment itself is inflated only where that is not enough, or to edit it."""
    try:
        parts = form_parts(without_coding(message, limits))
    except Unusable:
        return "", "", message
    ids = family.form_ids(parts)
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
    fields |= {name: message.headers[name] for name in CLIENT_HEADERS if name in message.headers}
    return Message(message.type, fields, parts["segment"], message.received_ms)


def _joined(family: Family, rows: Sequence[_Row], limits: Limits) -> list[bytes]:
    """Items of one session in as few messages as stay small; one that is large by itself is compressed."""
    groups: list[list[_Row]] = [[]]
    size = 0
    for item, body in rows:
        if groups[-1] and size + len(body) > min(_PLAIN_BYTES_MAX, limits.message_bytes):
            groups.append([])
            size = 0
        groups[-1].append((item, body))
        size += len(body) + 1
    return [_sized(family.join([item for item, _ in group], [body for _, body in group])) for group in groups]


def _sized(value: bytes) -> bytes:
    return gzip.compress(value, 1, mtime=0) if len(value) > _PLAIN_BYTES_MAX else value
