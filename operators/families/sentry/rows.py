"""Lines of Sentry as rows. What has no column goes to `custom`, by its path.

Left out: `breadcrumbs`, which the recording has as actions, console and network entries; the lists of integrations and
packages; how the SDK sampled and named things.
"""

from collections.abc import Callable

from operators.families.sentry import spans
from operators.families.sentry.errors import read_error
from operators.families.sentry.kinds import VIEWS, is_vital, kind_of, kind_of_operation
from operators.families.sentry.lines import (
    EVENT,
    FEEDBACK,
    LOG,
    METRIC,
    REPLAY_EVENT,
    SPAN,
    TRANSACTION,
    Line,
    log_identity,
    read_line,
    span_attributes,
)
from operators.families.sentry.times import stamp_us
from operators.families.sentry.visitor import read_around, read_attributes, read_event
from operators.rows.paths import child
from operators.rows.urls import view_url_columns
from operators.rows.values import Attributes, LineRow, Row, as_text, keep, text_of_id
from schemas.items import Kind

_KEPT_OF_EVENTS = ("level", "message", "logger", "fingerprint", "extra", "dist", "server_name")
_NOT_KEPT = (
    *("sentry.", "user.", "user_agent.", "culture.", "client.", "code."),
    *("browser.navigation.", "browser.performance."),
)
_OF_VITALS = frozenset({"transaction", "replay_id", "profile_id", "user", "release", "environment"})  # of SDK 7 to 10
_NAMELESS = ("Pageload", "Navigation")  # what SDK 11 calls a page whose route it does not know; 7 to 10: its path
_CONSOLE_LOG = 10  # `console.log` has the level of `console.info` and a severity between its and the next one's
_PAINTS = ("paint", "browser.paint")
_OF_SDK = ("sentry-tracing-init",)
_OF_FEEDBACK = ("replay_id", "associated_event_id")


def sentry_row(body: bytes) -> LineRow:
    """The row of a line. Raises ValueError for what is no line."""
    line = read_line(body)
    read = _READERS.get(line.type)
    if read is None:
        raise ValueError(f"unknown type of line: {line.type[:80]!r}")
    kind = kind_of(line.type, line.payload)
    row: Row = {}
    custom: dict[str, str] = {}
    read_around(line.about, row)
    read(line, row, custom)
    adds = {name: row.pop(name) for name in spans.VITAL_COLUMNS if name in row} if kind == Kind.NOTE else {}
    url = row.get("view_url")
    if isinstance(url, str):
        row.update(view_url_columns(url))
    row.update(line.visitor)
    if custom:
        row["custom"] = custom
    return LineRow(kind, row, adds=adds)


def _event(line: Line, row: Row, custom: dict[str, str]) -> None:
    event = line.payload
    read_event(event, row, custom)
    read_error(event, row)
    if row["error_source"] == "network":  # the request that failed stands where others have the page
        row.pop("view_url", None)
        for name in ("url", "method"):
            keep(custom, f"request.{name}", child(event, "request").get(name))
    if event.get("message") == row.get("error_message"):
        event.pop("message", None)
    _keep(event, custom)


def _feedback(line: Line, row: Row, custom: dict[str, str]) -> None:
    """What the visitor wrote about the page: an action."""
    event = line.payload
    said = child(child(event, "contexts"), "feedback")
    row["action_type"] = "feedback"
    message = said.pop("message", None)
    if isinstance(message, str):
        row["action_name"] = message
    if own := text_of_id(event.get("event_id")):
        row["action_id"] = own
    for name in _OF_FEEDBACK:
        said.pop(name, None)
    read_event(event, row, custom)
    _keep(event, custom)


def _replay_event(line: Line, row: Row, custom: dict[str, str]) -> None:
    """What is known of the visitor while a segment was recorded."""
    read_event(line.payload, row, custom)
    traces = line.payload.get("trace_ids")
    if isinstance(traces, list) and traces and (last := text_of_id(traces[-1])):
        row["view_id"] = last


def _transaction(line: Line, row: Row, custom: dict[str, str]) -> None:
    """The root span of SDK 7 to 10, in the shape of an event."""
    event = line.payload
    trace = child(child(event, "contexts"), "trace")
    span = {name: event.get(name) for name in ("start_timestamp", "timestamp", "measurements", "tags")} | trace
    span["description"] = line.about.transaction
    attributes = dict(child(trace, "data"))
    read_attributes(span, attributes, row)
    read_event(event, row, custom)
    _read_span(line._replace(payload=span), attributes, row, custom)
    for name, measured in child(event, "measurements").items():
        keep(custom, f"measurements.{name}", measured.get("value") if isinstance(measured, dict) else measured)
    _keep(event, custom)


def _span(line: Line, row: Row, custom: dict[str, str]) -> None:
    attributes = span_attributes(line.payload)
    read_attributes(line.payload, attributes, row)
    _read_span(line, attributes, row, custom)


def _metric(line: Line, row: Row, custom: dict[str, str]) -> None:
    """A metric of the page, in `custom` of its view."""
    read_attributes(line.payload, span_attributes(line.payload), row)
    keep(custom, f"metric.{text_of_id(line.payload.get('name')) or 'unnamed'}", line.payload.get("value"))


def _log(line: Line, row: Row, custom: dict[str, str]) -> None:
    """A line that was logged with the SDK, or on the console and taken over from there."""
    log = line.payload
    attributes = span_attributes(log)
    read_attributes(log, attributes, row)
    at_us = stamp_us(log.get("timestamp"))
    if at_us is not None:
        row["time"] = at_us
    is_console_log = log.get("severity_number") == _CONSOLE_LOG
    row["console_id"] = f"{log_identity(line.raw):016x}"
    row["level"] = "log" if is_console_log else text_of_id(log.get("level")) or "log"
    row["message"] = as_text(log.get("body", ""))
    row["is_cut"] = False
    for name, value in attributes.items():
        if not name.startswith(_NOT_KEPT):
            keep(custom, name, value)


_READERS: dict[str, Callable[[Line, Row, dict[str, str]], None]] = {
    EVENT: _event,
    FEEDBACK: _feedback,
    REPLAY_EVENT: _replay_event,
    TRANSACTION: _transaction,
    SPAN: _span,
    LOG: _log,
    METRIC: _metric,
}


def _keep(event: Attributes, custom: dict[str, str]) -> None:
    for name in _KEPT_OF_EVENTS:
        keep(custom, name, event.get(name))


def _read_span(line: Line, attributes: Attributes, row: Row, custom: dict[str, str]) -> None:
    span = line.payload
    op = text_of_id(span.get("op")) or text_of_id(attributes.get("sentry.op"))
    kind = kind_of_operation(op)
    begin_us = stamp_us(span.get("start_timestamp"))
    if begin_us is not None:
        row["time"] = begin_us
    if kind == Kind.NOTE and not is_vital(op, span):
        _read_measured(op, span, custom)
        return
    if kind == Kind.RESOURCE:
        spans.read_resource(op, span, attributes, line.about, row)
    elif kind == Kind.LONG_TASK:
        spans.read_long_task(span, attributes, row)
    elif kind == Kind.VIEW:
        _read_view(op, span, attributes, row)
    else:
        _read_vital(op, span, attributes, row)
    for name, value in attributes.items():
        if not name.startswith(_NOT_KEPT) and name not in _OF_VITALS:
            keep(custom, name, value)


def _read_view(op: str, span: Attributes, attributes: Attributes, row: Row) -> None:
    """A page load or a route change."""
    spans.read_vitals(span, attributes, row)
    name = span_name(span)
    row["view_loading_type"] = VIEWS[op]
    if url := text_of_id(attributes.pop("url.full", None)):
        row["view_url"] = url
    path = text_of_id(attributes.pop("url.path", None))
    if found := path if path and name in _NAMELESS else name:
        row["view_name"] = found
    referrer = attributes.pop("http.request.header.referer", None)
    if text := text_of_id(referrer[0] if isinstance(referrer, list) and referrer else referrer):
        row["view_referrer"] = text
    duration = spans.duration_ns(span)
    if duration is not None:
        row["loading_time"] = duration  # the span is closed once nothing was loaded for a second, and ends before that


def _read_vital(op: str, span: Attributes, attributes: Attributes, row: Row) -> None:
    """A web vital sent by itself, once it is final; SDK 7 to 10 name that of an interaction by its element."""
    spans.read_vitals(span, attributes, row)
    if op.startswith("ui.interaction.") and "attributes" not in span and span_name(span):
        row["interaction_to_next_paint_target_selector"] = span_name(span)


def _read_measured(op: str, span: Attributes, custom: dict[str, str]) -> None:
    """A span that the page made, or a phase of its loading: a duration by its name, in `custom` of its view."""
    name = span_name(span)
    if op in _PAINTS or name in _OF_SDK:
        return  # the page load has the times of paints
    if op == "browser" or op.startswith("browser."):  # SDK 7: `browser` with the phase as its name
        keep(custom, f"browser.{op.partition('.')[2] or name}.duration", spans.duration_ns(span))
        return
    path = f"span.{name or op or 'unnamed'}"
    keep(custom, f"{path}.duration", spans.duration_ns(span))
    keep(custom, f"{path}.op", op or None)


def span_name(span: Attributes) -> str:
    """`name` in version 2 of spans, `description` in 1."""
    return text_of_id(span.get("name")) or text_of_id(span.get("description"))
