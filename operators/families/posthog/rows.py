"""PostHog events as rows: its own event names stand for views, actions and errors; any other is a custom action."""

from datetime import UTC, datetime, timedelta

from operators.families.posthog.events import CLICKS, FLAG_CALLED, FRUSTRATIONS, PAGE_LEAVE, PAGE_VIEW, kind_of
from operators.rows.paths import child, paths_by_kind, read_paths
from operators.rows.urls import view_url_columns
from operators.rows.values import (
    Attributes,
    LineRow,
    Row,
    as_text,
    decode_object,
    keep,
    ms_as_ns,
    nanoseconds,
    scaled,
    text_of_id,
)
from schemas.items import Kind
from schemas.units import NS_PER_SECOND, NS_PER_US, US_PER_SECOND

_VITALS_MS = {
    "first_contentful_paint": "$web_vitals_FCP_value",
    "largest_contentful_paint": "$web_vitals_LCP_value",
    "interaction_to_next_paint": "$web_vitals_INP_value",
}
_TRAITS = {"name": "user_name", "email": "user_email"}
_NOTE_ATTRIBUTES = (
    *("$set", "$set_once", "$unset", "$anon_distinct_id", "alias"),
    *("$group_type", "$group_key", "$group_set", "$feature_enrollment"),
)
_FRAMES_MAX = 100
_PATHS = paths_by_kind(lambda field: field.posthog)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_REFERRER = "$direct"  # opened by hand: says that there is none


def posthog_row(body: bytes) -> LineRow:
    """The row of an event. Raises ValueError for what is no JSON object."""
    event = decode_object(body)
    name = as_text(event.get("event"))
    kind = kind_of(name)
    row: Row = {}
    custom: dict[str, str] = {}
    properties = child(event, "properties")
    _read_time(event, properties, row)
    if kind == Kind.NOTE:
        return _note(name, event, properties)
    if kind == Kind.ACTION:
        _read_action(name, event, properties, row)
    elif kind == Kind.ERROR:
        _read_error(event, properties, row)
    else:
        _read_vitals(properties, row)
        if name == PAGE_LEAVE:
            _leave_view(properties, row, custom)
    _read_visitor(event, properties, row)
    read_paths(event, _PATHS[kind], row, custom)
    url = row.get("view_url")
    if isinstance(url, str):
        row.update(view_url_columns(url))
    if custom:
        row["custom"] = custom
    return LineRow(kind, row, is_start=name == PAGE_VIEW, left=_left(properties) if name == PAGE_VIEW else None)


def _note(name: str, event: Attributes, properties: Attributes) -> LineRow:
    """Who the visitor is now and what a flag said; the rest of such an event is on every other one."""
    row: Row = {}
    custom: dict[str, str] = {}
    _read_visitor(event, properties, row)
    if name == FLAG_CALLED:
        keep(custom, f"flag.{as_text(properties.get('$feature_flag'))}", properties.get("$feature_flag_response"))
    for source, prefix in ((event, ""), (properties, "properties.")):
        for one in _NOTE_ATTRIBUTES:
            keep(custom, prefix + one, source.get(one))
    read_paths(event, _PATHS[Kind.VIEW], row, {})
    if custom:
        row["custom"] = custom
    return LineRow(Kind.NOTE, row)


def _left(properties: Attributes) -> tuple[str, int] | None:
    """A page view of a single-page app says which view it followed, and how long that was."""
    view_id, duration_ns = text_of_id(properties.get("$prev_pageview_id")), _duration_ns(properties)
    return (view_id, duration_ns) if view_id and duration_ns is not None else None


def _duration_ns(properties: Attributes) -> int | None:
    return nanoseconds(scaled(properties.get("$prev_pageview_duration"), NS_PER_SECOND))


def _read_time(event: Attributes, properties: Attributes, row: Row) -> None:
    # Events of a batch have only their distance to its sending, but every event has its time among the properties too.
    time_us = _iso_us(event.get("timestamp"))
    if time_us is not None:
        del event["timestamp"]
    else:
        time_us = scaled(properties.get("$time"), US_PER_SECOND)
        if time_us is None:
            return
        del properties["$time"]
    row["time"] = time_us


def _iso_us(value: object) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _leave_view(properties: Attributes, row: Row, custom: dict[str, str]) -> None:
    """A leave is sent at the end of a view and says how long it was; a view's time is its start."""
    left = text_of_id(properties.get("$prev_pageview_id"))
    if left:
        current = properties.get("$pageview_id", left)
        if current != left:
            keep(custom, "properties.$pageview_id", current)
        properties["$pageview_id"] = left
        del properties["$prev_pageview_id"]
    duration_ns, left_us = _duration_ns(properties), row.get("time")
    if duration_ns is None or not isinstance(left_us, int) or duration_ns > left_us * NS_PER_US:
        return
    del properties["$prev_pageview_duration"]
    row["time_spent"] = duration_ns
    row["time"] = left_us - duration_ns // NS_PER_US


def _read_vitals(properties: Attributes, row: Row) -> None:
    for column, name in _VITALS_MS.items():
        duration_ns = ms_as_ns(properties.get(name))
        if duration_ns is not None:
            del properties[name]
            row[column] = duration_ns


def _read_action(name: str, event: Attributes, properties: Attributes, row: Row) -> None:
    _move_text(event, "uuid", "action_id", row)
    if name in CLICKS:
        _move_text(properties, "$event_type", "action_type", row)
        _move_text(properties, "$el_text", "action_name", row)
        if name in FRUSTRATIONS:
            row["action_frustration_types"] = FRUSTRATIONS[name]
    else:
        row["action_type"] = "custom"
        _move_text(event, "event", "action_name", row)


def _read_error(event: Attributes, properties: Attributes, row: Row) -> None:
    _move_text(event, "uuid", "error_id", row)
    thrown = properties.get("$exception_list")
    first = thrown[0] if isinstance(thrown, list) and thrown else None
    if isinstance(first, dict):  # the list itself goes to `custom`: it has the causes and the frames' contexts
        _copy_text(first, "type", "error_type", row)
        _copy_text(first, "value", "error_message", row)
        mechanism = child(first, "mechanism")
        handled = mechanism.get("handled")
        if isinstance(handled, bool):
            row["error_handling"] = "handled" if handled else "unhandled"
        row["error_source"] = "console" if "console" in as_text(mechanism.get("type")) else "source"
        stack = _stack(first)
        if stack:
            row["error_stack"] = stack
    _move_text(properties, "$exception_type", "error_type", row)
    _move_text(properties, "$exception_message", "error_message", row)


def _stack(thrown: Attributes) -> str:
    """The frames as browsers write a stack; posthog-js lists the frame in which it happened last."""
    frames = child(thrown, "stacktrace").get("frames")
    lines = []
    for frame in reversed(frames[-_FRAMES_MAX:] if isinstance(frames, list) else []):
        if isinstance(frame, dict):
            name = text_of_id(frame.get("function")) or "?"
            place = [text_of_id(frame.get(part)) for part in ("filename", "lineno", "colno")]
            lines.append(f"    at {name} ({':'.join(filter(None, place)) or '?'})")
    if not lines:
        return ""
    says = [text_of_id(thrown.get(part)) for part in ("type", "value")]
    return "\n".join([": ".join(filter(None, says)), *lines])


def _read_visitor(event: Attributes, properties: Attributes, row: Row) -> None:
    for source in (event, properties):  # the SDK puts them at the top
        traits = child(source, "$set")
        for name, column in _TRAITS.items():
            _move_text(traits, name, column, row)
        if not traits:
            source.pop("$set", None)
    referrer = properties.get("$referrer")
    if isinstance(referrer, str) and referrer != _NO_REFERRER:
        row["view_referrer"] = referrer
        del properties["$referrer"]
    identified = properties.get("$is_identified")
    if isinstance(identified, bool):
        row["is_signin"] = "T" if identified else "F"
        del properties["$is_identified"]
    version = properties.get("$browser_version")
    if type(version) in (int, float, str):  # a number in most releases of the SDK
        row["browser_version"] = as_text(version)
        row["browser_version_major"] = as_text(version).partition(".")[0]
        del properties["$browser_version"]
    width, height = properties.get("$screen_width"), properties.get("$screen_height")
    if type(width) is int and type(height) is int:
        row["screen_size"] = f"{width}*{height}"
        del properties["$screen_width"], properties["$screen_height"]


def _move_text(source: Attributes, name: str, column: str, row: Row) -> None:
    if isinstance(source.get(name), str):
        row[column] = str(source.pop(name))


def _copy_text(source: Attributes, name: str, column: str, row: Row) -> None:
    value = source.get(name)
    if isinstance(value, str):
        row[column] = value
