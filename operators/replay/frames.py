"""Which segments share a zstd frame, and how a frame is compressed."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Protocol, TypeVar

import zstandard

from schemas.blob import WINDOW_LOG_MAX, raw_dictionary
from schemas.units import MIB

# Measured on real recordings, with the alternatives: docs/decisions/0003-replay-blob-compression.md
_LEVEL = 9
_WINDOW_LOG_MIN = 10
_DIGESTED_MAX = 32  # dictionaries kept with their search tables, which take 2 MiB for 250 kB of styles
_DIGESTED_BYTES_MAX = MIB  # of styles; with more, the tables are made for every frame


class FrameLine(Protocol):
    """What planning needs to know of a segment."""

    @property
    def line_bytes(self) -> int: ...

    @property
    def has_full_snapshot(self) -> bool: ...


Line = TypeVar("Line", bound=FrameLine)


def plan_frames(lines: Sequence[Line], frame_raw_bytes: int) -> list[list[Line]]:
    """Fill frames greedily up to a raw size. Every frame but the first begins with a full snapshot.

    A frame is longer than that only when what follows one snapshot is, or when the first snapshot of all comes so late:
    the first frame always reaches up to it, so that fetching the first frame is enough for the first picture.
    """
    frames: list[list[Line]] = []
    room = 0
    for run in _snapshot_runs(lines):
        run_bytes = sum(line.line_bytes for line in run)
        if frames and (run_bytes <= room or not _has_snapshot(frames[-1])):
            frames[-1].extend(run)
            room -= run_bytes
        else:
            frames.append(run)
            room = frame_raw_bytes - run_bytes
    return frames


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
