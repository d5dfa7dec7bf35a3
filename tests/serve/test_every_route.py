"""Every route that the description names, so also the next one: nothing of another app's, and no value is SQL."""

from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.serve.conftest import DATADOG, GUANCE, TOKEN_ALL, TOKEN_ONE
from tests.serve.server import API, Answer, Served

Row = dict[str, Any]
Routes = dict[str, dict[str, bool]]  # path below /api/v1 → its parameters, and whether each must be there

NEEDED = {"columns": "app_id", "page": "/shop/cart.html", "app": GUANCE}
WITHOUT_ROWS = {"/who", "/lake", "/fields", "/apps"}  # who one is, whether there is a lake, which columns and apps
SQL = "' OR 1=1 --"
HOSTILE = [
    *(SQL, '"); DROP TABLE sessions; --', "app_id:' UNION SELECT 1 --", f'app_id") OR 1=1 --:{GUANCE}'),
    *("\x00", "../../x"),
]
LEAKS = [b"Traceback", b"Parser Error", b"Binder Error", b"Catalog Error", b"Conversion Error", b"duckdb"]


@pytest.fixture(scope="module")
def described(served: Served) -> Row:
    found: Row = served.ask(f"{API}/openapi.json").json()["paths"]
    return {path.removeprefix(API): operations for path, operations in found.items()}


@pytest.fixture(scope="module")
def questions(described: Row) -> Routes:
    """Routes that answer with something of all sessions."""
    return {
        path: {one["name"]: one.get("required", False) for one in operations["get"].get("parameters", [])}
        for path, operations in described.items()
        if "get" in operations and "{" not in path
    }


def ask(served: Served, path: str, parameters: dict[str, bool], *more: tuple[str, str], token: str = "") -> Answer:
    """The question with what it needs, and more."""
    given = {name for name, _ in more}
    needs = [(name, NEEDED[name]) for name, is_needed in parameters.items() if is_needed and name not in given]
    return served.ask(f"{API}{path}?{urlencode([*needs, *more])}", token=token)


def counted(path: str, answer: Row) -> int:
    """How many things an answer tells of."""
    if path.endswith("facets"):
        return sum(one["count"] for values in answer["facets"].values() for one in values)
    if path.endswith("histogram"):
        return sum(one.get("count", one.get("sessions")) for one in answer["buckets"])
    if path == "/overview":
        return int(answer["sessions"]["value"] + answer["views"]["value"] + answer["errors"]["value"])
    return int(answer.get("total", len(answer.get("sessions", []))))


def test_there_are_routes_of_every_list_and_of_what_is_counted(questions: Routes) -> None:
    lists = ("sessions", "views", "actions", "errors", "resources", "long_tasks", "console")
    wanted = {f"/{table}{part}" for table in lists for part in ("", "/facets", "/histogram")}
    assert wanted | {"/overview", "/errors/groups", "/actions/clicks", "/live"} | WITHOUT_ROWS <= set(questions)


def test_a_token_of_one_app_gets_nothing_of_another_whatever_it_asks(
    guarded: Served, rows: list[Row], questions: Routes
) -> None:
    others = {text for row in rows if row["app_id"] != GUANCE for text in (row["session_id"], row["app_id"])}
    for path, parameters in questions.items():
        ways: list[list[tuple[str, str]]] = [[]]
        if "is" in parameters:
            ways += [[("is", f"app_id:{DATADOG}")], [("is", f"app_id:{DATADOG}"), ("is", f"app_id:{GUANCE}")]]
            ways += [[("not", f"app_id:{GUANCE}")], [("is", f"app_id:{SQL}")]]
        if "has" in parameters:
            ways += [[("has", f"views.app_id:{DATADOG}")], [("hasnot", f"views.app_id:{GUANCE}")]]
        if "columns" in parameters:
            ways += [[("columns", "app_id,browser"), ("own", "false"), ("is", f"app_id:{DATADOG}")]]
        for way in ways:
            answer = ask(guarded, path, parameters, *way, token=TOKEN_ONE)
            assert answer.status == 200, (path, way, answer.body)
            told = others - {text for _, value in way for text in value.split(":")}  # filters are told back
            assert not [one for one in told if f'"{one}"'.encode() in answer.body], (path, way)
            assert ask(guarded, path, parameters, *way).status == (200 if path == "/fields" else 401), (path, way)
        for way in ([("is", f"app_id:{DATADOG}")], [("not", f"app_id:{GUANCE}")]) if "is" in parameters else ():
            assert counted(path, ask(guarded, path, parameters, *way, token=TOKEN_ONE).json()) == 0, (path, way)
        if "app" in parameters:
            assert ask(guarded, path, parameters, ("app", DATADOG), token=TOKEN_ONE).status == 403, path
            assert ask(guarded, path, parameters, ("app", DATADOG), token=TOKEN_ALL).status == 200, path


def test_no_value_of_a_parameter_is_sql_or_makes_a_question_fail(served: Served, questions: Routes) -> None:
    for path, parameters in questions.items():
        whole = counted(path, ask(served, path, parameters).json()) if path not in WITHOUT_ROWS else 0
        for name in parameters:
            for value in HOSTILE:
                answer = ask(served, path, parameters, (name, value))
                assert answer.status in (200, 400), (path, name, value, answer.body)
                assert not [leak for leak in LEAKS if leak in answer.body], (path, name, value, answer.body)
                if answer.status == 400:
                    assert list(answer.json()) == ["error"], (path, name, value)
        if "is" in parameters and path != "/live":
            assert whole > 0, path
            for column in ("app_id", "session_id", "browser"):
                assert counted(path, ask(served, path, parameters, ("is", f"{column}:{SQL}")).json()) == 0, path
                assert counted(path, ask(served, path, parameters, ("not", f"{column}:{SQL}")).json()) == whole, path
    assert counted("/sessions", ask(served, "/sessions", questions["/sessions"]).json()) > 0  # nothing was dropped


def test_no_route_of_a_session_tells_of_another_app_s(guarded: Served, rows: list[Row], described: Row) -> None:
    other = next(row for row in rows if row["app_id"] == DATADOG and row["session_has_replay"])
    routes = {path: operations for path, operations in described.items() if "{session}" in path}
    assert len(routes) >= 8
    for path, operations in routes.items():
        rest = path.replace("{digest}", 64 * "0").replace("{name}", "0").replace("{number}", "0")
        for method in operations:
            body = {"release": "1.4.2", "stack": "at x (a.js:1:1)"} if method == "post" else None
            for app, session in ((DATADOG, other["session_id"]), (GUANCE, other["session_id"]), (SQL, SQL), ("*", "*")):
                filled = rest.replace("{app}", quote(app, safe="")).replace("{session}", quote(session, safe=""))
                answer = guarded.ask(f"{API}{filled}", method.upper(), TOKEN_ONE, body, X_Replay_Lake="1")
                allowed = {403} if app != GUANCE else {404, 200 if path.endswith("/stack") else 404}  # of no session
                assert answer.status in allowed, (method, filled, answer.body)
                assert DATADOG.encode() not in answer.body, (method, filled)
                assert not [leak for leak in LEAKS if leak in answer.body], (method, filled, answer.body)
