"""Rules of the replay cut: each segment once, in order, in frames that can be entered, with a true index."""

import random
import zlib
from collections.abc import Sequence

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from lake.blob_reader import BlobReader
from operators.families.registry import family_of
from operators.replay.cut import CutLimits, CutReplay, ReplayWindow, cut
from operators.replay.frames import FrameLimits
from operators.replay.index import MIN_IDLE_MS, idle_intervals
from operators.replay.scan import ReplaySegment, scan
from operators.wire.unusable import Unusable
from schemas.blob import parse_footer
from schemas.items import Family, RejectReason, SegmentMeta

T0 = 1_795_230_000_000
SNAPSHOT = {"type": 2, "timestamp": T0, "data": {"node": {}}}


def incremental(source: int, time_ms: int = T0) -> dict[str, object]:
    return {"type": 3, "timestamp": time_ms, "data": {"source": source}}


def body(records: Sequence[object], family: Family = Family.GUANCE) -> bytes:
    name = "events" if family in (Family.RRWEB, Family.SENTRY) else "records"
    return msgspec.json.encode({name: records}) + b"\n"


def segment(  # noqa: PLR0913 - a builder: every part has a default
    view_id: str = "view-a",
    index: int = 0,
    start_ms: int = T0,
    *,
    raw: bytes | None = None,
    records: Sequence[object] = (SNAPSHOT,),
    end_ms: int | None = None,
    family: Family = Family.GUANCE,
    level: int = 6,
) -> ReplaySegment:
    raw = body(records, family) if raw is None else raw
    meta = SegmentMeta(
        view_id=view_id,
        index_in_view=index,
        start_ms=start_ms,
        end_ms=start_ms + 5_000 if end_ms is None else end_ms,
        records_count=len(records),
        has_full_snapshot=SNAPSHOT in records,
        creation_reason="init",
        raw_bytes=len(raw),
        encoding="zlib" if level else "identity",
        sdk_name="sdk",
        sdk_version="1.0",
    )
    recording = family_of(family).recording
    packed = zlib.compress(raw, level) if level else raw
    return ReplaySegment(meta, recording, packed, scan(raw, recording, meta))


def cut_all(*segments: ReplaySegment, limits: CutLimits | None = None) -> CutReplay:
    return cut(ReplayWindow("app", "session", 0, segments), limits)


def lines(replay: CutReplay) -> list[bytes]:
    return list(BlobReader(lambda offset, length: replay.blob[offset : offset + length], len(replay.blob)).segments())


def ids(replay: CutReplay) -> list[tuple[str, int]]:
    return [(one.segment.view_id, one.segment.index_in_view) for one in replay.placements]


def filler(index: int, size: int, *, snapshot: bool = False, noise: bool = False) -> ReplaySegment:
    """A segment whose line has exactly `size` bytes, of which `noise` compresses to half."""
    head = body([SNAPSHOT] if snapshot else []).removesuffix(b"}\n")
    length = size - len(head) - 9
    text = random.Random(index).randbytes(length).hex()[:length].encode() if noise else b"x" * length
    raw = head + b',"x":"' + text + b'"}\n'
    assert len(raw) == size
    return segment(index=index, start_ms=T0 + index, raw=raw)


SEGMENTS = st.lists(
    st.builds(
        segment,
        view_id=st.sampled_from(["view-a", "view-b", "視 図"]),
        index=st.integers(0, 4),
        start_ms=st.integers(T0, T0 + 3),
        records=st.lists(st.sampled_from([SNAPSHOT, incremental(0), incremental(2)]), max_size=3),
        family=st.sampled_from([Family.GUANCE, Family.RRWEB]),
        level=st.sampled_from([0, 1, 9]),
    ),
    max_size=8,
)


@given(SEGMENTS, st.data())
def test_any_order_and_any_duplicates_give_the_same_bytes(segments: list[ReplaySegment], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(segments + data.draw(st.lists(st.sampled_from(segments))) if segments else []))
    once, again = cut_all(*segments), cut_all(*shuffled)
    assert again.blob == once.blob
    assert again.index == once.index
    assert again.input_times_ms == once.input_times_ms
    assert len(again.rejected) == len(once.rejected)


@given(SEGMENTS, st.integers(0, 300))
def test_every_segment_has_exactly_one_end(segments: list[ReplaySegment], limit: int) -> None:
    replay = cut_all(*segments, limits=CutLimits(window_raw_bytes=limit))
    counts = replay.counts
    assert counts.received == len(segments)
    assert counts.received == counts.kept + counts.duplicates + counts.rejected + counts.over
    ends = [placed.position for placed in replay.placements]
    ends += [refused.position for refused in (*replay.rejected, *replay.over)]
    assert len(set(ends)) == len(ends) == counts.received - counts.duplicates


@given(SEGMENTS)
def test_what_is_stored_is_what_came(segments: list[ReplaySegment]) -> None:
    replay = cut_all(*segments)
    if not replay.blob:
        assert replay.index is None
        assert not replay.placements
        return
    stored = [zlib.decompress(s.body) if s.meta.encoding == "zlib" else s.body for s in segments]
    assert [line + b"\n" for line in lines(replay)] == [stored[one.position] for one in replay.placements]


@given(SEGMENTS, st.integers(0, 300))
def test_without_its_blob_a_replay_says_the_same(segments: list[ReplaySegment], limit: int) -> None:
    window, limits = ReplayWindow("app", "session", 0, tuple(segments)), CutLimits(window_raw_bytes=limit)
    whole, bare = cut(window, limits), cut(window, limits, without_blob=True)
    assert bare.blob == b""
    nowhere = [msgspec.structs.replace(one, frame_offset=0, frame_length=0) for one in whole.placements]
    assert list(bare.placements) == nowhere
    assert (
        msgspec.structs.replace(
            bare, blob=whole.blob, index=whole.index, placements=whole.placements, styles=whole.styles
        )
        == whole
    )


def test_order_is_view_start_view_index() -> None:
    replay = cut_all(
        segment("late", 0, T0 + 50),
        segment("early", 1, T0 + 60),
        segment("early", 0, T0 + 10),
        segment("also-early", 3, T0 + 10),
    )
    assert ids(replay) == [("also-early", 3), ("early", 0), ("early", 1), ("late", 0)]


def test_of_copies_that_differ_the_fullest_counts() -> None:
    short, full = segment(raw=body([])), segment(raw=body([SNAPSHOT]))
    replay = cut_all(short, full, segment(raw=body([SNAPSHOT]), level=1))
    assert lines(replay) == [body([SNAPSHOT]).removesuffix(b"\n")]
    assert replay.counts.duplicates == 2


def test_rrweb_segments_of_one_instant_are_told_apart_by_their_content() -> None:
    first = segment(records=[SNAPSHOT], family=Family.RRWEB)
    second = segment(records=[incremental(0)], family=Family.RRWEB)
    replay = cut_all(first, second, segment(records=[SNAPSHOT], family=Family.RRWEB, level=1))
    assert (replay.counts.kept, replay.counts.duplicates) == (2, 1)
    assert replay.index is not None
    assert replay.index.totals.missing_segments == 0


@pytest.mark.parametrize("message", [{"$snapshot_data": [SNAPSHOT]}, {"$snapshot_items": [SNAPSHOT]}])
def test_posthog_messages_are_read_one_level_down(message: dict[str, object]) -> None:
    raw = msgspec.json.encode({"event": "$snapshot", "properties": message})
    (placed,) = cut_all(segment(raw=raw, family=Family.RRWEB)).placements
    assert (placed.records_count, placed.has_full_snapshot, placed.raw_bytes) == (1, True, len(raw))


def test_missing_segments_are_holes_not_a_late_beginning() -> None:
    replay = cut_all(segment(index=3), segment(index=5, start_ms=T0 + 1), segment("view-b", 0), segment("view-b", 3))
    assert replay.index is not None
    assert [view.missing_segments for view in replay.index.views] == [1, 2]
    assert replay.index.totals.missing_segments == 3


def test_line_breaks_between_tokens_become_spaces_and_the_last_is_the_line_end() -> None:
    pretty, bare = b'{\r\n "records": [\n]\r}\n\n', b'{"records":[]}'
    replay = cut_all(segment(raw=pretty), segment(index=1, raw=bare))
    assert lines(replay) == [b'{   "records": [ ] } ', b'{"records":[]}']
    assert replay.index is not None
    assert replay.index.totals.raw_bytes == len(pretty) + len(bare)
    assert replay.index.frames[0].raw_length == len(pretty) + len(bare) + 1


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"records":[}', RejectReason.MALFORMED_JSON),
        (b'{"records":["a\nb"]}', RejectReason.MALFORMED_JSON),
        (b"", RejectReason.MALFORMED_JSON),
        (b"[]", RejectReason.INVALID_FIELD),
        (b"{}", RejectReason.INVALID_FIELD),
        (b'{"records":[{"type":"2"}]}', RejectReason.INVALID_FIELD),
    ],
)
def test_what_has_no_records_is_refused(raw: bytes, reason: RejectReason) -> None:
    meta = segment().meta
    with pytest.raises(Unusable) as refused:
        scan(raw, family_of(Family.GUANCE).recording, meta)
    assert refused.value.reason is reason


@pytest.mark.parametrize(("inputs", "kept"), [(4_095, 4_095), (4_096, 4_096), (4_097, 410), (50_000, 500)])
def test_a_scan_stays_small_whatever_the_segment_holds(inputs: int, kept: int) -> None:
    """It is kept until the session closes: of very many inputs, the first of every 10 ms, 100 ms, ..."""
    clicks = [incremental(2, T0 + number) for number in range(inputs)]
    found = segment(records=[*clicks, SNAPSHOT], end_ms=T0 + inputs).scan
    assert found.records_count == inputs + 1
    assert len(found.input_offsets_ms) == kept
    assert found.input_offsets_ms[:2] == (0, round(inputs / kept))
    pages = [{**SNAPSHOT, "timestamp": T0 + number} for number in range(inputs)]
    assert len(segment(records=pages, end_ms=T0 + inputs).scan.snapshot_times_ms) == kept


@pytest.mark.parametrize(("length", "is_kept"), [(8_191, True), (8_192, True), (8_193, False)])
def test_an_address_of_any_length_does_not_fill_the_index(length: int, *, is_kept: bool) -> None:
    found = segment(records=[{"type": 4, "timestamp": T0, "data": {"href": "x" * length}}]).scan
    assert found.url == ("x" * length if is_kept else None)


def test_rrweb_without_events_is_refused() -> None:
    with pytest.raises(Unusable) as refused:
        scan(b'{"properties":{}}', family_of(Family.RRWEB).recording, segment().meta)
    assert refused.value.reason is RejectReason.INVALID_FIELD


def test_a_segment_of_another_sdk_is_refused_alone() -> None:
    replay = cut_all(segment(index=1, start_ms=T0 + 9, family=Family.RRWEB), segment())
    assert [one.reason for one in replay.rejected] == [RejectReason.INVALID_FIELD]
    assert ids(replay) == [("view-a", 0)]


@pytest.mark.parametrize(("limit", "kept"), [(299, 2), (300, 3), (301, 3)])
def test_from_the_first_segment_beyond_the_limit_everything_is_over(limit: int, kept: int) -> None:
    segments = [filler(index, 100, snapshot=True) for index in range(3)]
    replay = cut_all(*segments, limits=CutLimits(window_raw_bytes=limit))
    assert replay.counts.kept == kept
    assert [one.reason for one in replay.over] == [RejectReason.REPLAY_TOO_LARGE] * (3 - kept)


@pytest.mark.parametrize(
    ("frame_bytes", "frames"),
    [(400, [2, 1, 2]), (499, [2, 1, 2]), (500, [3, 2]), (899, [3, 2]), (900, [5])],
)
def test_frames_are_filled_greedily_and_begin_with_a_full_snapshot(frame_bytes: int, frames: list[int]) -> None:
    has_snapshot = [True, False, True, True, False]
    sizes = [200, 200, 100, 200, 200]
    segments = [filler(i, size, snapshot=has_snapshot[i]) for i, size in enumerate(sizes)]
    index = cut_all(*segments, limits=CutLimits(frames=FrameLimits(raw_bytes=frame_bytes))).index
    assert index is not None
    assert index.format_version == 1
    assert [frame.segments for frame in index.frames] == frames
    assert not any(frame.is_continued for frame in index.frames)


def test_what_follows_one_snapshot_and_is_too_large_is_cut_anywhere() -> None:
    segments = [filler(i, 100, snapshot=i in {0, 3}) for i in range(5)]
    index = cut_all(*segments, limits=CutLimits(frames=FrameLimits(raw_bytes=200))).index
    assert index is not None
    assert index.format_version == 3
    assert [(frame.segments, frame.is_continued) for frame in index.frames] == [(2, False), (1, True), (2, False)]


def test_the_first_picture_may_lie_behind_the_first_frame() -> None:
    segments = [filler(i, 100, snapshot=i in {2, 3}) for i in range(4)]
    replay = cut_all(*segments, limits=CutLimits(frames=FrameLimits(raw_bytes=100)))
    assert replay.index is not None
    assert replay.index.format_version == 3
    assert [(frame.segments, frame.is_continued) for frame in replay.index.frames] == [
        (1, True), (1, True), (1, False), (1, False),
    ]  # fmt: skip
    footer = parse_footer(replay.blob, len(replay.blob))
    third = replay.index.frames[2]
    assert (footer.picture_offset, footer.first_frame_length) == (third.offset, third.length)


def test_a_window_without_any_snapshot_is_cut_too() -> None:
    replay = cut_all(*(filler(i, 100) for i in range(3)), limits=CutLimits(frames=FrameLimits(raw_bytes=200)))
    assert replay.index is not None
    assert [(frame.segments, frame.snapshots) for frame in replay.index.frames] == [(2, ()), (1, ())]
    assert parse_footer(replay.blob, len(replay.blob)).picture_offset == 0


def test_pictures_are_cut_smaller_than_what_repeats_itself() -> None:
    limits = CutLimits(frames=FrameLimits(packed_bytes=20_000))
    pictures = [filler(i, 4_000, snapshot=not i, noise=True) for i in range(20)]
    pages = [filler(i, 4_000, snapshot=not i) for i in range(20)]
    cut_small, cut_large = cut_all(*pictures, limits=limits).index, cut_all(*pages, limits=limits).index
    assert cut_small is not None
    assert cut_large is not None
    assert [frame.segments for frame in cut_large.frames] == [20]
    lengths = [frame.length for frame in cut_small.frames]
    assert len(lengths) > 1
    assert max(lengths) <= 20_000
    assert min(lengths[:-1]) >= 10_000


def test_a_cut_before_a_snapshot_is_preferred_to_a_full_frame() -> None:
    segments = [filler(i, 1_000, snapshot=i in {0, 6}, noise=True) for i in range(12)]
    index = cut_all(*segments, limits=CutLimits(frames=FrameLimits(packed_bytes=4_500))).index
    assert index is not None
    assert [frame.segments for frame in index.frames] == [6, 6]
    assert index.format_version == 1


@given(
    st.lists(st.tuples(st.integers(100, 900), st.booleans(), st.booleans()), min_size=1, max_size=25),
    st.integers(1, 3_000),
    st.integers(1, 1_500),
)
def test_no_frame_is_over_a_limit_unless_it_is_one_segment(
    parts: list[tuple[int, bool, bool]], raw_bytes: int, packed_bytes: int
) -> None:
    segments = [filler(i, size, snapshot=shot, noise=noise) for i, (size, shot, noise) in enumerate(parts)]
    limits = CutLimits(frames=FrameLimits(raw_bytes, packed_bytes), share_styles=False)
    replay = cut_all(*segments, limits=limits)
    assert replay.index is not None
    for frame in replay.index.frames:
        assert frame.segments == 1 or (frame.raw_length <= raw_bytes and frame.length <= packed_bytes)
    reader = BlobReader(lambda offset, length: replay.blob[offset : offset + length], len(replay.blob))
    assert [line + b"\n" for line in reader.segments()] == [one.inflated() for one in segments]
    assert cut_all(*segments[::-1], limits=limits).blob == replay.blob


@pytest.mark.parametrize(("size", "window"), [(2_000, 2_000), (1 << 21, 1 << 21), ((1 << 24) + 100, 1 << 24)])
def test_the_window_is_no_larger_than_the_frame_and_16_mib(size: int, window: int) -> None:
    blob = cut_all(filler(0, size, snapshot=True)).blob
    header = zstandard.get_frame_parameters(blob)
    assert (header.content_size, header.window_size, header.has_checksum) == (size, window, True)


def test_placements_say_where_each_segment_is() -> None:
    replay = cut_all(
        *(filler(i, 300, snapshot=True) for i in range(4)), limits=CutLimits(frames=FrameLimits(raw_bytes=600))
    )
    assert replay.index is not None
    first, second = replay.index.frames
    assert [(one.frame_offset, one.frame_length) for one in replay.placements] == [
        *[(0, first.length)] * 2,
        *[(first.length, second.length)] * 2,
    ]


def test_a_header_that_claims_another_record_count_is_counted() -> None:
    honest, boasting = segment(), segment(index=1)
    boasting = msgspec.structs.replace(boasting, meta=msgspec.structs.replace(boasting.meta, records_count=7))
    replay = cut_all(honest, boasting)
    assert replay.counts.record_count_mismatches == 1
    assert [one.records_count for one in replay.placements] == [1, 1]


def test_the_url_of_a_view_is_its_first_meta_record() -> None:
    metas = [{"type": 4, "timestamp": T0, "data": {"href": f"https://shop.example/{page}"}} for page in "ab"]
    index = cut_all(segment(records=[SNAPSHOT]), segment(index=1, records=metas), segment("view-b", 0)).index
    assert index is not None
    assert [view.url for view in index.views] == ["https://shop.example/a", None]


@pytest.mark.parametrize(
    ("family", "record", "is_input"),
    [
        *[(family, incremental(source), True) for family in Family for source in (1, 2, 3, 5, 6, 12)],
        *[(family, incremental(source), False) for family in Family for source in (0, 4, 7, 8, 9)],
        (Family.GUANCE, {"type": 9, "timestamp": T0, "data": {"frustrationTypes": []}}, True),
        (Family.DATADOG, {"type": 9, "timestamp": T0, "data": {}}, False),
        (Family.DATADOG, {"type": 12, "timestamp": T0, "data": [[11, []], [12, [66, 103]]]}, True),
        (Family.DATADOG, {"type": 12, "timestamp": T0, "data": [[1, [12]]]}, False),
        (Family.GUANCE, {"type": 12, "timestamp": T0, "data": [[12, [66, 103]]]}, False),
        (Family.GUANCE, {"type": 3, "timestamp": T0, "data": "packed"}, False),
        (Family.GUANCE, {"type": 3, "timestamp": None, "data": {"source": 2}}, False),
        (Family.GUANCE, incremental(2, T0 - 1), False),
        (Family.GUANCE, incremental(2, T0 + 5_000), True),
        (Family.GUANCE, incremental(2, T0 + 5_001), False),
    ],
)
def test_input_is_what_the_visitor_does(family: Family, record: dict[str, object], *, is_input: bool) -> None:
    replay = cut_all(segment(records=[record], family=family))
    assert replay.counts.kept == 1
    assert len(replay.input_times_ms) == is_input


def test_input_times_are_sorted_and_each_is_there_once() -> None:
    later = segment("view-b", 0, T0 + 1, records=[incremental(2, T0 + 2), incremental(2, T0 + 1)])
    earlier = segment(records=[incremental(1, T0 + 2), incremental(5, T0)])
    assert cut_all(later, earlier).input_times_ms == (T0, T0 + 1, T0 + 2)


def test_a_snapshot_without_a_usable_time_counts_from_its_segment() -> None:
    index = cut_all(segment(records=[{"type": 2, "timestamp": None}, {"type": 2, "timestamp": 1e300}])).index
    assert index is not None
    assert [snapshot.time_ms for snapshot in index.frames[0].snapshots] == [T0, T0]


@pytest.mark.parametrize(
    ("pause", "is_idle"), [(MIN_IDLE_MS - 1, False), (MIN_IDLE_MS, False), (MIN_IDLE_MS + 1, True)]
)
def test_only_more_than_a_minute_without_input_is_idle(pause: int, *, is_idle: bool) -> None:
    found = ((T0, T0 + pause),) if is_idle else ()
    assert idle_intervals(T0, T0 + pause, []) == found
    assert idle_intervals(T0 - 1, T0 + pause, [T0]) == found
    assert idle_intervals(T0, T0 + pause + 1, [T0 + pause]) == found
    assert idle_intervals(T0 - 1, T0 + pause + 1, [T0 + pause, T0]) == found


def test_input_outside_of_the_window_does_not_shape_its_pauses() -> None:
    assert idle_intervals(T0, T0 + 70_000, [T0 - 5, T0 + 70_001]) == ((T0, T0 + 70_000),)


def test_input_at_the_very_ends_keeps_the_pause() -> None:
    assert idle_intervals(T0, T0 + 70_000, [T0, T0 + 70_000]) == ((T0, T0 + 70_000),)
