"""What is taken up of a batch's records at arrival, within which bounds."""

import json
from typing import Any

import msgspec
import pytest

from operators.decode import decode
from operators.recorded.recorder import ENTRIES_MAX, TEXT_BYTES_MAX, TEXT_MAX, Recorder
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item, SegmentScan
from schemas.recorded import (
    NOTHING,
    Click,
    Console,
    Custom,
    Entry,
    Focus,
    Input,
    Load,
    LongTask,
    Page,
    Recorded,
    Request,
    Vital,
    decode_recorded,
    encode_recorded,
)
from tests.unit.replays import NOW_MS

NOW_US = NOW_MS * 1000
Record = dict[str, Any]


def record(kind: int, data: Any = None, at_ms: float = 0) -> Record:
    return {"type": kind, "timestamp": NOW_MS + at_ms, "data": data or {}}


def increment(source: int, at_ms: float = 0, **data: Any) -> Record:
    return record(3, {"source": source, **data}, at_ms)


def plugin(name: str, payload: Any, at_ms: float = 0) -> Record:
    return record(6, {"plugin": name, "payload": payload}, at_ms)


def item_of(*records: Record, posthog: bool = False) -> Item:
    body: Record = {"session_id": "s", "app_id": "a", "window_id": "w", "events": records}
    if posthog:
        properties = {"$session_id": "s", "token": "a", "$window_id": "w", "$snapshot_data": records}
        body = {"event": "$snapshot", "properties": properties}
    (item,) = decode(Message("rrweb", {}, json.dumps(body).encode(), NOW_MS), Limits())
    assert isinstance(item, Item), item
    return item


def recorded(*records: Record, posthog: bool = False) -> Recorded:
    item = item_of(*records, posthog=posthog)
    assert item.scan is not None
    return decode_recorded(item.scan.recorded)


def test_every_kind_of_entry_survives_its_encoding() -> None:
    entries: list[Entry] = [
        Page(1, "https://s/", 10, 20),
        Load(2),
        Click(3, 4, 5.5, 6.0, "Pay", "#pay", ("rage_click",), is_judged=True),
        Input(4, 5, "Name", "#name"),
        Focus(5, 6),
        Custom(6, "order"),
        Console(7, "error", "boom", "at f", is_cut=True),
        Request(8, "https://s/a", "fetch", 9, "GET", 200, 1, 2, 3, "h2", {"resource_dns": 4}, 5),
        LongTask(9, 10),
        Vital(10, "cumulative_layout_shift", 0.25),
    ]
    whole = Recorded(entries, [1, 2], 3)
    assert decode_recorded(encode_recorded(whole)) == whole
    assert encode_recorded(NOTHING) == b""


def test_clicks_inputs_pages_and_what_the_page_says() -> None:
    found = recorded(
        record(0),
        record(4, {"href": "https://s.example/a", "width": 800, "height": 600.5}),
        increment(2, 10, type=5, id=7),
        increment(2, 20.5, type=2, id=7, x=1, y=2.5),
        increment(5, 30, text="***", isChecked=False, id=8),
        record(5, {"tag": "order", "payload": {"id": 9}}, 40),
    )
    assert found.entries == [
        Load(NOW_US),
        Page(NOW_US, "https://s.example/a", 800, 600),
        Focus(NOW_US + 10_000, 7),
        Click(NOW_US + 20_500, 7, 1.0, 2.5),
        Input(NOW_US + 30_000, 8),
        Custom(NOW_US + 40_000, "order"),
    ]
    assert found.omitted_count == 0


@pytest.mark.parametrize(("source", "reacts"), [(0, True), (1, False), (3, True), (4, False), (5, True), (6, False)])
def test_what_counts_as_an_answer_of_the_page(source: int, *, reacts: bool) -> None:
    assert recorded(increment(source, id=1)).reactions_ms == [NOW_MS] * reacts


def test_of_the_changes_of_a_second_the_first_and_the_last_are_kept() -> None:
    second = NOW_MS - NOW_MS % 1000
    times = [second + 100, second + 900, second + 500, second + 1500]
    found = recorded(*(increment(0, at - NOW_MS) for at in times))
    assert found.reactions_ms == [second + 100, second + 900, second + 1500]


def test_a_console_line_is_what_was_logged_and_where() -> None:
    payload = {"level": "warn", "trace": ["f (a.js:1:2)", "g (a.js:3:4)"], "payload": ['"stock"', '{"a":1}', "cut"]}
    assert recorded(plugin("rrweb/console@1", payload)).entries == [
        Console(NOW_US, "warn", 'stock {"a":1} cut', "f (a.js:1:2)\ng (a.js:3:4)")
    ]


def test_requests_are_entries_at_their_own_start() -> None:
    requests = [
        {
            "name": "https://s.example/api",
            "entryType": "resource",
            "initiatorType": "fetch",
            "timestamp": NOW_MS - 500,
            "duration": 12.5,
            "method": "post",
            "status": 500,
            "transferSize": 30,
            "requestHeaders": {"authorization": "secret"},
            "domainLookupStart": 1.0,
            "domainLookupEnd": 3.5,
            "secureConnectionStart": 0,
            "connectEnd": 9,
        },
        {"name": "https://s.example/", "entryType": "navigation", "timeOrigin": NOW_MS - 900.0, "startTime": 0},
        {"name": "first-paint", "entryType": "paint"},
        {"name": 17},
    ]
    found = recorded(plugin("rrweb/network@1", {"requests": requests}))
    api, page = found.entries
    assert api == Request(
        NOW_US - 500_000,
        "https://s.example/api",
        "fetch",
        12_500_000,
        "POST",
        500,
        30,
        phases_ns={"resource_dns": 2_500_000},
    )
    assert page == Request(NOW_US - 900_000, "https://s.example/", "navigation")
    assert found.omitted_count == 1  # the name is no address; a paint is no request


def test_the_tags_of_an_sdk_are_no_events_of_the_page() -> None:
    tags = ["$session_options", "order", "$pageview"]
    records = [record(5, {"tag": tag, "payload": {"href": "https://s.example/b"}}) for tag in tags]
    assert recorded(*records, posthog=True).entries == [Page(NOW_US, "https://s.example/b")]
    assert [type(entry) for entry in recorded(*records).entries] == [Custom] * 3


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(increment(2, type="click"), id="click"),
        pytest.param(record(3, {"text": 1}), id="no source"),
        pytest.param(record(4, {"href": None}), id="page"),
        pytest.param(record(4, {"href": ""}), id="page without address"),
        pytest.param(plugin("rrweb/console@1", {"payload": [1]}), id="console"),
        pytest.param(plugin("rrweb/network@1", []), id="network"),
    ],
)
def test_a_record_of_another_shape_is_counted_and_costs_itself_only(odd: Record) -> None:
    found = recorded(odd, increment(5, id=3))
    assert found.entries == [Input(NOW_US, 3)]
    assert found.omitted_count == 1


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**63) - 1, 10**300])
def test_a_whole_number_of_more_than_64_bits_costs_itself(number: int) -> None:
    request = {"name": "https://s.example/", "status": number, "responseStatus": 404, "duration": number,
               "transferSize": number, "encodedBodySize": number, "decodedBodySize": 7}  # fmt: skip
    found = recorded(
        increment(2, type=2, id=number),
        increment(2, type=5, id=number),
        increment(5, id=number),
        plugin("rrweb/network@1", {"requests": [request]}),
    )
    assert found.entries == [
        Click(NOW_US),
        Focus(NOW_US, 0),
        Input(NOW_US),
        Request(NOW_US, "https://s.example/", status=404, decoded_bytes=7),
    ]
    assert found.omitted_count == 0


@pytest.mark.parametrize("number", [2**63, -(2**64)])
@pytest.mark.parametrize("entry_type", [Focus, LongTask, Input, Click])
def test_no_entry_has_a_whole_number_of_more_than_64_bits(
    entry_type: type[Focus | LongTask | Input | Click], number: int
) -> None:
    recorder = Recorder()
    recorder.add(entry_type(NOW_US, number))
    found = decode_recorded(recorder.encoded())
    assert (found.entries, found.omitted_count) == ([], 1)


def test_what_is_over_a_bound_is_counted() -> None:
    recorder = Recorder()
    for number in range(ENTRIES_MAX + 5):
        recorder.add(Load(number))
    found = decode_recorded(recorder.encoded())
    assert (len(found.entries), found.omitted_count) == (ENTRIES_MAX, 5)


def test_texts_of_a_segment_are_bounded_together() -> None:
    recorder = Recorder()
    many = TEXT_BYTES_MAX // TEXT_MAX
    for number in range(many + 3):
        recorder.add(Console(number, "", "x" * TEXT_MAX))
    recorder.add(Load(0))  # what has no text still fits
    found = decode_recorded(recorder.encoded())
    assert (len(found.entries), found.omitted_count) == (many + 1, 3)


def test_a_text_that_is_cut_says_so() -> None:
    recorder = Recorder()
    long = "x" * (TEXT_MAX + 1)
    recorder.add(Console(1, "log", long, "at f"))
    recorder.add(Request(2, long))
    recorder.add(Page(3, long))
    cut = long[:TEXT_MAX]
    assert decode_recorded(recorder.encoded()).entries == [
        Console(1, "log", cut, "at f", is_cut=True),
        Request(2, cut, url_length=TEXT_MAX + 1),
        Page(3, cut),
    ]


def test_a_pack_of_an_earlier_release_tells_nothing() -> None:
    scan = item_of(increment(5, id=1)).scan
    assert scan is not None
    *earlier, entries = msgspec.structs.astuple(scan)
    assert entries
    found = msgspec.msgpack.decode(msgspec.msgpack.encode(earlier), type=SegmentScan)
    assert (found.recorded, found.records_count) == (b"", 1)


def test_entries_count_for_what_an_item_holds_in_memory() -> None:
    quiet, loud = item_of(increment(1)), item_of(increment(1), plugin("rrweb/console@1", {"payload": ["x" * 900]}))
    assert loud.held_bytes - quiet.held_bytes > len(loud.body) - len(quiet.body) + 900
