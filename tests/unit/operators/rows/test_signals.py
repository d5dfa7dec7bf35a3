"""Signals of views and sessions: each definition of docs/signals.md, with values just at its limit."""

from pathlib import Path

import pytest

from operators.rows.signals import Row, Window, activity, in_order, is_slow, session_signals, view_signals
from schemas.fields import Field
from schemas.tables import TABLES

SECOND_US, SECOND_NS = 1_000_000, 1_000_000_000
WINDOW = Window(0, 600 * SECOND_US)
Tables = dict[str, list[Row]]


def tables(**rows: list[Row]) -> Tables:
    empty: Tables = {name: [] for name in ("views", "actions", "errors", "resources", "long_tasks")}
    return empty | rows


def view(view_id: str = "v", at_s: int = 0, spent_s: int | None = 100, **columns: object) -> Row:
    spent: Row = {} if spent_s is None else {"time_spent": spent_s * SECOND_NS}
    return {"view_id": view_id, "time": at_s * SECOND_US, "view_path": f"/{view_id}", **spent, **columns}


def action(view_id: str = "v", at_s: int = 0, **columns: object) -> Row:
    return {"view_id": view_id, "time": at_s * SECOND_US, "action_type": "click", **columns}


def signals(found: Tables, inputs_ms: dict[str, list[int]] | None = None) -> list[Row]:
    view_signals(WINDOW, found, inputs_ms or {})
    return found["views"]


def test_a_pause_is_idle_when_longer_than_a_minute() -> None:
    assert activity(WINDOW, [60_000, 120_000, 180_001]) == (
        180_001_000,
        120 * SECOND_NS,
        480 * SECOND_NS,
    )


def test_active_and_idle_time_add_up_and_inputs_outside_do_not_count() -> None:
    found = activity(Window(5 * SECOND_US, 20 * SECOND_US), [4_999, 5_000, 20_000, 20_001])
    assert found == (20 * SECOND_US, 15 * SECOND_NS, 0)
    assert activity(WINDOW, []) == (None, 0, 600 * SECOND_NS)


def test_views_are_numbered_by_start_then_id_and_know_their_neighbours() -> None:
    views = in_order([view("b", 5), view("c", 1), view("a", 5)])
    found = signals(tables(views=views))
    columns = ("view_id", "view_index", "is_entry", "is_exit", "previous_view_path", "next_view_path")
    assert [tuple(row[name] for name in columns) for row in found] == [
        ("c", 0, True, False, None, "/a"),
        ("a", 1, False, False, "/c", "/b"),
        ("b", 2, False, True, "/a", None),
    ]


def test_a_view_is_active_by_its_own_actions_and_records() -> None:
    mine = [action("v", 50), action("w", 70)]
    found = signals(tables(views=[view("v", 0, 200)], actions=mine), {"v": [110_000], "w": [130_000]})
    assert found[0]["last_interaction_at"] == 110 * SECOND_US
    assert (found[0]["active_time"], found[0]["idle_time"]) == (110 * SECOND_NS, 90 * SECOND_NS)


def test_records_of_rrweb_count_for_the_views_of_their_time() -> None:
    first, second = signals(tables(views=[view("v", 0, 10), view("w", 10, 10)]), {"": [15_000]})
    assert "last_interaction_at" not in first
    assert second["last_interaction_at"] == 15 * SECOND_US


def test_a_view_counts_inside_its_window_only() -> None:
    (found,) = signals(tables(views=[view("v", 0, 18_000)]))
    assert found["idle_time"] == 600 * SECOND_NS


def test_a_view_of_unknown_length_has_no_active_time() -> None:
    (found,) = signals(tables(views=[view("v", 0, None)], actions=[action("v", 7)]))
    assert "active_time" not in found
    assert found["last_interaction_at"] == 7 * SECOND_US


def test_clicks_that_went_wrong_are_counted_by_view_and_session() -> None:
    clicks = [
        action("v", 1, action_frustration_types='["rage_click","dead_click"]'),
        action("w", 2, action_frustration_types='["error_click"]'),
        action("v", 3, action_frustration_types="[]"),
        action("v", 4),
    ]
    found = tables(views=[view("v"), view("w", 1)], actions=clicks)
    names = ("rage_click_count", "dead_click_count", "error_click_count")
    assert [[row[name] for name in names] for row in signals(found)] == [[1, 1, 0], [0, 0, 1]]
    assert [session_signals(found)[name] for name in (*names, "frustration_count")] == [1, 1, 1, 3]


@pytest.mark.parametrize(
    ("views", "actions", "bounced"),
    [
        ([view()], [], True),
        ([view()], [action(action_type="custom")], True),
        ([view()], [action()], False),
        ([view("v"), view("w", 1)], [], False),
        ([], [], None),
    ],
)
def test_a_bounce_is_one_view_and_nothing_done(views: list[Row], actions: list[Row], bounced: object) -> None:
    assert session_signals(tables(views=views, actions=actions)).get("is_bounce") is bounced


@pytest.mark.parametrize(
    ("values", "p75"), [([5], 5), ([1, 9], 9), ([1, 2, 9], 9), ([4, 1, 2, 3], 3), ([5, 4, 3, 2, 1], 4)]
)
def test_the_75th_percentile_is_the_value_at_the_nearest_rank(values: list[int], p75: int) -> None:
    views = [view(str(n), n, largest_contentful_paint=value) for n, value in enumerate(values)]
    found = session_signals(tables(views=[*views, view("x", 99)]))
    assert (found["lcp_worst"], found["lcp_p75"]) == (max(values), p75)
    assert "inp_worst" not in found


def test_a_resource_is_slow_above_a_second() -> None:
    slow = [is_slow({"duration": duration}) for duration in (SECOND_NS, SECOND_NS + 1)]
    assert slow == [False, True]
    assert not is_slow({})
    resources: list[Row] = [{"view_id": "v", "is_slow": True}, {"view_id": "w", "is_slow": False}]
    found = tables(views=[view("v"), view("w", 1)], resources=resources)
    assert [row["slow_resource_count"] for row in signals(found)] == [1, 0]
    assert session_signals(found)["slow_resource_count"] == 1


def test_error_groups_are_counted_once() -> None:
    errors: list[Row] = [{"error_fingerprint": name} for name in ("a", "b", "a")]
    assert session_signals(tables(errors=errors))["error_group_count"] == 2


def test_every_signal_is_described() -> None:
    page = (Path(__file__).parents[4] / "docs" / "signals.md").read_text(encoding="utf-8")
    added: list[Field] = [field for table in TABLES.values() for field in table.fields if field.since == 2]
    assert [field.name for field in added if f"`{field.name}`" not in page] == []
