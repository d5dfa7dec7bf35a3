"""Datadog RUM events (browser SDK 5 to 7) as rows: mostly by path; here is what has to be worked out."""

from collections.abc import Mapping
from functools import lru_cache

from operators.event_paths import child, paths_by_kind, pick_paths, read_paths
from operators.row_values import Attributes, LineRow, Row, compact_json, decode_object, int64
from operators.url_columns import resource_url_columns, view_url_columns
from schemas.items import LINE_TABLE, Kind

_KINDS = {kind.name.lower(): kind for kind in LINE_TABLE}
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
_TAG_COLUMNS = ("env", "sdk_version")  # SDK 5 has no tags in the event
_HTTP_CLASSES = range(1, 6)
_CACHED_LENGTH_MAX = 2048


def datadog_row(body: bytes) -> LineRow:
    """The row of an event. Raises ValueError for what is none, or of an unknown type."""
    event = decode_object(body)
    kind = _KINDS.get(str(event.get("type")))
    if kind is None:
        raise ValueError(f"unknown event type: {str(event.get('type'))[:80]!r}")
    del event["type"]
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
    read_paths(event, _PATHS[kind], row, custom)
    _cut_urls(row)
    if custom:
        row["custom"] = custom
    return LineRow(kind, row)


def _read_tags(event: Attributes, row: Row) -> None:
    tags = event.get("ddtags")
    if isinstance(tags, str):
        row.update(_cached_tag_columns(tags) if len(tags) <= _CACHED_LENGTH_MAX else _tag_columns(tags))


def _tag_columns(tags: str) -> Mapping[str, str]:
    pairs = (tag.partition(":") for tag in tags.split(","))
    return {name: value for name, colon, value in pairs if colon and name in _TAG_COLUMNS}


_cached_tag_columns = lru_cache(1024)(_tag_columns)  # one text per application, site and release


def _read_user(user: Attributes, row: Row) -> None:
    anonymous = user.get("anonymous_id")
    if isinstance(user.get("id"), str):
        row["userid"] = str(user.pop("id"))
        row["is_signin"] = "T"
    elif isinstance(anonymous, str):
        row["userid"] = anonymous
        row["is_signin"] = "F"


def _read_action_ids(event: Attributes, row: Row) -> None:
    action = child(event, "action")
    ids = action.get("id")
    if isinstance(ids, str):
        row["action_id"] = ids
    elif isinstance(ids, list):  # all that were open, oldest first
        row["action_ids"] = compact_json(ids)
        if ids and isinstance(ids[-1], str):
            row["action_id"] = ids[-1]
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
            duration = int64(timing.get("duration"))
            if duration is not None:
                row[column] = duration


def _cut_urls(row: Row) -> None:
    view_url, resource_url = row.get("view_url"), row.get("resource_url")
    if isinstance(view_url, str):
        row.update(view_url_columns(view_url))
    if isinstance(resource_url, str):
        row.update(resource_url_columns(resource_url))
