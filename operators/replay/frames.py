"""Which segments share a zstd frame, and how a frame is compressed.

Pages repeat themselves, so that a frame is the smaller per segment the more it holds; pictures do not, and a player
that wants one has to fetch the whole frame. So frames are large as JSON and small as they are stored: whatever fits
into what a player may have to fetch. docs/decisions/0013-what-a-first-picture-costs.md
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Protocol, TypeVar

import msgspec
import zstandard

from schemas.blob import WINDOW_LOG_MAX, raw_dictionary
from schemas.units import KIB, MIB

# Measured on real recordings, with the alternatives: docs/decisions/0003-replay-blob-compression.md
_LEVEL = 9
_WINDOW_LOG_MIN = 10
_DIGESTED_MAX = 32  # dictionaries kept with their search tables, which take 2 MiB for 250 kB of styles
_DIGESTED_BYTES_MAX = MIB  # of styles; with more, the tables are made for every frame
_TRIES = 4  # to fill a frame by half
_AIM = 0.95  # of a frame's limit: how well the next segments compress is only guessed


class FrameLimits(msgspec.Struct, frozen=True):
    """A frame is larger only when one segment is. With a reader's first read, 128 KiB, `packed_bytes` is under 1 MB."""

    raw_bytes: int = 16 * MIB  # the compressor's window, and a reader's memory
    packed_bytes: int = 832 * KIB  # what a player fetches at most for a picture


class FrameLine(Protocol):
    """What planning needs to know of a segment."""

    @property
    def line_bytes(self) -> int: ...

    @property
    def has_full_snapshot(self) -> bool: ...


Line = TypeVar("Line", bound=FrameLine)


def pack_frames(
    lines: Sequence[Line], limits: FrameLimits, compress: Callable[[Sequence[Line]], bytes]
) -> Iterator[tuple[list[Line], bytes]]:
    """The lines in frames, compressed. The same lines give the same frames.

    A frame begins with a full snapshot where it can. What follows one snapshot and is over a limit is cut between any
    two segments, near the limit.
    """
    ratio = 0.0  # stored bytes for one of JSON, in the frame before; 0: not known
    for run in _plan(lines, limits.raw_bytes):
        left = run
        while left:
            count, packed = _fill(left, limits, ratio, compress)
            frame, left = left[:count], left[count:]
            ratio = len(packed) / _raw_bytes(frame)
            yield frame, packed


def _fill(
    lines: Sequence[Line], limits: FrameLimits, ratio: float, compress: Callable[[Sequence[Line]], bytes]
) -> tuple[int, bytes]:
    """How many of the lines are the next frame, and the frame. Compresses once where the guess is good."""
    most = _fitting(lines, limits.raw_bytes)
    over = most + 1  # so many are too many
    count = min(most, _fitting(lines, _AIM * limits.packed_bytes / ratio)) if ratio else most
    fits: tuple[int, bytes] | None = None
    for attempt in itertools.count(1):
        count = _at_snapshot(lines, count)
        if fits and count <= fits[0]:
            break
        packed = compress(lines[:count])
        if len(packed) <= limits.packed_bytes or count == 1:
            fits = count, packed
        else:
            over = count
        if fits and (2 * len(fits[1]) >= limits.packed_bytes or attempt >= _TRIES):
            break
        guess = _fitting(lines, _AIM * limits.packed_bytes * _raw_bytes(lines[:count]) / len(packed))
        count = min(guess, over - 1)
    assert fits
    return fits


def _fitting(lines: Sequence[FrameLine], raw_bytes: float) -> int:
    """How many lines from the first on have so many bytes, at least one."""
    return max(1, sum(end <= raw_bytes for end in accumulate(line.line_bytes for line in lines)))


def _at_snapshot(lines: Sequence[FrameLine], count: int) -> int:
    """Where to cut instead of there, so that what follows begins with a snapshot: not before half of it."""
    if count == len(lines):
        return count
    half = _raw_bytes(lines[:count]) / 2
    ends = accumulate(line.line_bytes for line in lines[:count])
    found = [number for number, end in enumerate(ends, 1) if end >= half and lines[number].has_full_snapshot]
    return found[-1] if found else count


def _raw_bytes(lines: Iterable[FrameLine]) -> int:
    return sum(line.line_bytes for line in lines)


def _plan(lines: Sequence[Line], raw_bytes: int) -> list[list[Line]]:
    """Runs of up to a raw size. Every run but the first begins with a full snapshot, and the first reaches up to one.

    A run is longer than that only when what follows one snapshot is, or what stands before the first.
    """
    runs: list[list[Line]] = []
    room = 0
    for run in _snapshot_runs(lines):
        run_bytes = _raw_bytes(run)
        if runs and (run_bytes <= room or not _has_snapshot(runs[-1])):
            runs[-1].extend(run)
            room -= run_bytes
        else:
            runs.append(run)
            room = raw_bytes - run_bytes
    return runs


def compress_frame(lines: Iterable[bytes], raw_length: int, min_match: int | None, dictionary: bytes = b"") -> bytes:
    """One zstd frame of these lines, taken one after the other. The same lines always give the same bytes.

    `min_match`: where another than the level's is better. `dictionary`: the styles of the blob, which a reader of the
    frame has to have.
    """
    size_log = (raw_length - 1).bit_length()
    styles = _digested(dictionary, size_log, min_match) if dictionary else None
    parameters = _parameters(size_log, min_match)
    stream = zstandard.ZstdCompressor(dict_data=styles, compression_params=parameters).compressobj(size=raw_length)
    frame = bytearray()
    for line in lines:
        frame += stream.compress(line)
    frame += stream.flush()
    return bytes(frame)


def _snapshot_runs(lines: Iterable[Line]) -> list[list[Line]]:
    """Cut before every segment with a full snapshot. Only the first run may begin without one."""
    runs: list[list[Line]] = []
    for line in lines:
        if line.has_full_snapshot or not runs:
            runs.append([line])
        else:
            runs[-1].append(line)
    return runs


def _has_snapshot(frame: Iterable[FrameLine]) -> bool:
    return any(line.has_full_snapshot for line in frame)


def _digested(dictionary: bytes, size_log: int, min_match: int | None) -> zstandard.ZstdCompressionDict:
    """The dictionary with its search tables. Most sessions of a site have the styles of the session before."""
    if len(dictionary) > _DIGESTED_BYTES_MAX:
        return raw_dictionary(dictionary)
    return _kept_digest(dictionary, size_log, min_match)


@lru_cache(_DIGESTED_MAX)
def _kept_digest(dictionary: bytes, size_log: int, min_match: int | None) -> zstandard.ZstdCompressionDict:
    digested = raw_dictionary(dictionary)
    digested.precompute_compress(compression_params=_parameters(size_log, min_match))
    return digested


def _parameters(size_log: int, min_match: int | None) -> zstandard.ZstdCompressionParameters:
    """Those of frames up to 2 ** `size_log` bytes and longer than half of that.

    The window is no larger than the frame, so a short session costs its reader little memory.
    """
    changed = {} if min_match is None else {"min_match": min_match}
    return zstandard.ZstdCompressionParameters.from_level(
        _LEVEL,
        source_size=1 << size_log,
        window_log=max(_WINDOW_LOG_MIN, min(WINDOW_LOG_MAX, size_log)),
        write_content_size=True,
        write_checksum=True,
        **changed,
    )
