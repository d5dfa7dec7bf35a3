"""Datadog RUM events (browser SDK 5 to 7) as rows: mostly by path; here is what has to be worked out."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from operators.client.screen import size_text
from operators.families.datadog.events import KINDS, VIEW_UPDATE
from operators.rows.paths import child, paths_by_kind, pick_paths, read_paths
from operators.rows.urls import resource_url_columns, view_url_columns
from operators.rows.values import (
    Attributes,
    LineRow,
    Row,
    as_text,
    compact_json,
    decode_object,
    keep,
    nanoseconds,
    text_of_id,
)
from schemas.items import Kind

_PATHS = paths_by_kind(lambda field: field.datadog)
_PHASES = {
    "resource_dns": "dns",
    "resource_tcp": "connect",
    "resource_ssl": "ssl",
    "resource_ttfb": "first_byte",
    "resource_first_byte": "first_byte",
    "resource_trans": "download",
    "resource_redirect": "redirect",
}
_VITAL_ENVELOPE = {"id", "type"}
_APPENDED = "page_states"
_TAG_COLUMNS = ("env", "sdk_version")  # SDK 5 has no tags in the event
_HTTP_CLASSES = range(1, 6)
_CACHED_LENGTH_MAX = 2048


def datadog_row(body: bytes) -> LineRow:
    """The row of an event. Raises ValueError for what is none, or of an unknown type."""
    event = decode_object(body)
    sent = str(event.get("type"))
    kind = KINDS.get(sent)
    if kind is None:
        raise ValueError(f"unknown event type: {sent[:80]!r}")
    del event["type"]
    if kind == Kind.NOTE:
        return _note(event)
    return LineRow(kind, _row(kind, event), is_difference=sent == VIEW_UPDATE)


def merged_view(lines: Iterable[bytes]) -> Row:
    """The row of a view from its lines, in order: the newest that is whole, and the differences sent after it.

    What a difference lists replaces; null takes away; page states are added at the end. Raises ValueError.
    """
    whole: Attributes = {}
    for line in lines:
        event = decode_object(line)
        if event.get("type") == VIEW_UPDATE:
            _apply(event, whole)
        else:
            whole = event
    whole.pop("type", None)
    return _row(Kind.VIEW, whole)


def _apply(changes: Attributes, whole: Attributes) -> None:
    for name, value in changes.items():
        known = whole.get(name)
        if value is None:
            whole.pop(name, None)
        elif isinstance(value, dict) and isinstance(known, dict):
            _apply(value, known)
        elif name == _APPENDED and isinstance(value, list) and isinstance(known, list):
            known.extend(value)
        else:
            whole[name] = value


def _note(event: Attributes) -> LineRow:
    """A vital tells of its view: a duration by its name, or a step of an operation with its time."""
    custom: dict[str, str] = {}
    vital = child(event, "vital")
    path = f"vital.{as_text(vital.pop('name', ''))}"
    step = vital.pop("step_type", None)
    if isinstance(step, str):
        keep(custom, f"{path}.{step}", event.get("date"))
    for name, value in vital.items():
        if name not in _VITAL_ENVELOPE:
            keep(custom, f"{path}.{name}", value)
    row = _row(Kind.VIEW, event)
    row.pop("custom", None)
    if custom:
        row["custom"] = custom
    return LineRow(Kind.NOTE, row)


def _row(kind: Kind, event: Attributes) -> Row:
    row: Row = {}
    custom: dict[str, str] = {}
    internal = event.pop("_dd", None)
    if isinstance(internal, dict):
        pick_paths(internal, _PATHS[kind].branches["_dd"], row, custom)
    _read_tags(event, row)
    _read_user(child(event, "usr"), row)
    _read_action_ids(event, row)
    if kind == Kind.RESOURCE:
        _read_resource(child(event, "resource"), row)
    _read_viewport(event, row)
    read_paths(event, _PATHS[kind], row, custom)
    _cut_urls(row)
    if custom:
        row["custom"] = custom
    return row


def _read_tags(event: Attributes, row: Row) -> None:
    tags = event.get("ddtags")
    if isinstance(tags, str):
        row.update(_cached_tag_columns(tags) if len(tags) <= _CACHED_LENGTH_MAX else _tag_columns(tags))


def _tag_columns(tags: str) -> Mapping[str, str]:
    pairs = (tag.partition(":") for tag in tags.split(","))
    return {name: value for name, colon, value in pairs if colon and name in _TAG_COLUMNS}


_cached_tag_columns = lru_cache(1024)(_tag_columns)  # one text per application, site and release


def _read_user(user: Attributes, row: Row) -> None:
    known, anonymous = text_of_id(user.get("id")), text_of_id(user.get("anonymous_id"))
    if known:
        row["userid"] = known
        row["is_signin"] = "T"
        del user["id"]
    elif anonymous:
        row["userid"] = anonymous
        row["is_signin"] = "F"


def _read_viewport(event: Attributes, row: Row) -> None:
    """The SDK tells no screen; the page's viewport comes nearest. It stays in `display` too."""
    viewport = child(child(event, "display"), "viewport")
    size = size_text(viewport.get("width"), viewport.get("height"))
    if size:
        row["screen_size"] = size


def _read_action_ids(event: Attributes, row: Row) -> None:
    action = child(event, "action")
    ids = action.get("id")
    if isinstance(ids, list):  # all that were open, oldest first
        row["action_ids"] = compact_json(ids)
        if ids and (last := text_of_id(ids[-1])):
            row["action_id"] = last
    elif known := text_of_id(ids):
        row["action_id"] = known
    else:
        return
    del action["id"]
    if not action:
        del event["action"]


def _read_resource(resource: Attributes, row: Row) -> None:
    status = resource.get("status_code")
    if type(status) is int:
        del resource["status_code"]
        row["resource_status"] = str(status)
        if status // 100 in _HTTP_CLASSES:
            row["resource_status_group"] = f"{status // 100}xx"
    for column, phase in _PHASES.items():
        timing = resource.get(phase)
        if isinstance(timing, dict):
            duration = nanoseconds(timing.get("duration"))
            if duration is not None:
                row[column] = duration


def _cut_urls(row: Row) -> None:
    view_url, resource_url = row.get("view_url"), row.get("resource_url")
    if isinstance(view_url, str):
        row.update(view_url_columns(view_url))
    if isinstance(resource_url, str):
        row.update(resource_url_columns(resource_url))
