"""What rrweb records tell beside the picture, as recorded entries: pages, clicks, inputs, console, network.

Facts of the wire, read in rrweb 2 (`packages/types`, `rrweb/src/record`, the console plugin) and posthog-js:

    type 0                      the document was parsed; recorded only where recording began before that
    type 3  source 2            mouse interaction: type 2 click, 5 focus, with the element's `id`, and `x`, `y`
            source 5            the value of a form field changed
    type 4                      Meta: address and viewport, before every full snapshot, so also at each checkout
    type 5                      an event with a `tag`: `addCustomEvent` of the page, or an SDK's own
    type 6  rrweb/console@1     `level`, `trace` (stack lines), `payload` (one JSON text per argument)
            rrweb/network@1     `requests`: entries of the Performance API, `timestamp` their start in epoch ms

Only clicks, inputs and what is rare are decoded; of all other records the kind is enough.
"""

import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

from operators.recorded.recorder import TEXT_MAX, Recorder
from operators.replay.records import Record
from operators.rows.values import int64, ms_as_ns, text_of_id
from operators.wire.json_text import tolerant
from operators.wire.unusable import JSON_ERRORS, is_time_ms, time_us
from schemas.recorded import Click, Console, Custom, Focus, Input, Load, Page, Request
from schemas.units import US_PER_MS

_SOURCE = re.compile(rb'\s*\{\s*"source"\s*:\s*(\d{1,3})\b')  # as rrweb writes it, first of all
_MOUSE, _INPUT = 2, 5
_POINTER_MOVES = frozenset({1, 6, 12})  # mouse, touch, drag: nothing that the page did
_QUIET = frozenset({4, 10, 16})  # resize of the window, fonts, custom elements: no answer to a click
_SKIPPED = frozenset(b"%d" % source for source in _POINTER_MOVES | _QUIET)
_CHANGES = frozenset(b"%d" % source for source in (0, 3, 7, 8, 9, 13, 14, 15))  # document, scroll, media, style, ...
_CLICK, _FOCUS = 2, 5
_INCREMENTAL = 3
_ENTRY_TYPES = frozenset({"resource", "navigation", ""})


Reader = Callable[[Recorder, msgspec.Raw, int], None]
"""Takes up a record's `data` and its time, epoch us. Raises `JSON_ERRORS` for another shape."""


class _Source(msgspec.Struct, gc=False):
    source: int


class _Mouse(msgspec.Struct, gc=False):
    type: int
    id: int = 0
    x: float | None = None
    y: float | None = None


class _Input(msgspec.Struct, gc=False, rename="camel"):
    id: int = 0
    user_triggered: bool | None = None  # false: by the page; told only where the recorder was asked to


class _Meta(msgspec.Struct, gc=False):
    href: str
    width: float | None = None
    height: float | None = None


class CustomEvent(msgspec.Struct, gc=False):
    """Of type 5."""

    tag: str
    payload: msgspec.Raw = msgspec.Raw(b"null")


class _PluginEvent(msgspec.Struct, gc=False):
    plugin: str
    payload: msgspec.Raw


class _ConsoleLine(msgspec.Struct, gc=False):
    level: str = "log"
    trace: list[str] | None = None
    payload: list[str] | None = None


class _Requests(msgspec.Struct, gc=False):
    requests: list[msgspec.Raw]


class _Performance(msgspec.Struct, gc=False, rename="camel"):
    """Times are ms from the page's time origin, but `timestamp` and `timeOrigin`: epoch ms."""

    name: str
    entry_type: str | None = None
    initiator_type: str | None = None
    timestamp: float | None = None
    time_origin: float | None = None
    start_time: float | None = None
    duration: float | None = None
    method: str | None = None
    status: int | None = None
    response_status: int | None = None
    transfer_size: int | None = None
    encoded_body_size: int | None = None
    decoded_body_size: int | None = None
    next_hop_protocol: str | None = None
    redirect_start: float | None = None
    redirect_end: float | None = None
    domain_lookup_start: float | None = None
    domain_lookup_end: float | None = None
    connect_start: float | None = None
    secure_connection_start: float | None = None
    connect_end: float | None = None
    request_start: float | None = None
    response_start: float | None = None
    response_end: float | None = None


_source = tolerant(msgspec.json.Decoder(_Source))
_mouse = tolerant(msgspec.json.Decoder(_Mouse))
_input = tolerant(msgspec.json.Decoder(_Input))
_meta = tolerant(msgspec.json.Decoder(_Meta))
custom_event = tolerant(msgspec.json.Decoder(CustomEvent))
_plugin = tolerant(msgspec.json.Decoder(_PluginEvent))
_console = tolerant(msgspec.json.Decoder(_ConsoleLine))
_requests = tolerant(msgspec.json.Decoder(_Requests))
_performance = tolerant(msgspec.json.Decoder(_Performance))
_text = tolerant(msgspec.json.Decoder(str))


def rrweb_entries(records: Iterable[Record], read_custom: Reader) -> bytes:
    """The entries of a batch, encoded. `read_custom`: takes up an event of type 5."""
    recorder = Recorder()
    readers = {**_READERS, 5: read_custom}
    for record in records:
        read = readers.get(record.type)
        if read is None or record.timestamp is None or not is_time_ms(record.timestamp):
            continue
        if record.type == _INCREMENTAL:  # nearly all of a recording: most need not even be read
            first = _SOURCE.match(record.data)
            if first is not None and first[1] in _SKIPPED:
                continue
            if first is not None and first[1] in _CHANGES:
                recorder.react(int(record.timestamp))
                continue
        try:
            read(recorder, record.data, time_us("timestamp", record.timestamp))
        except JSON_ERRORS:
            recorder.omit()  # of another shape; it stays in the recording
    return recorder.encoded()


def _read_load(recorder: Recorder, _: msgspec.Raw, at_us: int) -> None:
    recorder.add(Load(at_us))


def _read_increment(recorder: Recorder, data: msgspec.Raw, at_us: int) -> None:
    first = _SOURCE.match(data)
    source = int(first[1]) if first else _source(bytes(data)).source
    if source == _MOUSE:
        _read_mouse(recorder, data, at_us)
        return
    if source in _POINTER_MOVES or source in _QUIET:
        return
    if source == _INPUT:
        field = _input(bytes(data))
        if field.user_triggered is not False:
            recorder.add(Input(at_us, _node(field.id)))
    recorder.react(at_us // US_PER_MS)


def _read_mouse(recorder: Recorder, data: msgspec.Raw, at_us: int) -> None:
    mouse = _mouse(bytes(data))
    if mouse.type == _CLICK:
        recorder.add(Click(at_us, _node(mouse.id), mouse.x, mouse.y))
    elif mouse.type == _FOCUS:
        recorder.add(Focus(at_us, _node(mouse.id)))


def _node(number: int) -> int:
    """An element's number; 0 where it is none."""
    return int64(number) or 0


def _read_meta(recorder: Recorder, data: msgspec.Raw, at_us: int) -> None:
    meta = _meta(bytes(data))
    recorder.react(at_us // US_PER_MS)
    add_page(recorder, Page(at_us, meta.href, _pixels(meta.width), _pixels(meta.height)))


def add_page(recorder: Recorder, page: Page) -> None:
    """A page without an address says nothing."""
    if page.url:
        recorder.add(page)
    else:
        recorder.omit()


def _pixels(value: float | None) -> int:
    return int(value) if value is not None and 0 < value < TEXT_MAX * TEXT_MAX else 0


def read_page_event(recorder: Recorder, data: msgspec.Raw, at_us: int) -> None:
    """An event of type 5 that the page itself reports."""
    recorder.add(Custom(at_us, custom_event(bytes(data)).tag))


def _read_plugin(recorder: Recorder, data: msgspec.Raw, at_us: int) -> None:
    event = _plugin(bytes(data))
    if event.plugin == "rrweb/console@1":
        line = _console(bytes(event.payload))
        message = " ".join(map(_argument, line.payload or []))
        recorder.add(Console(at_us, line.level, message, "\n".join(line.trace or [])))
    elif event.plugin == "rrweb/network@1":
        for raw in _requests(bytes(event.payload)).requests:
            try:
                request = _request(_performance(bytes(raw)), at_us)
            except JSON_ERRORS:
                recorder.omit()
            else:
                if request is not None:
                    recorder.add(request)


def _argument(text: str) -> str:
    """An argument of a call of the console: a text as it is, anything else as its JSON."""
    if text[:1] == '"':
        try:
            return _text(text.encode())
        except (*JSON_ERRORS, UnicodeEncodeError):
            return text  # cut by the plugin
    return text


def _request(sent: _Performance, told_us: int) -> Request | None:
    if (sent.entry_type or "") not in _ENTRY_TYPES:
        return None
    duration_ns = ms_as_ns(sent.duration) if sent.duration is not None and sent.duration >= 0 else None
    return Request(
        at_us=_start_us(sent, told_us),
        url=sent.name,
        initiator=text_of_id(sent.initiator_type or sent.entry_type),
        duration_ns=duration_ns,
        method=(sent.method or "").upper(),
        status=int64(sent.status) or int64(sent.response_status) or 0,
        transfer_bytes=int64(sent.transfer_size),
        encoded_bytes=int64(sent.encoded_body_size),
        decoded_bytes=int64(sent.decoded_body_size),
        protocol=sent.next_hop_protocol or "",
        phases_ns=_phases_ns(sent),
    )


def _start_us(sent: _Performance, told_us: int) -> int:
    """The SDK's own time of it; else the one that the browser's clock gives; else when it was told."""
    computed = None if sent.time_origin is None or sent.start_time is None else sent.time_origin + sent.start_time
    for at_ms in (sent.timestamp, computed):
        if at_ms is not None and is_time_ms(at_ms):
            return time_us("timestamp", at_ms)
    return told_us


def _phases_ns(sent: _Performance) -> dict[str, int]:
    """How long each phase took. The API has 0 for a phase of another origin, and for one that there was not."""
    phases = {
        "resource_redirect": (sent.redirect_start, sent.redirect_end),
        "resource_dns": (sent.domain_lookup_start, sent.domain_lookup_end),
        "resource_tcp": (sent.connect_start, sent.connect_end),
        "resource_ssl": (sent.secure_connection_start, sent.connect_end),
        "resource_ttfb": (sent.request_start, sent.response_start),
        "resource_trans": (sent.response_start, sent.response_end),
    }
    found = {}
    for column, (start, end) in phases.items():
        if start and end and end >= start:
            duration_ns = ms_as_ns(end - start)
            if duration_ns is not None:
                found[column] = duration_ns
    return found


_READERS: Mapping[int, Reader] = {0: _read_load, _INCREMENTAL: _read_increment, 4: _read_meta, 6: _read_plugin}
