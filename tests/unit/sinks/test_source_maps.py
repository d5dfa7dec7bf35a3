"""Where source maps lie: keys that cannot leave their release, what is a map, what comes and goes."""

from pathlib import Path

import pytest

from sinks.source_maps import (
    MAP_BYTES_MAX,
    NoSourceMap,
    check,
    map_key,
    maps_of,
    put_maps,
    release_folder,
    releases,
    remove,
)
from sinks.store import LocalStore


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../../x", "a\x00b", "release=1", "x" * 10_000, "版本"])
def test_a_name_is_one_folder_whatever_it_says(name: str) -> None:
    folder = release_folder(name, name)
    assert folder.count("/") == 2
    key = map_key("shop", "1", f"../{name}/../a.js.map")
    assert key.startswith(release_folder("shop", "1"))
    assert not {"..", "."} & set(key.split("/"))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"3", b'{"version":3}', b'{"version":2,"mappings":""}', b'{"version":3,"mappings":7}', b"\xff"],
)
def test_what_is_no_source_map_is_refused(content: bytes) -> None:
    with pytest.raises(NoSourceMap):
        check(content)


@pytest.mark.parametrize(
    "content", [b'{"version":3,"mappings":""}', b'{"version":3,"sections":[],"x_google_ignoreList":[1]}']
)
def test_what_is_one_is_taken(content: bytes) -> None:
    check(content)


def test_a_map_may_be_as_large_as_the_limit_and_no_larger() -> None:
    head = b'{"version":3,"mappings":"'
    content = head + b"A" * (MAP_BYTES_MAX - len(head) - 2) + b'"}'
    check(content)
    with pytest.raises(NoSourceMap, match="larger than 64 MiB"):
        check(content + b" ")


def test_releases_are_listed_and_removed_one_by_one(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert releases(store) == []
    assert put_maps(store, "shop", "1.5.0", [(f"js/{number}.js.map", b"12345") for number in range(40)]) == 40
    put_maps(store, "shop", "1.5.0+x/y", [("a.js.map", b"1")])
    put_maps(store, "a/b", "1.5.0", [("a.js.map", b"1")])
    found = {(one.app_id, one.release): (one.files, one.size) for one in releases(store)}
    assert found == {("shop", "1.5.0"): (40, 200), ("shop", "1.5.0+x/y"): (1, 1), ("a/b", "1.5.0"): (1, 1)}
    assert [one.release for one in releases(store, "a/b")] == ["1.5.0"]
    assert len(maps_of(store, "shop", "1.5.0", 7)) == 7
    assert remove(store, "shop", "1.5.0") == 40
    assert remove(store, "shop", "1.5.0") == 0
    assert {(one.app_id, one.release) for one in releases(store)} == {("shop", "1.5.0+x/y"), ("a/b", "1.5.0")}
