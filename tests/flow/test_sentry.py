"""Sentry from capture to lake: what a plain reader of the envelopes counts, pages that no line tells, playing."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lake.export import blob_keys, native_segments
from lake.verify import verify
from operators.families.registry import family_named
from operators.tracks import to_rrweb
from operators.wire.message import Message
from sinks.store import LocalStore
from tests.flow.harness import Lake, capture_messages, run
from tests.unit.envelopes import (
    REPLAY,
    SAMPLES,
    START_S,
    TRACE,
    Json,
    batch,
    envelope,
    event,
    plainly_read,
    received,
    replay,
    span,
)

Row = dict[str, Any]
KITCHEN = SAMPLES / "se-kitchen-session.jsonl.gz"
AT_MS = int(START_S * 1000)
VIEW_OPS = ("pageload", "navigation")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sentry")


@pytest.fixture(scope="module")
def lake(folder: Path) -> Lake:
    return run(capture_messages(sorted(SAMPLES.glob("*.jsonl.gz"))), [5, 40], folder)


def rows(lake: Lake, table: str) -> list[Row]:
    return lake.tables.get(table, [])


def views_of(lake: Lake, session_id: str) -> list[Row]:
    found = [row for row in rows(lake, "views") if row["session_id"] == session_id]
    return sorted(found, key=lambda row: row["view_index"])


def spans_of(kind: str, payload: Json) -> list[str]:
    """Operations of the spans of an item, with underlines as the SDK 11 has them in place of hyphens."""
    if kind == "transaction":
        found = [payload["contexts"]["trace"]["op"], *(one.get("op", "") for one in payload["spans"])]
    elif kind == "span":
        members = payload.get("items", [payload])
        found = [one.get("op") or one["attributes"]["sentry.op"]["value"] for one in members]
    else:
        found = []
    return [op.replace("_", "-") for op in found]


def counted(capture: Path) -> Counter[str]:
    """What there is of a session, by code that shares nothing with the project's."""
    found: Counter[str] = Counter()
    for body, _ in received(capture):
        for kind, payload in plainly_read(body):
            found[kind] += 1
            if kind == "replay_recording":
                found["records"] += len(payload)
            for op in spans_of(kind, payload):
                found["resource"] += op == "http.client" or op.startswith("resource.")
                found["long_task"] += op in ("ui.long-task", "ui.long-animation-frame")
                found["view"] += op in VIEW_OPS
    return found


@pytest.mark.parametrize("name", ["se-kitchen-session", "se-shop-v7", "se-shop-v8", "se-shop-v9-plain", "se-shop-v11"])
def test_the_lake_has_what_the_envelopes_hold(lake: Lake, name: str) -> None:
    expected = counted(SAMPLES / f"{name}.jsonl.gz")
    [session_id] = {
        payload["replay_id"]
        for body, _ in received(SAMPLES / f"{name}.jsonl.gz")
        for kind, payload in plainly_read(body)
        if kind == "replay_event"
    }
    [session] = [row for row in rows(lake, "sessions") if row["session_id"] == session_id]
    assert session["replay_segment_count"] == expected["replay_recording"]
    assert session["replay_record_count"] == expected["records"]
    assert session["replay_missing_segment_count"] == 0
    assert session["session_error_count"] == expected["event"]
    assert session["session_long_task_count"] == expected["long_task"]
    assert session["session_view_count"] == expected["view"]
    resources = [row for row in rows(lake, "resources") if row["session_id"] == session_id]
    assert sum(not row["from_recording"] for row in resources) == expected["resource"]
    feedback = [row for row in rows(lake, "actions") if row["session_id"] == session_id and not row["from_recording"]]
    assert len(feedback) == expected["feedback"]


def test_the_manifest_of_the_kitchen_session_is_met(lake: Lake) -> None:
    [session] = [row for row in rows(lake, "sessions") if row["session_id"] == REPLAY]
    assert (session["session_error_count"], session["replay_segment_count"]) == (5, 6)
    assert session["replay_record_count"] == 492
    assert (session["session_view_count"], session["session_resource_count"]) == (3, 18)  # two are documents
    assert session["session_console_count"] == 7  # each once, though both logs and breadcrumbs tell of six
    assert (session["userid"], session["version"], session["env"]) == ("u-42", "kitchen@1.2.3", "test")
    assert session["sdk_family"] == "sentry"
    paths = ["/site/page.html", "/site/page.html/route/2", "/site/page2.html"]
    views = views_of(lake, REPLAY)
    assert [row["view_path"] for row in views] == paths
    assert [row["view_loading_type"] for row in views] == ["initial_load", "route_change", "initial_load"]
    assert all(row["time_spent"] and row["largest_contentful_paint"] for row in views)


def test_nothing_is_refused_and_the_lake_verifies(lake: Lake, folder: Path) -> None:
    assert rows(lake, "quarantine") == []
    report = verify(LocalStore(folder))
    assert (report.problems, report.unplayable) == ([], [])


def test_every_part_of_a_session_is_of_one_of_its_views(lake: Lake) -> None:
    views = {(row["session_id"], row["view_id"]) for row in rows(lake, "views")}
    for table in ("errors", "resources", "actions", "console", "long_tasks"):
        assert {(row["session_id"], row["view_id"]) for row in rows(lake, table)} <= views, table


def test_pages_of_a_buffered_visit_are_there_though_no_line_tells_of_two(lake: Lake) -> None:
    [session_id] = {row["session_id"] for row in rows(lake, "replay_segments") if row["creation_reason"] == "buffer"}
    views = views_of(lake, session_id)
    assert [row["from_recording"] for row in views] == [True, True, False]
    assert [row["view_path"] for row in views] == ["/page.html", "/#/tents", "/page.html"]
    errors = [row for row in rows(lake, "errors") if row["session_id"] == session_id]
    assert {row["view_id"] for row in errors} == {views[1]["view_id"]}


def test_dead_and_rage_clicks_are_those_that_the_sdk_tells_of(lake: Lake) -> None:
    signs = [row["action_frustration_types"] for row in rows(lake, "actions") if row["action_frustration_types"]]
    assert sorted(signs) == ['["dead_click"]', '["rage_click"]']


def test_a_session_plays_as_one_track_over_its_pages(lake: Lake, folder: Path) -> None:
    store = LocalStore(folder)
    segments = [row for row in rows(lake, "replay_segments") if row["session_id"] == REPLAY]
    family = family_named("sentry")
    assert family is not None
    [track] = to_rrweb(family, list(native_segments(store, blob_keys(segments))))
    assert len(track.events) == 491
    assert track.skipped == {"before_full_snapshot": 1}
    times = [one["timestamp"] for one in track.events]
    assert times == sorted(times)
    assert [one["type"] for one in track.events].count(2) == 2
    assert track.start_ms == min(row["start"].timestamp() * 1000 for row in segments)


def messages(*bodies: bytes) -> list[Message]:
    return [Message("sentry", {"app_id": b"1"}, body, AT_MS + 1000 * number) for number, body in enumerate(bodies)]


def test_holes_and_copies_are_seen_by_the_numbers(tmp_path: Path) -> None:
    segments = [envelope(*replay(number)) for number in (0, 1, 3)]
    [session] = run(messages(*segments, segments[1]), [], tmp_path).tables["sessions"]
    assert session["replay_segment_count"] == 3
    assert session["replay_missing_segment_count"] == 1


def test_without_tracing_errors_are_of_the_page_that_was_open(tmp_path: Path) -> None:
    route = {"op": "navigation.push", "description": "/two", "startTimestamp": START_S + 3, "endTimestamp": START_S + 3}
    pushed = {"type": 5, "timestamp": START_S + 3, "data": {"tag": "performanceSpan", "payload": route}}
    page = {"type": 4, "timestamp": AT_MS, "data": {"href": "https://shop.example/", "width": 8, "height": 6}}
    picture = {"type": 2, "timestamp": AT_MS + 1, "data": {"node": {"type": 0, "childNodes": [], "id": 1}}}
    early, late = event(timestamp=START_S + 1), event(event_id="late", timestamp=START_S + 4)
    vital = {"op": "ui.webvital.cls", "start_timestamp": START_S + 2, "measurements": {"cls": {"value": 0.5}}}
    vital |= {"data": {"replay_id": REPLAY}, "trace_id": "other"}
    both = [envelope(*replay(0, [page, picture, pushed])), envelope(early, late, ({"type": "span"}, vital))]
    found = run(messages(*both), [], tmp_path)
    views = views_of(found, REPLAY)
    assert [(row["view_path"], row["from_recording"]) for row in views] == [("/", True), ("/two", True)]
    assert [row["cumulative_layout_shift"] for row in views] == [0.5, None]
    errors = sorted(rows(found, "errors"), key=lambda row: row["time"])
    assert [row["view_id"] for row in errors] == [row["view_id"] for row in views]


def test_a_page_that_a_line_tells_is_not_told_twice(tmp_path: Path) -> None:
    line = span("pageload", "/", {"url.full": "https://shop.example/"})
    vital = span("ui.webvital.lcp", "x", {"browser.web_vital.lcp.value": 99}) | {"span_id": "2"}
    [view] = run(messages(envelope(*replay()), envelope(batch("span", line, vital))), [], tmp_path).tables["views"]
    assert (view["view_id"], view["from_recording"]) == (TRACE, False)
    assert view["largest_contentful_paint"] == 99_000_000
    assert view["time_spent"] == 4_000_000_000


def test_the_result_does_not_depend_on_order_or_cuts(tmp_path: Path, lake: Lake) -> None:
    captured = capture_messages([KITCHEN])
    at_ms = captured[-1].received_ms
    backwards = [Message(one.type, one.headers, one.value, at_ms) for one in reversed(captured)]
    other = run(backwards, range(0, len(backwards), 3), tmp_path, restart_every=2)
    for table in ("views", "errors", "resources", "actions", "console"):
        mine = sorted(strip(row) for row in rows(lake, table) if row["session_id"] == REPLAY)
        assert sorted(map(strip, rows(other, table))) == mine


def strip(row: Row) -> str:
    return repr({name: value for name, value in row.items() if name != "received_at"})
