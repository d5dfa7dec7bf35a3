"""Lists, facets and histograms of lines are what the tables say, whatever is filtered, sorted, counted or paged."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from lake.catalog import latest_views, table_rows
from schemas.tables import TABLES
from schemas.units import US_PER_MS
from sinks.store import LocalStore
from tests.serve.conftest import DATADOG, GUANCE, TOKEN_ALL, TOKEN_ONE
from tests.serve.server import API, Served
from viewer.listed import LINES

Row = dict[str, Any]
Rows = dict[str, list[Row]]


@pytest.fixture(scope="module")
def lines(lake: Path) -> Rows:
    """Every line of the lake; times as epoch us."""
    store = LocalStore(lake)
    found = {table: table_rows(store, table) for table in LINES}
    found["views"] = latest_views(found["views"])
    return {table: [_in_us(row) for row in rows] for table, rows in found.items()}


def _in_us(row: Row) -> Row:
    return {
        name: round(value.timestamp() * 1e6) if hasattr(value, "timestamp") else value for name, value in row.items()
    }


def ask(served: Served, path: str, *parameters: tuple[str, Any]) -> Any:
    answer = served.ask(f"{API}{path}?{urlencode(parameters)}")
    assert answer.status == 200, answer.body
    return answer.json()


def ids(table: str, rows: list[Row]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(row[name] for name in TABLES[table].key) for row in rows)


@pytest.mark.parametrize("table", LINES)
def test_a_list_has_every_row_once_newest_first_with_all_columns(served: Served, lines: Rows, table: str) -> None:
    found = ask(served, f"/{table}", ("limit", 500))
    assert found["total"] == len(lines[table])
    seen, following = found[table], found["next"]
    while following:
        page = ask(served, f"/{table}", ("limit", 500), ("cursor", following))
        seen, following = seen + page[table], page["next"]
    assert ids(table, seen) == ids(table, lines[table])
    assert [row["time"] for row in seen] == sorted((row["time"] for row in seen), reverse=True)
    by_id = {tuple(row[name] for name in TABLES[table].key): row for row in lines[table]}
    for row in seen[:20]:
        declared = by_id[tuple(row[name] for name in TABLES[table].key)]
        for field in TABLES[table].fields:
            wanted = declared[field.name]
            if field.type == "timestamp":
                wanted = None if wanted is None else wanted / US_PER_MS
            if field.type.startswith("map"):
                wanted = None if wanted is None else dict(wanted)
            assert row[field.name] == wanted, field.name


@pytest.mark.parametrize("sort", ["-time", "time", "resource_status", "-duration", "is_slow", "view_name"])
@pytest.mark.parametrize("limit", [7, 60])
def test_pages_follow_one_another_without_gap_or_copy(served: Served, lines: Rows, sort: str, limit: int) -> None:
    seen: list[Row] = []
    following: str | None = ""
    while following is not None and len(seen) < 200:
        page = ask(served, "/resources", ("sort", sort), ("limit", limit), ("cursor", following))
        seen, following = seen + page["resources"], page["next"]
    name = sort.removeprefix("-")
    values = [row[name] for row in seen]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=sort.startswith("-"))
    assert None not in values[: len(known)]
    assert max(ids("resources", seen).values()) == 1
    assert len(seen) == min(len(lines["resources"]), len(seen))


@pytest.mark.parametrize(
    ("table", "filters", "holds"),
    [
        ("resources", [("is", "resource_status:200")], lambda row: row["resource_status"] == "200"),
        ("resources", [("is", "resource_status:")], lambda row: row["resource_status"] in (None, "")),
        ("resources", [("not", "resource_type:js")], lambda row: row["resource_type"] != "js"),
        ("resources", [("gt", "duration:1000000.5")], lambda row: (row["duration"] or 0) > 1_000_000.5),
        ("resources", [("between", "duration:1000000,90000000")],
         lambda row: 1_000_000 <= (row["duration"] or 0) <= 90_000_000),
        ("resources", [("is", "is_slow:true")], lambda row: row["is_slow"] is True),
        ("views", [("gt", "cumulative_layout_shift:0.01")], lambda row: (row["cumulative_layout_shift"] or 0) > 0.01),
        ("views", [("app", GUANCE)], lambda row: row["app_id"] == GUANCE),
        ("actions", [("is", "action_type:click"), ("app", DATADOG)],
         lambda row: row["action_type"] == "click" and row["app_id"] == DATADOG),
        ("errors", [("q", "ERROR")], lambda row: any("error" in str(row[name] or "").lower()
                                                     for name in LINES["errors"].searched)),
        ("errors", [("is", "app_id:' OR 1=1 --")], lambda _: False),
        ("console", [("is", "level:error"), ("is", "level:warn")], lambda row: row["level"] in ("error", "warn")),
    ],
)  # fmt: skip
def test_a_filter_gives_the_rows_that_fulfil_it(
    served: Served, lines: Rows, table: str, filters: list[tuple[str, str]], holds: Callable[[Row], bool]
) -> None:
    wanted = [row for row in lines[table] if holds(row)]
    found = ask(served, f"/{table}", *filters, ("limit", 500))
    assert found["total"] == len(wanted)
    assert len(found[table]) == min(500, len(wanted))
    assert not ids(table, found[table]) - ids(table, wanted)
    counted = ask(served, f"/{table}/facets", *filters, ("columns", "app_id"))["facets"]["app_id"]
    assert {one["value"]: one["count"] for one in counted} == Counter(row["app_id"] for row in wanted)
    over_time = ask(served, f"/{table}/histogram", *filters)
    assert sum(bucket["count"] for bucket in over_time["buckets"]) == len(wanted)


@pytest.mark.parametrize("table", LINES)
def test_facets_count_what_the_list_shows(served: Served, lines: Rows, table: str) -> None:
    names = [one["name"] for one in ask(served, "/fields")["lines"][table] if one["facet"]]
    for some in (names[:40], names[40:80]):
        counted = ask(served, f"/{table}/facets", ("columns", ",".join(some)), ("top", 100))["facets"]
        assert list(counted) == some
        for name in some:
            values = Counter(row[name] for row in lines[table])
            shown = {one["value"]: one["count"] for one in counted[name]}
            assert len(shown) == min(100, len(values)), name
            assert all(values[value] == count for value, count in shown.items()), name


@pytest.mark.parametrize("path", ["/sessions", "/views"])
def test_a_facet_shows_its_other_values_only_when_asked(served: Served, path: str) -> None:
    both = ("columns", "sdk_family,os")
    everything = ask(served, f"{path}/facets", both)["facets"]
    first = everything["sdk_family"][0]["value"]
    only = ("is", f"sdk_family:{first}")
    hidden = ask(served, f"{path}/facets", only, both)["facets"]
    shown = ask(served, f"{path}/facets", only, both, ("own", "false"))["facets"]
    assert [one["value"] for one in hidden["sdk_family"]] == [first]
    assert shown == {"sdk_family": everything["sdk_family"], "os": hidden["os"]}
    assert len(everything["sdk_family"]) > 1


def test_old_and_new_names_of_a_question_about_sessions_have_one_answer(served: Served) -> None:
    for query in ("/facets?columns=browser", "/histogram?buckets=5"):
        assert ask(served, query.partition("?")[0], ("columns", "browser"), ("buckets", 5)) == ask(
            served, f"/sessions{query.partition('?')[0]}", ("columns", "browser"), ("buckets", 5)
        )


@pytest.mark.parametrize("buckets", [1, 60])
def test_a_histogram_has_every_row_in_its_bucket(served: Served, lines: Rows, buckets: int) -> None:
    found = ask(served, "/actions/histogram", ("buckets", buckets))
    assert 1 <= len(found["buckets"]) <= buckets
    times = [row["time"] / US_PER_MS for row in lines["actions"]]
    for bucket in found["buckets"]:
        inside = [one for one in times if bucket["start_ms"] <= one < bucket["start_ms"] + found["step_ms"]]
        assert bucket["count"] == len(inside)


def test_times_are_half_open(served: Served, lines: Rows) -> None:
    start = sorted(row["time"] for row in lines["views"])[3] / US_PER_MS
    after = sum(row["time"] / US_PER_MS >= start for row in lines["views"])
    assert ask(served, "/views", ("from", start))["total"] == after
    assert ask(served, "/views", ("to", start))["total"] == len(lines["views"]) - after


@pytest.mark.parametrize("table", LINES)
def test_a_token_of_one_app_gets_nothing_of_another(guarded: Served, lines: Rows, table: str) -> None:
    secrets = {row["session_id"] for rows in lines.values() for row in rows if row["app_id"] != GUANCE}
    for route in ("", "/facets?columns=app_id,view_host", "/histogram"):
        answer = guarded.ask(f"{API}/{table}{route}", token=TOKEN_ONE)
        assert answer.status == 200, answer.body
        assert not [one for one in secrets | {DATADOG} if one.encode() in answer.body], route
        sign = "&" if "?" in route else "?"
        assert guarded.ask(f"{API}/{table}{route}{sign}app={DATADOG}", token=TOKEN_ONE).status == 403
        assert guarded.ask(f"{API}/{table}{route}").status == 401
    mine = sum(row["app_id"] == GUANCE for row in lines[table])
    assert guarded.ask(f"{API}/{table}?limit=1", token=TOKEN_ONE).json()["total"] == mine
    assert guarded.ask(f"{API}/{table}?is=app_id:{DATADOG}", token=TOKEN_ONE).json()["total"] == 0
    assert guarded.ask(f"{API}/{table}?limit=1", token=TOKEN_ALL).json()["total"] == len(lines[table])


@pytest.mark.parametrize(
    "query",
    ["sort=none", "sort=custom", "is=view_name", "is=none:1", "is=custom:1", "gt=view_name:1", "gt=time:never",
     "limit=0", "limit=501", "cursor=x", "cursor=bnVsbA", "from=nan", "to=inf", "from=1e300", "sort=",
     "sort=%22time%22", "lt=time", "between=time:1", "between=view_name:a,b", "between=time:,", f"q={'x' * 201}",
     "cursor=WyJ0aW1lIiwxLCJhIiwiYiIsMF0", "is=time:99999999999999999999"],
)  # fmt: skip
def test_a_wrong_question_is_told_what_is_wrong_with_it(served: Served, query: str) -> None:
    answer = served.ask(f"{API}/views?{query}")
    assert answer.status == 400, answer.body
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize("value", ["9223372036854775807", "-9223372036854775807", "9e15", "1960-01-01", "1e-300", "-0"])
@pytest.mark.parametrize("sign", ["is", "not", "gt", "lt"])
def test_times_and_numbers_at_the_ends_of_their_types_are_answered(served: Served, sign: str, value: str) -> None:
    for name in ("time", "received_at", "time_spent", "cumulative_layout_shift"):
        if name in ("time", "received_at") or value != "1960-01-01":
            answer = served.ask(f"{API}/views?{sign}={name}:{value}&limit=1")
            assert answer.status in (200, 400), answer.body


def test_ids_and_structures_are_not_counted(served: Served) -> None:
    for name in ("view_id", "view_url_query", "time", "custom"):
        assert served.ask(f"{API}/views/facets?columns={name}").status == 400, name
