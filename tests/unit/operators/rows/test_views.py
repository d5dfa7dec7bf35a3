"""What the lines of a session tell of its views and its visitor, from messages to rows."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.decode import decode
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item, Kind, Skipped
from tests.flow.harness import Lake, run
from tests.unit.replays import NOW_MS

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
Line = dict[str, Any]


def posthog(event: str, at_ms: int, session: str = "s", /, **properties: Any) -> Line:
    sent = {"token": "a", "$session_id": session, "$window_id": "w", "$time": (NOW_MS + at_ms) / 1000, **properties}
    return {"event": event, "uuid": f"{event}-{at_ms}", "properties": sent}


def datadog(kind: str, at_ms: int, view_id: str | None = "v", /, **more: Any) -> Line:
    viewed = {"id": view_id, "url": "https://s.example/"} | more.pop("view", {})
    ids = {"application": {"id": "a"}, "session": {"id": "s", "type": "user"}, "view": viewed}
    return {"type": kind, "date": NOW_MS + at_ms, **ids, **more}


def guance(at_ms: int, url: str, spent_ns: int, **tags: str) -> Line:
    ids = {"app_id": "a", "session_id": "s", "view_url": url, **tags}
    return {"measurement": "view", "tags": ids, "fields": {"time_spent": spent_ns}, "time": NOW_MS + at_ms}


def lake_of(folder: Path, lines: list[Line], kind: str = "rrweb") -> Lake:
    messages = [Message(kind, {}, json.dumps(one).encode(), NOW_MS + place) for place, one in enumerate(lines)]
    return run(messages, [], folder)


def views(lake: Lake) -> list[Any]:
    return sorted(lake.tables.get("views", []), key=lambda row: (row["time"], row["view_id"]))


def session(lake: Lake) -> Any:
    (row,) = lake.tables["sessions"]
    return row


def ms(row: Any, column: str) -> int:
    at_ms: int = round(row[column].timestamp() * 1000)
    return at_ms - NOW_MS


# PostHog: how long a page was open


def page(number: int, at_ms: int, left: int | None = None, spent_s: float | None = None) -> Line:
    told = {} if left is None else {"$prev_pageview_id": f"p{left}", "$prev_pageview_duration": spent_s}
    return posthog("$pageview", at_ms, **{"$pageview_id": f"p{number}", "$current_url": f"https://s/{number}", **told})


def leave(number: int, at_ms: int, spent_s: object, session: str = "s") -> Line:
    told = {"$prev_pageview_id": f"p{number}", "$pageview_id": f"p{number}", "$prev_pageview_duration": spent_s}
    return posthog("$pageleave", at_ms, session, **told)


def test_the_page_view_that_follows_says_how_long_a_page_was_open(tmp_path: Path) -> None:
    lines = [page(1, 0), page(2, 6_000, 1, 6.0), page(3, 26_000, 2, 20.0), leave(3, 56_000, 30.0)]
    orders = itertools.permutations(lines)
    for number, order in enumerate(itertools.islice(orders, 0, None, 7)):
        found = views(lake_of(tmp_path / str(number), list(order)))
        assert [row["time_spent"] / 1e9 for row in found] == [6.0, 20.0, 30.0]
        assert [ms(row, "time") for row in found] == [0, 6_000, 26_000]


def test_a_page_that_was_never_seen_is_no_view(tmp_path: Path) -> None:
    assert [row["view_id"] for row in views(lake_of(tmp_path, [page(2, 0, 1, 6.0)]))] == ["p2"]


def test_a_tab_left_open_over_night_is_no_session_of_hours(tmp_path: Path) -> None:
    """The next morning it is closed, in a session that has just begun."""
    lines = [
        posthog("$autocapture", 9 * HOUR, "b", **{"$pageview_id": "p1"}),
        leave(1, 9 * HOUR + 5_000, 32_405.0, "b"),
    ]
    lake = lake_of(tmp_path, lines)
    assert (ms(session(lake), "start"), session(lake)["time_spent"] / 1e9) == (9 * HOUR, 5.0)
    (view,) = views(lake)
    assert (ms(view, "time"), view["time_spent"] / 1e9) == (9 * HOUR, 5.0)


@pytest.mark.parametrize("pause_ms", [20 * MINUTE, 10 * HOUR])
def test_a_leave_opens_no_window(tmp_path: Path, pause_ms: int) -> None:
    lake = lake_of(tmp_path, [page(1, 0), leave(1, pause_ms, pause_ms / 1000)])
    assert (session(lake)["session_part"], session(lake)["time_spent"]) == (0, 0)
    (view,) = views(lake)
    assert (ms(view, "time"), view["time_spent"]) == (0, pause_ms * 1_000_000)


@pytest.mark.parametrize("spent", [-1, "6", None, [], 1e300, 2**70])
def test_a_time_on_page_that_cannot_be_costs_itself(tmp_path: Path, spent: object) -> None:
    lake = lake_of(tmp_path, [page(1, 0), leave(1, 5_000, spent)])
    (view,) = views(lake)
    assert (ms(view, "time"), view["time_spent"]) == (0, None)
    assert "quarantine" not in lake.tables


# Missing is not a key


def test_three_pages_without_an_id_are_three_views(tmp_path: Path) -> None:
    lines = [posthog("$pageview", at, **{"$current_url": f"https://s/{at}"}) for at in (0, 6_000, 26_000)]
    lines.append(posthog("$web_vitals", 27_000, **{"$web_vitals_CLS_value": 0.5}))
    lines.append(posthog("$pageleave", 56_000, **{"$current_url": "https://s/26000"}))
    lake = lake_of(tmp_path, lines[::-1])
    assert session(lake)["session_view_count"] == 3
    assert session(lake)["is_bounce"] is False
    found = views(lake)
    assert [row["view_path"] for row in found] == ["/0", "/6000", "/26000"]
    assert [row["cumulative_layout_shift"] for row in found] == [None, None, 0.5]
    assert len({row["view_id"] for row in found}) == 3


@pytest.mark.parametrize("missing", [{}, {"view_id": ""}])
def test_guance_views_without_an_id_are_told_apart_by_start_and_address(
    tmp_path: Path, missing: dict[str, str]
) -> None:
    """An update repeats both."""
    lines = [guance(0, "https://s/a", 1, **missing), guance(0, "https://s/a", 5, **missing)]
    lines += [guance(9, "https://s/a", 2, **missing), guance(9, "https://s/b", 3, **missing)]
    found = views(lake_of(tmp_path, lines, "guance.rum"))
    assert sorted((row["view_url"][-1], row["time_spent"]) for row in found) == [("a", 2), ("a", 5), ("b", 3)]


def test_datadog_views_whose_id_is_null_are_told_apart(tmp_path: Path) -> None:
    lines = [datadog("view", at, None, view={"time_spent": spent}) for at, spent in ((0, 1), (0, 7), (8_000, 2))]
    lake = lake_of(tmp_path, lines, "datadog.rum")
    assert [row["time_spent"] for row in views(lake)] == [7, 2]
    assert session(lake)["session_view_count"] == 2


# Datadog: differences of a view


def test_a_view_update_is_laid_over_the_view_before_it(tmp_path: Path) -> None:
    whole = {"time_spent": 10, "action": {"count": 0}, "name": "first", "loading_time": 5}
    lines = [
        datadog(
            "view", 0, view=whole, _dd={"document_version": 1, "replay_stats": {"segments_count": 4}}, display={"v": 1}
        ),
        datadog("view_update", 0, view={"time_spent": 20, "action": {"count": 3}}, _dd={"document_version": 2}),
        datadog("view_update", 0, view={"time_spent": 30, "name": None}, _dd={"document_version": 3}, display={"s": 2}),
    ]
    for number, order in enumerate(itertools.permutations(lines)):
        lake = lake_of(tmp_path / str(number), list(order), "datadog.rum")
        (view,) = views(lake)
        assert (view["time_spent"], view["view_action_count"], view["view_name"]) == (30, 3, None)
        assert (view["document_version"], view["loading_time"]) == (3, 5)
        assert json.loads(view["display"]) == {"v": 1, "s": 2}
        assert json.loads(view["session_replay_stats"]) == {"segments_count": 4}
        assert "quarantine" not in lake.tables


# Notes


def test_a_vital_is_told_of_its_view(tmp_path: Path) -> None:
    lines = [
        datadog("view", 0),
        datadog("vital", 5_000, vital={"id": "1", "type": "duration", "name": "checkout", "duration": 300}),
        datadog("vital", 6_000, vital={"id": "2", "type": "operation_step", "name": "login", "step_type": "start"}),
        datadog("telemetry", 7_000, telemetry={"type": "log"}, session=None),
    ]
    lake = lake_of(tmp_path, lines, "datadog.rum")
    (view,) = views(lake)
    told = {name: value for name, value in view["custom"] if name.startswith(("vital", "telemetry"))}
    assert told == {"vital.checkout.duration": "300", "vital.login.start": str(NOW_MS + 6_000)}
    assert (session(lake)["session_action_count"], session(lake)["is_bounce"]) == (0, True)
    assert "quarantine" not in lake.tables


BOOKKEEPING = ["$feature_flag_called", "$identify", "$set", "$groupidentify", "$opt_in"]


@pytest.mark.parametrize("event", BOOKKEEPING)
def test_bookkeeping_is_no_action_and_no_sign_of_the_visitor(tmp_path: Path, event: str) -> None:
    beats = [posthog(event, at, **{"$pageview_id": "p1"}) for at in range(MINUTE, 10 * MINUTE, 30 * SECOND)]
    lake = lake_of(tmp_path, [page(1, 0), *beats])
    row = session(lake)
    assert (row["session_action_count"], row["is_bounce"], row["active_time"]) == (0, True, 0)
    assert "actions" not in lake.tables


@pytest.mark.parametrize(
    ("kind", "line"), [("rrweb", posthog("$$heatmap", 0)), ("datadog.rum", datadog("telemetry", 0))]
)
def test_what_has_no_place_is_counted(kind: str, line: Line) -> None:
    (skipped,) = decode(Message(kind, {}, json.dumps(line).encode(), NOW_MS), Limits())
    assert isinstance(skipped, Skipped)


def test_a_flag_is_told_of_its_view(tmp_path: Path) -> None:
    told = {"$pageview_id": "p1", "$feature_flag": "new-ui", "$feature_flag_response": True}
    (view,) = views(lake_of(tmp_path, [page(1, 0), posthog("$feature_flag_called", 5, **told)]))
    assert ("flag.new-ui", "true") in view["custom"]


@pytest.mark.parametrize("family", ["rrweb", "datadog.rum"])
def test_a_heartbeat_of_the_page_is_no_sign_of_the_visitor(tmp_path: Path, family: str) -> None:
    times = range(MINUTE, 10 * MINUTE, 30 * SECOND)
    if family == "rrweb":
        lines = [page(1, 0), *(posthog("heartbeat", at, **{"$pageview_id": "p1"}) for at in times)]
    else:
        lines = [datadog("view", 0), *(datadog("action", at, action={"id": f"{at}", "type": "custom"}) for at in times)]
    row = session(lake_of(tmp_path, lines, family))
    assert row["session_action_count"] == len(times)
    assert (row["active_time"], row["last_interaction_at"]) == (0, None)


# One person


def test_who_identified_himself_is_the_visitor_with_name_and_mail(tmp_path: Path) -> None:
    identify = posthog("$identify", 2, distinct_id="u42", **{"$is_identified": True})
    identify["$set"] = {"name": "Eve", "email": "eve@example.org", "plan": "gold"}
    before = page(1, 0)
    before["properties"]["distinct_id"] = "anonymous"
    after = posthog("$autocapture", 3, distinct_id=42, **{"$is_identified": True})
    for number, last in enumerate(([], [after])):
        row = session(lake_of(tmp_path / str(number), [before, identify, *last]))
        who = row["userid"], row["user_name"], row["user_email"], row["is_signin"]
        assert who == (("42", None, None, "T") if last else ("u42", "Eve", "eve@example.org", "T"))


def test_nobody_gets_the_mail_address_of_another(tmp_path: Path) -> None:
    ann = {"id": 1, "name": "Ann", "email": "ann@example.org"}
    lines = [datadog("view", 0, usr=ann), datadog("action", 9, usr={"id": 2, "name": "Bo"}, action={"id": "x"})]
    row = session(lake_of(tmp_path, lines, "datadog.rum"))
    assert (row["userid"], row["user_name"], row["user_email"]) == ("2", "Bo", None)


# Null is as absent


LINES: dict[str, list[Line]] = {
    "datadog.rum": [
        datadog(
            "view", 0, view={"time_spent": 5, "action": {"count": 1}}, usr={"id": "u"}, _dd={"document_version": 1}
        ),
        datadog("resource", 1, resource={"id": "r", "duration": 7, "status_code": 200}, action={"id": ["x"]}),
        datadog("action", 2, action={"id": "x", "type": "click", "loading_time": 4, "frustration": {"type": []}}),
        datadog("error", 3, error={"id": "e", "message": "m"}, tab={"id": "t"}),
        datadog("long_task", 3, long_task={"id": "l", "duration": 9}),
        datadog("vital", 4, vital={"id": "d", "name": "n", "type": "duration", "duration": 3}),
    ],
    "rrweb": [page(1, 0), page(2, 6_000, 1, 6.0), leave(2, 7_000, 1.0), posthog("$autocapture", 3, distinct_id="d")],
}
NEEDED = {"type", "date", "application.id", "session.id", "event", "properties.token", "properties.$session_id"}
NEEDED |= {"properties.$time", "application", "session", "properties"}


def places(value: object, path: str = "") -> list[str]:
    """The path of everything in a line that is not needed."""
    if not isinstance(value, dict):
        return []
    own = [f"{path}{name}" for name in value]
    below = [inner for name, member in value.items() for inner in places(member, f"{path}{name}.")]
    return [one for one in own if one not in NEEDED] + below


CASES = [
    (kind, number, path) for kind, lines in LINES.items() for number, one in enumerate(lines) for path in places(one)
]
ODD: st.SearchStrategy[object] = st.sampled_from(
    [None, None, -1, 1.5, 2**80, True, [], {}, [None], {"id": None}, "x", 7]
)


@settings(max_examples=300)
@given(st.sampled_from(CASES), ODD)
def test_an_odd_value_where_none_is_needed_costs_no_line(case: tuple[str, int, str], odd: object) -> None:
    kind, number, path = case
    line = json.loads(json.dumps(LINES[kind][number]))
    *above, name = path.split(".")
    holder = line
    for part in above:
        holder = holder[part]
    holder[name] = odd
    (item,) = decode(Message(kind, {}, json.dumps(line).encode(), NOW_MS), Limits())
    assert isinstance(item, Item)
    assert item.kind != Kind.SEGMENT


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}-{case[2]}")
def test_null_is_as_absent(case: tuple[str, int, str]) -> None:
    kind, number, path = case
    found = []
    for is_null in (True, False):
        line = json.loads(json.dumps(LINES[kind][number]))
        *above, name = path.split(".")
        holder = line
        for part in above:
            holder = holder[part]
        holder[name] = None
        if not is_null:
            del holder[name]
        (item,) = decode(Message(kind, {}, json.dumps(line).encode(), NOW_MS), Limits())
        assert isinstance(item, Item)
        found.append((item.kind, item.begin_us, item.end_us, item.opens, item.ends))
    assert found[0] == found[1]
