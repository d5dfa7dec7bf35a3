"""Which segments of a window are kept, each once, and in which order they lie in the blob."""

from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec

from operators.replay.recording import Recording
from operators.replay.scan import ReplaySegment
from schemas.items import NOT_NUMBERED, RejectReason


class Kept(msgspec.Struct, frozen=True):
    """A usable segment and its place in the caller's list."""

    position: int
    segment: ReplaySegment

    @property
    def line_bytes(self) -> int:
        return self.segment.scan.line_bytes

    @property
    def has_full_snapshot(self) -> bool:
        return bool(self.segment.scan.snapshot_times_ms)

    @property
    def has_other_count(self) -> bool:
        """Whether its header claims another number of records."""
        return self.segment.scan.records_count != self.segment.meta.records_count

    @property
    def input_times_ms(self) -> list[int]:
        """When the visitor did something, by the client's clock."""
        start_ms = self.segment.meta.start_ms
        return [start_ms + offset_ms for offset_ms in self.segment.scan.input_offsets_ms]


class Refused(msgspec.Struct, frozen=True):
    """A segment that is not stored, its place in the caller's list, and why."""

    position: int
    reason: RejectReason
    detail: str


class Ordered(msgspec.Struct, frozen=True):
    """Every segment of a window in exactly one place."""

    kept: list[Kept]  # by view start, view, place in the view
    refused: list[Refused]
    duplicate_count: int


def order(segments: Sequence[ReplaySegment]) -> Ordered:
    """Sort out a window's segments. The result depends on the set of segments alone, not on their arrival."""
    copies = _distinct(segments)
    if not copies:
        return Ordered([], [], 0)
    recording = segments[copies[0]].recording
    kept = settled(
        Kept(position, segments[position]) for position in copies if segments[position].recording is recording
    )
    refused = [
        _foreign(position, segments[position], recording)
        for position in copies
        if segments[position].recording is not recording
    ]
    return Ordered(kept, refused, len(segments) - len(refused) - len(kept))


def settled(usable: Iterable[Kept]) -> list[Kept]:
    """Each segment once, in the order of the blob."""
    ranked = sorted(usable, key=_identity)
    return _by_view(kept for _, same in groupby(ranked, _identity) for kept in _settle(list(same)))


def _distinct(segments: Sequence[ReplaySegment]) -> list[int]:
    """Positions in a total order over everything a segment is, each content once: from here on arrival is forgotten."""
    ranked = sorted(range(len(segments)), key=lambda position: _rank(segments[position]))
    return [next(same) for _, same in groupby(ranked, lambda position: _rank(segments[position])[:-1])]


def _rank(segment: ReplaySegment) -> tuple[int, str, int, int, bytes, tuple[object, ...]]:
    meta = segment.meta
    rest = msgspec.structs.astuple(meta)
    return meta.start_ms, meta.view_id, meta.index_in_view, segment.recording.number, segment.body, rest


def _foreign(position: int, segment: ReplaySegment, recording: Recording) -> Refused:
    """Its record types would be read as something else."""
    detail = f"{segment.recording.number.name} segment in a {recording.number.name} replay"
    return Refused(position, RejectReason.INVALID_FIELD, detail)


def _identity(kept: Kept) -> tuple[int, str, int]:
    meta = kept.segment.meta
    return meta.start_ms, meta.view_id, meta.index_in_view


def _settle(same: list[Kept]) -> list[Kept]:
    """Resolve one identity with several contents.

    Where an SDK numbers its segments these are copies of one, and the fullest counts. Without numbers they are
    different segments unless they inflate to the same.
    """
    if len(same) == 1:
        return same
    by_content = {(kept.segment.meta.raw_bytes, kept.segment.scan.raw_digest): kept for kept in reversed(same)}
    contents = sorted(by_content)
    if _is_numbered(same[0]):
        contents = contents[-1:]
    return [by_content[content] for content in contents]


def _by_view(kept: Iterable[Kept]) -> list[Kept]:
    """By view start, view, and the place in the view."""
    views: dict[str, list[Kept]] = {}
    for one in kept:
        views.setdefault(one.segment.meta.view_id, []).append(one)
    placed = [(min(one.segment.meta.start_ms for one in own), view_id, _in_view(own)) for view_id, own in views.items()]
    return [one for *_, own in sorted(placed, key=lambda view: view[:2]) for one in own]


def _in_view(kept: Iterable[Kept]) -> list[Kept]:
    """By number and start. Where one has no number, by time alone: see `_in_time`."""
    kept = sorted(kept, key=lambda one: (one.segment.meta.index_in_view, one.segment.meta.start_ms))
    return kept if all(map(_is_numbered, kept)) else _in_time(kept)


def _in_time(kept: Iterable[Kept]) -> list[Kept]:
    """By start. Of those that begin in one millisecond the one that also ends in it was first, and of two such the one
    with a full snapshot; but until there is a snapshot nothing can be played, so that the first one goes before all.
    """
    found: list[Kept] = []
    is_drawn = False
    by_start = sorted(kept, key=lambda one: one.segment.meta.start_ms)  # those of one start stay ordered by content
    for _, same in groupby(by_start, lambda one: one.segment.meta.start_ms):
        together = sorted(same, key=lambda one: (one.segment.meta.end_ms, not one.has_full_snapshot))
        if not is_drawn:
            first = next((one for one in together if one.has_full_snapshot), None)
            is_drawn = first is not None
            together.sort(key=lambda one: one is not first)
        found += together
        is_drawn = is_drawn or any(one.has_full_snapshot for one in together)
    return found


def _is_numbered(kept: Kept) -> bool:
    return kept.segment.recording.numbers_segments and kept.segment.meta.index_in_view != NOT_NUMBERED
