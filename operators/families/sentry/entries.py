"""What a recording of Sentry tells beside its picture: pages, clicks, inputs, console, requests and web vitals.

    type 0                 the document was parsed
    type 4                 Meta: the address, before every full snapshot
    type 5 `breadcrumb`    `category` ui.click, ui.input; ui.slowClickDetected (nothing happened for 3 s) and
                           ui.multiClick: with the time and element of the click they judge, up to 7 s after it;
                           console; any other is the page's own
           `performanceSpan` `op` navigation.navigate, .reload, .back_forward: the load of a document; navigation.push:
                           a route; resource.*: a file or request, fetch and xhr with `method`; web-vital; paint

Source: `addBreadcrumbEvent`, `createPerformanceSpans`, `ClickDetector` and the listeners of `@sentry/replay` 7 to 11.
"""

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urljoin

from operators.families.sentry.records import CUSTOM
from operators.families.sentry.times import stamp_us
from operators.recorded.recorder import Recorder
from operators.replay.records import Record
from operators.rows.paths import child
from operators.rows.values import Attributes, as_text, decode_object, double, int64, ms_as_ns, nanoseconds, text_of_id
from operators.wire.unusable import is_time_ms, time_us
from schemas.recorded import Click, Console, Custom, Entry, Input, Load, Page, Request, Vital
from schemas.units import NS_PER_US

_PARSED, _META = 0, 4
_DEAD, _RAGE = "dead_click", "rage_click"
_RAGE_CLICKS = 3  # on one element, as docs/signals.md has it
_LEVELS = {"warning": "warn"}
_INITIATORS = {"xhr": "xmlhttprequest"}
_VITALS: Mapping[str, tuple[str, Callable[[object], int | float | None]]] = {
    "largest-contentful-paint": ("largest_contentful_paint", ms_as_ns),
    "cumulative-layout-shift": ("cumulative_layout_shift", double),
    "interaction-to-next-paint": ("interaction_to_next_paint", ms_as_ns),
    "first-input-delay": ("first_input_delay", ms_as_ns),
}
_DOCUMENT = "navigation"
_FIRST_PAINT = "first-contentful-paint"
_OF_SDK = ("sentry.", "replay.", "ui.")  # breadcrumbs that are not the page's own
_ELSEWHERE = ("navigation", "fetch", "xhr")  # a performance span tells the same
_LABELS = ("aria-label", "title", "alt", "name", "id")  # what names an element without text, the best first
_FIELDS = ("input", "textarea", "select")  # whose text is what somebody typed


def sentry_entries(records: Iterable[Record], page_url: str) -> bytes:
    """The entries of a segment, encoded. `page_url`: to which the addresses of requests are relative."""
    recorder = Recorder()
    loads_us: list[int] = []
    for record in records:
        if record.timestamp is None or not is_time_ms(record.timestamp):
            continue
        if record.type == _PARSED:
            recorder.add(Load(time_us("timestamp", record.timestamp)))
        elif record.type in (_META, CUSTOM):
            try:
                data = decode_object(bytes(record.data))
            except (ValueError, RecursionError):
                recorder.omit()
                continue
            entry = _entry(record, data, page_url, loads_us)
            if entry is not None:
                recorder.add(entry)
            if isinstance(entry, Request) and entry.initiator == _DOCUMENT:
                recorder.add(Load(entry.at_us))
    return recorder.encoded()


def _entry(record: Record, data: Attributes, page_url: str, loads_us: list[int]) -> Entry | None:
    assert record.timestamp is not None
    at_us = time_us("timestamp", record.timestamp)
    if record.type == _META:
        url = text_of_id(data.get("href"))
        return Page(at_us, url, _pixels(data.get("width")), _pixels(data.get("height"))) if url else None
    payload = child(data, "payload")
    if data.get("tag") == "breadcrumb":
        said_us = stamp_us(payload.get("timestamp"))
        return _breadcrumb(at_us if said_us is None else said_us, payload)
    return _span(at_us, payload, page_url, loads_us) if data.get("tag") == "performanceSpan" else None


def _pixels(value: object) -> int:
    number = int64(value)
    return number if number is not None and 0 < number < 1 << 26 else 0


def _breadcrumb(at_us: int, crumb: Attributes) -> Entry | None:
    category, data = text_of_id(crumb.get("category")), child(crumb, "data")
    message = text_of_id(crumb.get("message"))
    if category in _CLICKS:
        signs = _CLICKS[category](int64(data.get("clickCount")) or 1)
        return Click(at_us, _node(data), name=_name(data), target=message, frustrations=signs, is_judged=True)
    if category == "ui.input":
        return Input(at_us, _node(data), _name(data), message)
    if category == "console":
        return _console(at_us, crumb, data)
    if not category or category in _ELSEWHERE or category.startswith(_OF_SDK):
        return None
    return Custom(at_us, f"{category}: {message}" if message else category)


def _raging(count: int) -> tuple[str, ...]:
    return (_RAGE,) if count >= _RAGE_CLICKS else ()


_CLICKS: Mapping[str, Callable[[int], tuple[str, ...]]] = {
    "ui.click": lambda _: (),
    "ui.slowClickDetected": lambda count: (*_raging(count), _DEAD),
    "ui.multiClick": _raging,
}


def _node(data: Attributes) -> int:
    number = int64(data.get("nodeId"))
    return number if number is not None and number > 0 else 0


def _name(data: Attributes) -> str:
    node = child(data, "node")
    attributes = child(node, "attributes")
    text = "" if node.get("tagName") in _FIELDS else text_of_id(node.get("textContent"))
    return text or next((label for name in _LABELS if (label := text_of_id(attributes.get(name)))), "")


def _console(at_us: int, crumb: Attributes, data: Attributes) -> Console:
    """The values one after the other, as a log of the SDK has them; where there are none, the breadcrumb's message."""
    values = data.get("arguments")
    values = values if isinstance(values, list) else []
    level = text_of_id(crumb.get("level")) or "log"
    message = " ".join(map(as_text, values)) or text_of_id(crumb.get("message"))
    stack = next((text for one in values if isinstance(one, dict) and (text := text_of_id(one.get("stack")))), "")
    return Console(at_us, _LEVELS.get(level, level), message, stack, is_cut="_meta" in data)


def _span(at_us: int, span: Attributes, page_url: str, loads_us: list[int]) -> Entry | None:
    op, name, data = text_of_id(span.get("op")), text_of_id(span.get("description")), child(span, "data")
    begin_us = stamp_us(span.get("startTimestamp"))
    begin_us = at_us if begin_us is None else begin_us
    kind, _, detail = op.partition(".")
    if op == "navigation.push":
        return Page(begin_us, _absolute(name, page_url)) if name else None
    if kind == _DOCUMENT:
        loads_us.append(begin_us)
    if kind in (_DOCUMENT, "resource"):
        initiator = kind if kind == _DOCUMENT else _INITIATORS.get(detail, detail)
        return _request(begin_us, _absolute(name, page_url), initiator, span, data)
    if name == _FIRST_PAINT:
        since_us = next((begin_us - load_us for load_us in reversed(loads_us) if load_us <= begin_us), None)
        return None if since_us is None else Vital(begin_us, "first_contentful_paint", since_us * NS_PER_US)
    column, convert = _VITALS.get(name, ("", double))
    value = convert(data.get("value")) if column else None
    return Vital(begin_us, column, value) if value is not None and value >= 0 else None


def _request(begin_us: int, url: str, initiator: str, span: Attributes, data: Attributes) -> Request | None:
    if not url:
        return None
    end_us = stamp_us(span.get("endTimestamp"))
    return Request(
        at_us=begin_us,
        url=url,
        initiator=initiator,
        duration_ns=nanoseconds(max(0, end_us - begin_us) * NS_PER_US) if end_us is not None else None,
        method=text_of_id(data.get("method")).upper(),
        status=int64(data.get("statusCode")) or 0,
        transfer_bytes=int64(data.get("size")),
        encoded_bytes=int64(data.get("encodedBodySize")),
        decoded_bytes=int64(data.get("decodedBodySize", child(data, "response").get("size"))),
    )


def _absolute(url: str, page_url: str) -> str:
    """fetch and xhr are told as the page called them."""
    if "://" in url[:16] or not page_url:
        return url
    try:
        return urljoin(page_url, url)
    except ValueError:
        return url
