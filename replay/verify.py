"""Does the lake hold together? Reads all of it back: checksums, index against bytes, counts, orphans."""

from collections import Counter
from collections.abc import Callable, Iterable

import msgspec
import pyarrow as pa

from replay.catalog import (
    Row,
    UnreadableFile,
    WindowKey,
    latest_sessions,
    latest_views,
    open_blob,
    read_file,
    stored_schema,
    table_keys,
    window_key,
)
from schemas.blob import BlobFormatError, BlobIndex
from schemas.keys import PACKS, REPLAYS, STAGING
from schemas.tables import TABLES, arrow_schema
from sinks.store import ObjectMissing, ObjectStore

_COUNTED = {
    "views": "session_view_count",
    "actions": "session_action_count",
    "errors": "session_error_count",
    "resources": "session_resource_count",
    "long_tasks": "session_long_task_count",
}
_IDENTITY = ("app_id", "session_id", "session_part", "revision")
_REPLAY_TOTALS = ("replay_segment_count", "replay_record_count", "replay_raw_bytes", "replay_bytes")
_NEEDED = {
    "sessions": (*_IDENTITY, "start", *_COUNTED.values(), *_REPLAY_TOTALS, "replay_key"),
    "replay_segments": (
        *(*_IDENTITY, "view_id", "records_count", "raw_bytes"),
        *("replay_key", "frame_offset", "frame_length"),
    ),
    "quarantine": (),
}  # of a line table: its identity and view

type_Progress = Callable[[str], None]


class Report(msgspec.Struct):
    """What was read, and every problem as one line that names the key or window."""

    files: int = 0
    rows: dict[str, int] = msgspec.field(default_factory=dict)
    blobs: int = 0
    blob_bytes: int = 0
    packs: int = 0
    staged: int = 0
    problems: list[str] = msgspec.field(default_factory=list)
