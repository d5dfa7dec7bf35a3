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
from operators.replay.scan import ReplaySegment, scan
from schemas.blob import FOOTER_BYTES, BlobFormatError, BlobIndex, parse_footer, parse_tail
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
    return cut(window, CutLimits(frame_raw_bytes=frame_raw_bytes)).blob


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
    views = [segment(str(uuid.UUID(int=many.getrandbits(128))), 0, T0 + i, T0 + i) for i in range(4_000)]
    reader, file = opened(blob_of(views, frame_raw_bytes=100 * KIB))
    footer = parse_footer(file.data[-FOOTER_BYTES:], len(file.data))
    assert footer.tail_length > 64 * KIB
    assert reader.first_picture()[0] == views[0].body.removesuffix(b"\n")
    assert len(file.reads) == 2
    assert len(reader.index.views) == 4_000
    assert len(file.reads) == 3
    assert len(list(reader.segments())) == 4_000


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


def test_a_seek_names_its_frame() -> None:
    reader, _ = opened(blob_of(TABS, frame_raw_bytes=1))
    assert (reader.seek(T0 + 50).frame, reader.seek(T0 + 50).line) == (1, 0)


def test_a_seek_without_any_snapshot_begins_at_the_beginning() -> None:
    reader, _ = opened(blob_of([segment("view", 1, T0, T0)]))
    found = reader.seek(T0)
    assert (found.frame, found.line, found.snapshot, len(found.segments)) == (0, 0, None, 1)


def test_a_seek_in_an_unknown_view_is_an_error() -> None:
    reader, _ = opened(blob_of(TABS))
    with pytest.raises(KeyError):
        reader.seek(T0, "tab-3")


def everything(data: bytes) -> tuple[BlobIndex, list[bytes]]:
    reader, _ = opened(data)
    return reader.index, list(reader.segments())


def test_no_damaged_byte_goes_unnoticed() -> None:
    """Some bits of a zstd frame header mean nothing; what is read then is still right."""
    good = blob_of(TABS, frame_raw_bytes=1)
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


def test_every_truncation_is_refused() -> None:
    good = blob_of(TABS)
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


@pytest.mark.parametrize("version", [0, 3])
def test_another_format_version_is_refused(version: int) -> None:
    data = bytearray(blob_of(TABS))
    struct.pack_into("<I", data, len(data) - FOOTER_BYTES + 8, version)
    with pytest.raises(BlobFormatError, match=f"format version {version}"):
        everything(bytes(data))


def test_the_tail_alone_gives_the_index() -> None:
    data = blob_of(TABS)
    footer = parse_footer(data[-FOOTER_BYTES:], len(data))
    assert parse_tail(data[-footer.tail_length :], len(data)) == everything(data)[0]


@pytest.mark.skipif(shutil.which("zstd") is None, reason="needs the zstd command")
def test_the_stock_zstd_command_prints_the_segments() -> None:
    data = blob_of(TABS, frame_raw_bytes=1)
    done = subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=True)
    assert done.stdout == b"".join(one.body for one in TABS)
