"""The tables of the lake, each declared once, as data; Arrow schemas and docs/tables.md are made from it."""

from functools import cache

import pyarrow as pa

from schemas.fields import Field, Join, Table, added, always, by_version, computed
from schemas.guance_dictionary import ACTION, ERROR, LONG_TASK, RESOURCE, VIEW_COUNTS, VIEW_STATE, VIEW_TIMINGS
from schemas.line_columns import SDK_FAMILY, line_columns
from schemas.session_columns import SESSION_COLUMNS
from schemas.signal_columns import ERROR_SIGNALS, RESOURCE_SIGNALS, VIEW_SIGNALS

_REPLAY_SEGMENTS: tuple[Field, ...] = always(
    computed("app_id", "string", "Application"),
    computed("session_id", "string", "Session, as the SDK names it"),
    computed("session_part", "int64", "Window of the session, counted from 0"),
    computed("revision", "int64", "Revision of the window that brought this row"),
    computed("view_id", "string", "View that was recorded; with rrweb: the browser window; with Sentry: the replay"),
    computed("index_in_view", "int64", "Number of the segment in its view, from 0; -1 where the SDK does not say it"),
    computed("start", "timestamp", "First record, client clock"),
    computed("end", "timestamp", "Last record, client clock"),
    computed("received_at", "timestamp", "Receive clock of the intake, earliest copy"),
    computed("records_count", "int64", "Records in the segment", "count"),
    computed("has_full_snapshot", "bool", "Playing can begin in it"),
    computed("creation_reason", "string", "Why the SDK began it"),
    computed("raw_bytes", "int64", "Size, inflated", "bytes"),
    computed("replay_key", "string", "Key of the blob it is in, below the lake's root"),
    computed("frame_offset", "int64", "Where its frame begins in the blob", "bytes"),
    computed("frame_length", "int64", "Length of that frame, compressed", "bytes"),
    computed("sdk_name", "string", "SDK"),
    computed("sdk_version", "string", "Version of the SDK"),
    computed("source", "string", "Family of the record format: `guance`, `datadog`, `rrweb` or `sentry`"),
)

_CONSOLE: tuple[Field, ...] = (
    *always(
        computed("console_id", "string", "Entry"),
        computed("level", "string", "`debug`, `log`, `info`, `warn`, `error`, or as the SDK says"),
        computed("message", "string", "What was logged; of several values, one after the other"),
    ),
    computed("stack", "string", "Where it was logged, innermost call first"),
    computed("is_cut", "bool", "Message or stack was longer than what is kept"),
)

_QUARANTINE: tuple[Field, ...] = (
    *always(
        computed("topic", "string", "Topic, or name of the capture file"),
        computed("partition", "int64", "Partition"),
        computed("offset", "int64", "Offset in it, or line of the capture file"),
        computed("received_at", "timestamp", "Receive clock of the intake"),
        computed("reason", "string", "Why it cannot be used, from a closed list"),
        computed("detail", "string", "What exactly, short"),
        computed("raw", "binary", "The smallest part that is bad, as received"),
    ),
    computed("app_id", "string", "Application, if known"),
    computed("session_id", "string", "Session, if known"),
)

_BY_TIME = ("app_id", "time")
_WINDOW = ("app_id", "session_id", "session_part")
_VIEW = (*_WINDOW, "view_id")
_OF_SESSION = Join("sessions", _WINDOW)
_OF_VIEW = Join("views", _VIEW)
_OF_BOTH = (_OF_SESSION, _OF_VIEW)


def _item(column: str) -> tuple[str, ...]:
    return (*_WINDOW, column)


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "sessions",
            "One row per session window and revision.",
            SESSION_COLUMNS,
            ("app_id", "start"),
            key=_WINDOW,
            is_revised=True,
        ),
        Table(
            "views",
            "Pages and routes, each in its final state.",
            line_columns(*VIEW_STATE, *VIEW_COUNTS, *VIEW_TIMINGS, signals=VIEW_SIGNALS),
            _BY_TIME,
            key=_VIEW,
            is_revised=True,
            joins=(_OF_SESSION,),
        ),
        Table(
            "actions",
            "Clicks and other things the visitor did.",
            line_columns(*ACTION),
            _BY_TIME,
            key=_item("action_id"),
            joins=_OF_BOTH,
        ),
        Table(
            "errors",
            "Errors of the page.",
            line_columns(*ERROR, signals=ERROR_SIGNALS),
            _BY_TIME,
            key=_item("error_id"),
            joins=_OF_BOTH,
        ),
        Table(
            "resources",
            "Requests and loaded files.",
            line_columns(*RESOURCE, signals=RESOURCE_SIGNALS),
            _BY_TIME,
            key=_item("resource_id"),
            joins=_OF_BOTH,
        ),
        Table(
            "long_tasks",
            "Periods when the page was unresponsive.",
            line_columns(*LONG_TASK),
            _BY_TIME,
            key=_item("long_task_id"),
            joins=_OF_BOTH,
        ),
        Table(
            "console",
            "What the page logged, one row an entry.",
            line_columns(*_CONSOLE),
            _BY_TIME,
            since=3,
            key=_item("console_id"),
            joins=_OF_BOTH,
        ),
        Table(
            "replay_segments",
            "Index of the replay blobs: one row per segment.",
            by_version(*_REPLAY_SEGMENTS, *added(3, SDK_FAMILY)),
            ("app_id", "start"),
            key=(*_VIEW, "index_in_view", "start"),
            joins=(_OF_SESSION,),
        ),
        Table("quarantine", "Input that could not be used.", _QUARANTINE, ("received_at",), last_common=2),
    )
}

# Tables in which a row replaces an older one, and what the two have in common. Only the highest revision counts.
REVISED: dict[str, tuple[str, ...]] = {table.name: table.key for table in TABLES.values() if table.is_revised}

_ARROW_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "int64": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "map<string,string>": pa.map_(pa.string(), pa.string()),
    "binary": pa.binary(),
}


@cache
def arrow_schema(table: str) -> pa.Schema:
    """The Arrow schema of a table; unit and meaning of each column, name and version of the table are its metadata."""
    declared = TABLES[table]
    columns = [
        pa.field(
            field.name,
            _ARROW_TYPES[field.type],
            nullable=field.nullable,
            metadata={"unit": field.unit, "doc": field.doc, "since": str(field.since)},
        )
        for field in declared.fields
    ]
    return pa.schema(columns, metadata={"replaylake.table": table, "replaylake.version": str(declared.version)})
