"""Replay blobs through their reader: round trip, number of reads, seeks, damage."""

import random
import shutil
import struct
import subprocess
import uuid
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lake.blob_reader import BlobReader
from operators.families.registry import family_of
from operators.replay.cut import CutLimits, ReplayWindow, cut
from operators.replay.frames import FrameLimits
from operators.replay.scan import ReplaySegment, scan
from schemas.blob import ENDING_BYTES, FOOTER_BYTES, BlobFormatError, BlobIndex, parse_footer, parse_tail
from schemas.items import Family, SegmentMeta
from schemas.units import KIB

T0 = 1_795_230_000_000


def segment(view_id: str, index: int, start_ms: int, end_ms: int, *, text: str = "") -> ReplaySegment:
    """The first segment of a view has its full snapshot."""
    record = f'{{"type":{3 if index else 2},"timestamp":{start_ms},"data":{{"source":0,"text":"{text}"}}}}'
    raw = f'{{"records":[{record}]}}\n'.encode()
    meta = SegmentMeta(view_id, index, start_ms, end_ms, 1, not index, "init", len(raw), "identity", "sdk", "1.0")
    return ReplaySegment(
        meta, family_of(Family.GUANCE).recording, raw, scan(raw, family_of(Family.GUANCE).recording, meta)
    )


def blob_of(segments: Sequence[ReplaySegment], frame_raw_bytes: int = 1 << 24) -> bytes:
    window = ReplayWindow("app", "session", 0, tuple(segments))
    return cut(window, CutLimits(frames=FrameLimits(raw_bytes=frame_raw_bytes))).blob


class CountedFile:
    """A file in memory that remembers which ranges were read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        return self.data[offset : offset + length]


def opened(data: bytes) -> tuple[BlobReader, CountedFile]:
    file = CountedFile(data)
    return BlobReader(file.read, len(data)), file


def noise(length: int) -> str:
    """Text that hardly compresses."""
    return random.Random(length).randbytes(length // 2).hex()


TABS = [
    segment("tab-1", 0, T0, T0 + 5),
    segment("tab-1", 1, T0 + 6, T0 + 100),
    segment("tab-2", 0, T0 + 50, T0 + 55),
    segment("tab-2", 1, T0 + 56, T0 + 60),
]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.text("xyz", max_size=20)), min_size=1))
def test_what_was_written_is_read(parts: list[tuple[str, int, str]]) -> None:
    distinct = {(view, index): segment(view, index, T0, T0, text=text) for view, index, text in parts}
    reader, _ = opened(blob_of(list(distinct.values()), frame_raw_bytes=200))
    assert list(reader.segments()) == [distinct[key].body.removesuffix(b"\n") for key in sorted(distinct)]
    assert sum(frame.segments for frame in reader.frames) == reader.index.totals.segments == len(distinct)


def test_a_short_session_is_one_read() -> None:
    reader, file = opened(blob_of(TABS))
    assert list(reader.first_picture()) == list(reader.segments())
    reader.seek(T0 + 70)
    assert file.reads == [(0, len(file.data))]


def test_a_long_session_is_two_reads_to_the_first_picture_and_one_more_for_a_seek() -> None:
    views = [segment(f"view-{number}", 0, T0 + number, T0 + number, text=noise(150 * KIB)) for number in range(3)]
    reader, file = opened(blob_of(views, frame_raw_bytes=160 * KIB))
    assert reader.first_picture() == (views[0].body.removesuffix(b"\n"),)
    assert len(file.reads) == 2
    assert reader.seek(T0 + 1).segments == (views[1].body.removesuffix(b"\n"),)
    assert len(file.reads) == 3
    reader.seek(T0 + 1)  # the same frame again
    assert len(file.reads) == 3


def test_an_index_beyond_the_first_read_does_not_delay_the_first_picture() -> None:
    many = random.Random(1)
    views = [segment(str(uuid.UUID(int=many.getrandbits(128))), 0, T0 + i, T0 + i) for i in range(8_000)]
    reader, file = opened(blob_of(views, frame_raw_bytes=100 * KIB))
    footer = parse_footer(file.data[-FOOTER_BYTES:], len(file.data))
    assert footer.tail_length > 128 * KIB
    assert reader.first_picture()[0] == views[0].body.removesuffix(b"\n")
    assert len(file.reads) == 2
    assert len(reader.index.views) == 8_000
    assert len(file.reads) == 3
    assert len(list(reader.segments())) == 8_000


@pytest.mark.parametrize(
    ("time_ms", "view_id", "expected"),
    [
        (T0 - 1, None, (T0, 0)),  # before the first snapshot: that one
        (T0, None, (T0, 0)),
        (T0 + 49, None, (T0, 0)),
        (T0 + 50, None, (T0 + 50, 2)),
        (T0 + 60, None, (T0 + 50, 2)),
        (T0 + 61, None, (T0, 0)),  # the second tab is gone, the first still open
        (T0 + 999, None, (T0 + 50, 2)),  # none is open: the newest
        (T0 + 55, "tab-1", (T0, 0)),
        (T0, "tab-2", (T0 + 50, 2)),
    ],
)
def test_a_seek_begins_at_the_newest_snapshot_of_an_open_view(
    time_ms: int, view_id: str | None, expected: tuple[int, int]
) -> None:
    reader, _ = opened(blob_of(TABS))
    found = reader.seek(time_ms, view_id)
    assert found.snapshot is not None
    assert (found.snapshot.time_ms, found.line) == expected
    assert list(found.segments) == list(reader.segments())[found.line :]


@pytest.mark.parametrize(
    ("frame_raw_bytes", "frame", "line", "next_frame"), [(1, 2, 0, 3), (200, 1, 0, 2), (999, 0, 2, 1)]
)
def test_a_seek_names_its_frame(frame_raw_bytes: int, frame: int, line: int, next_frame: int) -> None:
    reader, _ = opened(blob_of(TABS, frame_raw_bytes))
    found = reader.seek(T0 + 50)
    assert (found.frame, found.line, found.next_frame) == (frame, line, next_frame)


def long_view(count: int, size: int) -> list[ReplaySegment]:
    """One view of one snapshot, a segment each second, and a view behind it that begins early."""
    text = noise(size)
    view = [segment("long", i, T0 + i * 1000, T0 + i * 1000 + 999, text=text) for i in range(count)]
    return [*view, segment("other", 0, T0 + 1, T0 + 1, text=text), segment("other", 1, T0 + 2, T0 + 2, text=text)]


@pytest.mark.parametrize(("second", "last"), [(0, 0), (0.999, 0), (1, 1), (3, 3), (3.5, 3), (7, 7), (99, 7)])
def test_a_seek_far_behind_the_snapshot_is_one_read_of_what_lies_between(second: float, last: int) -> None:
    segments = long_view(8, 200 * KIB)
    reader, file = opened(blob_of(segments, frame_raw_bytes=1))
    assert len(reader.frames) == len(segments)
    file.reads.clear()
    found = reader.seek(T0 + round(second * 1000), "long")
    assert found.segments == tuple(one.body.removesuffix(b"\n") for one in segments[: last + 1])
    assert (found.frame, found.line, found.next_frame) == (0, 0, last + 1)
    assert len(file.reads) == 1
    assert file.reads[0][1] == sum(frame.length for frame in reader.frames[: last + 1])


def test_the_first_picture_is_two_reads_wherever_it_lies() -> None:
    text = noise(300 * KIB)
    segments = [segment("view", i + 1, T0 + i, T0 + i, text=text) for i in range(3)]
    segments += [segment("view-2", 0, T0 + 9, T0 + 9, text=text), segment("view-2", 1, T0 + 10, T0 + 10, text=text)]
    data = blob_of(segments, frame_raw_bytes=1)
    reader, file = opened(data)
    assert reader.first_picture() == (segments[3].body.removesuffix(b"\n"),)
    assert len(file.reads) == 2
    assert sum(length for _, length in file.reads) < 128 * KIB + 200 * KIB
    assert list(reader.segments()) == [one.body.removesuffix(b"\n") for one in segments]


@pytest.mark.parametrize(("kib", "reads"), [(50, 1), (110, 1), (120, 2), (200, 2), (600, 2)])
def test_no_byte_is_fetched_twice(kib: int, reads: int) -> None:
    data = blob_of([segment("view", 0, T0, T0, text=noise(2 * kib * KIB))])
    assert (len(data) > 128 * KIB) is (reads > 1)
    reader, file = opened(data)
    reader.first_picture()
    assert reader.index.totals.segments == 1
    assert len(file.reads) == reads
    assert min(file.reads)[0] == 0
    assert sum(length for _, length in file.reads) == len(data)


def everything(data: bytes) -> tuple[BlobIndex, list[bytes]]:
    reader, _ = opened(data)
    return reader.index, list(reader.segments())


@pytest.mark.parametrize(("frame_raw_bytes", "version"), [(1, 3), (200, 1)])
def test_no_damaged_byte_goes_unnoticed(frame_raw_bytes: int, version: int) -> None:
    """Some bits of a zstd frame header mean nothing; what is read then is still right."""
    good = blob_of(TABS, frame_raw_bytes)
    assert everything(good)[0].format_version == version
    truth = everything(good)
    refused = 0
    for position in range(len(good)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(good)
            damaged[position] ^= flip
            try:
                assert everything(bytes(damaged)) == truth
            except BlobFormatError:
                refused += 1
    assert refused >= 3 * len(good) - 12


@pytest.mark.parametrize("frame_raw_bytes", [1, 1_000])
def test_every_truncation_is_refused(frame_raw_bytes: int) -> None:
    good = blob_of(TABS, frame_raw_bytes)
    for length in range(len(good)):
        with pytest.raises(BlobFormatError):
            everything(good[:length])


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BlobFormatError):
        everything(data)


def test_a_store_that_returns_too_little_is_noticed() -> None:
    data = blob_of(TABS)
    with pytest.raises(BlobFormatError, match="got 10"):
        BlobReader(lambda offset, _: data[offset : offset + 10], len(data)).first_picture()


@pytest.mark.parametrize("version", [0, 4])
def test_another_format_version_is_refused(version: int) -> None:
    data = bytearray(blob_of(TABS))
    struct.pack_into("<I", data, len(data) - FOOTER_BYTES + 8, version)
    with pytest.raises(BlobFormatError, match=f"format version {version}"):
        everything(bytes(data))


@pytest.mark.parametrize("frame_raw_bytes", [1, 1_000])
def test_the_tail_alone_gives_the_index(frame_raw_bytes: int) -> None:
    data = blob_of(TABS, frame_raw_bytes)
    footer = parse_footer(data[-ENDING_BYTES:], len(data))
    assert parse_tail(data[-footer.tail_length :], len(data)) == everything(data)[0]


@pytest.mark.skipif(shutil.which("zstd") is None, reason="needs the zstd command")
def test_the_stock_zstd_command_prints_the_segments() -> None:
    data = blob_of(TABS, frame_raw_bytes=1)
    done = subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=True)
    assert done.stdout == b"".join(one.body for one in TABS)
