"""From the replay segments of one window to its blob: each once, in order, compressed together, with an index."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate

import msgspec

from operators.replay.frames import FrameLimits, compress_frame, pack_frames
from operators.replay.index import build_index
from operators.replay.order import Kept, Refused, order
from operators.replay.scan import ReplaySegment, style_texts, to_line
from operators.replay.styles import choose, mark
from schemas.blob import BlobIndex, encode_tail
from schemas.items import RejectReason, SegmentMeta, StyleMark
from schemas.units import MIB

_STYLES_KEPT = 16  # with their text: 64 MiB at the very worst


class ReplayWindow(msgspec.Struct, frozen=True):
    """The segments of one window, in any order, copies included."""

    app_id: str
    session_id: str
    session_part: int
    segments: tuple[ReplaySegment, ...]


class CutLimits(msgspec.Struct, frozen=True):
    """Sizes are of inflated JSON."""

    window_raw_bytes: int = 512 * MIB  # a canvas recorder makes 2.5 MB/s; one session must not fill a worker
    frames: FrameLimits = FrameLimits()
    share_styles: bool = True  # linked style sheets become objects of their own, which blobs have in common


class Placement(msgspec.Struct, frozen=True):
    """Where a segment lies in the blob. Counts are read from its records, not claimed by its header."""

    position: int  # in `ReplayWindow.segments`
    segment: SegmentMeta
    records_count: int
    has_full_snapshot: bool
    raw_bytes: int
    frame_offset: int
    frame_length: int


class CutCounts(msgspec.Struct, frozen=True):
    """Every segment has one end: `received == kept + duplicates + rejected + over`."""

    received: int
    kept: int
    duplicates: int
    rejected: int
    over: int
    record_count_mismatches: int  # kept segments whose header claims another number of records


class CutReplay(msgspec.Struct, frozen=True):
    """A window's replay, ready to be stored. Without a usable segment there is no blob: `blob == b""`, no index."""

    blob: bytes
    index: BlobIndex | None
    placements: tuple[Placement, ...]  # in the order of the blob
    input_times_ms: tuple[int, ...]  # ascending, each once: when the visitor did something
    view_inputs_ms: dict[str, list[int]]  # the same by view; under "" where the SDK names a browser window and no view
    rejected: tuple[Refused, ...]
    over: tuple[Refused, ...]  # beyond the window's limit
    counts: CutCounts
    styles: dict[str, bytes]  # text by SHA-256, in the order of the blob's dictionary: the blob is nothing without them


def cut(window: ReplayWindow, limits: CutLimits | None = None, *, without_blob: bool = False) -> CutReplay:
    """Make the blob of a window. The same set of segments gives the same bytes, whatever their order or copies.

    Segments are inflated one at a time, to be compressed, and some before that for the text of their styles.
    `without_blob`: all but this, for a blob that was made before; then there is no index, and no place in a frame.
    """
    limits = limits or CutLimits()
    ordered = order(window.segments)
    kept, over = _split_at_limit(ordered.kept, limits.window_raw_bytes)
    styles = _styles(kept) if limits.share_styles and not without_blob else {}
    blob, index, placements = _compact(window, [] if without_blob else kept, styles, limits)
    if without_blob:
        placements = tuple(_placement(one, 0, 0) for one in kept)
    return CutReplay(
        blob=blob,
        index=index,
        placements=placements,
        input_times_ms=_input_times(kept),
        view_inputs_ms=_view_inputs(kept),
        rejected=tuple(ordered.refused),
        over=over,
        counts=CutCounts(
            received=len(window.segments),
            kept=len(kept),
            duplicates=ordered.duplicate_count,
            rejected=len(ordered.refused),
            over=len(over),
            record_count_mismatches=sum(one.has_other_count for one in kept),
        ),
        styles=styles,
    )


def uncut(window: ReplayWindow, kept: Sequence[Kept]) -> CutReplay:
    """The same for a window that is still open: what its segments say, in order, and no blob yet.

    `kept`: from `settled`; their bodies are not looked at.
    """
    return CutReplay(
        blob=b"",
        index=build_index(window.app_id, window.session_id, window.session_part, [kept], [0]) if kept else None,
        placements=tuple(_placement(one, 0, 0) for one in kept),
        input_times_ms=_input_times(kept),
        view_inputs_ms=_view_inputs(kept),
        rejected=(),
        over=(),
        counts=CutCounts(
            received=len(window.segments),
            kept=len(kept),
            duplicates=len(window.segments) - len(kept),
            rejected=0,
            over=0,
            record_count_mismatches=0,
        ),
        styles={},
    )


def _split_at_limit(kept: Sequence[Kept], limit_bytes: int) -> tuple[list[Kept], tuple[Refused, ...]]:
    """From the first segment that does not fit, everything is over: what follows a hole could not be played anyway."""
    ends = accumulate(one.segment.meta.raw_bytes for one in kept)
    fitting = sum(end <= limit_bytes for end in ends)
    detail = f"the window's replay has more than {limit_bytes} bytes"
    over = tuple(Refused(one.position, RejectReason.REPLAY_TOO_LARGE, detail) for one in kept[fitting:])
    return list(kept[:fitting]), over


def _styles(kept: Sequence[Kept]) -> dict[str, bytes]:
    """The text of the styles that the blob shares, by name, smallest first."""
    found = {one: _known(one) for one in choose(style for one in kept for style in one.segment.scan.styles)}
    for one in kept:
        if any(style in found and not found[style] for style in one.segment.scan.styles):
            for text in style_texts(one.segment.inflated(), one.segment.recording):
                known = found.get(mark(text))
                if known is not None and not known:
                    known.append((hashlib.sha256(text).hexdigest(), text))
    return dict(known[0] for known in found.values() if known)


@lru_cache(_STYLES_KEPT)
def _known(_: StyleMark) -> list[tuple[str, bytes]]:
    """Name and text of a style, once they were found: most sessions of a site have the styles of the session before."""
    return []


def _compact(
    window: ReplayWindow, kept: Sequence[Kept], styles: Mapping[str, bytes], limits: CutLimits
) -> tuple[bytes, BlobIndex | None, tuple[Placement, ...]]:
    if not kept:
        return b"", None, ()
    blob = bytearray()
    frames: list[list[Kept]] = []
    lengths: list[int] = []
    placements: list[Placement] = []
    names, dictionary = list(styles), b"".join(styles.values())
    min_match = kept[0].segment.recording.min_match

    def compress(frame: Sequence[Kept]) -> bytes:
        return compress_frame(_lines(frame), sum(one.line_bytes for one in frame), min_match, dictionary)

    for frame, packed in pack_frames(kept, limits.frames, compress):
        placements += [_placement(one, len(blob), len(packed)) for one in frame]
        frames.append(frame)
        lengths.append(len(packed))
        blob += packed
    index = build_index(window.app_id, window.session_id, window.session_part, frames, lengths, names)
    blob += encode_tail(index, names)
    return bytes(blob), index, tuple(placements)


def _lines(frame: Iterable[Kept]) -> Iterator[bytes]:
    for one in frame:
        yield to_line(one.segment.inflated())


def _placement(one: Kept, frame_offset: int, frame_length: int) -> Placement:
    return Placement(
        position=one.position,
        segment=one.segment.meta,
        records_count=one.segment.scan.records_count,
        has_full_snapshot=one.has_full_snapshot,
        raw_bytes=one.segment.meta.raw_bytes,
        frame_offset=frame_offset,
        frame_length=frame_length,
    )


def _input_times(kept: Iterable[Kept]) -> tuple[int, ...]:
    return tuple(sorted({time_ms for one in kept for time_ms in one.input_times_ms}))


def _view_inputs(kept: Iterable[Kept]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for one in kept:
        if one.segment.scan.input_offsets_ms:
            view_id = one.segment.meta.view_id if one.segment.recording.names_views else ""
            found.setdefault(view_id, []).extend(one.input_times_ms)
    return found
