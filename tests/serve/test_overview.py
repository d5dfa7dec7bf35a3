"""The overview and the groups of errors say what the rows say, and every number leads to what it counts."""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from lake.catalog import latest_views, table_rows
from sinks.store import LocalStore
from tests.serve.conftest import DATADOG, GUANCE, TOKEN_ONE
from tests.serve.server import API, Served

Row = dict[str, Any]


@pytest.fixture(scope="module")
def views(lake: Path) -> list[Row]:
    return latest_views(table_rows(LocalStore(lake), "views"))


@pytest.fixture(scope="module")
def errors(lake: Path) -> list[Row]:
    return table_rows(LocalStore(lake), "errors")


def ask(served: Served, path: str, *parameters: tuple[str, Any]) -> Any:
    answer = served.ask(f"{API}{path}?{urlencode(parameters)}")
    assert answer.status == 200, answer.body
    return answer.json()


def counted(found: Any) -> Iterator[Row]:
    """Everything in an answer that leads somewhere."""
    if isinstance(found, dict):
        if "route" in found:
            yield found
        for value in found.values():
            yield from counted(value)
    if isinstance(found, list):
        for value in found:
            yield from counted(value)


FILTERS: list[list[tuple[str, str]]] = [[], [("app", GUANCE)], [("is", "browser:Chrome"), ("not", "os:iOS")]]


@pytest.mark.parametrize("filters", FILTERS)
def test_every_number_is_the_total_of_the_list_it_leads_to(served: Served, filters: list[tuple[str, str]]) -> None:
    found = ask(served, "/overview", *filters, ("top", 3))
    found.pop("visitors")  # people, not rows
    for broken in found["breakdowns"].values():
        for row in broken:
            row.pop("visitors")
    leading = list(counted(found))
    assert len(leading) > 60
    for one in leading:
        number = one.get("value") if isinstance(one.get("value"), int) else one["count"]
        parameters = [(name, value) for name, values in one["filter"].items() for value in values]
        assert ask(served, f"/{one['route']}", *parameters, ("limit", 1))["total"] == number, one


def test_the_numbers_are_what_the_rows_say(served: Served, rows: list[Row], views: list[Row]) -> None:
    found = ask(served, "/overview")
    assert found["sessions"]["value"] == len(rows)
    assert found["visitors"]["value"] == len({row["userid"] for row in rows} - {None})
    assert found["views"]["value"] == len(views)
    bounces = [row["is_bounce"] for row in rows if row["is_bounce"] is not None]
    assert found["bounce"]["rate"] == sum(bounces) / len(bounces)
    for vital, column, step in (
        ("lcp", "largest_contentful_paint", 1e6),
        ("inp", "interaction_to_next_paint", 1e6),
        ("cls", "cumulative_layout_shift", 0.001),
    ):
        values = sorted(row[column] for row in views if row[column] is not None)
        shown = next(one for one in found["vitals"] if one["name"] == vital)
        assert shown["count"] == len(values) == sum(one["count"] for one in shown["shares"])
        expected = math.ceil(values[math.ceil(len(values) * 0.75) - 1] / step)
        assert shown["p75"] == pytest.approx(expected * (0.001 if vital == "cls" else 1))
    for name, broken in found["breakdowns"].items():
        by_value = Counter(row[name] for row in rows)
        assert {one["value"]: one["sessions"]["value"] for one in broken} == dict(by_value.most_common(10))
        assert sum(one["views"]["value"] for one in broken) <= len(views)


def test_groups_of_errors_are_what_the_rows_say(served: Served, errors: list[Row]) -> None:
    found = ask(served, "/errors/groups", ("limit", 200))
    by_group: dict[tuple[str, str | None], list[Row]] = {}
    for row in errors:
        by_group.setdefault((row["app_id"], row["error_fingerprint"]), []).append(row)
    assert found["total"] == len(by_group) == len(found["groups"])
    assert [one["count"] for one in found["groups"]] == sorted((len(own) for own in by_group.values()), reverse=True)
    for one in found["groups"]:
        own = by_group[one["app_id"], one["fingerprint"]]
        assert one["count"] == len(own) == sum(one["trend"])
        assert one["sessions"] == len({(row["session_id"], row["session_part"]) for row in own})
        assert one["users"] == len({row["userid"] for row in own} - {None})
        times = [row["time"].timestamp() * 1000 for row in own]
        assert one["first_ms"] == pytest.approx(min(times))
        assert one["last_ms"] == pytest.approx(max(times))
        latest = max(own, key=lambda row: row["time"])
        assert one["sample"]["time"] == pytest.approx(latest["time"].timestamp() * 1000)
        assert one["message"] in {row["error_message"] for row in own}
        assert {one["value"]: one["count"] for one in one["releases"]}.items() <= Counter(
            row["version"] for row in own
        ).items()


def test_groups_come_in_the_order_that_was_asked_for(served: Served) -> None:
    for sort in ("count", "-sessions", "-last_ms", "first_ms", "users"):
        values = [one[sort.removeprefix("-")] for one in ask(served, "/errors/groups", ("sort", sort))["groups"]]
        assert values == sorted(values, reverse=sort.startswith("-"))
    assert len(ask(served, "/errors/groups", ("limit", 1))["groups"]) == 1


def test_nothing_found_is_an_answer(served: Served) -> None:
    nothing = ("app", "none")
    found = ask(served, "/overview", nothing)
    assert found["sessions"]["value"] == 0
    assert found["bounce"]["rate"] is None
    assert [vital["p75"] for vital in found["vitals"]] == [None] * 3
    assert ask(served, "/errors/groups", nothing)["groups"] == []


def test_a_token_of_one_app_gets_nothing_of_another(guarded: Served, rows: list[Row]) -> None:
    secrets = {row["session_id"] for row in rows if row["app_id"] != GUANCE} | {DATADOG}
    for route in ("/overview", "/errors/groups?limit=200"):
        answer = guarded.ask(API + route, token=TOKEN_ONE)
        assert answer.status == 200
        assert not [one for one in secrets if one.encode() in answer.body], route
    assert guarded.ask(f"{API}/overview?app={DATADOG}", token=TOKEN_ONE).status == 403
    mine = sum(row["app_id"] == GUANCE for row in rows)
    assert guarded.ask(f"{API}/overview", token=TOKEN_ONE).json()["sessions"]["value"] == mine


@pytest.mark.parametrize(
    "path",
    ["/overview?is=session_error_count:1", "/overview?is=error_type:x", "/overview?is=none:1", "/overview?top=0",
     "/errors/groups?sort=none", "/errors/groups?sort=-", "/errors/groups?limit=0", "/errors/groups?is=none:1"],
)  # fmt: skip
def test_a_wrong_question_is_told_what_is_wrong_with_it(served: Served, path: str) -> None:
    answer = served.ask(API + path)
    assert answer.status == 400, answer.body
    assert list(answer.json()) == ["error"]
