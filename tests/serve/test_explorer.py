"""The explorer's answers are what the tables say, whatever is filtered, sorted, counted or paged."""

from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from schemas.tables import TABLES
from tests.serve.server import API, Served
from viewer.session_rows import TIMELINE

Row = dict[str, Any]

WINDOWS = 29  # of the samples


def ask(served: Served, path: str, *parameters: tuple[str, Any]) -> Any:
    answer = served.ask(f"{API}{path}?{urlencode(parameters)}")
    assert answer.status == 200, answer.body
    return answer.json()


def ids(rows: list[Row]) -> set[tuple[str, str, int]]:
    return {(row["app_id"], row["session_id"], row["session_part"]) for row in rows}


def test_the_list_has_every_window_once_in_its_last_revision_newest_first(rows: list[Row]) -> None:
    assert len(rows) == len(ids(rows)) == WINDOWS
    assert any(row["revision"] > 0 for row in rows)
    assert [row["start"] for row in rows] == sorted((row["start"] for row in rows), reverse=True)


@pytest.mark.parametrize(
    "sort", ["-start", "start", "session_error_count", "-userid", "user_name", "-session_has_replay"]
)
@pytest.mark.parametrize("limit", [1, 7, WINDOWS])
def test_pages_follow_one_another_without_gap_or_copy(served: Served, rows: list[Row], sort: str, limit: int) -> None:
    seen: list[Row] = []
    cursor: str | None = ""
    while cursor is not None:
        page = ask(served, "/sessions", ("sort", sort), ("limit", limit), ("cursor", cursor))
        assert page["total"] == WINDOWS
        seen += page["sessions"]
        cursor = page["next"]
    assert len(seen) == WINDOWS
    assert ids(seen) == ids(rows)
    name = sort.removeprefix("-")
    known = [row[name] for row in seen if row[name] is not None]
    assert known == sorted(known, reverse=sort.startswith("-"))
    assert [row[name] for row in seen[len(known) :]] == [None] * (WINDOWS - len(known))  # unknown comes last


@pytest.mark.parametrize(
    ("filters", "holds"),
    [
        ([("is", "browser:Chrome")], lambda row: row["browser"] == "Chrome"),
        ([("is", "browser:")], lambda row: row["browser"] in (None, "")),
        ([("not", "browser:Chrome")], lambda row: row["browser"] != "Chrome"),
        ([("not", "browser:")], lambda row: row["browser"] not in (None, "")),
        ([("is", "session_has_replay:true")], lambda row: row["session_has_replay"]),
        ([("is", "session_error_count:7"), ("is", "session_error_count:0")],
         lambda row: row["session_error_count"] in (0, 7)),
        ([("is", "browser:Chrome"), ("is", "session_error_count:7")],
         lambda row: row["browser"] == "Chrome" and row["session_error_count"] == 7),
        ([("gt", "session_error_count:0")], lambda row: row["session_error_count"] > 0),
        ([("gt", "session_error_count:0"), ("lt", "session_error_count:14")],
         lambda row: 0 < row["session_error_count"] < 14),
        ([("app", "phc_local")], lambda row: row["app_id"] == "phc_local"),
        ([("app", "none")], lambda _: False),
        ([("is", "app_id:' OR 1=1 --")], lambda _: False),
    ],
)  # fmt: skip
def test_a_filter_gives_the_windows_that_fulfil_it(
    served: Served, rows: list[Row], filters: list[tuple[str, str]], holds: Callable[[Row], bool]
) -> None:
    found = ask(served, "/sessions", *filters, ("limit", 500))
    wanted = [row for row in rows if holds(row)]
    assert ids(found["sessions"]) == ids(wanted)
    assert found["total"] == len(wanted)


def test_times_are_half_open(served: Served, rows: list[Row]) -> None:
    start = rows[5]["start"]
    assert ids(ask(served, "/sessions", ("from", start), ("limit", 500))["sessions"]) == ids(
        [row for row in rows if row["start"] >= start]
    )
    assert ids(ask(served, "/sessions", ("to", start), ("limit", 500))["sessions"]) == ids(
        [row for row in rows if row["start"] < start]
    )
    assert ask(served, "/sessions", ("gt", f"start:{start}"))["total"] == sum(row["start"] > start for row in rows)


def test_entries_of_custom_can_be_filtered_and_counted(served: Served, rows: list[Row]) -> None:
    name, value = next((key, value) for row in rows for key, value in (row["custom"] or {}).items())
    expected = [row for row in rows if (row["custom"] or {}).get(name) == value]
    found = ask(served, "/sessions", ("is", f"custom.{name}:{value}"), ("limit", 500))
    assert ids(found["sessions"]) == ids(expected)
    counted = ask(served, "/facets", ("columns", f"custom.{name}"))["facets"][f"custom.{name}"]
    assert {"value": value, "count": len(expected)} in counted


def test_every_column_of_sessions_and_lines_is_described_and_a_name_means_one_thing(served: Served) -> None:
    found = ask(served, "/fields")
    shown = {"sessions": found["fields"], **found["lines"]}
    names = ("name", "type", "unit", "doc", "label")
    for table, columns in shown.items():
        declared = [{name: getattr(field, name) for name in names} for field in TABLES[table].fields]
        assert [{name: column[name] for name in names} for column in columns] == declared
    assert set(shown) == {"sessions", *TIMELINE}
    assert [column["group"] for column in found["fields"]] == [field.group for field in TABLES["sessions"].fields]
    assert {column["group"] for column in found["fields"]} == set(found["groups"])
    kinds = {(column["name"], column["type"], column["unit"]) for columns in shown.values() for column in columns}
    assert len(kinds) == len({name for name, _, _ in kinds})


def test_facets_count_what_the_list_shows(served: Served, rows: list[Row]) -> None:
    fields = ask(served, "/fields")["fields"]
    names = [field["name"] for field in fields if field["facet"]]
    assert {"browser", "session_has_replay", "country"} <= set(names)
    for some in (names[:40], names[40:]):
        facets = ask(served, "/facets", ("columns", ",".join(some)), ("top", 100))["facets"]
        for name in some:
            assert {one["value"]: one["count"] for one in facets[name]} == Counter(row[name] for row in rows), name
    top = ask(served, "/facets", ("columns", "session_error_count"), ("top", 2), ("is", "browser:Chrome"))["facets"]
    counts = Counter(row["session_error_count"] for row in rows if row["browser"] == "Chrome")
    assert [one["count"] for one in top["session_error_count"]] == [count for _, count in counts.most_common(2)]


@pytest.mark.parametrize("buckets", [1, 3, 60, 500])
def test_the_histogram_has_every_window_in_its_bucket(served: Served, rows: list[Row], buckets: int) -> None:
    around = [("from", rows[-1]["start"] - 5000), ("to", rows[0]["start"] + 5000)]
    for filters in ([], around):
        found = ask(served, "/histogram", ("buckets", buckets), *filters)
        assert 1 <= len(found["buckets"]) <= buckets
        for bucket in found["buckets"]:
            inside = [r for r in rows if bucket["start_ms"] <= r["start"] < bucket["start_ms"] + found["step_ms"]]
            assert bucket["sessions"] == len(inside)
            assert bucket["errors"] == sum(row["session_error_count"] > 0 for row in inside)
            assert bucket["replays"] == sum(row["session_has_replay"] for row in inside)
        assert sum(bucket["sessions"] for bucket in found["buckets"]) == len(rows)


def test_nothing_found_is_an_answer(served: Served) -> None:
    nothing = ("app", "none")
    assert ask(served, "/sessions", nothing) == {
        "sessions": [],
        "next": None,
        "total": 0,
        "complete": True,
        "text_complete": True,
    }
    assert ask(served, "/facets", nothing, ("columns", "browser")) == {"facets": {"browser": []}}
    assert ask(served, "/histogram", nothing)["buckets"] == []


@pytest.mark.parametrize(
    "query",
    ["sort=none", "sort=custom", "is=browser", "is=none:1", "is=custom:1", "gt=browser:1", "is=session_error_count:x",
     "is=session_has_replay:2", "gt=start:never", "limit=0", "limit=501", "cursor=x", "cursor=bnVsbA", "from=nan",
     "to=inf", "from=1e300", "is=session_error_count:99999999999999999999", "sort=", "sort=%22start%22",
     f"q={'x' * 201}", "cursor=WyJzdGFydCIsMSwiYSIsImIiLDBd"],
)  # fmt: skip
def test_a_wrong_question_is_told_what_is_wrong_with_it(served: Served, query: str) -> None:
    answer = served.ask(f"{API}/sessions?{query}")
    assert answer.status == 400, answer.body
    assert list(answer.json()) == ["error"]


def test_apps_add_up(served: Served, rows: list[Row]) -> None:
    found = ask(served, "/apps")["apps"]
    assert {app["app_id"]: app["sessions"] for app in found} == Counter(row["app_id"] for row in rows)
    for app in found:
        starts = [row["start"] for row in rows if row["app_id"] == app["app_id"]]
        assert (app["first_ms"], app["last_ms"]) == (min(starts), max(starts))
