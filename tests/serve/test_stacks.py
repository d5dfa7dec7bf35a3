"""Stacks by the API: who gets which sources, what a link shows, what is asked wrongly."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sinks.source_maps import put_maps
from sinks.store import LocalStore
from tests.serve.conftest import DATADOG, GUANCE, TOKEN_ALL, TOKEN_ONE, TOKENS
from tests.serve.server import API, Answer, Served, serving, session_path
from tests.source_maps import source_map

Row = dict[str, Any]
STACK = "at t (https://shop.example/js/app.js:1:3)"


@pytest.fixture(scope="module")
def mapped(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """With maps of two apps in a place of their own."""
    folder = tmp_path_factory.mktemp("maps")
    for app in (GUANCE, DATADOG):
        content = source_map({f"{app}.ts": f"secret of {app}"}, [(0, 0, 0, 0)])
        put_maps(LocalStore(folder), app, "1", [("js/app.js.map", content)])
    link_key = 'link_key = "a key for links that is long enough"\n'
    with serving(
        str(lake), tmp_path_factory.mktemp("mapped"), link_key + TOKENS, source_maps=f'uri = "{folder}"'
    ) as server:
        yield server


def ask(server: Served, row: Row, body: object, token: str = TOKEN_ALL, query: str = "") -> Answer:
    return server.ask(session_path(row, "/stack") + query, "POST", token, body)


def of(rows: list[Row], app: str) -> Row:
    return next(row for row in rows if row["app_id"] == app)


def test_a_stack_is_shown_in_the_sources_of_its_own_app(mapped: Served, rows: list[Row]) -> None:
    for app in (GUANCE, DATADOG):
        answer = ask(mapped, of(rows, app), {"release": "1", "stack": f"Error\n{STACK}"})
        assert answer.status == 200
        (frame,) = answer.json()["frames"]
        assert (frame["file"], frame["line"], frame["mapped"]) == (f"{app}.ts", 1, True)
        assert frame["source"] == {"before": [], "line": f"secret of {app}", "after": []}


def test_a_stack_without_frames_has_none(mapped: Served, rows: list[Row]) -> None:
    answer = ask(mapped, of(rows, GUANCE), {"release": "", "stack": ""})
    assert (answer.status, answer.json()) == (200, {"frames": [], "without": []})


def test_a_token_of_one_app_gets_no_source_of_another(mapped: Served, rows: list[Row]) -> None:
    assert ask(mapped, of(rows, GUANCE), {"release": "1", "stack": STACK}, TOKEN_ONE).status == 200
    answer = ask(mapped, of(rows, DATADOG), {"release": "1", "stack": STACK}, TOKEN_ONE)
    assert answer.status == 403
    assert b"secret" not in answer.body
    assert ask(mapped, of(rows, DATADOG), {"release": "1", "stack": STACK}, "").status == 401


@pytest.mark.parametrize("release", [f"1/../../app_id={DATADOG}/release=1", "..", "1/", "", "1\x00", "%31", "x" * 256])
def test_no_release_leads_to_other_sources(mapped: Served, rows: list[Row], release: str) -> None:
    answer = ask(mapped, of(rows, GUANCE), {"release": release, "stack": STACK})
    assert answer.status == 200
    assert not answer.json()["frames"][0]["mapped"]


@pytest.mark.parametrize(
    "path", ["../../../app.js", "js/%2e%2e/app.js", "js/..%2fapp.js", "%00/app.js", "é" * 900 + "/app.js"]
)
def test_no_path_of_a_script_leads_out_of_the_release(mapped: Served, rows: list[Row], path: str) -> None:
    answer = ask(mapped, of(rows, GUANCE), {"release": "1", "stack": f"at t (https://x.example/{path}:1:3)"})
    assert answer.status == 200
    assert DATADOG.encode() not in answer.body


def test_a_link_shows_positions_and_no_source(mapped: Served, rows: list[Row]) -> None:
    row = of(rows, GUANCE)
    made = mapped.ask(
        f"{API}/links", "POST", TOKEN_ONE, {"app": GUANCE, "session_id": row["session_id"], "seconds": 60}
    )
    query = "?" + urlsplit(made.json()["url"]).query.split("&", 2)[2]
    answer = ask(mapped, row, {"release": "1", "stack": STACK}, "", query)
    assert answer.status == 200
    assert (answer.json()["frames"][0]["file"], answer.json()["frames"][0]["source"]) == (f"{GUANCE}.ts", None)
    assert ask(mapped, of(rows, DATADOG), {"release": "1", "stack": STACK}, "", query).status == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"release": "1"},
        {"release": "\ud800", "stack": STACK},
        {"release": "1", "stack": "\ud800"},
        {"release": 1, "stack": STACK},
        {"release": "x" * 257, "stack": ""},
        {"release": "1", "stack": "x" * 65_537},
        [],
        None,
    ],
)
def test_what_is_asked_wrongly_is_said(mapped: Served, rows: list[Row], body: object) -> None:
    answer = ask(mapped, of(rows, GUANCE), body)
    assert answer.status == 400
    assert json.loads(answer.body)["error"]
