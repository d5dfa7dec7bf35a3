"""The index of a replay blob: what its frames, views and quiet stretches are."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise

from operators.replay.order import Kept
from schemas.blob import BlobIndex, FrameEntry, Snapshot, Totals, ViewEntry, version_of
from schemas.items import NOT_NUMBERED
from schemas.units import MS_PER_MINUTE

MIN_IDLE_MS = MS_PER_MINUTE  # shorter pauses are part of watching a visitor think


def build_index(  # noqa: PLR0913 - what an index says
    app_id: str,
    session_id: str,
    session_part: int,
    frames: Sequence[Sequence[Kept]],
    lengths: Sequence[int],
    styles: Sequence[str] = (),
) -> BlobIndex:
    """Describe compressed frames (at least one) by their segments and compressed lengths. `styles`: names."""
    kept = [one for frame in frames for one in frame]
    views = _by_view(kept)
    number = {view_id: position for position, view_id in enumerate(views)}
    entries = tuple(_view(view_id, segments) for view_id, segments in views.items())
    offsets = accumulate(lengths[:-1], initial=0)
    first = kept[0].segment
    start_ms, end_ms = _span(kept)
    described = tuple(
        _frame(frame, offset, length, number) for frame, offset, length in zip(frames, offsets, lengths, strict=True)
    )
    return BlobIndex(
        format_version=version_of(described, styles),
        app_id=app_id,
        session_id=session_id,
        session_part=session_part,
        family=first.recording.name,
        sdk_name=first.meta.sdk_name,
        sdk_version=first.meta.sdk_version,
        start_ms=start_ms,
        end_ms=end_ms,
        frames=described,
        views=entries,
        idle=idle_intervals(start_ms, end_ms, (time_ms for one in kept for time_ms in one.input_times_ms)),
        totals=Totals(
            segments=len(kept),
            records=sum(one.segment.scan.records_count for one in kept),
            raw_bytes=sum(one.segment.meta.raw_bytes for one in kept),
            missing_segments=sum(entry.missing_segments for entry in entries),
        ),
    )


def idle_intervals(
    start_ms: int, end_ms: int, inputs_ms: Iterable[int], min_idle_ms: int = MIN_IDLE_MS
) -> tuple[tuple[int, int], ...]:
    """The stretches of more than `min_idle_ms` between start, inputs and end. Inputs outside of these do not count."""
    inside = sorted({time_ms for time_ms in inputs_ms if start_ms <= time_ms <= end_ms})
    return tuple(stretch for stretch in pairwise([start_ms, *inside, end_ms]) if stretch[1] - stretch[0] > min_idle_ms)


def _by_view(kept: Iterable[Kept]) -> dict[str, list[Kept]]:
    """The segments of each view, views in the order of the blob, which is the order of their start."""
    views: dict[str, list[Kept]] = {}
    for one in kept:
        views.setdefault(one.segment.meta.view_id, []).append(one)
    return views


def _frame(frame: Sequence[Kept], offset: int, length: int, number: Mapping[str, int]) -> FrameEntry:
    start_ms, end_ms = _span(frame)
    return FrameEntry(
        offset=offset,
        length=length,
        raw_length=sum(one.line_bytes for one in frame),
        segments=len(frame),
        start_ms=start_ms,
        end_ms=end_ms,
        views=tuple(dict.fromkeys(number[one.segment.meta.view_id] for one in frame)),
        snapshots=tuple(
            Snapshot(time_ms, number[one.segment.meta.view_id], line)
            for line, one in enumerate(frame)
            for time_ms in one.segment.scan.snapshot_times_ms
        ),
    )


def _view(view_id: str, segments: Sequence[Kept]) -> ViewEntry:
    start_ms, end_ms = _span(segments)
    return ViewEntry(
        view_id=view_id,
        start_ms=start_ms,
        end_ms=end_ms,
        url=next((one.segment.scan.url for one in segments if one.segment.scan.url), None),
        segments=len(segments),
        missing_segments=_missing(segments),
    )


def _missing(segments: Sequence[Kept]) -> int:
    """Holes in the numbering. It may begin above 0: an SDK that records on errors only drops what came before."""
    numbers = {one.segment.meta.index_in_view for one in segments}
    if not segments[0].segment.recording.numbers_segments or NOT_NUMBERED in numbers:
        return 0
    return max(numbers) - min(numbers) + 1 - len(numbers)


def _span(segments: Iterable[Kept]) -> tuple[int, int]:
    metas = [one.segment.meta for one in segments]
    start_ms = min(meta.start_ms for meta in metas)
    return start_ms, max(start_ms, *(meta.end_ms for meta in metas))
