"""What a player fetches: the tracks and chunks of a session's replay, the events of a chunk, the blobs as they are."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from types import MappingProxyType

import msgspec

from lake.blob_reader import BlobReader
from lake.catalog import Row, open_blob
from lake.export import family_of, loss
from lake.notes import Note, NoteKind, stored_notes
from lake.open_session import OpenWindow, block_segments
from lake.styles import StyleShelf
from operators.chunks import Chunk, Piece, Place, in_view, plan, played
from operators.families.family import Family
from operators.families.registry import family_named
from operators.rrweb.track import Track
from operators.tracks import tabs_of
from schemas.blob import BlobFormatError, BlobIndex
from schemas.keys import PACKS
from schemas.units import MIB
from sinks.parallel import in_parallel
from sinks.store import ObjectMissing, ObjectStore
from viewer.missing import Hole, holes
from viewer.session_rows import SessionRows

_PLANS_MAX = 256
_FRAMES_BYTES = 128 * MIB


class BlobPlace(msgspec.Struct, frozen=True, order=True):
    """A blob of a session: of which window and revision, and its key."""

    part: int
    revision: int
    key: str


class Planned(msgspec.Struct, frozen=True):
    """The replay of a session as its rows tell it. `version`: of its rows; `blobs`: keys, in order;
    `styles`: SHA-256 of what is needed to read a blob, by its key.
    """

    version: object
    family: Family | None  # None: there is nothing to play
    tracks: list[list[Chunk]]
    blobs: list[BlobPlace]
    styles: dict[str, tuple[str, ...]]
    views: dict[str, Row]
    idle: list[tuple[int, int]]
    tabs: dict[str, str]  # by view
    notes: list[Note]  # what of it is lost
    missing: list[Hole]  # and when that was
    is_whole: bool = True  # every blob could be opened


class Player:
    """Plans and reads replays. Keeps plans and opened frames of the sessions looked at last; any thread."""

    def __init__(self, store: ObjectStore, rows: SessionRows) -> None:
        self._store = store
        self._rows = rows
        self._plans: OrderedDict[tuple[str, str], Planned] = OrderedDict()
        self._shelf = StyleShelf(store)
        self._frames = _Frames(store, self._shelf)
        self._lock = Lock()

    def planned(
        self, app_id: str, session_id: str, windows: Sequence[Row], opened: Sequence[OpenWindow] = ()
    ) -> Planned:
        """The plan of a session. `windows`: those in the tables, `opened`: those that are not.

        When an open window closes, its segments have another place and the plan is the same.
        """
        closed = self._planned(app_id, session_id, windows)
        return _continued(closed, opened) if any(window.pieces for window in opened) else closed

    def _planned(self, app_id: str, session_id: str, windows: Sequence[Row]) -> Planned:
        key, version = (app_id, session_id), [(row["session_part"], row["revision"]) for row in windows]
        with self._lock:
            known = self._plans.get(key)
            if known is not None and known.version == version:
                self._plans.move_to_end(key)
                return known
        rows = self._rows.rows("replay_segments", app_id, session_id, windows)
        has_tabs = any(_names_tabs(str(row["source"])) for row in rows)
        views = self._rows.rows("views", app_id, session_id, windows) if has_tabs else []
        fresh = self._plan(version, windows, rows, tabs_of(views))
        if not fresh.is_whole:  # what is not there may come back
            return fresh
        with self._lock:
            self._plans[key] = fresh
            while len(self._plans) > _PLANS_MAX:
                self._plans.popitem(last=False)
        return fresh

    def played(self, planned: Planned, chunk: Chunk) -> Track:
        """One chunk as rrweb events. Raises ConversionError."""
        wanted = [*chunk.pieces, *([chunk.head] if chunk.head else [])]
        assert planned.family is not None  # it has a chunk
        return played(planned.family, chunk, [self._frames.line(piece.place) for piece in wanted])

    def _plan(self, version: object, windows: Sequence[Row], rows: list[Row], tabs: dict[str, str]) -> Planned:
        places = sorted(
            {BlobPlace(_integer(r["session_part"]), _integer(r["revision"]), str(r["replay_key"])) for r in rows}
        )
        read = list(in_parallel(self._open, places))
        opened = [(place, found) for place, found in read if isinstance(found, BlobReader)]
        lost = {place.key: found for place, found in read if isinstance(found, Note)}
        indexes = [blob.index for _, blob in opened]
        keys = {place.key for place, _ in opened}
        family = family_of(opened[0][1]) if opened else None
        return Planned(
            version=version,
            family=family,
            tracks=plan(family, pieces(row for row in rows if row["replay_key"] in keys), tabs=tabs) if family else [],
            blobs=[place for place, _ in opened],
            styles={place.key: blob.styles for place, blob in opened},
            views=_views(indexes),
            idle=sorted(span for index in indexes for span in index.idle),
            tabs=tabs,
            notes=[*stored_notes(windows, rows), *lost.values()],
            missing=holes(rows, {key: note.kind for key, note in lost.items()}),
            is_whole=not lost,
        )

    def _open(self, place: BlobPlace) -> BlobReader | Note:
        try:
            blob = open_blob(self._store, place.key, self._shelf)
            _ = blob.index
        except (ObjectMissing, BlobFormatError) as error:
            return loss(place.key, error)
        return blob


def _continued(closed: Planned, opened: Sequence[OpenWindow]) -> Planned:
    """The plan with what is not in blobs yet."""
    indexes = [window.index for window in opened if window.index is not None]
    family = closed.family if closed.tracks else family_named(indexes[0].family)
    if family is None:
        return closed
    known = [piece for track in closed.tracks for chunk in track for piece in chunk.pieces]
    fresh = [piece for window in opened for piece in window.pieces]
    has_picture = any(piece.has_full_snapshot for piece in fresh)
    own = [index for index in indexes if index.family == family.name]
    tabs = closed.tabs | tabs_of(line.row for window in opened for line in window.rows()[1] if line.table == "views")
    return msgspec.structs.replace(
        closed,
        family=family,
        tracks=plan(family, [*known, *(fresh if len(own) == len(indexes) else [])], tabs=tabs),
        views=_views(own, closed.views),
        idle=sorted([*closed.idle, *(span for index in own for span in index.idle)]),
        tabs=tabs,
        notes=[note for note in closed.notes if not (has_picture and note.kind is NoteKind.NO_FULL_SNAPSHOT)],
    )


def as_json(planned: Planned) -> list[Row]:
    """The tracks as the API shows them."""
    shown: list[Row] = []
    for number, chunks in enumerate(planned.tracks):
        start_ms, end_ms = min(one.start_ms for one in chunks), max(one.end_ms for one in chunks)
        view_ids = dict.fromkeys(piece.view_id for chunk in chunks for piece in chunk.pieces)
        shown.append(
            {
                "track": number,
                "start_ms": start_ms,
                "end_ms": end_ms,
                "source": planned.family.name if planned.family else "",
                "chunks": [
                    {
                        "chunk": place,
                        "start_ms": chunk.start_ms,
                        "end_ms": chunk.end_ms,
                        "raw_bytes": chunk.raw_bytes,
                    }
                    for place, chunk in enumerate(chunks)
                ],
                "idle": [
                    [max(start_ms, begin), min(end_ms, end)]
                    for begin, end in planned.idle
                    if begin < end_ms and end > start_ms
                ],
                "views": [planned.views[view_id] for view_id in view_ids if view_id in planned.views],
            }
        )
    return shown


def pieces(rows: Iterable[Row]) -> list[Piece]:
    """The segments of the index table, each with its line: a blob is ordered by view start, view, index."""
    blobs: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        blobs[str(row["replay_key"])].append(row)
    found: list[Piece] = []
    for key, own in blobs.items():
        views: defaultdict[str, list[Row]] = defaultdict(list)
        for row in own:
            views[str(row["view_id"])].append(row)
        spans = sorted(views.items(), key=lambda view: (min(_integer(row["start"]) for row in view[1]), view[0]))
        lines: defaultdict[int, int] = defaultdict(int)
        for _, rows_of_view in spans:
            for piece in in_view([_piece(row, key) for row in rows_of_view]):
                place = msgspec.structs.replace(piece.place, line=lines[piece.place.offset])
                lines[place.offset] += 1
                found.append(msgspec.structs.replace(piece, place=place))
    return found


def _piece(row: Row, key: str) -> Piece:
    """The segment of a row; which line of its frame it is, its place does not say yet."""
    return Piece(
        view_id=str(row["view_id"]),
        index_in_view=_integer(row["index_in_view"]),
        start_ms=_integer(row["start"]),
        end_ms=_integer(row["end"]),
        raw_bytes=_integer(row["raw_bytes"]),
        has_full_snapshot=bool(row["has_full_snapshot"]),
        place=Place(key, _integer(row["frame_offset"]), _integer(row["frame_length"]), 0),
    )


def _views(indexes: Iterable[BlobIndex], known: Mapping[str, Row] = MappingProxyType({})) -> dict[str, Row]:
    """The views of blobs, after those that are `known`."""
    views = dict(known)
    for index in indexes:
        for view in index.views:
            before = views.get(view.view_id)
            if before is None:
                row: Row = {"view_id": view.view_id, "start_ms": view.start_ms, "end_ms": view.end_ms, "url": view.url}
            else:
                row = before | {
                    "start_ms": min(view.start_ms, _integer(before["start_ms"])),
                    "end_ms": max(view.end_ms, _integer(before["end_ms"])),
                    "url": before["url"] or view.url,
                }
            views[view.view_id] = row
    return views


class _Frames:
    """Opened frames, the ones used last within a number of bytes."""

    def __init__(self, store: ObjectStore, shelf: StyleShelf) -> None:
        self._store = store
        self._shelf = shelf
        self._opened: OrderedDict[tuple[str, int], tuple[bytes, ...]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def line(self, place: Place) -> bytes:
        key = place.key, place.offset
        if place.key.startswith(PACKS):
            return self._read(key, lambda: self._block(place))[place.line]
        return self._read(key, lambda: self._frame(place))[place.line]

    def _read(self, key: tuple[str, int], opened: Callable[[], tuple[bytes, ...]]) -> tuple[bytes, ...]:
        with self._lock:
            lines = self._opened.get(key)
            if lines is not None:
                self._opened.move_to_end(key)
                return lines
        lines = opened()
        with self._lock:
            if key not in self._opened:
                self._opened[key] = lines
                self._bytes += sum(map(len, lines))
            while self._bytes > _FRAMES_BYTES and len(self._opened) > 1:
                _, dropped = self._opened.popitem(last=False)
                self._bytes -= sum(map(len, dropped))
        return lines

    def _frame(self, place: Place) -> tuple[bytes, ...]:
        blob = open_blob(self._store, place.key, self._shelf)
        number = next(n for n, frame in enumerate(blob.frames) if frame.offset == place.offset)
        return blob.frame_segments(number)

    def _block(self, place: Place) -> tuple[bytes, ...]:
        lines = block_segments(self._store.read_range(place.key, place.offset, place.length))
        if place.line >= len(lines):
            raise ObjectMissing("the session has been erased")
        return lines


def _names_tabs(source: str) -> bool:
    family = family_named(source)
    return family is not None and family.names_tabs


def _integer(value: object) -> int:
    return int(float(str(value)))
