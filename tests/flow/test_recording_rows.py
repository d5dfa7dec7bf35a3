"""Rows that only the recording can give, from messages to tables: what becomes one, what never twice, what stays."""

import gzip
import itertools
import json
import random
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lake.catalog import latest_sessions, latest_views
from lake.verify import verify
from operators.wire.message import Message
from sinks.store import LocalStore
from tests.flow.harness import Lake, capture_messages, run
from tests.unit.replays import NOW_MS

HOUR_MS = 3_600_000
Record = dict[str, Any]


def record(kind: int, at_ms: float, **data: Any) -> Record:
    return {"type": kind, "timestamp": NOW_MS + at_ms, "data": data}


def meta(at_ms: float, url: str) -> Record:
    return record(4, at_ms, href=url, width=800, height=600)


def snapshot(at_ms: float) -> Record:
    return record(2, at_ms, node={"type": 0, "childNodes": [], "id": 1}, initialOffset={"top": 0, "left": 0})


def click(at_ms: float, node: int = 7, x: float = 10) -> Record:
    return record(3, at_ms, source=2, type=2, id=node, x=x, y=10)


def typed(at_ms: float, node: int = 8) -> Record:
    return record(3, at_ms, source=5, text="*", isChecked=False, id=node)


def change(at_ms: float) -> Record:
    return record(3, at_ms, source=0, adds=[], removes=[], texts=[], attributes=[])


def logged(at_ms: float, text: str = "boom", level: str = "error") -> Record:
    payload = {"level": level, "trace": ["f (a.js:1:2)"], "payload": [json.dumps(text)]}
    return record(6, at_ms, plugin="rrweb/console@1", payload=payload)


def asked(at_ms: float, url: str, **more: Any) -> Record:
    request = {"name": url, "initiatorType": "fetch", "timestamp": NOW_MS + at_ms, "duration": 5, **more}
    return record(6, at_ms, plugin="rrweb/network@1", payload={"requests": [request]})


def batch(*records: Record, window: str = "w", session: str = "s", received_ms: float = 0) -> Message:
    body = {"app_id": "a", "session_id": session, "window_id": window, "events": records}
    received = max(received_ms, *(one["timestamp"] - NOW_MS for one in records))
    return Message("rrweb", {}, json.dumps(body).encode(), int(NOW_MS + received))


def posthog(*records: Record) -> Message:
    properties = {"$session_id": "s", "token": "a", "$window_id": "w", "$lib": "web", "$snapshot_data": records}
    body = {"event": "$snapshot", "properties": properties}
    return Message("rrweb", {}, json.dumps(body).encode(), int(records[-1]["timestamp"]))


def line(event: str, at_ms: int, window: str = "w", /, **properties: Any) -> Message:
    sent = {"token": "a", "$session_id": "s", "$window_id": window, "$time": (NOW_MS + at_ms) / 1000, **properties}
    body = {"event": event, "uuid": f"{event}-{at_ms}", "properties": sent}
    return Message("rrweb", {}, json.dumps(body).encode(), NOW_MS + at_ms)


def rows(lake: Lake, table: str) -> list[Any]:
    return sorted(lake.tables.get(table, []), key=lambda row: (row["time"], repr(row)))


def session(lake: Lake) -> Any:
    return next(row for row in latest_sessions(lake.tables["sessions"]) if row["session_id"] == "s")


def ms(row: Any) -> float:
    at_ms: float = row["time"].timestamp() * 1000 - NOW_MS
    return round(at_ms, 3)


def test_a_page_lasts_until_the_next_one_and_the_last_until_the_last_event(tmp_path: Path) -> None:
    first, second = "https://s.example/a?q=1", "https://s.example/b/17"
    lake = run([batch(meta(0, first), snapshot(1), meta(5_000, second), snapshot(5_001), change(8_000))], [], tmp_path)
    views = rows(lake, "views")
    assert [(ms(view), view["view_path_group"], view["time_spent"] // 10**6) for view in views] == [
        (0, "/a", 5_000),
        (5_000, "/b/?", 3_000),
    ]
    assert all(view["from_recording"] is True and view["sdk_family"] == "rrweb" for view in views)
    assert views[0]["display"] == '{"viewport":{"width":800,"height":600}}'
    found = session(lake)
    assert (found["session_view_count"], found["session_first_view_url"], found["session_last_view_url"]) == (
        *(2, first, second),
    )


def test_a_snapshot_made_again_is_no_new_page_and_a_document_loaded_again_is(tmp_path: Path) -> None:
    url = "https://s.example/a"
    again = batch(meta(0, url), snapshot(1), meta(60_000, url), snapshot(60_001))
    loaded = batch(record(0, 90_000), meta(90_001, url), snapshot(90_002), record(1, 90_100))
    assert [ms(view) for view in rows(run([again, loaded], [], tmp_path), "views")] == [0, 90_001]


def test_of_a_page_that_was_open_before_nobody_knows_the_address(tmp_path: Path) -> None:
    """As when the visitor comes back to an open page after the session's window is over."""
    lake = run([batch(click(0), change(10)), batch(meta(9_000, "https://s.example/b"), snapshot(9_001))], [], tmp_path)
    views = rows(lake, "views")
    assert [(ms(view), view["view_url"], view["time_spent"] // 10**6) for view in views] == [
        (0, None, 9_000),
        (9_000, "https://s.example/b", 1),
    ]
    assert rows(lake, "actions")[0]["view_id"] == views[0]["view_id"]


def test_clicks_and_inputs_become_actions_of_their_page(tmp_path: Path) -> None:
    """Typing is one action, a field that a click changes belongs to the click."""
    records = [
        *(meta(0, "https://s.example/a"), snapshot(1), click(1_000), change(1_010), typed(1_050, 9)),
        *(typed(2_000), typed(2_100), typed(2_200), click(3_000), typed(3_500), typed(3_600, 10), typed(30_000, 10)),
    ]
    lake = run([batch(*records)], [], tmp_path)
    actions = rows(lake, "actions")
    assert [(ms(one), one["action_type"]) for one in actions] == [
        (1_000, "click"),
        (2_000, "input"),
        (3_000, "click"),
        (3_500, "input"),
        (3_600, "input"),
        (30_000, "input"),
    ]
    assert {one["view_id"] for one in actions} == {rows(lake, "views")[0]["view_id"]}
    assert dict(actions[0]["custom"]) == {"node": "7", "x": "10.0", "y": "10.0"}
    assert session(lake)["session_action_count"] == 6


def test_actions_are_called_what_is_written_on_their_elements(tmp_path: Path) -> None:
    button = {"type": 2, "tagName": "button", "attributes": {"id": "pay"}, "id": 7}
    button["childNodes"] = [{"type": 3, "textContent": "Pay now", "id": 6}]
    page = record(2, 1, node={"type": 0, "childNodes": [button], "id": 1}, initialOffset={"top": 0, "left": 0})
    field = {"type": 2, "tagName": "input", "attributes": {"placeholder": "Name"}, "childNodes": [], "id": 8}
    change = record(3, 500, source=0, adds=[{"parentId": 1, "nextId": None, "node": field}], removes=[], texts=[])
    lake = run([batch(meta(0, "https://s.example/a"), page, change), batch(click(1_000), typed(2_000))], [], tmp_path)
    named = [(one["action_name"], one["action_target"]) for one in rows(lake, "actions")]
    assert named == [("Pay now", '{"selector":"button#pay"}'), ("Name", '{"selector":"input"}')]


def test_rage_and_dead_clicks_are_counted_with_their_page_and_session(tmp_path: Path) -> None:
    records = [meta(0, "https://s.example/a"), snapshot(1), *(click(10_000 + 200 * step) for step in range(4))]
    lake = run([batch(*records), batch(change(30_000))], [], tmp_path)
    marks = [one["action_frustration_types"] for one in rows(lake, "actions")]
    dead, both = '["dead_click"]', '["rage_click","dead_click"]'
    assert marks == [dead, dead, both, dead]
    for row in (session(lake), rows(lake, "views")[0]):
        assert (row["rage_click_count"], row["dead_click_count"]) == (1, 4)


def test_console_and_network_become_rows(tmp_path: Path) -> None:
    url = "https://api.example/pay/17?x=1"
    records = [
        *(meta(0, "https://s.example/a"), snapshot(1)),
        *(logged(1_000), logged(1_000), logged(2_000, "careful", "warn")),
        asked(3_000, url, duration=1_500, responseStatus=500, transferSize=0, decodedBodySize=70),
    ]
    lake = run([batch(*records)], [], tmp_path)
    found = rows(lake, "console")
    assert [(ms(one), one["level"], one["message"]) for one in found] == [
        (1_000, "error", "boom"),
        (1_000, "error", "boom"),  # a loop logs the same in the same millisecond
        (2_000, "warn", "careful"),
    ]
    assert {one["stack"] for one in found} == {"f (a.js:1:2)"}
    assert len({one["console_id"] for one in found}) == 3
    (resource,) = rows(lake, "resources")
    assert (resource["resource_url_path_group"], resource["resource_status_group"]) == ("/pay/?", "5xx")
    assert (resource["duration"], resource["is_slow"], resource["resource_type"]) == (1_500 * 10**6, True, "fetch")
    assert (resource["resource_transfer_size"], resource["resource_size"]) == (0, 70)
    (view,) = rows(lake, "views")
    assert {one["view_id"] for one in (*found, resource)} == {view["view_id"]}
    counts = session(lake)
    assert [counts[f"session_{name}_count"] for name in ("console", "resource", "error")] == [3, 1, 0]
    assert (counts["console_error_count"], counts["console_warn_count"]) == (2, 1)


def test_a_request_that_the_sdk_tells_twice_is_one_row(tmp_path: Path) -> None:
    url = "https://s.example/a"
    told = [asked(1_000, url, duration=0), asked(1_001, url, duration=80), asked(1_500, url, duration=9)]
    found = rows(run([batch(*told)], [], tmp_path), "resources")
    assert [(ms(one), one["duration"] // 10**6) for one in found] == [(1_000, 80), (1_500, 9)]


def test_what_lines_tell_is_not_told_again(tmp_path: Path) -> None:
    """PostHog: page views and clicks are lines; console and network only the recording has, and on the lines' pages."""
    records = [
        *(meta(5, "https://s.example/a"), snapshot(6), click(1_000), click(1_100), click(1_200)),
        *(logged(1_300), asked(1_400, "https://s.example/x")),
    ]
    page = line("$pageview", 0, **{"$pageview_id": "p1", "$current_url": "https://s.example/a", "$browser": "Firefox"})
    clicked = line("$autocapture", 1_002, **{"$event_type": "click", "$pageview_id": "p1"})
    thrown = line("$exception", 1_299, **{"$exception_list": [{"type": "Error", "value": "boom"}]})
    lake = run([page, posthog(*records), clicked, thrown], [], tmp_path)
    assert [row["from_recording"] for row in rows(lake, "views")] == [False]
    assert [row["from_recording"] for row in rows(lake, "actions")] == [False]
    for table in ("console", "resources"):
        (row,) = rows(lake, table)
        assert (row["view_id"], row["browser"], row["from_recording"]) == ("p1", "Firefox", True)
        assert row["sdk_family"] == "posthog"
    found = session(lake)
    assert (found["session_error_count"], found["session_console_count"], found["sdk_family"]) == (1, 1, "posthog")


def test_without_lines_of_clicks_the_recording_tells_them(tmp_path: Path) -> None:
    """PostHog with autocapture switched off; what the page reports by itself is no click."""
    page = line("$pageview", 0, **{"$pageview_id": "p1", "$current_url": "https://s.example/a"})
    lake = run(
        [page, line("order completed", 500), posthog(meta(5, "https://s.example/a"), click(1_000))], [], tmp_path
    )
    actions = rows(lake, "actions")
    assert [(one["action_type"], one["from_recording"]) for one in actions] == [("custom", False), ("click", True)]
    assert actions[1]["view_id"] == "p1"


def test_lines_of_one_browser_window_say_nothing_of_another(tmp_path: Path) -> None:
    page = line("$pageview", 0, "elsewhere", **{"$pageview_id": "p1", "$current_url": "https://s.example/a"})
    lake = run([page, posthog(meta(5, "https://s.example/b"), click(1_000))], [], tmp_path)
    assert [(view["view_path"], view["from_recording"]) for view in rows(lake, "views")] == [
        ("/a", False),
        ("/b", True),
    ]


def visit() -> list[Message]:
    """Two browser windows in 14 batches, one of which comes twice with more behind it."""
    chance = random.Random(7)
    messages = []
    for window in ("w1", "w2"):
        at_ms = 0
        for number in range(7):
            records = (
                [meta(at_ms, f"https://s.example/{window}/{number // 2}"), snapshot(at_ms + 1)] if number != 3 else []
            )
            for _ in range(12):
                at_ms += chance.choice((0, 40, 200, 900, 4_000))
                kind = chance.choice((click, typed, change, logged))
                records.append(kind(at_ms))
            records.append(asked(at_ms + 20, f"https://s.example/{number}"))
            at_ms += 1_000
            messages.append(batch(*records, window=window))
            if number == 4:
                messages.append(batch(*records, logged(at_ms - 900, "more"), window=window))
    return sorted(messages, key=lambda one: one.received_ms)


@pytest.mark.parametrize("seed", range(4))
def test_any_order_any_polls_every_copy_give_the_same_rows(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    plain = run(visit(), [], tmp_path / "plain")
    assert len(rows(plain, "actions")) > 20
    twice = sorted(visit() * 2, key=lambda one: one.received_ms + chance.uniform(-20_000, 20_000))
    cuts = chance.sample(range(len(twice)), 6)
    assert run(twice, cuts, tmp_path / "other", restart_every=2) == plain


def test_how_the_recorder_cuts_its_batches_changes_no_row(tmp_path: Path) -> None:
    """The same events a few at a time: only what tells the segments themselves differs."""
    events = [
        *(meta(0, "https://s.example/a"), snapshot(1), click(400), click(600), click(800), change(4_500)),
        *(typed(5_000), typed(5_200), logged(5_300), click(6_000), change(6_010), meta(7_000, "https://s.example/b")),
        *(snapshot(7_001), asked(7_500, "https://s.example/x"), click(8_000), change(30_000)),
    ]
    tables = ("views", "actions", "console", "resources")
    found = []
    for number, size in enumerate((1, 2, 5, len(events))):
        cut = [batch(*events[start : start + size], received_ms=40_000) for start in range(0, len(events), size)]
        lake = run(cut, [], tmp_path / str(number))
        found.append({table: rows(lake, table) for table in tables})
    assert found[0]["actions"]
    assert all(one == found[-1] for one in found)


@pytest.mark.parametrize("late", range(6))
def test_what_comes_after_the_close_adds_rows_and_changes_none_but_views(late: int, tmp_path: Path) -> None:
    """Whichever batch is an hour late: the lake verifies, no row is there twice, and nothing of the visit is lost."""
    batches = [
        batch(meta(0, "https://s.example/a"), snapshot(1), click(500)),
        batch(typed(2_000), click(2_500), logged(2_600)),
        batch(meta(5_000, "https://s.example/b"), snapshot(5_001), click(5_100), click(5_200)),
        batch(click(5_300), change(5_400), asked(5_500, "https://s.example/x")),
        batch(meta(9_000, "https://s.example/b"), snapshot(9_001), typed(9_500), typed(9_600)),
        batch(typed(9_700), logged(9_800), change(20_000)),
    ]
    whole = run(batches, [], tmp_path / "whole")
    other = batch(change(HOUR_MS), session="other")  # moves the receive clock
    delayed = Message("rrweb", {}, batches[late].value, NOW_MS + HOUR_MS + 1)
    punctual = [one for place, one in enumerate(batches) if place != late]
    store = LocalStore(tmp_path / "late")
    lake = run([*punctual, other, delayed], [len(punctual) + 1], tmp_path / "late", store=store)
    assert verify(store).problems == []
    assert session(lake)["revision"] == 1
    for table, key in (("actions", "action_id"), ("console", "console_id"), ("resources", "resource_id")):
        mine = [row for row in lake.tables[table] if row["session_id"] == "s"]
        ids = [row[key] for row in mine]
        assert len(ids) == len(set(ids))
        assert {row[key] for row in whole.tables[table]} <= set(ids), table
    views = [row for row in latest_views(lake.tables["views"]) if row["session_id"] == "s"]
    assert {row["revision"] for row in views} == {1}
    assert {row["view_id"] for row in whole.tables["views"]} <= {row["view_id"] for row in views}


# Real recordings, counted here without the project's code


def bodies(capture: Path) -> Iterator[Any]:
    with gzip.open(capture) as lines:
        for text in lines:
            request = json.loads(text)
            body = b64decode(request["body_b64"])
            if request["method"] == "POST" and request["path"].partition("?")[0] in ("/s/", "/e/"):
                sent = json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
                yield from sent if isinstance(sent, list) else [sent]


def events_of(capture: Path) -> list[Any]:
    """Every event of the capture once, though some bodies are sent again; without those that PostHog compresses."""
    found: dict[str, Any] = {}
    for body in bodies(capture):
        events = body.get("events") or body.get("properties", {}).get("$snapshot_data", [])
        copies: Counter[str] = Counter()
        for event in events if isinstance(events, list) else [events]:
            text = json.dumps(event)
            copies[text] += 1
            found[f"{text}{copies[text]}"] = event
    readable = [event for event in found.values() if isinstance(event["data"], dict)]
    return sorted(readable, key=lambda event: event["timestamp"])


def requests_of(events: list[Any]) -> set[tuple[object, ...]]:
    told = [
        event["data"]["payload"]["requests"] for event in events if event["data"].get("plugin") == "rrweb/network@1"
    ]
    # One that is told twice has its start rounded in two ways.
    return {(one["name"], one["initiatorType"], round(one["timestamp"] / 50)) for some in told for one in some}


@pytest.mark.parametrize("name", ["ph-docs", "ph-shop", "rr-editor", "rr-spa"])
def test_a_recording_gives_what_its_events_say(name: str, samples: Path, tmp_path: Path) -> None:
    capture = samples / f"rrweb/{name}.jsonl.gz"
    events = events_of(capture)
    lake = run(capture_messages([capture]), [], tmp_path)
    derived = {
        table: [row for row in rows(lake, table) if row["from_recording"]] for table in lake.tables if table in TABLES
    }
    console = [
        event["data"]["payload"]["level"] for event in events if event["data"].get("plugin") == "rrweb/console@1"
    ]
    assert Counter(row["level"] for row in derived.get("console", [])) == Counter(console)
    assert len(derived.get("resources", [])) == len(requests_of(events))
    is_told = name.startswith("ph-")
    clicks = [
        e["timestamp"] for e in events if e["type"] == 3 and e["data"].get("source") == 2 and e["data"]["type"] == 2
    ]
    found = [ms(row) + NOW_MS for row in derived.get("actions", []) if row["action_type"] == "click"]
    assert found == ([] if is_told else clicks)
    addresses = [key for key, _ in itertools.groupby(e["data"]["href"] for e in events if e["type"] == 4)]
    assert [row["view_url"] for row in derived.get("views", [])] == ([] if is_told else addresses)
    found_session: Any = latest_sessions(lake.tables["sessions"])[0]
    assert found_session["session_first_view_url"] is not None
    assert found_session["session_action_count"] > 0
    assert found_session["recorded_omitted_count"] == 0


TABLES = ("views", "actions", "console", "resources")


def test_the_sdks_with_lines_of_their_own_get_no_row_from_a_recording(samples: Path, tmp_path: Path) -> None:
    captures = [samples / "guance/gc-shop.jsonl.gz", samples / "datadog/dd-shop.jsonl.gz"]
    lake = run(capture_messages(captures), [], tmp_path)
    lines = [row for table in TABLES for row in lake.tables.get(table, [])]
    assert {(row["from_recording"], row["sdk_family"]) for row in lines} == {(False, "guance"), (False, "datadog")}
    assert {row["sdk_family"] for row in lake.tables["sessions"]} == {"guance", "datadog"}
