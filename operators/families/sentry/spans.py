"""Spans of Sentry as rows: resources, long tasks, and what adds to a view.

Names of attributes changed with every major version; each column lists them from the newest to the oldest. Sources:
`resourceTimingToSpanAttributes`, `_addResourceSpans`, `_addPerformanceNavigationTiming` and the vitals of
`@sentry/browser-utils` 8 to 11, `@sentry-internal/tracing` 7.
"""

import re
from collections.abc import Callable, Iterable
from urllib.parse import urljoin

from operators.families.sentry.kinds import HTTP, RESOURCE
from operators.families.sentry.lines import About
from operators.families.sentry.times import stamp_us
from operators.rows.paths import child
from operators.rows.urls import resource_url_columns
from operators.rows.values import Attributes, Row, compact_json, double, int64, ms_as_ns, nanoseconds, text_of_id
from schemas.units import MS_PER_SECOND, NS_PER_SECOND, NS_PER_US

_KINDS = {
    "script": "js",
    "img": "image",
    "image": "image",
    "css": "css",
    "iframe": "document",
    "frame": "document",
    "fetch": "fetch",
    "xmlhttprequest": "xhr",
    "xhr": "xhr",
    "beacon": "beacon",
    "video": "media",
    "audio": "media",
    "track": "media",
}
_ANYTHING = ("link", "css", "other")  # ask for files of any kind
_EXTENSIONS = {
    "js": ("js", "mjs"),
    "css": ("css",),
    "image": ("png", "jpg", "jpeg", "gif", "svg", "webp", "avif", "ico", "bmp"),
    "font": ("woff", "woff2", "ttf", "otf", "eot"),
    "media": ("mp4", "webm", "ogg", "mp3", "wav", "m3u8", "ts"),
}
_BY_EXTENSION = {extension: kind for kind, all_of in _EXTENSIONS.items() for extension in all_of}
_EXTENSION = re.compile(r"\.([a-z0-9]{2,5})(?:[?#]|$)", re.IGNORECASE)
_HTTP_CLASSES = range(1, 6)
_PHASES = {  # column: from one instant to another, both among the attributes as epoch seconds
    "resource_redirect": ("redirect_start", "redirect_end"),
    "resource_dns": ("domain_lookup_start", "domain_lookup_end"),
    "resource_tcp": ("connect_start", "connection_end"),
    "resource_ssl": ("secure_connection_start", "connection_end"),
    "resource_ttfb": ("request_start", "response_start"),
    "resource_first_byte": ("request_start", "response_start"),
    "resource_trans": ("response_start", "response_end"),
}
_INSTANTS = frozenset(
    {f"http.request.{name}" for pair in _PHASES.values() for name in pair}
    | {"http.request.fetch_start", "http.request.worker_start", "http.request.time_to_first_byte"}
)
_URLS = ("url.full", "http.url", "url")
_RESOURCE: dict[str, tuple[Callable[[object], object], tuple[str, ...]]] = {
    "resource_method": (text_of_id, ("http.request.method", "http.method", "method")),
    "resource_transfer_size": (int64, ("http.response.size", "http.response_transfer_size")),
    "resource_encode_size": (int64, ("http.response.body.size", "http.response_content_length")),
    "resource_decode_size": (
        int64,
        (
            "http.response.body.decoded_size",
            "http.decoded_response_body_length",
            "http.decoded_response_content_length",
        ),
    ),
    "resource_delivery_type": (text_of_id, ("http.response_delivery_type",)),
    "resource_render_blocking_status": (text_of_id, ("resource.render_blocking_status",)),
}
_STATUSES = ("http.response.status_code", "http.status_code", "status_code")
_ADDRESS = ("url.scheme", "url.domain", "url.query", "url.same_origin", "http.request.same_origin", "server.address")
_PARSED = ("http.query", "http.fragment", "http.host", "type", "span.kind")  # parts of what has a column

_VITALS_MS = {  # column: (name among the measurements, names among the attributes)
    "largest_contentful_paint": ("lcp", ("browser.web_vital.lcp.value",)),
    "first_contentful_paint": ("fcp", ("browser.web_vital.fcp.value",)),
    "first_paint_time": ("fp", ("browser.web_vital.fp.value",)),
    "first_byte": ("ttfb", ("browser.web_vital.ttfb.value",)),
    "interaction_to_next_paint": ("inp", ("browser.web_vital.inp.value",)),
    "first_input_delay": ("fid", ("browser.web_vital.fid.value",)),
}
_CLS = ("cls", "browser.web_vital.cls.value")
_ELEMENTS = {
    "largest_contentful_paint_element_selector": ("browser.web_vital.lcp.element", "lcp.element"),
    "interaction_to_next_paint_target_selector": ("browser.web_vital.inp.target",),
    "cumulative_layout_shift_target_selector": ("browser.web_vital.cls.source.1", "cls.source.1"),
}
_PHASE_MAX_NS = 3600 * NS_PER_SECOND
VITAL_COLUMNS = (*_VITALS_MS, "cumulative_layout_shift", *_ELEMENTS)
_SCRIPT: dict[str, tuple[str, ...]] = {  # of a long animation frame: as Datadog's SDK names them
    "invoker": ("browser.script.invoker",),
    "invoker_type": ("browser.script.invoker_type",),
    "source_url": ("code.file.path", "code.filepath"),
    "source_function_name": ("code.function.name", "code.function"),
    "source_char_position": ("browser.script.source_char_position",),
}


def read_resource(op: str, span: Attributes, attributes: Attributes, about: About, row: Row) -> None:
    """A request or loaded file. What gets a column is taken from `attributes`."""
    if own := text_of_id(span.get("span_id")):
        row["resource_id"] = row["span_id"] = own
    if trace_id := text_of_id(span.get("trace_id")):
        row["trace_id"] = trace_id
    url = _url(span, attributes, about)
    for name in (*_URLS, *_ADDRESS):
        attributes.pop(name, None)
    if url:
        row["resource_url"] = url
        row.update(resource_url_columns(url))
    row["resource_type"] = _resource_type(op, attributes, url)
    _read_status(span, attributes, row)
    _read_protocol(attributes, row)
    for column, (convert, names) in _RESOURCE.items():
        value = convert(_taken(attributes, names))
        if isinstance(value, int | str) and value != "":
            row[column] = value
    if "resource_decode_size" in row:
        row["resource_size"] = row["resource_decode_size"]
    for column, (begin, end) in _PHASES.items():
        _read_phase(column, attributes.get(f"http.request.{begin}"), attributes.get(f"http.request.{end}"), row)
    for name in (*_INSTANTS, *_PARSED):
        attributes.pop(name, None)
    _read_duration(span, row)


def read_long_task(span: Attributes, attributes: Attributes, row: Row) -> None:
    """A long task, or a long animation frame with the script that began it."""
    if own := text_of_id(span.get("span_id")):
        row["long_task_id"] = own
    script = {name: value for name, names in _SCRIPT.items() if (value := _taken(attributes, names)) is not None}
    if script:
        row["scripts"] = compact_json([script])
    _read_duration(span, row)


def read_vitals(span: Attributes, attributes: Attributes, row: Row) -> None:
    """Web vitals, of a page load or of a span that is one."""
    measurements = child(span, "measurements")
    for column, (measured, names) in _VITALS_MS.items():
        taken = _taken(attributes, names)
        value = nanoseconds(_measured_ns(measurements.pop(measured, None)) if taken is None else ms_as_ns(taken))
        if value is not None:
            row[column] = value
    taken = _taken(attributes, _CLS[1:])
    shift = double(child(measurements, _CLS[0]).get("value") if taken is None else taken)
    measurements.pop(_CLS[0], None)
    if shift is not None and shift >= 0:
        row["cumulative_layout_shift"] = shift
    for column, places in _ELEMENTS.items():
        if element := text_of_id(_taken(attributes, places)):
            row[column] = element


def duration_ns(span: Attributes) -> int | None:
    """From start to end; None where one of them is not known."""
    ends = stamp_us(span.get("end_timestamp")), stamp_us(span.get("timestamp"))
    begin_us, end_us = stamp_us(span.get("start_timestamp")), next((one for one in ends if one is not None), None)
    if begin_us is None or end_us is None or end_us < begin_us:
        return None
    return nanoseconds((end_us - begin_us) * NS_PER_US)


def _read_duration(span: Attributes, row: Row) -> None:
    duration = duration_ns(span)
    if duration is not None:
        row["duration"] = duration


def _url(span: Attributes, attributes: Attributes, about: About) -> str:
    """The whole address. SDK 7 to 10 leave the page's own origin out of a resource's, and out of a request's `url`."""
    found = next((text for name in _URLS if (text := text_of_id(attributes.get(name)))), "")
    description = text_of_id(span.get("description"))
    if not found and not description.startswith(_METHODS):
        found = description
    if not found.startswith("/"):
        return found
    scheme, server = text_of_id(attributes.get("url.scheme")), text_of_id(attributes.get("server.address"))
    page = about.url or (f"{scheme}://{server}/" if scheme and server else "")
    try:
        return urljoin(page, found)
    except ValueError:
        return found


_METHODS = tuple(f"{method} " for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))


def _resource_type(op: str, attributes: Attributes, url: str) -> str:
    """As Guance's SDK names the kinds: by what asked for it, else by the address."""
    if op == HTTP:
        return _KINDS.get(text_of_id(attributes.get("type")), "fetch")
    initiator = op.removeprefix(RESOURCE)
    found = _EXTENSION.search(url)
    by_address = _BY_EXTENSION.get(found[1].lower()) if found else None
    return by_address if by_address and initiator in _ANYTHING else _KINDS.get(initiator, "other")


def _read_status(span: Attributes, attributes: Attributes, row: Row) -> None:
    """The answer; 0 is none. SDK 7 has it also among the span's tags, as text."""
    value = _taken(attributes, _STATUSES)
    text = text_of_id(value) or text_of_id(child(span, "tags").get("http.status_code"))
    if text.isascii() and text.isdigit() and int(text):
        row["resource_status"] = text
        if int(text) // 100 in _HTTP_CLASSES:
            row["resource_status_group"] = f"{int(text) // 100}xx"


def _read_protocol(attributes: Attributes, row: Row) -> None:
    """`http/1.1`, `h2`, `h3`: as browsers name it, before the SDK took it apart."""
    name = text_of_id(_taken(attributes, ("network.protocol.name",)))
    version = text_of_id(_taken(attributes, ("network.protocol.version",)))
    if name == "http" and version.startswith(("2", "3")):
        row["resource_protocol"] = f"h{version[0]}"
    elif name not in {"", "unknown"}:
        row["resource_protocol"] = f"{name}/{version}" if version else name


def _read_phase(column: str, begin: object, end: object, row: Row) -> None:
    """Nothing for a phase that was not: its instants are 0, or (SDK 7 to 9) the page's own start."""
    begin_us, end_us = stamp_us(begin), stamp_us(end)
    if begin_us is not None and end_us is not None and end_us >= begin_us:
        length = nanoseconds((end_us - begin_us) * NS_PER_US)
        if length is not None and length < _PHASE_MAX_NS:
            row[column] = length


def _measured_ns(measured: object) -> int | None:
    """A measurement with its unit: `millisecond`, as every SDK sends, or `second`."""
    if not isinstance(measured, dict):
        return None
    value = double(measured.get("value"))
    if value is None:
        return None
    return ms_as_ns(value * MS_PER_SECOND if measured.get("unit") == "second" else value)


def _taken(attributes: Attributes, names: Iterable[str]) -> object:
    """The first of some attributes that is there; all of them are taken out."""
    values = [attributes.pop(name, None) for name in names]
    return next((value for value in values if value is not None), None)
