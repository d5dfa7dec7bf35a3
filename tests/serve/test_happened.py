"""Sessions by what happened in them: `has`, `hasnot`, words, several at once, on lists, facets and histograms."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from lake.catalog import latest_views, table_rows
from sinks.store import LocalStore
from tests.serve.conftest import GUANCE, TOKEN_ONE
from tests.serve.server import API, Served, serving, until
from viewer.listed import HAPPENED, LINES

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


def text_of(row: Row) -> str:
    names = (
        *("session_id", "userid", "user_name", "user_email", "ip", "session_referrer", "session_first_view_url"),
        *("session_last_view_url", "browser", "browser_version", "os", "os_version", "device", "country", "province"),
        *("city", "isp", "env", "service", "version"),
    )
    return "\n".join(str(row[name]) for name in names if row[name]).lower()


def with_text(rows: list[Row], lines: dict[str, list[Row]], text: str) -> set[Window]:
    """Windows of which every word is in the row, or in a line of what happened."""
    found = {window(row) for row in rows}
    for word in text.lower().split():
        own = {window(row) for row in rows if word in text_of(row)}
        found &= own | {
            window(row)
            for table, columns in HAPPENED.items()
            for row in lines[table]
            if any(word in str(row[name] or "").lower() for name in columns)
        }
    return found


def texts(rows: list[Row], lines: dict[str, list[Row]]) -> list[str]:
    """Ids, pages, people, and of each table something that happened."""
    row = next(row for row in rows if row["session_first_view_url"])
    some = [row["session_id"][2:9], row["session_first_view_url"].upper(), f"chrome {row['session_id'][:8]}"]
    for table, columns in HAPPENED.items():
        for name in columns:
            value = max((row[name] or "" for row in lines[table]), key=len)
            some += [value[:150], value.lower()[3:60], f"chrome {value[-20:]}"] if value else []
    return [*some, "TYPEERROR", "a", "e o", "100%_sure", "' OR 1=1 --", "支付 pay"]


def test_free_text_finds_ids_pages_people_and_what_happened_in_any_case(
    served: Served, rows: list[Row], lines: dict[str, list[Row]]
) -> None:
    found_some = 0
    for text in texts(rows, lines):
        wanted = with_text(rows, lines, text)
        found = ask(served, "/sessions", ("q", text), ("limit", 500))
        assert {window(row) for row in found["sessions"]} == wanted, text
        assert (found["total"], found["text_complete"]) == (len(wanted), True)
        over_time = ask(served, "/histogram", ("q", text))
        assert sum(bucket["sessions"] for bucket in over_time["buckets"]) == len(wanted)
        counted = ask(served, "/facets", ("q", text), ("columns", "app_id"), ("own", "false"))["facets"]["app_id"]
        assert sum(one["count"] for one in counted) == len(wanted)
        found_some += bool(wanted)
    assert found_some > 15


def test_free_text_stands_beside_other_filters(served: Served, rows: list[Row], lines: dict[str, list[Row]]) -> None:
    failed = {window(row) for row in lines["errors"]}
    wanted = {window(row) for row in rows if row["app_id"] == GUANCE} & with_text(rows, lines, "error") - failed
    has_none = ("hasnot", "errors.session_part>-1")
    found = ask(served, "/sessions", ("app", GUANCE), ("q", "error"), has_none, ("limit", 500))
    assert {window(row) for row in found["sessions"]} == wanted
    page = ask(served, "/sessions", ("q", "e"), ("limit", 2))
    behind = ask(served, "/sessions", ("q", "e"), ("limit", 500), ("cursor", page["next"]))
    assert {window(row) for row in page["sessions"] + behind["sessions"]} == with_text(rows, lines, "e")


def test_a_text_that_found_too_much_is_answered_with_what_was_found_and_says_so(
    tmp_path: Path, lake: Path, rows: list[Row]
) -> None:
    with serving(str(lake), tmp_path, "scan_bytes_max = 1\n") as served:
        until(lambda: served.ask("/health/ready").json(), lambda found: found["status"] == "ok", 30)
        own = rows[0]["session_id"]
        found = ask(served, "/sessions", ("q", own))
        assert (found["total"] >= 1, found["text_complete"]) == (True, False)
        assert ask(served, "/sessions")["text_complete"]
        for path in ("/facets?columns=browser&q=error", "/histogram?q=error", "/sessions?format=csv&q=error"):
            answer = served.ask(f"{API}{path}")
            assert (answer.status, answer.headers["x-text-complete"]) == (200, "false")
        assert served.ask(f"{API}/sessions?has=views.session_part:0").status == 503


def test_a_token_of_one_app_learns_nothing_of_what_happened_in_another(guarded: Served) -> None:
    for name in ("has", "hasnot"):
        for text in ("views.session_part>-1", "resources.app_id:none"):
            found = guarded.ask(f"{API}/sessions?{name}={text}", token=TOKEN_ONE)
            assert found.status == 200
            assert {row["app_id"] for row in found.json()["sessions"]} <= {GUANCE}
    found = guarded.ask(f"{API}/sessions?q=e", token=TOKEN_ONE)
    assert {row["app_id"] for row in found.json()["sessions"]} == {GUANCE}
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
