"""Where a recording has holes: stretches of time whose segments never came or lie in blobs that cannot be read."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise

import msgspec

from lake.catalog import Row
from lake.notes import NoteKind
from schemas.items import NOT_NUMBERED


class Hole(msgspec.Struct, frozen=True, order=True):
    """A stretch of time (client clock, epoch ms) of which `count` segments are missing. `view_id` None: all views."""

    from_ms: int
    to_ms: int
    count: int
    kind: NoteKind
    view_id: str | None = None


def holes(segments: Iterable[Row], lost: Mapping[str, NoteKind]) -> list[Hole]:
    """The holes of a session, in order of time. `segments`: its rows of replay_segments; `lost`: kinds of loss by the
    keys of the blobs that cannot be read.
    """
    views: defaultdict[str, list[Row]] = defaultdict(list)
    blobs: defaultdict[str, list[Row]] = defaultdict(list)
    for row in segments:
        views[str(row["view_id"])].append(row)
        if str(row["replay_key"]) in lost:
            blobs[str(row["replay_key"])].append(row)
    found = [hole for view_id, rows in views.items() for hole in _never_came(view_id, rows)]
    found += [_unreadable(lost[key], rows) for key, rows in blobs.items()]
    return sorted(found)


def _never_came(view_id: str, rows: list[Row]) -> list[Hole]:
    """Between two segments of a view whose numbers do not follow one another."""
    if any(row["index_in_view"] == NOT_NUMBERED for row in rows):
        return []
    numbered = sorted(rows, key=lambda row: (_integer(row["index_in_view"]), _integer(row["start"])))
    return [
        Hole(*_span(before, after), count, NoteKind.MISSING_SEGMENTS, view_id)
        for before, after in pairwise(numbered)
        if (count := _integer(after["index_in_view"]) - _integer(before["index_in_view"]) - 1) > 0
    ]


def _span(before: Row, after: Row) -> tuple[int, int]:
    end, start = _integer(before["end"]), _integer(after["start"])
    return min(end, start), max(end, start)


def _unreadable(kind: NoteKind, rows: list[Row]) -> Hole:
    start, end = min(_integer(row["start"]) for row in rows), max(_integer(row["end"]) for row in rows)
    return Hole(start, end, len(rows), kind)


def _integer(value: object) -> int:
    return int(float(str(value)))
