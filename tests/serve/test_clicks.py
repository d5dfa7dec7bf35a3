"""Clicks of a page are what the actions table says, by element; each app alone, whatever is asked."""

import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from lake.catalog import table_rows
from sinks.store import LocalStore
from tests.serve.conftest import DATADOG, GUANCE, TOKEN_ALL, TOKEN_ONE
from tests.serve.server import API, Answer, Served, session_path

PAGE = "/shop/cart.html"
Row = dict[str, Any]


@pytest.fixture(scope="module")
def clicks(lake: Path) -> list[Row]:
    rows = table_rows(LocalStore(lake), "actions")
    return [row for row in rows if row["action_type"] == "click"]


def ask(server: Served, token: str = "", **parameters: object) -> Answer:
    return server.ask(f"{API}/actions/clicks?{urlencode(parameters, doseq=True)}", token=token)


def of(clicks: list[Row], app: str, page: str = PAGE) -> list[Row]:
    return [row for row in clicks if (row["app_id"], row["view_path_group"]) == (app, page)]


@pytest.mark.parametrize("app", [GUANCE, DATADOG])
def test_elements_are_counted_as_the_rows_say(served: Served, clicks: list[Row], app: str) -> None:
    own = of(clicks, app)
    assert own
    answer = ask(served, app=app, page=PAGE).json()
    selectors = Counter(json.loads(row["action_target"])["selector"] for row in own)
    assert {one["selector"]: one["count"] for one in answer["elements"]} == selectors
    assert [one["count"] for one in answer["elements"]] == sorted(selectors.values(), reverse=True)
    assert (answer["total"], answer["without"]) == (len(own), 0)
    sessions = {(row["session_id"], row["session_part"]) for row in own}
    assert max(one["sessions"] for one in answer["elements"]) <= len(sessions)
    for one in answer["elements"]:
        assert sum(point["count"] for point in one["points"]) == one["count"]
        assert all(0 <= point["x"] <= 19 and 0 <= point["y"] <= 19 for point in one["points"])


def test_where_in_the_element_is_a_cell_of_it(served: Served, clicks: list[Row]) -> None:
    pay = [row for row in of(clicks, GUANCE) if json.loads(row["action_target"])["selector"] == "#pay"]
    (element,) = (one for one in ask(served, app=GUANCE, page=PAGE).json()["elements"] if one["selector"] == "#pay")
    cells: Counter[tuple[int, int]] = Counter()
    for row in pay:
        target, position = json.loads(row["action_target"]), json.loads(row["action_position"])
        cells[int(position["x"] / target["width"] * 20), int(position["y"] / target["height"] * 20)] += 1
    assert Counter({(point["x"], point["y"]): point["count"] for point in element["points"]}) == cells


def test_the_picture_is_a_moment_that_plays(served: Served) -> None:
    picture = ask(served, app=GUANCE, page=PAGE).json()["picture"]
    assert picture["app_id"] == GUANCE
    answer = served.ask(session_path(picture, "/replay")).json()
    assert any(track["start_ms"] <= picture["time"] <= track["end_ms"] for track in answer["tracks"])


def test_filters_hold_and_the_limit_too(served: Served, clicks: list[Row]) -> None:
    session = of(clicks, GUANCE)[0]["session_id"]
    own = [row for row in of(clicks, GUANCE) if row["session_id"] == session]
    only: Row = {"is": [f"session_id:{session}"], "limit": 1}
    answer = ask(served, app=GUANCE, page=PAGE, **only).json()
    assert answer["total"] == len(own)
    assert len(answer["elements"]) == 1
    nothing = ask(served, app=GUANCE, page=PAGE, to=1000).json()
    assert (nothing["elements"], nothing["total"], nothing["picture"]) == ([], 0, None)


def test_a_token_of_one_app_gets_no_clicks_of_another(guarded: Served) -> None:
    assert ask(guarded, TOKEN_ONE, app=GUANCE, page=PAGE).json()["total"] > 0
    answer = ask(guarded, TOKEN_ONE, app=DATADOG, page=PAGE)
    assert answer.status == 403
    assert b"selector" not in answer.body
    assert ask(guarded, TOKEN_ALL, app=DATADOG, page=PAGE).json()["total"] > 0
    assert ask(guarded, "", app=GUANCE, page=PAGE).status == 401


@pytest.mark.parametrize(
    "page", ["' OR 1=1 --", '"; DROP TABLE lines; --', "/shop/%", "*", "\x00", "' || (SELECT 1) || '", "/" * 1000]
)
def test_a_page_is_a_value_and_never_sql(served: Served, page: str) -> None:
    answer = ask(served, app=GUANCE, page=page)
    assert answer.status == 200, answer.body
    assert answer.json() == {"page": page, "elements": [], "total": 0, "without": 0, "picture": None}


WHOLE = {"app": GUANCE, "page": PAGE}


@pytest.mark.parametrize(
    "wrong",
    [
        {"page": PAGE},
        {"app": GUANCE},
        {"app": GUANCE, "page": "x" * 1025},
        WHOLE | {"limit": 0},
        WHOLE | {"limit": 501},
        WHOLE | {"is": "nothing:1"},
    ],
)
def test_what_is_asked_wrongly_is_said(served: Served, wrong: Row) -> None:
    assert ask(served, **wrong).status == 400
