"""One reader for the records of a body: what decode takes in, the scan counts and the player plays."""

import itertools
import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.decode import decode, unusable_records
from operators.families.posthog.bodies import NO_WINDOW
from operators.families.registry import family_of
from operators.replay.order import settled
from operators.replay.recording import replay_body
from operators.replay.scan import replay_segment
from operators.rrweb.track import Track
from operators.tracks import to_rrweb
from operators.wire.json_text import cut_deep, without_nan
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Family, Item, Rejected, RejectReason
from tests.unit.replays import HTML_ID, NOW_MS, document, kept, meta, moved, snapshot

Record = dict[str, Any]
RECORDS = [meta(0), snapshot(1), moved(2)]


def plain(records: object, **more: object) -> Record:
    return {"app_id": "a", "session_id": "s", "window_id": "w", "events": records, **more}


def posthog(name: str, member: str, records: object, **more: object) -> Record:
    properties = {"token": "a", "$session_id": "s", "$window_id": "w", member: records, **more}
    return {"event": name, "uuid": "u", "properties": properties}


SHAPES = {
    "plain": plain(RECORDS),
    "sdk": posthog("$snapshot", "$snapshot_data", RECORDS),
    "server": posthog("$snapshot_items", "$snapshot_items", RECORDS),
    "items of the sdk": posthog("$snapshot", "$snapshot_items", RECORDS),
    "data of the server": posthog("$snapshot_items", "$snapshot_data", RECORDS),
    "null beside": posthog("$snapshot", "$snapshot_data", RECORDS, **{"$snapshot_items": None}) | {"events": None},
    "no window": plain(RECORDS, window_id=None),
    "a number for a window": plain(RECORDS, window_id=7),
    "text inside": {"distinct_id": "d", "data": json.dumps(posthog("$snapshot_items", "$snapshot_items", RECORDS))},
}


def decoded(body: object) -> list[Item | Rejected]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    found: list[Item | Rejected] = []
    for one in decode(Message("rrweb", {}, raw, NOW_MS), Limits()):
        assert isinstance(one, Item | Rejected)
        found += [one, *unusable_records(one, Limits())] if isinstance(one, Item) else [one]
    return found


def items(body: object) -> list[Item]:
    return [one for one in decoded(body) if isinstance(one, Item)]


def track_of(body: object) -> Track:
    (track,) = to_rrweb(family_of(Family.RRWEB), [one.body for one in items(body)])
    return track


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("around", ["nothing", "an array", "an envelope"])
def test_every_shape_that_is_taken_in_plays(shape: str, around: str) -> None:
    one = SHAPES[shape]
    if shape == "text inside":  # the server wraps single messages
        around = "nothing"
    body = {"nothing": one, "an array": [one], "an envelope": {"batch": [one], "api_key": "a"}}[around]
    (item,) = decoded(body)
    assert isinstance(item, Item)
    assert item.scan is not None
    assert item.segment is not None
    track = track_of(body)
    assert item.scan.records_count == len(track.events) == len(RECORDS)
    assert track.view_ids == [item.segment.view_id]
    assert track.notes == []


def test_a_single_record_of_posthog_is_a_list_of_one() -> None:
    assert [event["type"] for event in track_of(posthog("$snapshot", "$snapshot_data", snapshot(1))).events] == [4, 2]


def test_a_batch_without_a_window_has_one_name_everywhere() -> None:
    (item,) = items(plain(RECORDS, window_id=None))
    assert item.segment is not None
    assert item.segment.view_id == replay_body(item.body, family_of(Family.RRWEB).recording).view_id == NO_WINDOW


ODD_TIMES: st.SearchStrategy[object] = st.sampled_from(
    [None, "1795230388852", "soon", -1, 0, 1e300, [], {}, True, 2**64]
)


@given(st.lists(st.tuples(st.integers(0, 2), st.one_of(st.none(), ODD_TIMES)), max_size=6))
def test_a_record_without_a_time_costs_itself(odd: list[tuple[int, object]]) -> None:
    """It stays in its batch, is not played, and is quarantined with its own bytes."""
    bad = [{"type": 5, "timestamp": time, "data": {"tag": f"{number}"}} for number, (_, time) in enumerate(odd)]
    records = list(RECORDS)
    for (place, _), one in zip(odd, bad, strict=True):
        records.insert(place, one)
    results = decoded(plain(records))
    (item,) = [one for one in results if isinstance(one, Item)]
    refused = [one for one in results if isinstance(one, Rejected)]
    assert sorted(one.raw for one in refused) == sorted(json.dumps(one).encode() for one in bad if not _is_time(one))
    assert {one.reason for one in refused} <= {RejectReason.INVALID_TIME}
    assert json.loads(item.body)["events"] == records
    usable = len(RECORDS) + len(bad) - len(refused)
    assert item.scan is not None
    assert (item.scan.records_count, item.scan.unusable_count) == (usable, len(refused))
    assert len(track_of(plain(records)).events) == usable


def _is_time(record: Record) -> bool:
    time = record["timestamp"]
    return isinstance(time, int | float) and not isinstance(time, bool) and 0 < time < 7_258_118_400_000


def test_a_batch_in_which_nothing_has_a_time_is_refused() -> None:
    (refused,) = decoded(plain([{**one, "timestamp": None} for one in RECORDS]))
    assert isinstance(refused, Rejected)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
def test_a_number_that_is_none_costs_its_record_at_most(number: str) -> None:
    odd = f'{{"type":5,"timestamp":{NOW_MS + 2},"data":{{"tag":"NaN","payload":{{"x":{number}}}}}}}'
    text = json.dumps(plain([*RECORDS, "HERE"])).replace('"HERE"', odd)
    track = track_of(text.encode())
    assert [event["type"] for event in track.events] == [4, 2, 3, 5]
    assert track.events[-1]["data"]["tag"] == "NaN"
    timed = text.replace(f'"timestamp":{NOW_MS + 2},"data":{{"tag"', f'"timestamp":{number},"data":{{"tag"')
    assert [event["type"] for event in track_of(timed.encode()).events] == [4, 2, 3]


@given(st.recursive(st.none() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_what_is_no_number_becomes_null_and_nothing_else_changes(value: object) -> None:
    text = json.dumps(value)
    expected = json.loads(text, parse_constant=lambda _: None)
    assert json.loads(without_nan(text.encode())) == expected


@pytest.mark.parametrize("depth", [300, 2_000, 20_000])
@pytest.mark.parametrize("around", ["HERE", "[HERE]"])
def test_a_page_of_any_depth_plays_and_says_what_is_left_out(depth: int, around: str) -> None:
    text = json.dumps(plain([meta(0), {**snapshot(1), "data": "HERE"}, moved(2)]))
    page = f'{{"node":{document(depth)},"initialOffset":{{"left":0,"top":0}}}}'
    body = around.replace("HERE", text.replace('"HERE"', page)).encode()
    (item,) = decoded(body)
    assert isinstance(item, Item)
    track = track_of(body)
    assert [event["type"] for event in track.events] == [4, 2, 3]
    json.dumps(track.events)
    assert bool(track.notes) == (depth > 300)


@given(st.integers(1, 12), st.integers(1, 12))
def test_cutting_leaves_what_is_not_too_deep(depth: int, levels: int) -> None:
    value: object = "x"
    for _ in range(depth):
        value = [value, "y[{"]
    kept_levels = json.loads(cut_deep(json.dumps(value).encode(), levels))
    assert (kept_levels == value) == (depth <= levels)
    while kept_levels and isinstance(kept_levels, list):
        levels, kept_levels = levels - 1, kept_levels[0]
    assert levels >= -1


def test_nested_without_end_is_refused() -> None:
    opened, closed = b'{"session_id":"s","events":' + b"[" * 200_000, b"]" * 200_000 + b"}"
    for body in (opened, opened + closed):
        (refused,) = decoded(body)
        assert isinstance(refused, Rejected)
        assert refused.reason == RejectReason.MALFORMED_JSON


# Order


def order_of(*batches: list[Record]) -> list[list[int]]:
    """Types of the records of each batch, in the order in which they play."""
    segments = [
        replay_segment(one, family_of(one.family).recording) for batch in batches for one in items(plain(batch))
    ]
    found = settled(kept(number, one) for number, one in enumerate(segments))
    return [[record["type"] for record in json.loads(one.segment.body)["events"]] for one in found]


def padded(record: Record) -> Record:
    return {**record, "data": record["data"] | {"padding": "x" * 9_000}}


def test_what_also_ends_in_the_millisecond_goes_before_what_goes_on() -> None:
    """Not the smaller one: that is how a change came before the snapshot that it needs."""
    expected = [[4], [2], [3, 3]]
    assert order_of([moved(1), moved(900)], [padded(snapshot(1))], [meta(0)]) == expected
    assert order_of([padded(snapshot(1))], [meta(0)], [moved(1), moved(900)]) == expected


def test_the_first_snapshot_goes_before_all_that_needs_it() -> None:
    assert order_of([moved(1)], [padded(snapshot(1)), moved(5)]) == [[2, 3], [3]]
    assert order_of([moved(1)], [padded(snapshot(1))]) == [[2], [3]]


def test_a_later_snapshot_leaves_what_came_before_it_there() -> None:
    first = [meta(0), snapshot(0)]
    assert order_of([moved(7)], [padded(snapshot(7)), moved(9)], first) == [[4, 2], [3], [2, 3]]


@given(st.permutations([[meta(0)], [snapshot(1)], [moved(1)], [moved(1), moved(4)], [snapshot(4)], [moved(4)]]))
def test_the_order_does_not_depend_on_arrival(batches: list[list[Record]]) -> None:
    assert order_of(*batches) == [[4], [2], [3], [3, 3], [2], [3]]


def test_all_of_a_split_recording_plays() -> None:
    """In one millisecond: the snapshot, and a change of a node that it holds."""
    changed = {"source": 0, "attributes": [{"id": HTML_ID, "attributes": {}}]}
    batches = [[{"type": 3, "timestamp": NOW_MS + 1, "data": changed}], [padded(snapshot(1))], [meta(0)]]
    segments = [
        replay_segment(one, family_of(one.family).recording) for batch in batches for one in items(plain(batch))
    ]
    ordered = settled(kept(number, one) for number, one in enumerate(segments))
    (track,) = to_rrweb(family_of(Family.RRWEB), [one.segment.body for one in ordered])
    assert [event["type"] for event in track.events] == [4, 2, 3]
    assert track.skipped == {}


MOVES = [moved(10 * number) for number in range(1, 12)]


@given(st.lists(st.integers(1, 12), max_size=5), st.randoms())
def test_a_recording_cut_into_batches_anywhere_plays_the_same(cuts: list[int], chance: Random) -> None:
    recording = [meta(0), snapshot(1), *MOVES]
    edges = sorted({0, len(recording), *cuts})
    batches = [recording[start:end] for start, end in itertools.pairwise(edges)]
    chance.shuffle(batches)
    segments = [
        replay_segment(one, family_of(one.family).recording) for batch in batches for one in items(plain(batch))
    ]
    ordered = settled(kept(number, one) for number, one in enumerate(segments))
    (track,) = to_rrweb(family_of(Family.RRWEB), [one.segment.body for one in ordered])
    assert track.events == recording


@given(st.sampled_from(list(SHAPES.values())), st.integers(0, 700))
def test_a_body_cut_anywhere_ends_somewhere(body: Record, length: int) -> None:
    results = decoded(json.dumps(body).encode()[:length] or b"x")
    assert results
    for one in results:
        if isinstance(one, Item):
            to_rrweb(family_of(Family.RRWEB), [one.body])
