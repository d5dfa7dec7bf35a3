"""Reads replay blobs by byte ranges: two reads for the first picture (and its styles), one more for a seek.

No byte is fetched twice, but of frames that were left meanwhile.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

import msgspec

from schemas.blob import BlobFormatError, BlobIndex, Footer, FrameEntry, Snapshot, open_frame, parse_footer, parse_tail
from schemas.style import STYLES_BYTES_MAX
from schemas.units import KIB

RangeRead = Callable[[int, int], bytes]
"""`read(offset, length)` returns exactly these bytes of the file."""

StyleRead = Callable[[str], bytes]
"""`read_style(digest)` returns the verified text of the style with this SHA-256. Raises BlobFormatError."""

TAIL_READ_BYTES = 128 * KIB  # holds the index of some 2,000 views, and most sessions whole


class SeekResult(msgspec.Struct, frozen=True):
    """Where playing begins: the newest full snapshot at or before the wanted time, and what follows it up to that time
    or the end of a frame behind it.

    `frame`, `line` and `next_frame` count from 0; go on with `next_frame`.
    """

    frame: int
    line: int
    next_frame: int
    snapshot: Snapshot | None  # None: there is no full snapshot of what was asked for
    segments: tuple[bytes, ...]


class BlobReader:
    """One replay blob of `size` bytes. Reads lazily, verifies what it reads; every method raises BlobFormatError.

    Segments are bytes without their line end, as the SDK made them. `read_style`: asked for what a blob of format
    version 2 shares with others, once, before the first frame; what it raises passes through. `tail`: the last bytes
    of the blob, when they are at hand already.
    """

    def __init__(
        self, read_range: RangeRead, size: int, read_style: StyleRead | None = None, tail: bytes = b""
    ) -> None:
        self._read_range = read_range
        self.size = size
        self._read_style = read_style
        self._known_tail = tail
        self._tail_offset = max(0, size - (len(tail) or TAIL_READ_BYTES))
        self._opened: tuple[int, tuple[bytes, ...]] | None = None  # the frame read last, by its offset

    @cached_property
    def index(self) -> BlobIndex:
        length = self._footer.tail_length
        return parse_tail(self._read(self.size - length, length), self.size)

    @property
    def styles(self) -> tuple[str, ...]:
        """SHA-256 of the styles that are needed to read the frames."""
        return self._footer.styles

    @property
    def frames(self) -> tuple[FrameEntry, ...]:
        return self.index.frames

    def first_picture(self) -> tuple[bytes, ...]:
        """All segments of the frame that holds the first full snapshot, or of the first if the blob has none.

        The footer alone locates it, so this is at most two reads however large the index is.
        """
        return self._lines(self._footer.picture_offset, self._footer.first_frame_length)

    def seek(self, time_ms: int, view_id: str | None = None) -> SeekResult:
        """Where to begin for a picture at `time_ms`, of one view or of the one seen then. One read, or none.

        It is of several frames where the snapshot is so far back that its frame does not reach to that time.

        Before the first snapshot it is the first one. Raises KeyError for a view that the blob does not have.
        """
        found = self._find(time_ms, view_id)
        frame, snapshot = found or (0, None)
        line = snapshot.line if snapshot else 0
        last = frame
        while snapshot and last + 1 < len(self.frames) and _goes_on(self.frames[last + 1], snapshot.view, time_ms):
            last += 1
        segments = [one for part in self._run(frame, last) for one in part]
        return SeekResult(frame, line, last + 1, snapshot, tuple(segments[line:]))

    def frame_segments(self, frame: int) -> tuple[bytes, ...]:
        """The segments of one frame; one read, none if it is the frame read last."""
        entry = self.index.frames[frame]
        return _checked(entry, self._lines(entry.offset, entry.length))

    def read_frame(self, entry: FrameEntry) -> tuple[bytes, ...]:
        """The same, with nothing remembered: for a reader that several threads share, once it has its index."""
        return _checked(entry, self._read_lines(entry.offset, entry.length))

    def segments(self) -> Iterator[bytes]:
        """Every segment in the order of the blob; one read per frame."""
        for frame in range(len(self.index.frames)):
            yield from self.frame_segments(frame)

    def _run(self, first: int, last: int) -> Iterator[tuple[bytes, ...]]:
        """The segments of some frames, one read for all."""
        entries = self.frames[first : last + 1]
        if len(entries) == 1:
            yield self.frame_segments(first)
            return
        start = entries[0].offset
        data = self._read(start, entries[-1].offset + entries[-1].length - start)
        for entry in entries:
            packed = data[entry.offset - start : entry.offset - start + entry.length]
            yield _checked(entry, self._open(packed, entry.offset))

    @cached_property
    def _tail(self) -> bytes:
        return self._known_tail or self._fetch(self._tail_offset, self.size - self._tail_offset)

    @cached_property
    def _footer(self) -> Footer:
        return parse_footer(self._tail, self.size)

    @cached_property
    def _dictionary(self) -> bytes:
        styles = self._footer.styles
        if not styles:
            return b""
        if self._read_style is None:
            raise BlobFormatError(f"{len(styles)} styles are needed to read this blob, and none can be read here")
        dictionary = b"".join(map(self._read_style, styles))
        if len(dictionary) > STYLES_BYTES_MAX:
            raise BlobFormatError(f"styles of {len(dictionary)} bytes")
        return dictionary

    def _find(self, time_ms: int, view_id: str | None) -> tuple[int, Snapshot] | None:
        """The frame and snapshot to begin with, None if there is no snapshot (of this view) at all."""
        candidates = list(self._snapshots(self._view_number(view_id)))
        passed = [found for found in candidates if found[1].time_ms <= time_ms]
        # Of several tabs the one that was still open then, even if another was opened later and is gone.
        open_then = [found for found in passed if self.index.views[found[1].view].end_ms >= time_ms]
        if passed:
            return max(open_then or passed, key=_snapshot_time)
        return min(candidates, key=_snapshot_time, default=None)

    def _snapshots(self, view: int | None) -> Iterable[tuple[int, Snapshot]]:
        for number, frame in enumerate(self.index.frames):
            for snapshot in frame.snapshots:
                if view is None or snapshot.view == view:
                    yield number, snapshot

    def _view_number(self, view_id: str | None) -> int | None:
        if view_id is None:
            return None
        numbers = {view.view_id: number for number, view in enumerate(self.index.views)}
        return numbers[view_id]

    def _lines(self, offset: int, length: int) -> tuple[bytes, ...]:
        if self._opened is None or self._opened[0] != offset:
            self._opened = offset, self._read_lines(offset, length)
        return self._opened[1]

    def _read_lines(self, offset: int, length: int) -> tuple[bytes, ...]:
        return self._open(self._read(offset, length), offset)

    def _open(self, packed: bytes, offset: int) -> tuple[bytes, ...]:
        raw = open_frame(packed, self._dictionary)
        if not raw.endswith(b"\n"):
            raise BlobFormatError(f"the frame at {offset} does not end with its line")
        return tuple(raw[:-1].split(b"\n"))

    def _read(self, offset: int, length: int) -> bytes:
        missing = min(length, max(0, self._tail_offset - offset))
        start = max(0, offset - self._tail_offset)
        held = self._tail[start : start + length - missing]
        return self._fetch(offset, missing) + held if missing else held

    def _fetch(self, offset: int, length: int) -> bytes:
        data = self._read_range(offset, length)
        if len(data) != length:
            raise BlobFormatError(f"asked for {length} bytes at {offset}, got {len(data)}")
        return data


def _goes_on(frame: FrameEntry, view: int, time_ms: int) -> bool:
    """Whether it goes on with that view, and has something from that time or earlier."""
    return frame.is_continued and frame.views[0] == view and frame.start_ms <= time_ms


def _checked(entry: FrameEntry, lines: tuple[bytes, ...]) -> tuple[bytes, ...]:
    if len(lines) != entry.segments or sum(len(line) + 1 for line in lines) != entry.raw_length:
        raise BlobFormatError(f"the frame at {entry.offset} is not what the index says")
    return lines


def _snapshot_time(found: tuple[int, Snapshot]) -> int:
    return found[1].time_ms
