"""Stacks in the sources: which map is used, what a frame shows, what a bad map costs."""

import json
import logging
from pathlib import Path

import pytest

from sinks.source_maps import MAP_BYTES_MAX, map_key, put_maps
from sinks.store import LocalStore
from tests.source_maps import source_map
from viewer.source_maps import SourceMaps

SOURCE = "export function pay(order) {\n  check(order);\n  throw new Error('no');\n}\n"
SITE = "https://shop.example"
MAP = source_map(
    {"webpack://shop/./src/checkout.ts?a1b2": SOURCE, "webpack://shop/./node_modules/vue/index.js": None},
    [(0, 0, 0, 16), (10, 0, 1, 2, 0), (20, 0, 2, 2), (30, 1, 6, 0, 1)],
    ["check", "pay"],
)


def maps(folder: Path, content: bytes = MAP, path: str = "static/js/app.js.map", release: str = "1.5.0") -> SourceMaps:
    store = LocalStore(folder)
    put_maps(store, "shop", release, [(path, content)])
    return SourceMaps(store, lambda: 0.0)


def at(column: int, path: str = "/static/js/app.js", function: str = "t") -> str:
    return f"at {function} ({SITE}{path}:1:{column})"


def test_a_frame_shows_the_source_with_the_lines_around(tmp_path: Path) -> None:
    (frame,) = maps(tmp_path).resolved("shop", "1.5.0", at(25), with_lines=True).frames
    assert (frame.file, frame.line, frame.column, frame.own, frame.mapped) == ("src/checkout.ts", 3, 3, True, True)
    assert frame.source is not None
    assert frame.source.line == "  throw new Error('no');"
    assert frame.source.before == ["export function pay(order) {", "  check(order);"]
    assert frame.source.after == ["}"]
    assert frame.recorded == at(25)


def test_the_name_is_the_one_that_the_caller_calls(tmp_path: Path) -> None:
    found = maps(tmp_path).resolved("shop", "1.5.0", f"{at(25)}\n{at(31)}\n{at(1)}", with_lines=True).frames
    assert [frame.function for frame in found] == ["pay", "t", "t"]


def test_libraries_are_not_the_pages_own_code(tmp_path: Path) -> None:
    (frame,) = maps(tmp_path).resolved("shop", "1.5.0", at(31), with_lines=True).frames
    assert (frame.file, frame.own, frame.source) == ("node_modules/vue/index.js", False, None)


def test_without_lines_no_source_is_told(tmp_path: Path) -> None:
    (frame,) = maps(tmp_path).resolved("shop", "1.5.0", at(25), with_lines=False).frames
    assert (frame.file, frame.source) == ("src/checkout.ts", None)


@pytest.mark.parametrize(
    ("app", "release"),
    [("other", "1.5.0"), ("shop", "1.5.1"), ("shop", ""), ("", "1.5.0"), ("shop/release=1.5.0", ""), ("..", "..")],
)
def test_the_maps_of_another_app_or_release_are_not_used(tmp_path: Path, app: str, release: str) -> None:
    (frame,) = maps(tmp_path).resolved(app, release, at(25), with_lines=True).frames
    assert (frame.mapped, frame.file, frame.line) == (False, f"{SITE}/static/js/app.js", 1)


def test_the_map_that_shares_most_folders_is_used(tmp_path: Path) -> None:
    near = source_map({"near.ts": "x"}, [(0, 0, 0, 0)])
    far = source_map({"far.ts": "x"}, [(0, 0, 0, 0)])
    found = maps(tmp_path, near, "admin/main.js.map")
    maps(tmp_path, far, "shop/main.js.map")
    files = [
        found.resolved("shop", "1.5.0", at(1, path), with_lines=True).frames[0].file
        for path in ("/v2/admin/main.js", "/shop/main.js?x=1", "/main.js")
    ]
    assert files == ["near.ts", "far.ts", "near.ts"]
    assert found.resolved("shop", "1.5.0", at(1, "/shop/other.js"), with_lines=True).without == ["shop/other.js"]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"version":3,"sources":["a"],"names":[],"mappings":"!!!"}',
        b"[" * 100_000,
        b'{"version":3,"sources":[],"names":[],"mappings":"AACA"}',
    ],
)
def test_a_damaged_map_costs_its_own_frames(tmp_path: Path, bad: bytes, caplog: pytest.LogCaptureFixture) -> None:
    found = maps(tmp_path, bad, "static/bad.js.map")
    maps(tmp_path)
    with caplog.at_level(logging.WARNING):
        shown = found.resolved("shop", "1.5.0", f"{at(25, '/static/bad.js')}\n{at(25)}", with_lines=True)
    assert [frame.mapped for frame in shown.frames] == [False, True]
    assert shown.without == ["static/bad.js"]
    assert "damaged" in caplog.text
    assert "static/bad.js.map" in caplog.text


def test_a_map_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    found = maps(tmp_path)
    with (tmp_path / map_key("shop", "1.5.0", "static/js/app.js.map")).open("r+b") as file:
        file.truncate(MAP_BYTES_MAX + 1)
    assert found.resolved("shop", "1.5.0", at(25), with_lines=True).without == ["static/js/app.js"]


def test_lines_of_a_source_are_cut(tmp_path: Path) -> None:
    content = source_map({"min.js": "y" * 10_000 + "\n" + "x" * 10_000}, [(0, 0, 1, 0)])
    (frame,) = maps(tmp_path, content).resolved("shop", "1.5.0", at(1), with_lines=True).frames
    assert frame.source is not None
    assert [len(text) for text in (*frame.source.before, frame.source.line)] == [301, 301]


def test_index_maps_are_read(tmp_path: Path) -> None:
    section = {"offset": {"line": 0, "column": 0}, "map": json.loads(MAP)}
    content = json.dumps({"version": 3, "sections": [section]}).encode()
    assert maps(tmp_path, content).resolved("shop", "1.5.0", at(25), with_lines=True).frames[0].mapped


def test_only_some_maps_are_read_for_one_stack(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    put_maps(store, "shop", "1.5.0", [(f"{number}.js.map", MAP) for number in range(20)])
    stack = "\n".join(at(25, f"/{number}.js") for number in range(20))
    found = SourceMaps(store, lambda: 0.0).resolved("shop", "1.5.0", stack, with_lines=True)
    assert sum(frame.mapped for frame in found.frames) == 8


def test_without_a_store_stacks_are_as_recorded() -> None:
    assert not SourceMaps(None, lambda: 0.0).resolved("shop", "1.5.0", at(25), with_lines=True).frames[0].mapped


@pytest.mark.parametrize(
    "stack",
    [
        "",
        "Error: no frames",
        "\n\n",
        "\ud800 at x",
        "at \x00 (\x00:1:1)",
        f"at a ({SITE}/%00/%ff.js:1:1)",
        f"at a ({SITE}/.:1:1)",
    ],
)
def test_a_stack_may_be_anything(tmp_path: Path, stack: str) -> None:
    shown = maps(tmp_path).resolved("shop", "1.5.0", stack, with_lines=True)
    assert not any(frame.mapped for frame in shown.frames)
