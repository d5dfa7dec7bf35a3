"""Reads replay blobs by byte ranges: two reads for the first picture (and its styles), one more for a seek."""

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

TAIL_READ_BYTES = 64 * KIB  # holds the index of some 1,000 views, and most short sessions whole


class SeekResult(msgspec.Struct, frozen=True):
    """Where playing begins: the newest full snapshot at or before the wanted time, and what its frame holds from there.

    `frame` and `line` count from 0; go on with the frames after `frame`.
    """

    frame: int
    line: int
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
        self._size = size
        self._read_style = read_style
        self._known_tail = tail
        self._tail_offset = max(0, size - (len(tail) or TAIL_READ_BYTES))
        self._opened: tuple[int, tuple[bytes, ...]] | None = None  # the frame read last, by its offset

    @cached_property
    def index(self) -> BlobIndex:
        length = self._footer.tail_length
        return parse_tail(self._read(self._size - length, length), self._size)

    @property
    def styles(self) -> tuple[str, ...]:
        """SHA-256 of the styles that are needed to read the frames."""
        return self._footer.styles

    @property
    def frames(self) -> tuple[FrameEntry, ...]:
        return self.index.frames

    def first_picture(self) -> tuple[bytes, ...]:
        """All segments of the first frame, which holds the first full snapshot if the blob has one.

        The footer alone locates it, so this is at most two reads however large the index is.
        """
        return self._lines(0, self._footer.first_frame_length)

    def seek(self, time_ms: int, view_id: str | None = None) -> SeekResult:
        """Where to begin for a picture at `time_ms`, of one view or of the one seen then. One read, or none.

        Before the first snapshot it is the first one. Raises KeyError for a view that the blob does not have.
        """
        found = self._find(time_ms, view_id)
        frame, snapshot = found or (0, None)
        line = snapshot.line if snapshot else 0
        return SeekResult(frame, line, snapshot, self.frame_segments(frame)[line:])

    def frame_segments(self, frame: int) -> tuple[bytes, ...]:
        """The segments of one frame; one read, none if it is the frame read last."""
        entry = self.index.frames[frame]
        lines = self._lines(entry.offset, entry.length)
        if len(lines) != entry.segments or sum(len(line) + 1 for line in lines) != entry.raw_length:
            raise BlobFormatError(f"frame {frame} is not what the index says")
        return lines

    def segments(self) -> Iterator[bytes]:
        """Every segment in the order of the blob; one read per frame."""
        for frame in range(len(self.index.frames)):
            yield from self.frame_segments(frame)

    @cached_property
    def _tail(self) -> bytes:
        return self._known_tail or self._fetch(self._tail_offset, self._size - self._tail_offset)

    @cached_property
    def _footer(self) -> Footer:
        return parse_footer(self._tail, self._size)

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
            raw = open_frame(self._read(offset, length), self._dictionary)
            if not raw.endswith(b"\n"):
                raise BlobFormatError(f"the frame at {offset} does not end with its line")
            self._opened = offset, tuple(raw[:-1].split(b"\n"))
        return self._opened[1]

    def _read(self, offset: int, length: int) -> bytes:
        if offset >= self._tail_offset:
            start = offset - self._tail_offset
            return self._tail[start : start + length]
        return self._fetch(offset, length)

    def _fetch(self, offset: int, length: int) -> bytes:
        data = self._read_range(offset, length)
        if len(data) != length:
            raise BlobFormatError(f"asked for {length} bytes at {offset}, got {len(data)}")
        return data


def _snapshot_time(found: tuple[int, Snapshot]) -> int:
    return found[1].time_ms
