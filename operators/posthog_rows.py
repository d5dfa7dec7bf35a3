"""PostHog events as rows: its own event names stand for views, actions and errors; any other is a custom action."""

from datetime import UTC, datetime, timedelta

from operators.event_paths import child, paths_by_kind, read_paths
from operators.row_values import Attributes, LineRow, Row, as_text, decode_object, keep, ms_as_ns, scaled
from operators.url_columns import view_url_columns
from schemas.items import Kind
from schemas.units import NS_PER_US, US_PER_SECOND

_KINDS = {
    "$pageview": Kind.VIEW,
    "$pageleave": Kind.VIEW,
    "$web_vitals": Kind.VIEW,
    "$exception": Kind.ERROR,
}
_FRUSTRATIONS = {"$rageclick": '["rage_click"]', "$dead_click": '["dead_click"]'}
_CLICKS = {"$autocapture", *_FRUSTRATIONS}
_VITALS_MS = {
    "first_contentful_paint": "$web_vitals_FCP_value",
    "largest_contentful_paint": "$web_vitals_LCP_value",
    "interaction_to_next_paint": "$web_vitals_INP_value",
}
_PATHS = paths_by_kind(lambda field: field.posthog)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_REFERRER = "$direct"  # opened by hand: says that there is none


def posthog_row(body: bytes) -> LineRow:
    """The row of an event. Raises ValueError for what is no JSON object."""
    event = decode_object(body)
    name = as_text(event.get("event"))
    kind = _KINDS.get(name, Kind.ACTION)
    row: Row = {}
    custom: dict[str, str] = {}
    properties = child(event, "properties")
    _read_time(event, properties, row)
    if kind == Kind.ACTION:
        _read_action(name, event, properties, row)
    elif kind == Kind.ERROR:
        _read_error(event, properties, row)
    else:
        _read_vitals(properties, row)
        if name == "$pageleave":
            _leave_view(properties, row, custom)
    _read_visitor(properties, row)
    read_paths(event, _PATHS[kind], row, custom)
    url = row.get("view_url")
    if isinstance(url, str):
        row.update(view_url_columns(url))
    if custom:
        row["custom"] = custom
    return LineRow(kind, row)


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
    left = properties.get("$prev_pageview_id")
    if isinstance(left, str):
        current = properties.get("$pageview_id", left)
        if current != left:
            keep(custom, "properties.$pageview_id", current)
        properties["$pageview_id"] = properties.pop("$prev_pageview_id")
    duration_us = scaled(properties.get("$prev_pageview_duration"), US_PER_SECOND)
    left_us = row.get("time")
    if duration_us is None or not isinstance(left_us, int) or not 0 <= duration_us <= left_us:
        return
    del properties["$prev_pageview_duration"]
    row["time_spent"] = duration_us * NS_PER_US
    row["time"] = left_us - duration_us


def _read_vitals(properties: Attributes, row: Row) -> None:
    for column, name in _VITALS_MS.items():
        duration_ns = ms_as_ns(properties.get(name))
        if duration_ns is not None:
            del properties[name]
            row[column] = duration_ns


def _read_action(name: str, event: Attributes, properties: Attributes, row: Row) -> None:
    _move_text(event, "uuid", "action_id", row)
    if name in _CLICKS:
        _move_text(properties, "$event_type", "action_type", row)
        _move_text(properties, "$el_text", "action_name", row)
        if name in _FRUSTRATIONS:
            row["action_frustration_types"] = _FRUSTRATIONS[name]
    else:
        row["action_type"] = "custom"
        _move_text(event, "event", "action_name", row)


def _read_error(event: Attributes, properties: Attributes, row: Row) -> None:
    _move_text(event, "uuid", "error_id", row)
    thrown = properties.get("$exception_list")
    first = thrown[0] if isinstance(thrown, list) and thrown else None
    if isinstance(first, dict):  # the list itself goes to `custom`: it has the frames
        _copy_text(first, "type", "error_type", row)
        _copy_text(first, "value", "error_message", row)
        handled = child(first, "mechanism").get("handled")
        if isinstance(handled, bool):
            row["error_handling"] = "handled" if handled else "unhandled"
    _move_text(properties, "$exception_type", "error_type", row)
    _move_text(properties, "$exception_message", "error_message", row)


def _read_visitor(properties: Attributes, row: Row) -> None:
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
