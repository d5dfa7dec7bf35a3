"""PostHog events become rows: its own events are views, actions and errors, any other is a custom action."""

import base64
import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from operators.families.registry import line_row
from operators.rows.values import Row
from schemas.items import LINE_TABLE, Family, Kind
from schemas.tables import TABLES

Event = dict[str, object]

TIMESTAMP = "2026-11-21T03:07:19.007Z"
TIME_US = 1_795_230_439_007_000


def row_of(event: str, properties: object = None, **top_level: object) -> Row:
    body = {"event": event, "timestamp": TIMESTAMP, "properties": {} if properties is None else properties, **top_level}
    return line_row(Family.RRWEB, json.dumps(body).encode()).row


def custom_of(row: Row) -> dict[str, str]:
    custom = row.get("custom", {})
    assert isinstance(custom, dict)
    return custom


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("$pageview", Kind.VIEW),
        ("$pageleave", Kind.VIEW),
        ("$web_vitals", Kind.VIEW),
        ("$autocapture", Kind.ACTION),
        ("$rageclick", Kind.ACTION),
        ("checkout", Kind.ACTION),
        ("$exception", Kind.ERROR),
    ],
)
def test_the_event_name_is_the_kind(event: str, kind: Kind) -> None:
    assert line_row(Family.RRWEB, json.dumps({"event": event}).encode()).kind == kind


def test_a_page_view_begins_a_view() -> None:
    row = row_of("$pageview", {"$pageview_id": "p1", "$current_url": "http://a:1/b?c=d"}, uuid="u")
    assert (row["view_id"], row["time"], row["view_host"], row["view_path"]) == ("p1", TIME_US, "a:1", "/b")
    assert "time_spent" not in row
    assert custom_of(row) == {"event": "$pageview", "uuid": "u"}


def test_a_page_leave_is_the_same_view_with_its_length() -> None:
    sent = {"$pageview_id": "p1", "$prev_pageview_id": "p1", "$prev_pageview_duration": 2.272}
    row = row_of("$pageleave", sent)
    assert (row["view_id"], row["time"], row["time_spent"]) == ("p1", TIME_US - 2_272_000, 2_272_000_000)
    assert custom_of(row) == {"event": "$pageleave"}


def test_the_view_that_was_left_goes_before_the_one_that_came() -> None:
    row = row_of("$pageleave", {"$pageview_id": "p2", "$prev_pageview_id": "p1"})
    assert row["view_id"] == "p1"
    assert custom_of(row)["properties.$pageview_id"] == "p2"


@pytest.mark.parametrize("duration", [-1, "2", True, 1e300, 1e305])
def test_a_length_that_is_none_is_kept_as_text(duration: object) -> None:
    row = row_of("$pageleave", {"$prev_pageview_duration": duration})
    assert row["time"] == TIME_US
    assert "properties.$prev_pageview_duration" in custom_of(row)


def test_without_a_timestamp_the_time_is_that_of_the_properties() -> None:
    row = row_of("$autocapture", {"$time": 1795230436.345}, timestamp=None)
    assert row["time"] == 1_795_230_436_345_000


@pytest.mark.parametrize("timestamp", ["yesterday", 5, ""])
def test_a_timestamp_that_is_none_is_kept_as_text(timestamp: object) -> None:
    row = row_of("$autocapture", timestamp=timestamp)
    assert "time" not in row
    assert custom_of(row)["timestamp"] == str(timestamp)


def test_a_click() -> None:
    row = row_of("$autocapture", {"$event_type": "click", "$el_text": "Pay now"}, uuid="u1")
    assert (row["action_id"], row["action_type"], row["action_name"]) == ("u1", "click", "Pay now")
    assert "action_frustration_types" not in row


@pytest.mark.parametrize(("event", "sign"), [("$rageclick", "rage_click"), ("$dead_click", "dead_click")])
def test_clicks_of_frustration(event: str, sign: str) -> None:
    assert row_of(event)["action_frustration_types"] == f'["{sign}"]'


def test_any_other_event_is_a_custom_action() -> None:
    row = row_of("checkout", {"total": 12.5, "$el_text": "x"})
    assert (row["action_type"], row["action_name"]) == ("custom", "checkout")
    assert custom_of(row) == {"properties.total": "12.5", "properties.$el_text": "x"}


def test_an_error() -> None:
    thrown = {"type": "TypeError", "value": "x is null", "mechanism": {"handled": False}, "stacktrace": {"frames": []}}
    row = row_of("$exception", {"$exception_list": [thrown]}, uuid="e1")
    assert (row["error_id"], row["error_type"], row["error_message"]) == ("e1", "TypeError", "x is null")
    assert row["error_handling"] == "unhandled"
    assert json.loads(custom_of(row)["properties.$exception_list"]) == [thrown]


def test_web_vitals_are_ms_and_become_ns() -> None:
    vitals = {
        "$web_vitals_LCP_value": 352.5,
        "$web_vitals_INP_value": 96,
        "$web_vitals_CLS_value": 0,
        "$pageview_id": "p",
    }
    row = row_of("$web_vitals", vitals)
    assert (row["largest_contentful_paint"], row["interaction_to_next_paint"]) == (352_500_000, 96_000_000)
    assert (row["cumulative_layout_shift"], row["view_id"]) == (0.0, "p")


def test_who_and_where() -> None:
    sent = {
        "distinct_id": "d",
        "$is_identified": True,
        "$browser_version": 156,
        "$screen_width": 1280,
        "$screen_height": 800,
        "$referrer": "http://r/",
    }
    row = row_of("$pageview", sent)
    assert (row["userid"], row["is_signin"], row["view_referrer"]) == ("d", "T", "http://r/")
    assert (row["browser_version"], row["browser_version_major"], row["screen_size"]) == ("156", "156", "1280*800")


def test_no_referrer_is_no_address() -> None:
    row = row_of("$pageview", {"$referrer": "$direct"})
    assert "view_referrer" not in row
    assert custom_of(row)["properties.$referrer"] == "$direct"


@pytest.mark.parametrize("event", ["$pageleave", "$web_vitals", "$rageclick", "$exception", "checkout"])
@pytest.mark.parametrize("odd", [None, 1, "text", [1], {"$exception_list": [[]]}, {"$exception_list": {}}])
def test_properties_of_any_shape_do_not_raise(event: str, odd: object) -> None:
    row_of(event, odd)


def test_every_recorded_attribute_is_in_its_column_or_in_custom(recordings: Path) -> None:
    checked = 0
    for event in _recorded_events(recordings / "rrweb"):
        found = line_row(Family.RRWEB, json.dumps(event).encode())
        checked += _compare(event, found.kind, found.row)
    assert checked > 4000


def _compare(event: Event, kind: Kind, row: Row) -> int:
    by_path = {field.posthog: field for field in TABLES[LINE_TABLE[kind]].fields}
    custom = dict(custom_of(row))
    checked = 0
    for path, value in _leaves(event):
        field = by_path.get(path)
        text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        if path in custom:
            assert custom.pop(path) == text.removesuffix(".0"), path
        elif field is not None:
            assert row[field.name] == value, path
        else:
            assert text in _derived(path, row), path
        checked += 1
    assert not custom
    return checked


def _derived(path: str, row: Row) -> set[str]:
    """What the attribute that became something else must have been, read from what became of it."""
    width, _, height = str(row.get("screen_size")).partition("*")
    spent_ns, time_us = row.get("time_spent", 0), row.get("time", 0)
    assert isinstance(spent_ns, int)
    assert isinstance(time_us, int)
    end_us = time_us + spent_ns // 1000
    origins: dict[str, set[object]] = {
        "uuid": {row.get("action_id"), row.get("error_id")},
        "timestamp": {_iso(end_us)},
        "properties.$time": {str(end_us / 1_000_000)},
        "properties.$event_type": {row.get("action_type")},
        "properties.$el_text": {row.get("action_name")},
        "properties.$is_identified": {"true" if row["is_signin"] == "T" else "false"},
        "properties.$browser_version": {row["browser_version"]},
        "properties.$screen_width": {width},
        "properties.$screen_height": {height},
        "properties.$referrer": {row.get("view_referrer")},
        "properties.$prev_pageview_id": {row["view_id"]},
        "properties.$prev_pageview_duration": {str(spent_ns / 1_000_000_000)},
    }
    return {str(origin) for origin in origins[path]}


def _iso(epoch_us: int) -> str:
    return datetime.fromtimestamp(epoch_us / 1_000_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _leaves(node: Event, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in node.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        elif value is not None:
            yield prefix + name, value


def _recorded_events(folder: Path) -> Iterator[Event]:
    for path in sorted(folder.glob("ph-*.jsonl.gz")):
        with gzip.open(path, "rt") as capture:
            for request in map(json.loads, capture):
                if request["method"] == "POST" and request["path"].startswith("/e/"):
                    body = base64.b64decode(request["body_b64"])
                    events = json.loads(gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)
                    yield from events if isinstance(events, list) else [events]
