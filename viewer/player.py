"""What a player fetches: the tracks and chunks of a session's replay, the events of a chunk, the blobs as they are."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from lake.blob_reader import BlobReader
from lake.catalog import Row, open_blob
from lake.export import family_of, loss
from lake.notes import Note, NoteKind, stored_notes, track_notes
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
from viewer import respond
from viewer.missing import Hole, holes
from viewer.respond import Packed
from viewer.session_rows import SessionRows
from viewer.shared_cache import SharedCache

_PLANS_MAX = 256
_BLOBS_MAX = 64  # opened, with their index
_FRAMES_BYTES = 128 * MIB
_CHUNKS_BYTES = 64 * MIB
TAG_CHARACTERS = 32  # hexadecimal

Owner = tuple[str, str]  # (app_id, session_id)


class BlobPlace(msgspec.Struct, frozen=True, order=True):
    """A blob of a session: of which window and revision, and its key."""

    part: int
    revision: int
    key: str


class PlannedBlob(msgspec.Struct, frozen=True):
    """A blob that could be opened. `tag`: of its content; `styles`: SHA-256 of what is needed to read it."""

    place: BlobPlace
    size: int
    tag: str
    styles: tuple[str, ...]


class Planned(msgspec.Struct, frozen=True):
    """The replay of a session as its rows tell it. `blobs`: in order."""

    owner: Owner
    family: Family | None  # None: there is nothing to play
    tracks: list[list[Chunk]]
    blobs: list[PlannedBlob]
    views: dict[str, Row]
    idle: list[tuple[int, int]]
    tabs: dict[str, str]  # by view
    notes: list[Note]  # what of it is lost
    missing: list[Hole]  # and when that was
    is_whole: bool = True  # every blob could be opened


class _Sent(msgspec.Struct, frozen=True):
    """What an answer with a chunk depends on."""

    owner: Owner
    chunk: bytes  # digest of where its segments lie
    with_notes: bool
    encoding: str


class Player:
    """Plans and reads replays. Keeps plans, opened frames and encoded chunks of the sessions looked at last, and makes
    each once, however many ask; any thread.
    """

    def __init__(self, store: ObjectStore, rows: SessionRows) -> None:
        self._store = store
        self._rows = rows
        self._shelf = StyleShelf(store)
        self._plans = SharedCache[tuple[Owner, tuple[object, ...]], Planned](_PLANS_MAX, lambda _: 1)
        self._frames = _Frames(store, self._shelf)
        self._chunks = SharedCache[_Sent, Packed](_CHUNKS_BYTES, lambda packed: len(packed.body))

    def planned(
        self, app_id: str, session_id: str, windows: Sequence[Row], opened: Sequence[OpenWindow] = ()
    ) -> Planned:
        """The plan of a session. `windows`: those in the tables, `opened`: those that are not.

        When an open window closes, its segments have another place and the plan is the same.
        """
        owner, version = (app_id, session_id), tuple((row["session_part"], row["revision"]) for row in windows)
        # What is not there may come back.
        closed = self._plans.get((owner, version), lambda: self._read(owner, windows), lambda plan: plan.is_whole)
        return _continued(closed, opened) if any(window.pieces for window in opened) else closed

    def played(self, planned: Planned, chunk: Chunk) -> Track:
        """One chunk as rrweb events. Raises ConversionError."""
        wanted = [*chunk.pieces, *([chunk.head] if chunk.head else [])]
        assert planned.family is not None  # it has a chunk
        return played(planned.family, chunk, self._frames.lines(planned.owner, [piece.place for piece in wanted]))

    def sent(self, planned: Planned, track: int, chunk: int, encoding: respond.Encoding, *, with_notes: bool) -> Packed:
        """One chunk as it is answered. Raises ConversionError."""
        wanted = planned.tracks[track][chunk]

        def make() -> Packed:
            found = self.played(planned, wanted)
            if not with_notes:
                return respond.pack(found.events, encoding)
            told = [note.as_json() | {"track": track} for note in track_notes(found)]
            return respond.pack({"events": found.events, "notes": told}, encoding)

        if not _is_settled(wanted):  # it grows, and what it is made of can be erased in its place
            return make()
        digest = hashlib.sha256(msgspec.msgpack.encode((track, wanted))).digest()
        return self._chunks.get(_Sent(planned.owner, digest, with_notes, encoding), make)

    def owners(self) -> set[Owner]:
        """Sessions of which something is kept."""
        return {
            *(owner for owner, _ in self._plans.keys()),  # noqa: SIM118 - a method of its own
            *(sent.owner for sent in self._chunks.keys()),  # noqa: SIM118
            *self._frames.owners(),
        }

    def forget(self, gone: set[Owner], is_open: Callable[[str, str], bool]) -> None:
        """Drop all that is kept of these sessions; of one that is open nothing can be gone but what was in tables."""
        self._plans.drop(lambda key: key[0] in gone)
        self._chunks.drop(lambda sent: sent.owner in gone)
        self._frames.forget(gone, is_open)

    @property
    def chunk_counts(self) -> tuple[int, int]:
        """Answers with a closed chunk: made, and handed out again."""
        return self._chunks.made_count, self._chunks.shared_count

    def _read(self, owner: Owner, windows: Sequence[Row]) -> Planned:
        rows = self._rows.rows(["replay_segments"], *owner, windows)["replay_segments"]
        has_tabs = any(_names_tabs(str(row["source"])) for row in rows)
        views = self._rows.rows(["views"], *owner, windows)["views"] if has_tabs else []
        return self._plan(owner, windows, rows, tabs_of(views))

    def _plan(self, owner: Owner, windows: Sequence[Row], rows: list[Row], tabs: dict[str, str]) -> Planned:
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
            owner=owner,
            family=family,
            tracks=plan(family, pieces(row for row in rows if row["replay_key"] in keys), tabs=tabs) if family else [],
            blobs=[PlannedBlob(place, blob.size, _tag(blob), blob.styles) for place, blob in opened],
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


def _is_settled(chunk: Chunk) -> bool:
    """Whether all of it lies in blobs, which never change."""
    pieces = [*chunk.pieces, *([chunk.head] if chunk.head else [])]
    return not any(piece.place.key.startswith(PACKS) for piece in pieces)


def _tag(blob: BlobReader) -> str:
    """Of a blob's content: its index has the length of everything, and the times, addresses and ids."""
    return hashlib.sha256(msgspec.json.encode((blob.size, blob.styles, blob.index))).hexdigest()[:TAG_CHARACTERS]


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
    """Opened frames and blocks of packs, the ones used last within a number of bytes."""

    def __init__(self, store: ObjectStore, shelf: StyleShelf) -> None:
        self._store = store
        self._shelf = shelf
        self._blobs = SharedCache[tuple[Owner, str], BlobReader](_BLOBS_MAX, lambda _: 1)
        self._opened = SharedCache[tuple[Owner, str, int], tuple[bytes, ...]](
            _FRAMES_BYTES, lambda lines: sum(map(len, lines))
        )

    def lines(self, owner: Owner, places: Iterable[Place]) -> list[bytes]:
        """The segments at these places. Each frame is opened once, however large."""
        opened: dict[tuple[str, int], tuple[bytes, ...]] = {}
        found: list[bytes] = []
        for place in places:
            key = place.key, place.offset
            if key not in opened:
                opened[key] = self._opened.get((owner, *key), self._reading(owner, place))
            found.append(opened[key][place.line])
        return found

    def owners(self) -> set[Owner]:
        return {owner for owner, *_ in self._opened.keys()}  # noqa: SIM118 - a method of its own

    def forget(self, gone: set[Owner], is_open: Callable[[str, str], bool]) -> None:
        self._blobs.drop(lambda key: key[0] in gone)
        self._opened.drop(lambda key: key[0] in gone and not (key[1].startswith(PACKS) and is_open(*key[0])))

    def _reading(self, owner: Owner, place: Place) -> Callable[[], tuple[bytes, ...]]:
        return lambda: self._block(place) if place.key.startswith(PACKS) else self._frame(owner, place)

    def _frame(self, owner: Owner, place: Place) -> tuple[bytes, ...]:
        blob = self._blobs.get((owner, place.key), lambda: self._open(place.key))
        return blob.read_frame(next(frame for frame in blob.frames if frame.offset == place.offset))

    def _open(self, key: str) -> BlobReader:
        blob = open_blob(self._store, key, self._shelf)
        _ = blob.index  # read before threads share it
        return blob

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
