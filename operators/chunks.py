"""A session's replay in pieces that a player can fetch one by one: which tracks and chunks there are, and their events.

Tracks are those of `operators.tracks`. A chunk is a run of a track's segments that begins with a full snapshot, so a
player may begin with any; one after the other they are the track. The plan depends on the segments' headers alone.
Chunks are filled from the front: when segments are added at the end, as in an open session, all but the last stay.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, TypeVar

import msgspec

from operators.families.family import Family
from operators.rrweb.event import EventType
from operators.rrweb.track import Event, Track
from operators.tracks import lanes, one_track
from schemas.items import NOT_NUMBERED
from schemas.units import MIB

CHUNK_RAW_BYTES = 2 * MIB  # of segments: under a second to convert


class Place(msgspec.Struct, frozen=True):
    """Where a segment lies: a line of a blob's frame, or an entry of a pack's block."""

    key: str
    offset: int
    length: int
    line: int


class Piece(msgspec.Struct, frozen=True):
    """A segment as its header describes it, and where it is. Times: client clock, epoch ms."""

    view_id: str
    index_in_view: int
    start_ms: int
    end_ms: int
    raw_bytes: int
    has_full_snapshot: bool
    place: Place


class Chunk(msgspec.Struct, frozen=True):
    """Segments in playing order; the first has a full snapshot if any of the track has. `head`: the next chunk's first
    segment, whose events up to its snapshot still belong to this one.
    """

    pieces: tuple[Piece, ...]
    head: Piece | None
    is_first: bool

    @property
    def start_ms(self) -> int:
        return min(piece.start_ms for piece in self.pieces)

    @property
    def end_ms(self) -> int:
        return max(piece.end_ms for piece in self.pieces)

    @property
    def raw_bytes(self) -> int:
        return sum(piece.raw_bytes for piece in self.pieces)


class _Numbered(Protocol):
    @property
    def index_in_view(self) -> int: ...

    @property
    def start_ms(self) -> int: ...


Numbered = TypeVar("Numbered", bound=_Numbered)


class _Span(msgspec.Struct, frozen=True):
    view_id: str
    start_ms: int
    end_ms: int
    pieces: tuple[Piece, ...]


def plan(
    family: Family,
    pieces: Iterable[Piece],
    chunk_raw_bytes: int = CHUNK_RAW_BYTES,
    tabs: Mapping[str, str] = MappingProxyType({}),
) -> list[list[Chunk]]:
    """The chunks of each track, in playing order; tracks by their start. `tabs`: from `operators.tracks.tabs_of`."""
    views: defaultdict[str, list[Piece]] = defaultdict(list)
    for piece in pieces:
        views[piece.view_id].append(piece)
    spans = [
        _Span(
            view_id,
            min(piece.start_ms for piece in found),
            max(piece.end_ms for piece in found),
            tuple(in_view(found)),
        )
        for view_id, found in views.items()
    ]
    spans.sort(key=lambda span: (span.start_ms, span.view_id))
    found_tracks = [[span] for span in spans] if not family.recording.names_views else lanes(spans, tabs)
    return [_chunks([piece for span in track for piece in span.pieces], chunk_raw_bytes) for track in found_tracks]


def in_view(pieces: Iterable[Numbered]) -> list[Numbered]:
    """Segments of one view in the order of the blob, given in the order of the table: by number, or by time where one
    has none; `operators.replay.order` has the rule.
    """
    pieces = list(pieces)
    if any(piece.index_in_view == NOT_NUMBERED for piece in pieces):
        return sorted(pieces, key=lambda piece: piece.start_ms)
    return sorted(pieces, key=lambda piece: (piece.index_in_view, piece.start_ms))


def _chunks(pieces: Sequence[Piece], chunk_raw_bytes: int) -> list[Chunk]:
    runs: list[list[Piece]] = []
    drawn, size = False, 0
    for piece in pieces:
        if not runs or (piece.has_full_snapshot and drawn and size + piece.raw_bytes > chunk_raw_bytes):
            runs.append([])
            drawn, size = False, 0
        runs[-1].append(piece)
        drawn, size = drawn or piece.has_full_snapshot, size + piece.raw_bytes
    heads = [*(run[0] for run in runs[1:]), None]
    return [Chunk(tuple(run), head, number == 0) for number, (run, head) in enumerate(zip(runs, heads, strict=True))]


def played(family: Family, chunk: Chunk, segments: Sequence[bytes]) -> Track:
    """A chunk as rrweb events; `segments`: those of its pieces, then that of its head. Raises ConversionError."""
    track = one_track(family, segments, is_start=chunk.is_first)
    events = track.events
    begin = 0 if chunk.is_first else _entry(events, chunk.pieces[0].start_ms)
    end = len(events) if chunk.head is None else _entry(events, chunk.head.start_ms)
    return msgspec.structs.replace(track, events=events[begin:end])


def _entry(events: Sequence[Event], from_ms: int) -> int:
    """Where playing can begin from some time on: a full snapshot with what announces it."""
    for number, event in enumerate(events):
        if event["type"] == EventType.FULL_SNAPSHOT and event["timestamp"] >= from_ms:
            entry = before = number
            while before and events[before - 1]["type"] not in (EventType.INCREMENTAL, EventType.FULL_SNAPSHOT):
                before -= 1
                if events[before]["type"] == EventType.META:
                    entry = before
            return entry
    return len(events)
