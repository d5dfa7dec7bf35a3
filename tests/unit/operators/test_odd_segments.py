"""What stands beside a replay segment may be missing, null or impossible: it costs itself, never the segment."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.chunks import Piece, Place, in_view, plan
from operators.decode import decode, unusable_records
from operators.families.registry import family_of
from operators.replay.cut import ReplayWindow, cut
from operators.replay.scan import replay_segment
from operators.rrweb.track import Track
from operators.tracks import lanes, tabs_of, to_rrweb
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import NOT_NUMBERED, Family, Item
from tests.unit.replays import NOW_MS, datadog_segment, meta, moved, snapshot

FIRST, LATER, LAST = [meta(0), snapshot(1)], [moved(900)], [moved(900), moved(950)]
ODD: st.SearchStrategy[Any] = st.sampled_from([None, -1, 1.5, 2**70, 1e300, True, "x", "7", [], {}])
HEADER = ["start", "end", "records_count", "index_in_view", "has_full_snapshot", "creation_reason"]


def kept_of(*items: Item) -> list[list[int]]:
    """Types of the records of each segment, as they lie in the blob; and what the index says is missing."""
    segments = tuple(replay_segment(one, family_of(one.family).recording) for one in items)
    done = cut(ReplayWindow("a", "s", 0, segments))
    assert done.index is not None
    assert done.index.totals.missing_segments == 0
    return [[one["type"] for one in json.loads(segments[p.position].inflated())["records"]] for p in done.placements]


@given(st.sampled_from(HEADER), ODD)
def test_an_odd_header_costs_itself(name: str, odd: object) -> None:
    item = datadog_segment(FIRST, **{name: odd})
    assert item.segment is not None
    assert NOW_MS - 1 <= item.segment.start_ms <= item.segment.end_ms
    assert kept_of(item) == [[4, 2]]


@pytest.mark.parametrize("name", ["start", "end", "index_in_view", "records_count"])
def test_null_is_as_absent(name: str) -> None:
    assert datadog_segment(FIRST, **{name: None}).segment == datadog_segment(FIRST, **{name: "not a number"}).segment


def test_a_start_with_a_fraction_and_an_end_before_it() -> None:
    item = datadog_segment(FIRST, start=NOW_MS + 0.7, end=NOW_MS - 5_000.2)
    assert item.segment is not None
    assert (item.segment.start_ms, item.segment.end_ms) == (NOW_MS, NOW_MS)
    assert (item.begin_us, item.end_us) == (NOW_MS * 1000, NOW_MS * 1000)


def test_ids_that_are_numbers_are_text() -> None:
    item = datadog_segment(FIRST, view_id=7, application={"id": 5}, session={"id": 12})
    assert item.segment is not None
    assert (item.app_id, item.session_id, item.segment.view_id) == ("5", "12", "7")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_without_numbers_segments_lie_by_their_time_and_none_is_taken_for_a_copy(order: tuple[int, ...]) -> None:
    """Two begin in one millisecond."""
    made = [datadog_segment(records, index_in_view=None) for records in (FIRST, LATER, LAST)]
    assert all(one.segment and one.segment.index_in_view == NOT_NUMBERED for one in made)
    assert len({one.ident for one in made}) == 3
    assert kept_of(*(made[place] for place in order)) == [[4, 2], [3], [3, 3]]


def test_a_copy_without_a_number_is_one() -> None:
    item = datadog_segment(FIRST, index_in_view=None)
    assert item.ident == datadog_segment(FIRST, index_in_view=None).ident
    assert kept_of(item, item) == [[4, 2]]


def test_where_one_of_a_view_has_no_number_time_decides() -> None:
    made = [datadog_segment(FIRST, index_in_view=5), datadog_segment([moved(5), moved(8)], index_in_view=None)]
    made.append(datadog_segment([moved(9)], index_in_view=6))
    assert kept_of(*reversed(made)) == [[4, 2], [3, 3], [3]]


@given(st.permutations([(5, 0), (NOT_NUMBERED, 3), (6, 9), (NOT_NUMBERED, 9)]))
def test_readers_put_them_in_the_same_order(found: list[tuple[int, int]]) -> None:
    pieces = [Piece("v", index, start, start, 1, False, Place("k", 0, 1, 0)) for index, start in found]  # noqa: FBT003
    assert [one.start_ms for one in in_view(pieces)] == [0, 3, 9, 9]


def test_a_bad_record_of_an_sdk_costs_itself() -> None:
    records = [*FIRST, {"type": "4", "timestamp": NOW_MS + 5}, moved(9)]
    event = {name: {"id": name} for name in ("application", "session", "view")} | {"start": NOW_MS, "end": NOW_MS + 9}
    raw = json.dumps({"records": records, "view": {"id": "view"}}).encode()
    (item,) = decode(Message("datadog.replay", {"event": json.dumps(event).encode()}, raw, NOW_MS), Limits())
    assert isinstance(item, Item)
    (refused,) = unusable_records(item, Limits())
    assert json.loads(refused.raw) == records[2]
    assert item.scan is not None
    assert item.scan.records_count == 3


# What a player is told


def track_of(records: list[Any], **more: Any) -> Track:
    body = {"app_id": "a", "session_id": "s", "window_id": "w", "events": records, **more}
    (track,) = to_rrweb(family_of(Family.RRWEB), [json.dumps(body).encode()])
    return track


def resized(at_ms: int, width: int) -> dict[str, Any]:
    return {"type": 3, "timestamp": NOW_MS + at_ms, "data": {"source": 4, "width": width, "height": 400}}


@pytest.mark.parametrize(
    ("later", "size"),
    [([], (1280, 720)), ([resized(9, 500)], (500, 400)), ([meta(9, width=320)], (320, 600))],
    ids=["never told", "resized", "told later"],
)
def test_a_recording_without_meta_gets_one(later: list[Any], size: tuple[int, int]) -> None:
    track = track_of([snapshot(1), moved(2), *later])
    assert [event["type"] for event in track.events[:3]] == [4, 2, 3]
    assert (track.events[0]["data"]["width"], track.events[0]["data"]["height"]) == size
    assert track.events[0]["timestamp"] == track.events[1]["timestamp"]
    assert [note[:25] for note in track.notes] == ["the size of the page was "]


def test_a_recording_with_meta_is_left_alone() -> None:
    track = track_of([meta(0), snapshot(1), moved(2)])
    assert len(track.events) == 3
    assert track.notes == []


def test_what_cannot_be_shown_says_why() -> None:
    track = track_of([meta(0), moved(2)])
    assert track.events == []
    assert track.notes == [
        "no full snapshot was received: there is nothing to show",
        "1 records came before any full snapshot and cannot be drawn",
    ]


def test_a_canvas_is_told() -> None:
    drawn = {"type": 3, "timestamp": NOW_MS + 2, "data": {"source": 9, "id": 2, "type": 0, "commands": []}}
    track = track_of([meta(0), snapshot(1), drawn, drawn])
    assert len(track.events) == 4
    assert [note[:22] for note in track.notes] == ["2 changes of a canvas:"]


@pytest.mark.parametrize("family", [Family.RRWEB, Family.DATADOG])
def test_a_segment_that_cannot_be_read_costs_itself_and_is_told(family: Family) -> None:
    good = {"events": [meta(0), snapshot(1)]} if family is Family.RRWEB else {"records": FIRST, "view": {"id": "v"}}
    (track,) = to_rrweb(family_of(family), [json.dumps(good).encode(), b'{"records":', b"[]"])
    assert [event["type"] for event in track.events] == [4, 2]
    assert track.notes == ["2 segments cannot be read"]


# Tabs


def datadog_body(view_id: str, index: int, records: list[Any]) -> bytes:
    return json.dumps({"records": records, "view": {"id": view_id}, "index_in_view": index}).encode()


def test_views_of_one_tab_are_one_track_though_they_overlap() -> None:
    """Back and forward: the page that was left sends its last record when it is shown again."""
    segments = [
        datadog_body("one", 0, [meta(0), snapshot(1), moved(2_000)]),
        datadog_body("one", 1, [{"type": 7, "timestamp": NOW_MS + 9_000}]),
        datadog_body("two", 0, [meta(3_000), snapshot(3_001), moved(7_000)]),
        datadog_body("back", 0, [meta(8_900), snapshot(8_901)]),
    ]
    apart = to_rrweb(family_of(Family.DATADOG), segments)
    assert [track.view_ids for track in apart] == [["one", "back"], ["two"]]
    tabs = tabs_of([{"view_id": one, "custom": [("tab.id", "t1")]} for one in ("one", "two", "back")])
    (track,) = to_rrweb(family_of(Family.DATADOG), segments, tabs)
    assert track.view_ids == ["one", "two", "back"]
    times = [event["timestamp"] for event in track.events]
    assert times == sorted(times)
    pieces = [
        Piece(view, index, NOW_MS + start, NOW_MS + end, 1, snap, Place("k", 0, 1, line))
        for line, (view, index, start, end, snap) in enumerate(
            [("one", 0, 0, 2_000, True), ("one", 1, 9_000, 9_000, False), ("two", 0, 3_000, 7_000, True)]
        )
    ]
    assert len(plan(family_of(Family.DATADOG), pieces)) == 2
    ((chunk,),) = plan(family_of(Family.DATADOG), pieces, tabs=tabs)
    assert [(piece.view_id, piece.index_in_view) for piece in chunk.pieces] == [("one", 0), ("one", 1), ("two", 0)]


def test_views_of_two_tabs_are_two_tracks_though_they_do_not_overlap() -> None:
    spans = [Piece(view, 0, start, start + 5, 1, True, Place("k", 0, 1, 0)) for view, start in (("a", 0), ("b", 50))]  # noqa: FBT003
    assert len(lanes(spans)) == 1
    assert len(lanes(spans, {"a": "1", "b": "2"})) == 2
    assert len(lanes(spans, {"a": "1"})) == 2
    assert tabs_of([{"view_id": "a", "custom": {"tab.id": "1"}}, {"view_id": "b", "custom": None}]) == {"a": "1"}
