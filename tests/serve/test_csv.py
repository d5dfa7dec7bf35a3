"""Lists as CSV: the rows of the list, all columns, nothing that a spreadsheet would run."""

import csv
import io
from typing import Any

import pytest

from schemas.tables import TABLES
from sinks.store import LocalStore
from tests.serve.conftest import GUANCE, TOKEN_ONE
from tests.serve.lakes import write_sessions
from tests.serve.server import API, Served, serving, until


@pytest.mark.parametrize("table", ["sessions", "views", "errors"])
def test_a_list_is_csv_when_asked_by_parameter_or_by_header(served: Served, table: str) -> None:
    asked = served.ask(f"{API}/{table}?format=csv&limit=1")
    assert asked.status == 200
    assert asked.headers["content-type"] == "text/csv; charset=utf-8"
    assert served.ask(f"{API}/{table}", Accept="text/csv").body == asked.body
    assert served.ask(f"{API}/{table}?format=json", Accept="text/csv").headers["content-type"] == "application/json"
    rows = list(csv.DictReader(io.StringIO(asked.body.decode())))
    shown = served.ask(f"{API}/{table}?limit=500").json()
    assert list(rows[0]) == [field.name for field in TABLES[table].fields]
    assert len(rows) == shown["total"]
    assert [row["session_id"] for row in rows[:500]] == [row["session_id"] for row in shown[table]]
    assert "x-next" not in asked.headers


def test_a_text_that_looks_like_a_formula_is_text(tmp_path: Any) -> None:
    store = LocalStore(tmp_path / "lake")
    write_sessions(store, "0", [{"session_id": "=1+1", "user_name": "@SUM(A1)", "clock_skew_ms": -5}])
    with serving(str(tmp_path / "lake"), tmp_path / "work") as server:
        until(lambda: server.ask(f"{API}/sessions").json().get("total"), lambda total: total == 1, 30)
        [row] = csv.DictReader(io.StringIO(server.ask(f"{API}/sessions?format=csv").body.decode()))
    assert (row["session_id"], row["user_name"], row["clock_skew_ms"]) == ("'=1+1", "'@SUM(A1)", "-5")
    assert row["session_has_replay"] in ("true", "false")


def test_csv_is_of_the_apps_of_the_token(guarded: Served) -> None:
    assert guarded.ask(f"{API}/views?format=csv").status == 401
    found = guarded.ask(f"{API}/views?format=csv", token=TOKEN_ONE)
    assert {row["app_id"] for row in csv.DictReader(io.StringIO(found.body.decode()))} == {GUANCE}
    assert guarded.ask(f"{API}/views?format=xml", token=TOKEN_ONE).status == 400
