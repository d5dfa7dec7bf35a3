"""A line of the Sentry family: one event, span, log or metric, with what was said of it around it.

    {"type": "span", "about": {…}, "visitor": {…}, "payload": {…}}

`payload` is as the SDK wrote it. A transaction (SDK 7 to 10) holds its spans, and an item of SDK 11 up to twenty of
them: each is a line of its own, and `about` is what it took from its transaction or envelope. `visitor`: columns that
the intake knows of the sender.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from operators.rows.paths import child
from operators.rows.values import Attributes, decode_object, text_of_id
from operators.wire.unusable import identity
from schemas.items import Kind

EVENT, TRANSACTION, SPAN, LOG, METRIC, FEEDBACK = "event", "transaction", "span", "log", "trace_metric", "feedback"
REPLAY_EVENT, REPLAY_RECORDING = "replay_event", "replay_recording"
ABOUT, VISITOR = "about", "visitor"  # also members of the header of an item that was put together anew


class About(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stands around a payload. `url`: of the page; `user`: as in an event."""

    sdk_name: str = ""
    sdk_version: str = ""
    replay_id: str = ""
    release: str = ""
    environment: str = ""
    transaction: str = ""
    url: str = ""
    user: dict[str, str] = {}


class Line(NamedTuple):
    """A line taken apart."""

    type: str
    about: About
    visitor: dict[str, str]
    payload: Attributes
    raw: bytes  # the payload as JSON


class Stored(msgspec.Struct):
    """A line as it is stored, its payload as JSON."""

    type: str
    payload: msgspec.Raw
    about: About = About()
    visitor: dict[str, str] = {}


_decode = msgspec.json.Decoder(Stored).decode
_encode = msgspec.json.Encoder().encode


def line_body(kind: str, about: About, visitor: Mapping[str, str], payload: bytes) -> bytes:
    """The body of an item. `payload`: a JSON object."""
    parts = [b'{"type":', _encode(kind), b',"about":', _encode(about)]
    if visitor:
        parts += [b',"visitor":', _encode(visitor)]
    return b"".join([*parts, b',"payload":', payload, b"}"])


def stored_line(body: bytes) -> Stored:
    """Raises msgspec's errors for what is no line."""
    return _decode(body)


def read_line(body: bytes) -> Line:
    """Raises ValueError for what is no line."""
    line = stored_line(body)
    raw = bytes(line.payload)
    return Line(line.type, line.about, line.visitor, decode_object(raw), raw)


def log_identity(raw: bytes) -> int:
    """Of a log, which has no id of its own. `raw`: its JSON."""
    return identity(Kind.CONSOLE, LOG, raw)


def about_envelope(header: Attributes) -> About:
    """What the header of an envelope says: the SDK, and the sampling context (`trace`) of its items.

    Source: `createEventEnvelopeHeaders`; `replay_id` is put into `trace` by the replay in session mode.
    """
    sdk, trace = child(header, "sdk"), child(header, "trace")
    return About(
        sdk_name=text_of_id(sdk.get("name")),
        sdk_version=text_of_id(sdk.get("version")),
        replay_id=text_of_id(trace.get("replay_id")),
        release=text_of_id(trace.get("release")),
        environment=text_of_id(trace.get("environment")),
    )


def about_event(event: Attributes, around: About) -> About:
    """What an event says of what belongs to it."""
    sdk = child(event, "sdk")
    return msgspec.structs.replace(
        around,
        sdk_name=text_of_id(sdk.get("name")) or around.sdk_name,
        sdk_version=text_of_id(sdk.get("version")) or around.sdk_version,
        replay_id=replay_of_event(event) or around.replay_id,
        release=text_of_id(event.get("release")) or around.release,
        environment=text_of_id(event.get("environment")) or around.environment,
        transaction=text_of_id(event.get("transaction")),
        url=text_of_id(child(event, "request").get("url")),
        user=_texts(child(event, "user")),
    )


def replay_of_event(event: Attributes) -> str:
    """The replay that an event names, or nothing. Source: `handleGlobalEventListener` of `@sentry/replay`."""
    contexts = child(event, "contexts")
    return (
        text_of_id(child(event, "tags").get("replayId"))
        or text_of_id(child(contexts, "feedback").get("replay_id"))
        or text_of_id(child(contexts, "replay").get("replay_id"))
    )


def span_attributes(payload: Attributes) -> Attributes:
    """The attributes of a span, log or metric by name: `{name: {"value": …, "type": …}}`; in version 1 plain `data`."""
    second = payload.get("attributes")
    if isinstance(second, dict):
        return {name: one["value"] for name, one in second.items() if isinstance(one, dict) and "value" in one}
    return dict(child(payload, "data"))


def replay_of_span(attributes: Attributes) -> str:
    """`replay_id` in the vitals of SDK 7 to 10, `sentry.replay_id` in all of SDK 11 and in logs and metrics of 10."""
    return text_of_id(attributes.get("sentry.replay_id")) or text_of_id(attributes.get("replay_id"))


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: text for name, value in values.items() if (text := text_of_id(value))}
