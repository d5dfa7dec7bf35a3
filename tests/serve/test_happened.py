"""Sessions by what happened in them: `has`, `hasnot`, several at once, on lists, facets and histograms."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from lake.catalog import latest_views, table_rows
from sinks.store import LocalStore
from tests.serve.conftest import GUANCE, TOKEN_ONE
from tests.serve.server import API, Served
from viewer.listed import LINES

Row = dict[str, Any]
Window = tuple[str, str, int]
Holds = Callable[[Row], bool]


@pytest.fixture(scope="module")
def lines(lake: Path) -> dict[str, list[Row]]:
    store = LocalStore(lake)
    found = {table: table_rows(store, table) for table in LINES}
    return found | {"views": latest_views(found["views"])}


def window(row: Row) -> Window:
    return row["app_id"], row["session_id"], row["session_part"]


def ask(served: Served, path: str, *parameters: tuple[str, Any]) -> Any:
    answer = served.ask(f"{API}{path}?{urlencode(parameters)}")
    assert answer.status == 200, answer.body
    return answer.json()


EVENTS: list[tuple[str, Holds]] = [
    ("resources.resource_status:200", lambda row: row["resource_status"] == "200"),
    ("resources.resource_status:404", lambda row: row["resource_status"] == "404"),
    ("resources.duration>50000000", lambda row: (row["duration"] or 0) > 50_000_000),
    ("resources.duration<0.5", lambda row: row["duration"] is not None and row["duration"] < 0.5),
    ("errors.error_type:TypeError", lambda row: row["error_type"] == "TypeError"),
    ("errors.error_type:", lambda row: not row["error_type"]),
    ("actions.action_type:click", lambda row: row["action_type"] == "click"),
    ("views.is_entry:false", lambda row: row["is_entry"] is False),
    ("long_tasks.duration>0", lambda row: (row["duration"] or 0) > 0),
    ("console.level:error", lambda row: row["level"] == "error"),
    ("errors.error_type:' OR 1=1 --", lambda _: False),
]


@pytest.mark.parametrize(("text", "holds"), EVENTS)
def test_sessions_in_which_it_happened_and_those_in_which_it_did_not(
    served: Served, rows: list[Row], lines: dict[str, list[Row]], text: str, holds: Holds
) -> None:
    inside = {window(row) for row in lines[text.partition(".")[0]] if holds(row)}
    everything = {window(row) for row in rows}
    for name, wanted in (("has", inside & everything), ("hasnot", everything - inside)):
        found = ask(served, "/sessions", (name, text), ("limit", 500))
        assert {window(row) for row in found["sessions"]} == wanted
        assert found["total"] == len(wanted)
        over_time = ask(served, "/sessions/histogram", (name, text))
        assert sum(bucket["sessions"] for bucket in over_time["buckets"]) == len(wanted)
        counted = ask(served, "/facets", (name, text), ("columns", "app_id"))["facets"]["app_id"]
        assert sum(one["count"] for one in counted) == len(wanted)


def test_what_happened_and_did_not_is_in_no_session(served: Served) -> None:
    both = ("has", "errors.error_type:TypeError"), ("hasnot", "errors.error_type:TypeError")
    assert ask(served, "/sessions", *both)["total"] == 0


def test_all_of_several_must_hold_beside_other_filters(
    served: Served, rows: list[Row], lines: dict[str, list[Row]]
) -> None:
    clicked, shown, failed = (
        {window(row) for row in lines[table] if holds(row)}
        for table, holds in (
            ("actions", lambda row: row["action_type"] == "click"),
            ("views", lambda row: row["view_index"] == 0),
            ("errors", lambda _: True),
        )
    )
    wanted = {window(row) for row in rows if row["app_id"] == GUANCE} & clicked & shown - failed
    found = ask(
        served, "/sessions", ("app", GUANCE), ("has", "actions.action_type:click"), ("has", "views.view_index:0"),
        ("hasnot", "errors.session_part>-1"), ("limit", 500),
    )  # fmt: skip
    assert {window(row) for row in found["sessions"]} == wanted
    assert wanted
    start = found["sessions"][0]["start"]
    assert ask(served, "/sessions", ("from", start), ("has", "actions.action_type:click"))["total"] == sum(
        row["start"] >= start and window(row) in clicked for row in rows
    )


def test_a_token_of_one_app_learns_nothing_of_what_happened_in_another(guarded: Served) -> None:
    for name in ("has", "hasnot"):
        for text in ("views.session_part>-1", "resources.app_id:none"):
            found = guarded.ask(f"{API}/sessions?{name}={text}", token=TOKEN_ONE)
            assert found.status == 200
            assert {row["app_id"] for row in found.json()["sessions"]} <= {GUANCE}
    assert guarded.ask(f"{API}/sessions?has=views.session_part:0").status == 401


@pytest.mark.parametrize(
    "query",
    ["has=views", "has=none.x:1", "has=sessions.browser:Chrome", "has=views.view_name", "has=views.none:1",
     "has=views.custom:1", "has=views.view_name>1", "has=views.time:never", "hasnot=.:", "has=",
     "has=resources.duration>x", "&".join(["has=views.view_name:x"] * 11)],
)  # fmt: skip
def test_a_wrong_question_is_told_what_is_wrong_with_it(served: Served, query: str) -> None:
    answer = served.ask(f"{API}/sessions?{query}")
    assert answer.status == 400, answer.body
    assert list(answer.json()) == ["error"]
