"""The rules of the conversion to rrweb events, on small recordings made by hand."""

import gzip
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.families.registry import family_of
from operators.rrweb.node import MAX_TREE_DEPTH
from operators.rrweb.track import ConversionError, Event, JsonObject, Track
from operators.tracks import to_rrweb
from schemas.items import Family

START = 1_795_230_000_000
PAGE = "https://shop.example/list/"
HTML, BODY, LIST = 2, 3, 4


def element(node_id: int, tag_name: str, *children: JsonObject, **attributes: object) -> JsonObject:
    return {"type": 2, "id": node_id, "tagName": tag_name, "attributes": attributes, "childNodes": list(children)}


def text(node_id: int, content: str) -> JsonObject:
    return {"type": 3, "id": node_id, "textContent": content}


def shadow_root(node_id: int, *children: JsonObject, **more: object) -> JsonObject:
    return {"type": 11, "id": node_id, "isShadowRoot": True, "childNodes": list(children), **more}


def page(*body: JsonObject) -> JsonObject:
    tree = element(HTML, "html", element(BODY, "body", element(LIST, "ul"), *body))
    return {"type": 0, "id": 0, "childNodes": [{"type": 1, "id": 1, "name": "html"}, tree]}


def meta(at: int = 0) -> JsonObject:
    return {"type": 4, "timestamp": START + at, "data": {"href": PAGE, "width": 800, "height": 600}}


def snapshot(at: int = 0, tree: JsonObject | None = None) -> JsonObject:
    return {"type": 2, "timestamp": START + at, "data": {"node": page() if tree is None else tree}}


def mutation(at: int = 10, **lists: object) -> JsonObject:
    return {"type": 3, "timestamp": START + at, "data": {"source": 0, **lists}}


def add(parent_id: int, node: JsonObject, next_id: int | None = None) -> JsonObject:
    return {"parentId": parent_id, "nextId": next_id, "node": node}


def segment(*records: JsonObject, view: str = "v1", index: int = 0) -> bytes:
    return json.dumps({"records": records, "view": {"id": view}, "index_in_view": index}).encode()


def convert(*records: JsonObject) -> Track:
    (track,) = to_rrweb(family_of(Family.DATADOG), [segment(*records)])
    return track


def of_source(track: Track, source: int) -> list[JsonObject]:
    return [event["data"] for event in track.events if event["type"] == 3 and event["data"]["source"] == source]


def placed(change: JsonObject) -> list[tuple[int, int, int | None]]:
    return [(one["node"]["id"], one["parentId"], one["nextId"]) for one in change["adds"]]


def body_of(track: Track) -> JsonObject:
    snapshots = [event for event in track.events if event["type"] == 2]
    body: JsonObject = snapshots[0]["data"]["node"]["childNodes"][1]["childNodes"][0]
    return body


# Tree records


def test_nested_adds_become_one_add_per_node_parents_first() -> None:
    row = element(10, "li", element(11, "b", text(12, "new")), text(13, "!"))
    change = of_source(convert(meta(), snapshot(), mutation(adds=[add(LIST, row)])), 0)[0]
    assert placed(change) == [(10, LIST, None), (11, 10, None), (12, 11, None), (13, 10, None)]
    assert all(one["node"].get("childNodes", []) == [] for one in change["adds"])


def test_lists_that_are_missing_are_empty() -> None:
    change = of_source(convert(meta(), snapshot(), mutation(removes=[{"id": LIST, "parentId": BODY}])), 0)[0]
    assert (change["adds"], change["texts"], change["attributes"]) == ([], [], [])
    assert change["removes"] == [{"id": LIST, "parentId": BODY}]


def test_a_shadow_root_becomes_flags_on_host_and_children() -> None:
    host = element(20, "div", shadow_root(21, element(22, "p")), text(23, "light"))
    later = mutation(adds=[add(21, element(24, "p"), 22)], removes=[])
    track = convert(meta(), snapshot(tree=page(host)), later, mutation(20, removes=[{"id": 24, "parentId": 21}]))
    drawn = body_of(track)["childNodes"][1]
    assert drawn["isShadowHost"] is True
    assert [(node["id"], node.get("isShadow", False)) for node in drawn["childNodes"]] == [(22, True), (23, False)]
    added, removed = of_source(track, 0)
    assert placed(added) == [(24, 20, 22)]
    assert added["adds"][0]["node"]["isShadow"] is True
    assert removed["removes"] == [{"id": 24, "parentId": 20, "isShadow": True}]


def test_constructed_style_sheets_follow_the_snapshot() -> None:
    sheets = [{"cssRules": ["p { color: red; }"], "media": ["print"]}, {"cssRules": ["b {}"], "disabled": True}]
    host = element(20, "div", shadow_root(21, adoptedStyleSheets=sheets))
    (adopted,) = of_source(convert(meta(), snapshot(tree=page(host))), 15)
    assert adopted["id"] == 20
    assert adopted["styleIds"] == [style["styleId"] for style in adopted["styles"]]
    rules = [[rule["rule"] for rule in style["rules"]] for style in adopted["styles"]]
    assert rules == [["@media print { p { color: red; } }"], []]


@pytest.mark.parametrize(("value", "kept"), [(False, {}), (True, {"checked": True}), ("", {"checked": ""})])
def test_a_box_that_is_not_ticked_has_no_checked_attribute(value: object, kept: JsonObject) -> None:
    track = convert(meta(), snapshot(tree=page(element(30, "input", checked=value))))
    assert body_of(track)["childNodes"][1]["attributes"] == kept


def test_changed_attributes_are_strings_or_removed() -> None:
    attributes = {"checked": False, "disabled": True, "width": 3, "title": None, "odd": {"a": 1}}
    change = of_source(convert(meta(), snapshot(), mutation(attributes=[{"id": LIST, "attributes": attributes}])), 0)[0]
    expected = {"checked": None, "disabled": "", "width": "3", "title": None}
    assert change["attributes"] == [{"id": LIST, "attributes": expected}]


def test_links_are_written_in_full_and_references_inside_the_page_stay() -> None:
    image = element(30, "img", src="a.png", srcset="/b.png 1x, c.png 2x")
    link = element(31, "a", href="#top")
    picture, anchor = body_of(convert(meta(), snapshot(tree=page(image, link))))["childNodes"][1:]
    assert picture["attributes"]["src"] == "https://shop.example/list/a.png"
    assert picture["attributes"]["srcset"] == "https://shop.example/b.png 1x, https://shop.example/list/c.png 2x"
    assert anchor["attributes"]["href"] == "#top"


def test_a_frame_does_not_load_its_page() -> None:
    moved = mutation(attributes=[{"id": 30, "attributes": {"src": "/other"}}])
    track = convert(meta(), snapshot(tree=page(element(30, "iframe", src="/ad"))), moved)
    assert "src" not in body_of(track)["childNodes"][1]["attributes"]
    assert "src" not in of_source(track, 0)[0]["attributes"][0]["attributes"]


def test_a_name_no_browser_accepts_is_replaced() -> None:
    assert body_of(convert(meta(), snapshot(tree=page(element(30, "a b>")))))["childNodes"][1]["tagName"] == "unknown"


def test_records_without_rrweb_counterpart_become_custom_events() -> None:
    records = [{"type": kind, "timestamp": START + kind, "data": {"a": kind}} for kind in (6, 8, 9)]
    track = convert(meta(), snapshot(), *records, {"type": 7, "timestamp": START + 10})
    custom = [event["data"] for event in track.events if event["type"] == 5]
    assert [data["tag"] for data in custom] == ["focus", "visual_viewport", "frustration", "view_end"]
    assert custom[2]["payload"] == {"a": 9}


def test_an_input_has_text_and_state_and_an_interaction_no_id() -> None:
    typed = {"type": 3, "timestamp": START + 1, "data": {"source": 5, "id": LIST, "isChecked": True}}
    click = {"type": 3, "timestamp": START + 2, "id": 7, "data": {"source": 2, "type": 2, "id": LIST, "x": 1, "y": 1}}
    track = convert(meta(), snapshot(), typed, click)
    assert of_source(track, 5) == [{"source": 5, "id": LIST, "isChecked": True, "text": ""}]
    assert all(set(event) == {"type", "timestamp", "data"} for event in track.events)


def test_unknown_records_are_counted_and_left_out() -> None:
    odd = [{"type": 77, "timestamp": START}, {"type": "x", "timestamp": START}, {"type": 4}, 5, None]
    pointer = {"type": 3, "timestamp": START, "data": {"source": 9, "pointerId": 1}}
    (track,) = to_rrweb(family_of(Family.DATADOG), [segment(meta(), snapshot(), pointer, *odd)])  # type: ignore[arg-type]
    assert track.skipped == {"record_type_77": 1, "record_type_other": 1, "malformed": 3, "source_9": 1}
    assert [event["type"] for event in track.events] == [4, 2]


# What the player would complain about


def test_references_to_unknown_nodes_are_left_out() -> None:
    lost = mutation(
        removes=[{"id": 99, "parentId": BODY}, {"id": LIST, "parentId": 98}],
        texts=[{"id": 97, "value": "x"}],
        attributes=[{"id": 96, "attributes": {}}],
        adds=[add(95, text(40, "x"))],
    )
    track = convert(meta(), snapshot(), lost)
    change = of_source(track, 0)[0]
    assert change["removes"] == [{"id": LIST, "parentId": BODY}]
    assert (change["texts"], change["attributes"], change["adds"]) == ([], [], [])
    assert track.skipped == {"unknown_node": 4}


def test_adds_come_in_an_order_in_which_parent_and_sibling_are_there() -> None:
    adds = [add(41, text(42, "c")), add(LIST, element(41, "li"), 40), add(LIST, element(40, "li"))]
    change = of_source(convert(meta(), snapshot(), mutation(adds=adds)), 0)[0]
    assert [node_id for node_id, _, _ in placed(change)] == [40, 41, 42]


def test_an_add_beside_a_lost_sibling_goes_to_the_end() -> None:
    change = of_source(convert(meta(), snapshot(), mutation(adds=[add(LIST, element(40, "li"), 99)])), 0)[0]
    assert placed(change) == [(40, LIST, None)]


def test_a_node_is_never_put_below_itself() -> None:
    track = convert(meta(), snapshot(), mutation(adds=[add(LIST, element(BODY, "body"))]))
    assert of_source(track, 0)[0]["adds"] == []


def test_changes_before_the_first_snapshot_are_left_out() -> None:
    track = convert(meta(), mutation(0, removes=[]), snapshot(5))
    assert [event["type"] for event in track.events] == [4, 2]
    assert track.skipped == {"before_full_snapshot": 1}


def test_without_any_snapshot_there_is_nothing_to_play() -> None:
    track = convert(meta(), mutation(30, removes=[]))
    assert (track.events, track.start_ms, track.end_ms) == ([], START, START + 30)


def test_two_changes_of_the_page_keep_their_order_when_their_times_do_not() -> None:
    later = mutation(9, adds=[add(40, text(41, "x"))])
    track = convert(meta(), snapshot(), mutation(10, adds=[add(LIST, element(40, "li"))]), later)
    assert [placed(change)[0][0] for change in of_source(track, 0)] == [40, 41]


# Tracks


def view(name: str, start: int, end: int) -> bytes:
    return segment(meta(start), snapshot(start), {"type": 7, "timestamp": START + end}, view=name)


def test_views_one_after_the_other_share_a_track() -> None:
    (track,) = to_rrweb(family_of(Family.GUANCE), [view("a", 0, 5_000), view("b", 5_000, 9_000)])
    assert track.view_ids == ["a", "b"]
    assert (track.start_ms, track.end_ms) == (START, START + 9_000)


def test_views_that_overlap_are_tracks_of_their_own_and_a_later_one_follows_its_tab() -> None:
    views = [view("a", 0, 60_000), view("b", 10_000, 90_000), view("c", 60_000, 80_000)]
    tracks = to_rrweb(family_of(Family.GUANCE), views)
    assert [(track.track_id, track.view_ids) for track in tracks] == [(0, ["a", "c"]), (1, ["b"])]


@pytest.mark.parametrize(("overlap_ms", "track_count"), [(999, 1), (1_000, 1), (1_001, 2)])
def test_a_record_just_after_the_next_view_began_is_drawn_before_it(overlap_ms: int, track_count: int) -> None:
    tracks = to_rrweb(family_of(Family.GUANCE), [view("a", 0, 5_000 + overlap_ms), view("b", 5_000, 9_000)])
    assert len(tracks) == track_count
    timestamps = [event["timestamp"] for event in tracks[0].events]
    assert timestamps == sorted(timestamps)
    if track_count == 1:
        assert [event["type"] for event in tracks[0].events] == [4, 2, 5, 4, 2, 5]


def test_a_view_without_snapshot_does_not_change_the_page_before_it() -> None:
    second = segment(mutation(5_000, removes=[{"id": LIST, "parentId": BODY}]), view="b")
    (track,) = to_rrweb(family_of(Family.GUANCE), [view("a", 0, 4_000), second])
    assert track.skipped == {"before_full_snapshot": 1}


# Change records

WORDS = ["#document", "HTML", "BODY", "DIV", "#text", "hello", "class", "big", "INPUT", "STYLE", "p {}", "#shadow-root"]
DOCUMENT, HTML_TAG, BODY_TAG, DIV, TEXT, HELLO, CLASS, BIG, INPUT, STYLE, RULE, SHADOW = range(len(WORDS))
CHANGE_PAGE = [[None, DOCUMENT], [1, HTML_TAG], [1, BODY_TAG], [1, DIV, [CLASS, BIG]], [1, TEXT, HELLO]]


def change_snapshot(*changes: list[Any], nodes: list[Any] | None = None) -> JsonObject:
    data = [[11, [1, *WORDS[:5]], [4, *WORDS[5:]]], [1, *(nodes or CHANGE_PAGE)], *changes]
    return {"type": 2, "format": 1, "timestamp": START, "data": data}


def change(*changes: list[Any], at: int = 10) -> JsonObject:
    return {"type": 12, "timestamp": START + at, "data": list(changes)}


def outline(node: JsonObject) -> object:
    name = node.get("tagName", node.get("textContent", "document"))
    return [name, *map(outline, node.get("childNodes", []))]


def test_change_a_snapshot_is_built_from_its_tables() -> None:
    track = convert(meta(), change_snapshot())
    tree = track.events[1]["data"]["node"]
    assert outline(tree) == ["document", ["html", ["body", ["div", ["hello"]]]]]
    assert tree["childNodes"][0]["childNodes"][0]["childNodes"][0]["attributes"] == {"class": "big"}


def test_change_insertion_points() -> None:
    first = [1, [2, DIV], [-1, DIV], [0, DIV]]  # 5: last in 3; 6: before 5; 7: after 6
    track = convert(meta(), change_snapshot(), change(first))
    adds = of_source(track, 0)[0]
    assert sorted(placed(adds)) == [(5, 3, None), (6, 3, 7), (7, 3, 5)]
    assert placed(adds)[0][0] == 5  # a sibling is there before it is named


def test_change_texts_attributes_and_removals() -> None:
    words = [0, "bye", "title"]
    bye, title = len(WORDS), len(WORDS) + 1
    track = convert(
        meta(), change_snapshot(), change(words, [3, [3, [CLASS], [title, bye]]], [4, [4, bye]]), change([2, 4])
    )
    first, second = of_source(track, 0)
    assert first["texts"] == [{"id": 4, "value": "bye"}]
    assert first["attributes"] == [{"id": 3, "attributes": {"class": None, "title": "bye"}}]
    assert second["removes"] == [{"id": 4, "parentId": 3}]


def test_change_what_is_removed_with_an_ancestor_is_named_once() -> None:
    track = convert(meta(), change_snapshot(), change([2, 3, 4]))
    assert of_source(track, 0)[0]["removes"] == [{"id": 3, "parentId": 2}]


def test_change_style_sheets_go_to_elements_documents_and_shadow_roots() -> None:
    nodes = [*CHANGE_PAGE, [2, SHADOW], [1, STYLE]]
    sheets = [[7, [RULE], [[RULE, RULE], ["print"]]], [8, [6, 0], [5, 1], [0, 0, 1]]]
    track = convert(meta(), change_snapshot(*sheets, nodes=nodes))
    host = track.events[1]["data"]["node"]["childNodes"][0]["childNodes"][0]["childNodes"][0]
    assert host["isShadowHost"] is True
    assert host["childNodes"][1]["attributes"] == {"_cssText": "p {}"}
    assert host["childNodes"][1]["isShadow"] is True
    adopted = {data["id"]: [style["rules"][0]["rule"] for style in data["styles"]] for data in of_source(track, 15)}
    assert adopted == {0: ["p {}", "@media print { p {} p {} }"], 3: ["@media print { p {} p {} }"]}


def test_change_values_selections_scrolls_sizes_and_media() -> None:
    nodes = [*CHANGE_PAGE, [2, INPUT], [3, "OPTION"], [4, "VIDEO"]]
    track = convert(
        meta(),
        change_snapshot([5, [3, 20, 10]], nodes=nodes),
        change([12, [5, BIG]], [13, [0, 5, 6]], [6, [0, 0, 50]], [9, [7, 0]], [10, [0, 0, 0, 0, 1, 1, 1]]),
    )
    assert [(data["text"], data["isChecked"]) for data in of_source(track, 5)] == [("big", False), ("on", True)]
    assert of_source(track, 0)[0]["attributes"] == [{"id": 6, "attributes": {"selected": ""}}]
    assert of_source(track, 3) == [{"source": 3, "id": 0, "x": 0, "y": 50}]
    assert of_source(track, 7) == [{"source": 7, "id": 7, "type": 0}]
    placeholder = track.events[1]["data"]["node"]["childNodes"][0]["childNodes"][0]["childNodes"][0]
    assert placeholder["attributes"]["rr_width"] == "20px"


def test_change_strings_can_be_forgotten() -> None:
    track = convert(meta(), change_snapshot(), change([14], [0, "fresh"], [4, [4, 0]]))
    assert of_source(track, 0)[0]["texts"] == [{"id": 4, "value": "fresh"}]


def test_change_unknown_kinds_and_images_are_counted() -> None:
    track = convert(meta(), change_snapshot(), change([15, [3, "resource"]], [44, 1]))
    assert track.skipped == {"image_content": 1, "change_kind_44": 1}


@pytest.mark.parametrize(
    "bad", [[4, [4, 9_999]], [1, [1, 9_999]], [2, 77], [1, [None, DIV]], [4, [3, HELLO]], "x", [12, 5]]
)
def test_change_after_one_that_cannot_be_followed_nothing_is_believed(bad: Any) -> None:
    track = convert(meta(), change_snapshot(), change(bad), change([2, 3]))
    assert track.skipped == {"malformed": 1, "after_lost_segment": 1}
    assert [event["type"] for event in track.events] == [4, 2]


def test_change_after_a_missing_segment_nothing_is_believed_until_the_next_snapshot() -> None:
    segments = [
        segment(meta(), change_snapshot()),
        segment(change([2, 3]), index=2),
        segment(change_snapshot(), index=3),
    ]
    (track,) = to_rrweb(family_of(Family.DATADOG), segments)
    assert track.skipped == {"after_lost_segment": 1, "missing_segment": 1}
    assert track.notes == [
        "1 changes follow a lost segment and cannot be read until the next full snapshot",
        "1 segments were never received",
    ]
    assert [event["type"] for event in track.events].count(2) == 2


# rrweb and PostHog


def squeezed(value: object) -> str:
    return gzip.compress(json.dumps(value).encode(), mtime=0).decode("latin-1")


def message(*events: object, window: str = "w1") -> bytes:
    properties = {"$snapshot_data": events, "$window_id": window, "$session_id": "s"}
    return json.dumps({"event": "$snapshot", "properties": properties}).encode()


def test_posthog_fields_are_inflated() -> None:
    full = {**snapshot(), "cv": "2024-10", "data": squeezed({"node": page()})}
    small = mutation(adds=squeezed([add(LIST, text(40, "ü"))]), removes=squeezed([]), texts=squeezed([])) | {
        "cv": "2024-10"
    }
    (track,) = to_rrweb(family_of(Family.RRWEB), [message(meta(), full, small)])
    assert track.skipped == {}
    assert track.events[1]["data"]["node"] == page()
    assert of_source(track, 0)[0]["adds"] == [add(LIST, text(40, "ü"))]
    assert all("cv" not in event for event in track.events)


@pytest.mark.parametrize("data", ["no gzip", "\u4e2d", squeezed({})[:-9]], ids=["text", "wide", "cut short"])
def test_posthog_fields_that_do_not_inflate_are_counted(data: str) -> None:
    (track,) = to_rrweb(family_of(Family.RRWEB), [message(meta(), {**snapshot(), "cv": "2024-10", "data": data})])
    assert track.skipped == {"malformed": 1}


def test_posthog_bomb_is_not_inflated() -> None:
    bomb = gzip.compress(bytes(40 << 20)).decode("latin-1")
    (track,) = to_rrweb(
        family_of(Family.RRWEB), [message(meta(), {**snapshot(), "cv": "2024-10", "data": bomb}, snapshot(20))]
    )
    assert track.skipped == {"too_large": 1}
    assert [event["type"] for event in track.events] == [4, 2]


def test_every_rrweb_window_is_a_track_sorted_by_time() -> None:
    plain = json.dumps({"session_id": "s", "window_id": "w2", "events": [snapshot(50), meta(40)]}).encode()
    tracks = to_rrweb(family_of(Family.RRWEB), [plain, message(meta(), snapshot())])
    assert [(track.view_ids, [event["type"] for event in track.events]) for track in tracks] == [
        (["w1"], [4, 2]),
        (["w2"], [4, 2]),
    ]


def test_mouse_moves_are_dated_at_their_first_position() -> None:
    moves: Event = {"type": 3, "timestamp": START + 500, "data": {"source": 1, "positions": []}}
    moves["data"]["positions"] = [{"x": 1, "y": 1, "id": BODY, "timeOffset": offset} for offset in (-400, -100)]
    (track,) = to_rrweb(family_of(Family.RRWEB), [message(meta(), snapshot(), mutation(300), moves, mutation(600))])
    moved = track.events[2]
    assert moved["timestamp"] == START + 100
    assert [position["timeOffset"] for position in moved["data"]["positions"]] == [0, 300]


# Hostile recordings


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"3", b"{}", b'{"records":{},"view":{"id":"v"}}', b'{"records":[]}'])
def test_what_is_no_segment_is_refused(raw: bytes) -> None:
    with pytest.raises(ConversionError):
        to_rrweb(family_of(Family.GUANCE), [raw])


def test_json_nested_without_end_is_refused() -> None:
    with pytest.raises(ConversionError):
        to_rrweb(family_of(Family.GUANCE), [b'{"records":' + b"[" * 100_000])


@pytest.mark.parametrize(("depth", "skipped"), [(MAX_TREE_DEPTH, 0), (MAX_TREE_DEPTH + 1, 1), (20_000, 1)])
def test_what_is_nested_deeper_than_a_tree_may_be_is_left_out_and_told(depth: int, skipped: int) -> None:
    nodes: list[Any] = [[None, DOCUMENT], *([1, DIV] for _ in range(depth - 1))]
    track = convert(meta(), change_snapshot(nodes=nodes))
    assert len(track.events) == 2
    assert track.skipped.get("tree_too_deep", 0) == skipped
    assert len(track.notes) == skipped
    json.dumps(track.events)


def test_long_lists_of_siblings_take_no_long_time() -> None:
    began = time.process_time()
    before = [1, [2, DIV], *([-1 - at, DIV] for at in range(50_000))]
    chain = [add(LIST, element(100 + at, "li"), 101 + at) for at in range(50_000)]
    convert(meta(), change_snapshot(), change(before))
    convert(meta(), snapshot(), mutation(adds=chain))
    assert time.process_time() - began < 20


def test_half_a_surrogate_pair_is_replaced() -> None:
    raw = segment(meta(), snapshot(tree=page(text(30, "cut")))).replace(b"cut", rb"cut\ud83d")
    (track,) = to_rrweb(family_of(Family.GUANCE), [raw])
    assert body_of(track)["childNodes"][1]["textContent"] == "cut\ufffd"


@pytest.mark.parametrize("offset", [-(10**18), -START - 1, 10**18, -86_400_000, 0.5, -1e300])
def test_mouse_moves_of_an_impossible_instant_cost_no_other_event(offset: float) -> None:
    position = {"x": 1, "y": 1, "id": LIST, "timeOffset": offset}
    moves = {"type": 3, "timestamp": START + 20, "data": {"source": 1, "positions": [position]}}
    (track,) = to_rrweb(family_of(Family.RRWEB), [message(meta(), snapshot(1), moves, mutation(30))])
    assert [event["timestamp"] - START for event in track.events] == [0, 1, 20, 30]


@pytest.mark.parametrize("time", [0.5, 0, -1])
def test_an_event_of_the_first_millisecond_of_all_costs_itself(time: float) -> None:
    (track,) = to_rrweb(
        family_of(Family.RRWEB), [message(meta(), snapshot(1), {**mutation(), "timestamp": time}, mutation(30))]
    )
    assert [event["timestamp"] - START for event in track.events] == [0, 1, 30]


def test_segments_that_name_no_view_play() -> None:
    """The form around them may have named it; nothing of that is in the stored segment."""
    raw = json.dumps({"records": [meta(), snapshot(1)]}).encode()
    (track,) = to_rrweb(family_of(Family.GUANCE), [raw])
    assert [event["type"] for event in track.events][:2] == [4, 2]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)
SPOILED = st.sampled_from(
    [meta(), snapshot(), mutation(adds=[add(LIST, text(40, "x"))]), change_snapshot(), change([2, 3])]
)


@given(st.lists(st.tuples(SPOILED, st.integers(0, 30), JSON), max_size=6), st.sampled_from(list(Family)))
def test_whatever_is_spoiled_nothing_but_a_conversion_error_comes_out(
    spoiled: list[tuple[JsonObject, int, Any]], family: Family
) -> None:
    records = [spoil(record, place, value) for record, place, value in spoiled]
    raw = message(*records) if family is Family.RRWEB else segment(*records)
    try:
        tracks = to_rrweb(family_of(family), [raw])
    except ConversionError:
        return
    json.dumps([track.events for track in tracks])


def spoil(record: JsonObject, place: int, value: object) -> JsonObject:
    """The record with the value at one of its places exchanged."""
    copy: JsonObject = json.loads(json.dumps(record))
    todo: list[tuple[Any, Any]] = [(copy, key) for key in copy]
    for holder, key in todo:
        if place == 0:
            holder[key] = value
            break
        place -= 1
        inner = holder[key]
        if isinstance(inner, dict):
            todo.extend((inner, name) for name in inner)
        elif isinstance(inner, list):
            todo.extend((inner, index) for index in range(len(inner)))
    return copy
