"""What a conversion gives: tracks of rrweb events, and the one error it may raise."""

from typing import Any

import msgspec

from schemas.errors import Damaged

JsonObject = dict[str, Any]
"""A JSON object from a recording. Its members are not certain: read them through `operators.rrweb.json_shape`."""

Event = dict[str, Any]
"""An rrweb event `{type, timestamp, data}`, ready for `json.dumps`."""


class ConversionError(Damaged):
    """The segments cannot be converted at all: not JSON, not of their family's shape, or over a size limit."""


class Track(msgspec.Struct, frozen=True):
    """What one player shows from beginning to end. Tracks of a session may overlap in time (several tabs).

    `events` is empty when no full snapshot was received: then there is nothing a player could show.
    Trees in `events` are at most `MAX_TREE_DEPTH` deep, which `json` and `msgspec` can write (orjson cannot).
    """

    track_id: int
    view_ids: list[str]  # rrweb has no views: its window id
    start_ms: int
    end_ms: int
    events: list[Event]  # sorted by timestamp
    skipped: dict[str, int]  # reason → count of records, or parts of one, that are not in `events`
    notes: list[str] = []  # for a person: what is missing or why there is nothing, one sentence each
