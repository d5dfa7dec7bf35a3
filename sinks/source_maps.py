"""Where source maps lie, and their coming and going.

    app_id=<app>/release=<release>/<path of the script on the site>.map

The keys are relative to a root of their own, `sourcemaps/` of the lake unless the settings name another place. The
files are as a bundler writes them, so a folder that some other tool has copied there is as good. They hold nothing of a
visitor: no class of retention is theirs, and they stay until somebody removes them.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import unquote

import msgspec

from schemas.errors import MustAct
from schemas.keys import partition_value, safe_segment
from schemas.units import MIB
from sinks.store import ObjectInfo, ObjectStore

ENDING = ".map"
MAP_BYTES_MAX = 64 * MIB  # larger than any bundle that a browser is asked to load
_PUT_AT_ONCE = 16
_VERSION = 3


class NoSourceMap(MustAct):
    """The file is not a source map that can be used; the message says why."""


class Release(msgspec.Struct, frozen=True):
    """The maps of a release. `newest_ms`: when the last one was stored, epoch ms by the store's clock."""

    app_id: str
    release: str
    files: int
    size: int
    newest_ms: int


class _Head(msgspec.Struct):
    """What every source map has; an index map has sections in place of mappings."""

    version: int
    mappings: str | msgspec.UnsetType = msgspec.UNSET
    sections: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def release_folder(app_id: str, release: str) -> str:
    return f"{_app_folder(app_id)}release={safe_segment(release)}/"


def map_key(app_id: str, release: str, path: str) -> str:
    """Key of a map. `path`: of the script on the site or below the folder of a build, decoded, with `.map`."""
    segments = [safe_segment(one) for one in PurePosixPath(path.lstrip("/")).parts]
    return release_folder(app_id, release) + "/".join(segments)


def path_of(key: str, folder: str) -> str:
    """The script's path that a key stands for, without `.map`."""
    return unquote(key.removeprefix(folder)).removesuffix(ENDING)


def check(content: bytes) -> None:
    """Raise NoSourceMap for what is not a source map of version 3."""
    if len(content) > MAP_BYTES_MAX:
        raise NoSourceMap(f"larger than {MAP_BYTES_MAX // MIB} MiB")
    try:
        head = msgspec.json.decode(content, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoSourceMap(f"not a source map: {error}") from None
    if head.version != _VERSION:
        raise NoSourceMap(f"a source map of version {head.version}; only {_VERSION} is known")
    if head.mappings is msgspec.UNSET and head.sections is msgspec.UNSET:
        raise NoSourceMap("not a source map: it has neither mappings nor sections")


def put_maps(store: ObjectStore, app_id: str, release: str, maps: Iterable[tuple[str, bytes]]) -> int:
    """Store maps by their path, replacing those of the same path; how many they were. Few are in memory at a time."""
    count, waiting, size = 0, dict[str, bytes](), 0
    for path, content in maps:
        waiting[map_key(app_id, release, path)] = content
        size += len(content)
        if len(waiting) == _PUT_AT_ONCE or size > MAP_BYTES_MAX:
            store.put(waiting)
            count, waiting, size = count + len(waiting), {}, 0
    store.put(waiting)
    return count + len(waiting)


def maps_of(store: ObjectStore, app_id: str, release: str, most: int) -> list[ObjectInfo]:
    """The maps of a release, the first `most` by name."""
    found = []
    for one in store.list(release_folder(app_id, release)):
        if one.key.endswith(ENDING):
            found.append(one)
        if len(found) == most:
            break
    return found


def releases(store: ObjectStore, app_id: str | None = None) -> list[Release]:
    """What there is, by app and release."""
    by_release: dict[tuple[str, str], list[ObjectInfo]] = {}
    for one in store.list("" if app_id is None else _app_folder(app_id)):
        app, release = partition_value(one.key, "app_id"), partition_value(one.key, "release")
        if app is not None and release is not None and one.key.endswith(ENDING):
            by_release.setdefault((app, release), []).append(one)
    return [_release(*names, found) for names, found in by_release.items()]


def remove(store: ObjectStore, app_id: str, release: str) -> int:
    """Remove the maps of a release; how many they were."""
    keys = [one.key for one in store.list(release_folder(app_id, release))]
    store.delete(keys)
    return len(keys)


def _app_folder(app_id: str) -> str:
    return f"app_id={safe_segment(app_id)}/"


def _release(app_id: str, release: str, found: list[ObjectInfo]) -> Release:
    size, newest_ms = sum(one.size for one in found), max(one.modified_ms for one in found)
    return Release(app_id, release, len(found), size, newest_ms)
