"""The replay blob: one session's replay segments in a file that plain `zstd -dc` reads and a player can seek in.

    offset 0                                                                                    file size
    +--------------+--------------+-----+-------------------------------------------------------------+
    | zstd frame 0 | zstd frame 1 | ... | skippable frame                                             |
    +--------------+--------------+-----+-------------------------------------------------------------+
           |                              | u32 0x184D2A5A | u32 N | index (N - 24 bytes) | footer (24) |
           |                                                                   |               |
     segment JSON "\\n"                                           zstd frame of JSON: BlobIndex  |
     segment JSON "\\n" ...                                                                      |
                                                                                               |
    footer: u32 index_length | u32 index_raw_length | u32 format_version | u32 first_frame_length | "RLREPLAY"

Version 2 is a blob that shares style sheets with others. Its frames (not its index) are compressed with a raw-content
dictionary: the texts of n styles (schemas/style.py), one after the other in the order in which they are named,
smallest first. Their names stand between index and footer; `N` counts them, so it is index_length + 32 n + 4 + 24.

    ... | index (index_length) | n x 32 bytes SHA-256 | u32 n, 1 to 16 | footer (24), format_version 2

Version 3 is a blob in which a frame may go on with what a frame before it began: not every frame begins with a full
snapshot, and the first one need not have any. So a player is told which frame to read for the first picture: that with
the first full snapshot, at `picture_offset` and of `first_frame_length` bytes. It may have styles, as version 2.

    ... | index | n x 32 bytes SHA-256 | u32 n, 0 to 16 | u64 picture_offset | footer (24), format_version 3

All integers are little endian. Every zstd frame, the index's too, states its content size and has a content checksum.
The last 24 bytes locate the index and the first frame, which holds the blob's first full snapshot if there is one.
A change that an older reader would misread needs a new `FORMAT_VERSION`; new index fields do not. `docs/formats.md`
describes the format in full.
"""

import hashlib
import struct
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import zstandard

from schemas.errors import Damaged

FORMAT_VERSION = 1  # of a blob that stands alone
STYLED_VERSION = 2  # of a blob that needs styles
CONTINUED_VERSION = 3  # of a blob whose frames go on with each other
_VERSIONS = (FORMAT_VERSION, STYLED_VERSION, CONTINUED_VERSION)
SKIPPABLE_MAGIC = 0x184D2A5A  # one of the 16 numbers that Zstandard reserves for frames a decoder skips
FOOTER_MAGIC = b"RLREPLAY"
WINDOW_LOG_MAX = 24  # a reader never needs more than 16 MiB of window
STYLES_MAX = 16  # of one blob

_SKIPPABLE_HEADER = struct.Struct("<II")
_FOOTER = struct.Struct("<IIII8s")
SKIPPABLE_HEADER_BYTES = _SKIPPABLE_HEADER.size
FOOTER_BYTES = _FOOTER.size
_COUNT = struct.Struct("<I")
_OFFSET = struct.Struct("<Q")
_DIGEST_BYTES = hashlib.sha256().digest_size
ENDING_BYTES = STYLES_MAX * _DIGEST_BYTES + _COUNT.size + _OFFSET.size + FOOTER_BYTES
"""So much of the end of a file always has the footer and the names of the styles."""

_U32_MAX = 0xFFFF_FFFF
_INDEX_LEVEL = 9  # 15 takes four times as long for 0.8 % of the index


class BlobFormatError(Damaged):
    """The bytes are not a replay blob this version can read: foreign, cut short, damaged or from a later version."""


class Snapshot(msgspec.Struct, frozen=True):
    """A full snapshot: where a player can start drawing."""

    time_ms: int
    view: int  # position in `BlobIndex.views`
    line: int  # line of the frame that holds it, from 0


class FrameEntry(msgspec.Struct, frozen=True):
    """One zstd frame: a byte range of the file that can be fetched and decompressed alone."""

    offset: int
    length: int
    raw_length: int  # decompressed, line ends included
    segments: int  # lines
    start_ms: int
    end_ms: int
    views: tuple[int, ...]  # positions in `BlobIndex.views`, in order of appearance
    snapshots: tuple[Snapshot, ...]

    @property
    def is_continued(self) -> bool:
        """Whether it begins without a full snapshot: what it begins with goes on with the frame before."""
        return all(snapshot.line for snapshot in self.snapshots)


class ViewEntry(msgspec.Struct, frozen=True):
    """One view (rrweb: one browser window) of the session."""

    view_id: str
    start_ms: int
    end_ms: int
    url: str | None  # of its first Meta record; None when that was lost
    segments: int
    missing_segments: int  # holes between its lowest and highest index


class Totals(msgspec.Struct, frozen=True):
    """What the whole blob holds."""

    segments: int
    records: int
    raw_bytes: int  # of the segments as the SDK made them; line ends that were added do not count
    missing_segments: int


class BlobIndex(msgspec.Struct, frozen=True):
    """What a player needs to know before it fetches a frame. Times: client clock, epoch ms."""

    format_version: int
    app_id: str
    session_id: str
    session_part: int
    family: str  # "guance", "datadog" or "rrweb": record type numbers mean different things in each
    sdk_name: str
    sdk_version: str
    start_ms: int
    end_ms: int
    frames: tuple[FrameEntry, ...]
    views: tuple[ViewEntry, ...]  # in order of their start
    idle: tuple[tuple[int, int], ...]  # more than 60 s without user input: [from, to]
    totals: Totals


class Footer(msgspec.Struct, frozen=True):
    """The last 24 bytes, the names of styles before them, and what follows from them."""

    index_length: int
    index_raw_length: int
    first_frame_length: int  # of the frame with the first picture
    format_version: int = FORMAT_VERSION
    styles: tuple[str, ...] = ()  # SHA-256, hexadecimal, in the order of the dictionary
    picture_offset: int = 0  # where that frame begins

    @property
    def tail_length(self) -> int:
        """Length of the whole skippable frame, counted from the end of the file."""
        return SKIPPABLE_HEADER_BYTES + self.index_length + self.ending_length

    @property
    def ending_length(self) -> int:
        """Length of what follows the index."""
        names = len(self.styles) * _DIGEST_BYTES
        match self.format_version:
            case 1:
                return FOOTER_BYTES
            case 2:
                return names + _COUNT.size + FOOTER_BYTES
            case _:
                return names + _COUNT.size + _OFFSET.size + FOOTER_BYTES


_INDEX_DECODER = msgspec.json.Decoder(BlobIndex)


def encode_tail(index: BlobIndex, styles: Sequence[str] = ()) -> bytes:
    """The skippable frame that closes a blob. Raises ValueError for what the format cannot hold."""
    if not index.frames:
        raise ValueError("a replay blob needs at least one frame")
    if len(styles) > STYLES_MAX or index.format_version != version_of(index.frames, styles):
        raise ValueError(f"{len(styles)} styles in a blob of format version {index.format_version}")
    raw = msgspec.json.encode(index)
    packed = zstandard.ZstdCompressor(level=_INDEX_LEVEL, write_checksum=True, write_content_size=True).compress(raw)
    entry = index.frames[picture_frame(index.frames)]
    names = b"".join(map(bytes.fromhex, styles))
    if index.format_version != FORMAT_VERSION:
        names += _COUNT.pack(len(styles))
    if index.format_version == CONTINUED_VERSION:
        names += _OFFSET.pack(entry.offset)
    payload_length = len(packed) + len(names) + FOOTER_BYTES
    first_frame_length = entry.length
    if max(payload_length, len(raw), first_frame_length) > _U32_MAX:
        raise ValueError("index or first frame longer than 4 GiB")
    footer = _FOOTER.pack(len(packed), len(raw), index.format_version, first_frame_length, FOOTER_MAGIC)
    return _SKIPPABLE_HEADER.pack(SKIPPABLE_MAGIC, payload_length) + packed + names + footer


def version_of(frames: Sequence[FrameEntry], styles: Sequence[str]) -> int:
    """The format version of a blob with these frames and styles: the lowest that can say so."""
    if picture_frame(frames) or any(frame.is_continued for frame in frames[1:]):
        return CONTINUED_VERSION
    return STYLED_VERSION if styles else FORMAT_VERSION


def picture_frame(frames: Sequence[FrameEntry]) -> int:
    """The number of the frame to read for the first picture; 0 if there is none."""
    return next((number for number, frame in enumerate(frames) if frame.snapshots), 0)


def parse_footer(data: bytes, file_size: int) -> Footer:
    """Read the end of a blob of `file_size` bytes: its last `ENDING_BYTES` or more, or all of it."""
    if len(data) < FOOTER_BYTES:
        raise BlobFormatError(f"no footer: the file has {file_size} bytes")
    index_length, index_raw_length, version, first_frame_length, magic = _FOOTER.unpack(data[-FOOTER_BYTES:])
    if magic != FOOTER_MAGIC:
        raise BlobFormatError(f"not a replay blob, or cut short: it ends in {magic!r}")
    if version not in _VERSIONS:
        raise BlobFormatError(f"format version {version}; this reader knows {FORMAT_VERSION} to {CONTINUED_VERSION}")
    ending, picture_offset = data[:-FOOTER_BYTES], 0
    if version == CONTINUED_VERSION:
        if len(ending) < _OFFSET.size:
            raise BlobFormatError("no place of the first picture")
        (picture_offset,) = _OFFSET.unpack(ending[-_OFFSET.size :])
        ending = ending[: -_OFFSET.size]
    styles = () if version == FORMAT_VERSION else _style_names(ending, 1 if version == STYLED_VERSION else 0)
    footer = Footer(index_length, index_raw_length, first_frame_length, version, styles, picture_offset)
    if picture_offset + first_frame_length + footer.tail_length > file_size:
        raise BlobFormatError(f"index and first frame do not fit into {file_size} bytes")
    return footer


def parse_tail(data: bytes, file_size: int) -> BlobIndex:
    """Read the closing skippable frame (`Footer.tail_length` bytes) of a blob of `file_size` bytes."""
    footer = parse_footer(data, file_size)
    magic, payload_length = _SKIPPABLE_HEADER.unpack_from(data)
    if magic != SKIPPABLE_MAGIC or payload_length != footer.index_length + footer.ending_length:
        raise BlobFormatError("the index is not where the footer says")
    raw = open_frame(data[SKIPPABLE_HEADER_BYTES : -footer.ending_length])
    if len(raw) != footer.index_raw_length:
        raise BlobFormatError(f"index of {len(raw)} bytes; the footer says {footer.index_raw_length}")
    try:
        index = _INDEX_DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BlobFormatError(f"unreadable index: {error}") from error
    _check_index(index, footer, file_size - footer.tail_length)
    return index


def open_frame(data: bytes, dictionary: bytes = b"") -> bytes:
    """Decompress one zstd frame of the blob and verify its checksum. `dictionary`: the blob's styles, joined.

    Streamed, so that memory follows what is there and not what a damaged header announces.
    """
    styles = raw_dictionary(dictionary) if dictionary else None
    try:
        if not zstandard.get_frame_parameters(data).has_checksum:
            raise BlobFormatError("a frame without checksum")
        stream = zstandard.ZstdDecompressor(dict_data=styles, max_window_size=1 << WINDOW_LOG_MAX).decompressobj()
        raw = stream.decompress(data)
    except zstandard.ZstdError as error:
        raise BlobFormatError(f"damaged frame: {error}") from error
    if not stream.eof or stream.unused_data:
        raise BlobFormatError("a frame is not as long as stated")
    return raw


def raw_dictionary(content: bytes) -> zstandard.ZstdCompressionDict:
    """A dictionary that is nothing but text the frames may refer to."""
    return zstandard.ZstdCompressionDict(content, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _style_names(data: bytes, least: int) -> tuple[str, ...]:
    """The names at the end of `data`, at least so many."""
    if len(data) < _COUNT.size:
        raise BlobFormatError("no names of styles")
    (count,) = _COUNT.unpack(data[-_COUNT.size :])
    end = len(data) - _COUNT.size
    start = end - count * _DIGEST_BYTES
    if not least <= count <= STYLES_MAX or start < 0:
        raise BlobFormatError(f"names of {count} styles")
    return tuple(data[place : place + _DIGEST_BYTES].hex() for place in range(start, end, _DIGEST_BYTES))


def _check_index(index: BlobIndex, footer: Footer, frames_length: int) -> None:
    """Refuse an index that points outside of its own file."""
    if index.format_version != footer.format_version:
        raise BlobFormatError(f"index of format version {index.format_version}")
    if not index.frames or index.frames[0].offset != 0:
        raise BlobFormatError("the frames of the index do not begin with the file")
    entry = index.frames[picture_frame(index.frames) if footer.format_version == CONTINUED_VERSION else 0]
    if (entry.offset, entry.length) != (footer.picture_offset, footer.first_frame_length):
        raise BlobFormatError("index and footer disagree about the first frame")
    ends = [*(frame.offset for frame in index.frames[1:]), frames_length]
    if any(frame.offset + frame.length != end for frame, end in zip(index.frames, ends, strict=True)):
        raise BlobFormatError("the frames of the index do not cover the file")
    if any(later.offset <= earlier.offset for earlier, later in pairwise(index.frames)):
        raise BlobFormatError("the frames of the index are out of order")
    for frame in index.frames:
        _check_frame(frame, len(index.views))


def _check_frame(frame: FrameEntry, view_count: int) -> None:
    views = [*frame.views, *(snapshot.view for snapshot in frame.snapshots)]
    if any(not 0 <= view < view_count for view in views):
        raise BlobFormatError(f"frame at {frame.offset} names a view that the index does not have")
    if any(not 0 <= snapshot.line < frame.segments for snapshot in frame.snapshots):
        raise BlobFormatError(f"frame at {frame.offset} names a snapshot beyond its last line")
