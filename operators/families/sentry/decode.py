"""Envelopes to items: errors, spans, logs, metrics and feedback as lines, and the replay's segment.

A session is a replay (one a browser tab, `session_id` = `replay_id`), an app is a project. What names no replay is of a
visit that was not recorded: it is counted and not kept. The `sid` of `session` items is not the replay's.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from operators.families.sentry.envelope import Envelope, EnvelopeItem, read_envelope
from operators.families.sentry.kinds import kind_of
from operators.families.sentry.lines import (
    ABOUT,
    EVENT,
    FEEDBACK,
    LOG,
    METRIC,
    REPLAY_EVENT,
    REPLAY_RECORDING,
    SPAN,
    TRANSACTION,
    VISITOR,
    About,
    about_envelope,
    about_event,
    line_body,
    log_identity,
    replay_of_span,
    span_attributes,
)
from operators.families.sentry.segments import sentry_segment
from operators.families.sentry.times import needed_us, stamp_us
from operators.families.sentry.visitor import client_of
from operators.rows.paths import child
from operators.rows.values import Attributes, compact_json, decode_object, text_of_id
from operators.wire.json_text import array_elements, without_halves, without_nan
from operators.wire.unusable import JSON_ERRORS, Limits, Unusable, checked_id, checked_size, identity, json_refusal
from operators.wire.utf8_rows import checked_utf8
from schemas.items import Family, Item, Kind, Rejected, RejectReason, Skipped, SkipReason

Result = Item | Rejected | Skipped

_UNKNOWN_APP = "unknown"
_BATCHED = (SPAN, LOG, METRIC)  # an item of SDK 10 and 11 holds many: `{"items": […]}`
_LINES = {EVENT, TRANSACTION, FEEDBACK, *_BATCHED}
_SKIPPED = {
    **dict.fromkeys(("session", "sessions"), SkipReason.RELEASE_HEALTH),
    "client_report": SkipReason.TELEMETRY,
    **dict.fromkeys(
        ("check_in", "profile", "profile_chunk", "attachment", "statsd", "metric_buckets", "user_report"),
        SkipReason.OTHER_PRODUCT,
    ),
}


def decode_envelope(body: bytes, app_id: str, received_ms: int, limits: Limits) -> Iterator[Result]:
    """Items of an envelope. `app_id`: the project, empty where the address did not say it.

    Raises Unusable for the whole body.
    """
    envelope = read_envelope(body, limits)
    reader = _Reader(app_id or project_of_dsn(text_of_id(envelope.header.get("dsn"))), received_ms, limits)
    yield from envelope.damaged
    yield from reader.lines(envelope)
    yield from reader.replay(envelope)


def project_of_dsn(dsn: str) -> str:
    """The project in `https://KEY@HOST/PATH/PROJECT`, or nothing. Source: `dsnFromString`, utils/dsn.js."""
    scheme, separator, rest = dsn.partition("://")
    return rest.rpartition("/")[2] if scheme and separator and "@" in rest and "/" in rest else ""


class _Around(NamedTuple):
    """What stands around the payloads of an item. `settled_id`: the replay, where it was found out before."""

    about: About
    visitor: dict[str, str]
    settled_id: str


class _Reader:
    """Reads the items of one envelope."""

    def __init__(self, app_id: str, received_ms: int, limits: Limits) -> None:
        self._app_id = app_id or _UNKNOWN_APP
        self._received_ms = received_ms
        self._limits = limits

    def lines(self, envelope: Envelope) -> Iterator[Result]:
        about = about_envelope(envelope.header)
        for item in envelope.items:
            skipped = _SKIPPED.get(item.type)
            if skipped is not None:
                yield Skipped(skipped)
            elif item.type in _BATCHED:
                yield from self._batch(item, _around(item.header, about))
            elif item.type in _LINES:
                yield from self._alone(item, _around(item.header, about))
            elif item.type not in (REPLAY_EVENT, REPLAY_RECORDING):
                yield Rejected(RejectReason.UNKNOWN_MEASUREMENT, f"item type {item.type[:100]!r}", item.raw)

    def replay(self, envelope: Envelope) -> Iterator[Result]:
        """The segment, and what its event tells of the visitor. The two may stand in any order, and alone."""
        about = about_envelope(envelope.header)
        replay_id = text_of_id(envelope.header.get("event_id"))
        known: tuple[Attributes, bytes] = {}, b"{}"
        for item in envelope.items:
            if item.type != REPLAY_EVENT:
                continue
            around = _around(item.header, about)
            try:
                known = event, payload = read_json(item.payload)
                replay_id = text_of_id(event.get("replay_id")) or text_of_id(event.get("event_id")) or replay_id
                said = msgspec.structs.replace(about_event(event, around.about), replay_id=replay_id)
                yield self._line(REPLAY_EVENT, around, said, event, payload)
            except Unusable as refusal:
                yield Rejected(refusal.reason, refusal.detail, item.raw)
        for item in envelope.items:
            if item.type == REPLAY_RECORDING:
                yield self._segment(item, known, replay_id, about)

    def _segment(
        self, item: EnvelopeItem, known: tuple[Attributes, bytes], replay_id: str, about: About
    ) -> Item | Rejected:
        around = _around(item.header, about)
        with_it = child(item.header, REPLAY_EVENT)
        ids = self._app_id, around.settled_id or replay_id
        try:
            event = (with_it, _written(with_it)) if with_it else known
            return sentry_segment(ids, event, item.payload, around.about, self._received_ms, self._limits)
        except Unusable as refusal:
            return Rejected(refusal.reason, refusal.detail, item.raw)

    def _alone(self, item: EnvelopeItem, around: _Around) -> Iterator[Result]:
        try:
            event, payload = read_json(item.payload)
            about = about_event(event, around.about)
            if item.type == TRANSACTION:
                yield from self._transaction(event, around, about)
            else:
                yield self._line(item.type, around, about, event, payload)
        except Unusable as refusal:
            yield Rejected(refusal.reason, refusal.detail, item.raw)

    def _transaction(self, event: Attributes, around: _Around, about: About) -> Iterator[Result]:
        """A transaction, and each of its spans, which have no replay of their own."""
        spans = event.pop("spans", None)
        event.pop("breadcrumbs", None)
        yield self._line(TRANSACTION, around, about, event, _written(event))
        for span in spans if isinstance(spans, list) else []:
            raw = _written(span)
            try:
                yield self._line(SPAN, around, about, *read_json(raw))
            except Unusable as refusal:
                yield Rejected(refusal.reason, refusal.detail, raw)

    def _batch(self, item: EnvelopeItem, around: _Around) -> Iterator[Result]:
        """A span alone, as SDK 7 to 10 send vitals; or the members of `items`, of which a damaged one costs itself."""
        try:
            members = _members(item.payload, self._limits)
        except Unusable as refusal:
            yield Rejected(refusal.reason, refusal.detail, item.raw)
            return
        for raw in members:
            try:
                read, payload = read_json(raw)
                replay_id = replay_of_span(span_attributes(read)) or around.about.replay_id
                about = msgspec.structs.replace(around.about, replay_id=replay_id)
                yield self._line(item.type, around, about, read, payload)
            except Unusable as refusal:
                yield Rejected(refusal.reason, refusal.detail, raw)

    def _line(self, kind: str, around: _Around, about: About, read: Attributes, payload: bytes) -> Item | Skipped:
        """Raises Unusable."""
        if around.settled_id:
            about = msgspec.structs.replace(about, replay_id=around.settled_id)
        if not about.replay_id:
            return Skipped(SkipReason.NOT_RECORDED)
        limits = self._limits
        checked_size(len(payload), limits)
        what = kind_of(kind, read)
        begin_us, end_us = _span_us(kind, read)
        return Item(
            app_id=checked_id("project", self._app_id, limits),
            session_id=checked_id("replay id", about.replay_id, limits),
            kind=what,
            family=Family.SENTRY,
            begin_us=begin_us,
            end_us=end_us,
            received_ms=self._received_ms,
            ident=_identity(what, kind, read, payload),
            opens=kind != REPLAY_EVENT,
            ends=False,
            body=line_body(kind, about, around.visitor, payload),
            client=client_of(read),
        )


def read_json(raw: bytes) -> tuple[Attributes, bytes]:
    """A JSON object, and its text: as it came but for what is no JSON in it. Raises Unusable."""
    text = without_nan(without_halves(checked_utf8(raw)))
    try:
        found = _decode(text)
    except JSON_ERRORS as error:
        found, text = _lenient(text, error)
    if not isinstance(found, dict):
        raise Unusable(RejectReason.INVALID_FIELD, f"an object is needed, this is {type(found).__name__}")
    return found, text


def _written(value: object) -> bytes:
    """As JSON. Raises Unusable for what could be read and is nested too deep to be written."""
    try:
        return compact_json(value).encode()
    except RecursionError as error:
        raise json_refusal(error) from None


def _lenient(text: bytes, error: Exception) -> tuple[Attributes, bytes]:
    """The same where numbers are larger than any machine's."""
    try:
        found = decode_object(text)
    except (ValueError, RecursionError):
        raise json_refusal(error) from None
    return found, _written(found)


_decode = msgspec.json.Decoder().decode


class _Batch(msgspec.Struct):
    items: msgspec.Raw = msgspec.Raw()


_decode_batch = msgspec.json.Decoder(_Batch).decode
_ITEMS = b'"items"'


def _members(payload: bytes, limits: Limits) -> list[bytes]:
    """The members of a batch as JSON; of a damaged one its pieces; of what is no batch the payload itself."""
    try:
        items = bytes(_decode_batch(payload).items)
    except JSON_ERRORS:
        found = payload.find(_ITEMS)
        items = payload[found + len(_ITEMS) :].lstrip(b": \t") if found >= 0 else b""
    if items.lstrip()[:1] != b"[":
        return [payload]
    members = array_elements(items, limits.lines_per_message)
    return [one for one in members if one.strip(b"]} \t\r\n")]  # of a damaged one also what closes it


def _around(header: Attributes, about: About) -> _Around:
    """Of an item that was put together anew (`joined.py`), what its header says; else what the envelope does."""
    said = header.get(ABOUT)
    if not isinstance(said, dict):
        return _Around(about, {}, "")
    try:
        settled = msgspec.convert(said, About)
    except msgspec.ValidationError:
        return _Around(about, {}, "")
    visitor = {name: text for name, value in child(header, VISITOR).items() if (text := text_of_id(value))}
    return _Around(settled, visitor, settled.replay_id)


def _span_us(kind: str, read: Attributes) -> tuple[int, int]:
    """Begin and end, us. Raises Unusable where the begin cannot be told."""
    if kind in (SPAN, TRANSACTION):
        begin_us = needed_us("start_timestamp", read.get("start_timestamp"))
        ends = stamp_us(read.get("end_timestamp")), stamp_us(read.get("timestamp"))
        return begin_us, max(begin_us, next((one for one in ends if one is not None), begin_us))
    at_us = needed_us("timestamp", read.get("timestamp"))
    return at_us, at_us


def _identity(what: Kind, kind: str, read: Attributes, payload: bytes) -> int:
    if kind == LOG:
        return log_identity(payload)
    own = text_of_id(read.get("event_id")) if kind not in _BATCHED else text_of_id(read.get("span_id"))
    if not own or kind in (METRIC, REPLAY_EVENT):  # a metric has the span that was open, not its own
        return identity(what, kind, b"", payload)
    return identity(what, own, trace_of(read))


def trace_of(read: Attributes) -> str:
    """The trace: of a span its own, of an event in its contexts. From SDK 8 on a page or route is one trace."""
    return text_of_id(read.get("trace_id")) or text_of_id(child(child(read, "contexts"), "trace").get("trace_id"))
