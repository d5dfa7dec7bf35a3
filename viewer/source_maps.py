"""Stacks with the positions of the sources, by the maps of a release.

A frame's script is found by its path on the site: of the maps whose file has the script's name the one that shares most
folders with it. What a map costs is bounded: its bytes, the maps of a question, the memory of those that are kept. One
that is damaged or too large costs its own frames, which are then shown as they were recorded.
"""

import logging
import re
from collections.abc import Callable
from pathlib import PurePosixPath
from threading import Lock

import msgspec
from symbolic.exceptions import SymbolicError
from symbolic.sourcemapcache import SourceMapCache, SourceMapCacheToken

from schemas.units import MIB
from sinks.source_maps import MAP_BYTES_MAX, maps_of, path_of, release_folder
from sinks.store import ObjectInfo, ObjectMissing, ObjectStore
from viewer.shared_cache import SharedCache
from viewer.stack_frames import Frame, frames

_MAPS_BYTES = 128 * MIB  # of the maps that are kept, as they are stored; decoded they take up to twice that
_MAPS_A_STACK = 8
_NAMES_MAX = 20_000  # maps of a release
_NAMES_SECONDS = 30.0
_RELEASES_MAX = 64
_AROUND = 3  # lines of source before and after
_TEXT_MAX = 300  # characters of such a line: a source may be minified itself
_SMALL = 4096  # what a map that is damaged counts as
_FOREIGN = re.compile(r"(?:^|/)(?:node_modules|webpack|bower_components|@babel|core-js)/|^(?:webpack|vite)/|^\x00")
_LOADER = re.compile(r"^(?:webpack|turbopack|vite|ng|rollup)://[^/]*/|^webpack-internal:///")
_log = logging.getLogger("replaylake.serve")


class Lines(msgspec.Struct, frozen=True):
    """Lines of a source: the one meant, and those around it."""

    before: list[str]
    line: str
    after: list[str]


class Shown(msgspec.Struct, frozen=True):
    """A frame for a person. Without a map the position is the recorded one, and `source` null.

    `own`: code of the page itself, not of a library, an extension or the browser.
    """

    function: str
    file: str
    line: int
    column: int
    own: bool
    mapped: bool
    recorded: str
    source: Lines | None


class Resolved(msgspec.Struct, frozen=True):
    """A stack. `without`: scripts, by path, that no usable map of the release is there for."""

    frames: list[Shown]
    without: list[str]


class SourceMaps:
    """The maps of all apps. `store`: where they are, None: nowhere. `now`: seconds."""

    def __init__(self, store: ObjectStore | None, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._releases = SharedCache[tuple[str, str, int], dict[str, list[ObjectInfo]]](_RELEASES_MAX, lambda _: 1)
        self._maps = SharedCache[ObjectInfo, "_Map | None"](_MAPS_BYTES, lambda one: one.size if one else _SMALL)

    def resolved(self, app_id: str, release: str, stack: str, *, with_lines: bool) -> Resolved:
        """The frames of a stack. `with_lines`: show what the source says. Raises StoreUnavailable."""
        found = frames(stack)
        used: dict[str, _Map | None] = {}
        tokens = [self._token(app_id, release, frame, used) for frame in found]
        shown = []
        for frame, token, caller in zip(found, tokens, [*tokens[1:], None], strict=False):
            called = caller.name if caller is not None else None  # what stands where it was called
            shown.append(_shown(frame, token, called) if with_lines else _without_lines(_shown(frame, token, called)))
        return Resolved(shown, sorted(path for path, one in used.items() if one is None))

    def _token(
        self, app_id: str, release: str, frame: Frame, used: dict[str, "_Map | None"]
    ) -> SourceMapCacheToken | None:
        path = frame.path
        if not path or not frame.line or not frame.column or not release:
            return None
        if path not in used:
            used[path] = self._map(app_id, release, path) if len(used) < _MAPS_A_STACK else None
        one = used[path]
        return one.token(frame.line, frame.column) if one else None

    def _map(self, app_id: str, release: str, path: str) -> "_Map | None":
        info = _nearest(path, self._names(app_id, release), release_folder(app_id, release))
        store = self._store
        return self._maps.get(info, lambda: _read(store, info)) if store and info else None

    def _names(self, app_id: str, release: str) -> dict[str, list[ObjectInfo]]:
        """The maps of a release by the name of their script; listed anew after a while."""

        def listed() -> dict[str, list[ObjectInfo]]:
            found: dict[str, list[ObjectInfo]] = {}
            if self._store is None:
                return found
            folder = release_folder(app_id, release)
            for one in maps_of(self._store, app_id, release, _NAMES_MAX):
                found.setdefault(PurePosixPath(path_of(one.key, folder)).name, []).append(one)
            return found

        return self._releases.get((app_id, release, int(self._now() // _NAMES_SECONDS)), listed)


class _Map:
    """A decoded map. The script itself is not given to the decoder: its parser ends the process over deep nesting."""

    def __init__(self, content: bytes) -> None:
        self.size = len(content)
        self._lock = Lock()
        self._map = SourceMapCache.from_bytes(b"", content)

    def token(self, line: int, column: int) -> SourceMapCacheToken | None:
        """What stands at a position of the script, null where the map says nothing of it."""
        with self._lock:
            try:
                return self._map.lookup(line, column, _AROUND)
            except (SymbolicError, UnicodeDecodeError):
                return None


def _read(store: ObjectStore, info: ObjectInfo) -> _Map | None:
    """A map, None for what is none or is gone."""
    if info.size > MAP_BYTES_MAX:
        _log.warning("source map %s: larger than %d MiB, not used", info.key, MAP_BYTES_MAX // MIB)
        return None
    try:
        return _Map(store.read(info.key))
    except ObjectMissing:
        return None
    except SymbolicError as error:
        _log.warning("source map %s: damaged, not used: %s", info.key, str(error)[:200])
        return None


def _nearest(path: str, names: dict[str, list[ObjectInfo]], folder: str) -> ObjectInfo | None:
    """The map that shares most of the end of its path with a script; the first by name of equals."""
    wanted = PurePosixPath(path).parts[::-1]

    def shared(info: ObjectInfo) -> int:
        own = PurePosixPath(path_of(info.key, folder)).parts[::-1]
        return next(
            (n for n, (a, b) in enumerate(zip(wanted, own, strict=False)) if a != b), min(len(wanted), len(own))
        )

    return max(names.get(wanted[0], []), key=shared, default=None) if wanted else None  # `.` has no parts


def _shown(frame: Frame, token: SourceMapCacheToken | None, called: str | None) -> Shown:
    if token is None or token.src is None:
        return Shown(
            function=frame.function,
            file=frame.file,
            line=frame.line,
            column=frame.column,
            own=bool(frame.path) and not _FOREIGN.search(frame.path),
            mapped=False,
            recorded=frame.text,
            source=None,
        )
    file = _file(token.src)
    return Shown(
        function=called or frame.function,
        file=file,
        line=token.line,
        column=token.col,
        own=not _FOREIGN.search(file),
        mapped=True,
        recorded=frame.text,
        source=_lines(token),
    )


def _without_lines(shown: Shown) -> Shown:
    return msgspec.structs.replace(shown, source=None)


def _file(source: str) -> str:
    """The path of a source as people know it, without what the bundler put around it."""
    path = _LOADER.sub("", source).split("?", 1)[0]
    while path.startswith(("./", "../", "/", "~/")):
        path = path.split("/", 1)[1]
    return path or source


def _lines(token: SourceMapCacheToken) -> Lines | None:
    if token.context_line is None:
        return None

    def cut(text: str) -> str:
        text = text.rstrip("\r\n")
        return text if len(text) <= _TEXT_MAX else f"{text[:_TEXT_MAX]}…"

    after = [cut(one) for one in token.post_context]
    while after and not after[-1]:
        after.pop()  # the end of the file
    return Lines([cut(one) for one in token.pre_context], cut(token.context_line), after)
