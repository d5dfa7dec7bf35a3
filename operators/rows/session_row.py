"""The session row: totals over a window's rows and replay, in the names of the `sessions` table."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from operators.rows.last_values import last_values
from operators.rows.signals import Activity, session_signals
from operators.windows.tracker import CloseOrder
from operators.wire.unusable import JSON_ERRORS
from schemas.items import COUNT_MAX, NOT_NUMBERED, SegmentMeta
from schemas.session_columns import CARRIED, COUNTED
from schemas.units import NS_PER_US, US_PER_MS

Row = dict[str, object]

_VIEW_PARTS = ("id", "url", "host", "path", "path_group", "url_query")
_CLAIMED = ("error", "resource", "action", "long_task")
# Attributes of the visitor: the last known value counts, because a login or a network change comes later than a start.
_CONTEXT = tuple(name for name, field in CARRIED.items() if field.carried == "last")
_PERSON = tuple(name for name, field in CARRIED.items() if field.carried == "of the visitor")


class ReplayTotals(msgspec.Struct, frozen=True):
    """What the blobs of a window hold in all. `key`: of its first blob, empty without replay."""

    segments: list[SegmentMeta]
    record_count: int
    raw_bytes: int
    blob_bytes: int
    key: str


class _ReplayClaim(msgspec.Struct):
    segments_count: int = 0


def session_row(  # noqa: PLR0913 - what a session consists of
    order: CloseOrder,
    rows: list[Row],
    tables: Mapping[str, Sequence[Row]],
    replay: ReplayTotals,
    activity: Activity,
    skew_ms: int,
) -> Row:
    """One row of `sessions`. `rows`: of every distinct line of the window, in order of their time; `tables`: the same
    by table, views in order.
    """
    views = tables["views"]
    row: Row = {
        "app_id": order.app_id,
        "session_id": order.session_id,
        "session_part": order.part,
        "revision": order.revision,
        "time_spent": (order.end_us - order.start_us) * NS_PER_US,
        "start": order.start_us,
        "end": order.end_us,
        "received_start": order.received_start_ms * US_PER_MS,
        "received_end": order.received_end_ms * US_PER_MS,
        "close_reason": order.reason.value,
        "active_time": activity.active_ns,
        "idle_time": activity.idle_ns,
        "clock_skew_ms": skew_ms,
        "late_count": order.late_count,
        "duplicate_count": order.duplicate_count,
        "session_has_replay": bool(replay.segments),
        "replay_segment_count": len(replay.segments),
        "replay_missing_segment_count": _missing(replay.segments, views),
        "replay_record_count": replay.record_count,
        "replay_raw_bytes": replay.raw_bytes,
        "replay_bytes": replay.blob_bytes,
    }
    if activity.last_us is not None:
        row["last_interaction_at"] = activity.last_us
    if replay.key:
        row["replay_key"] = replay.key
    row |= _counts(tables) | session_signals(tables) | _claims(views) | _context(rows, replay.segments)
    if views:
        row |= _edge_views(views[0], views[-1])
    return row


def _counts(tables: Mapping[str, Sequence[Row]]) -> Row:
    counts: Row = {column: len(tables[table]) for table, column in COUNTED.items()}
    levels = Counter(row.get("level") for row in tables["console"])
    return counts | {"console_error_count": levels["error"], "console_warn_count": levels["warn"]}


def _claims(views: Iterable[Row]) -> Row:
    views = list(views)
    return {f"claimed_{one}_count": sum(_claimed(view.get(f"view_{one}_count")) for view in views) for one in _CLAIMED}


def _claimed(value: object) -> int:
    """A counter as the SDK sent it, or 0 for one that no browser can have reached: a sum must fit its column."""
    return value if isinstance(value, int) and 0 <= value <= COUNT_MAX else 0


def _context(rows: list[Row], segments: Sequence[SegmentMeta]) -> Row:
    context: Row = {}
    if segments:
        context = {"sdk_name": segments[0].sdk_name, "sdk_version": segments[0].sdk_version}
    context |= last_values(rows, (*_CONTEXT, "custom"))
    if not context.get("custom", True):
        del context["custom"]
    return context | _person(rows)


def _person(rows: list[Row]) -> Row:
    """The visitor of the last line that names one, with what lines of that same visitor say: never a name of one person
    beside the mail address of another.
    """
    userid = last_values(rows, ("userid",)).get("userid")
    return last_values(rows, _PERSON, ("userid", userid))


def _edge_views(first: Row, last: Row) -> Row:
    edges: Row = {}
    for which, view in (("first", first), ("last", last)):
        for part in _VIEW_PARTS:
            value = view.get(f"view_{part}")
            if value is not None:
                edges[f"session_{which}_view_{part}"] = value
    if "view_referrer" in first:
        edges["session_referrer"] = first["view_referrer"]
    return edges


def _missing(segments: Iterable[SegmentMeta], views: Iterable[Row]) -> int:
    """Segments that exist and never came: holes in a view's numbering, and a tail that only the SDK's counter knows."""
    received: dict[str, list[int]] = {}
    for segment in segments:
        received.setdefault(segment.view_id, []).append(segment.index_in_view)
    received = {view_id: found if NOT_NUMBERED in found else [*set(found)] for view_id, found in received.items()}
    expected = {
        view_id: 0 if NOT_NUMBERED in indexes else max(indexes) - min(indexes) + 1
        for view_id, indexes in received.items()
    }
    for view in views:
        claim = view.get("session_replay_stats")
        if isinstance(claim, str):
            view_id = str(view.get("view_id"))
            expected[view_id] = max(expected.get(view_id, 0), _claimed_segments(claim))
    return sum(max(0, count - len(received.get(view_id, ()))) for view_id, count in expected.items())


def _claimed_segments(claim: str) -> int:
    try:
        return _claimed(msgspec.json.decode(claim, type=_ReplayClaim).segments_count)
    except JSON_ERRORS:
        return 0
