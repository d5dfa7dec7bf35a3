"""Columns of `sessions`: one row per window and revision, computed here; no SDK sends any of it as such."""

import msgspec

from schemas.fields import ColumnType, Field, added, always, by_version, computed, grouped
from schemas.guance_dictionary import ACTION, ERROR, LONG_TASK, RESOURCE, VIEW_COUNTS, VIEW_STATE, VIEW_TIMINGS
from schemas.line_columns import SDK_FAMILY, SESSION, VIEW, VISITOR
from schemas.signal_columns import SESSION_SIGNALS

# The column that counts a window's rows of a line table.
COUNTED = {
    "views": "session_view_count",
    "errors": "session_error_count",
    "resources": "session_resource_count",
    "actions": "session_action_count",
    "long_tasks": "session_long_task_count",
    "console": "session_console_count",
}

_VIEW_PARTS: tuple[tuple[str, str, str], ...] = (
    ("id", "", "id"),
    ("url", "", "address"),
    ("host", "", "host and port"),
    ("path", "", "path"),
    ("path_group", "", "path, segments with a digit as `?`"),
    ("url_query", "JSON", "query parameters"),
)


def _view_columns(which: str) -> tuple[Field, ...]:
    return tuple(
        computed(f"session_{which}_view_{part}", "string", f"{which.capitalize()} view: {doc}", unit)
        for part, unit, doc in _VIEW_PARTS
    )


def _counts(*columns: tuple[str, str]) -> tuple[Field, ...]:
    return always(*(computed(name, "int64", doc, "count") for name, doc in columns))


def _plain(column_type: ColumnType, *columns: tuple[str, str]) -> tuple[Field, ...]:
    return tuple(computed(name, column_type, doc) for name, doc in columns)


_IDENTITY = (
    *always(
        *_plain("string", ("app_id", "Application"), ("session_id", "Session, as the SDK names it")),
        computed("session_part", "int64", "Window of the session, counted from 0"),
        computed("revision", "int64", "Revision of the window; only the highest counts"),
    ),
)

_REFERRER = (computed("session_referrer", "string", "Page that led to the first view"),)

_TOTALS = (
    *always(computed("time_spent", "int64", "From start to end", "ns")),
    *_counts(
        (COUNTED["views"], "Distinct views, received or seen in the recording"),
        (COUNTED["errors"], "Distinct errors received"),
        (COUNTED["resources"], "Distinct resources, received or seen in the recording"),
        (COUNTED["actions"], "Distinct actions, received or seen in the recording"),
        (COUNTED["long_tasks"], "Distinct long tasks, received or seen in the recording"),
    ),
    *always(computed("session_has_replay", "bool", "A replay segment was received")),
)

_TIMES = (
    *always(
        *_plain(
            "timestamp",
            ("start", "First activity, client clock"),
            ("end", "Last activity, client clock"),
            ("received_start", "First receipt, receive clock"),
            ("received_end", "Last receipt, receive clock"),
        ),
        computed(
            "close_reason",
            "string",
            "`inactivity`, `max_duration`, `ended` (by the SDK) or `drained` (end of the input)",
        ),
    ),
    computed("last_interaction_at", "timestamp", "Last thing the visitor did, client clock"),
    *always(
        computed("active_time", "int64", "Time in which the visitor was active", "ns"),
        computed("clock_skew_ms", "int64", "Receive clock ahead of the client's, best estimate", "ms"),
    ),
)

_FRUSTRATION = _counts(
    ("frustration_count", "Signs of frustration on its actions"),
    ("rage_click_count", "Actions with a rage click"),
    ("dead_click_count", "Actions with a dead click"),
    ("error_click_count", "Actions with an error click"),
)

_CHECKS = _counts(
    ("claimed_error_count", "Errors the SDK says it sent, over the views"),
    ("claimed_resource_count", "Resources the SDK says it sent, over the views"),
    ("claimed_action_count", "Actions the SDK says it sent, over the views"),
    ("claimed_long_task_count", "Long tasks the SDK says it sent, over the views"),
    ("duplicate_count", "Copies that were received and not stored"),
    ("late_count", "Items that came after the window was closed"),
)

_REPLAY = (
    *_counts(
        ("replay_segment_count", "Distinct segments received"),
        ("replay_missing_segment_count", "Segments the SDK says it sent that never arrived"),
        ("replay_record_count", "Records in the segments"),
    ),
    *always(
        computed("replay_raw_bytes", "int64", "Size of the segments, inflated", "bytes"),
        computed("replay_bytes", "int64", "Size of the blob", "bytes"),
    ),
    computed("replay_key", "string", "Key of the blob below the lake's root; null without replay"),
)

_RECORDED = added(
    3,
    *grouped("Application", SDK_FAMILY),
    *grouped("Session", computed(COUNTED["console"], "int64", "Distinct console entries", "count")),
    computed("console_error_count", "int64", "Of these, errors", "count"),
    computed("console_warn_count", "int64", "Of these, warnings", "count"),
    computed("recorded_omitted_count", "int64", "Entries of its recording that gave no row: over the bounds", "count"),
)

_LINES = (*VISITOR, *VIEW, *SESSION, *VIEW_STATE, *VIEW_COUNTS, *VIEW_TIMINGS, *ACTION, *ERROR, *RESOURCE, *LONG_TASK)

# The columns of lines that are declared as `carried`.
CARRIED = {field.name: field for field in _LINES if field.carried != "no"}


def _carried(name: str) -> Field:
    line = CARRIED[name]
    own = computed(name, line.type, line.doc, line.unit)
    return msgspec.structs.replace(own, since=line.since, group=line.group, label=line.label)


SESSION_COLUMNS: tuple[Field, ...] = by_version(
    *grouped("Session", *_IDENTITY, _carried("session_type"), *_REFERRER),
    *grouped("Pages", *_view_columns("first"), *_view_columns("last")),
    *grouped("Session", *_TOTALS, *_TIMES),
    *grouped("Frustration", *_FRUSTRATION),
    *_CHECKS,
    *grouped("Replay", *_REPLAY),
    *(_carried(name) for name in CARRIED if name != "session_type"),
    computed("custom", "map<string,string>", "Attributes without a column, last value of each"),
    *SESSION_SIGNALS,
    *_RECORDED,
)
