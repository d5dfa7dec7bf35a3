"""The hot pack: everything one shard received in one epoch, grouped by session, until the sessions close.

    +---------+---------+-----+---------------------------------------+----------------------------------+
    | block 0 | block 1 | ... | index: n x (u64 key hash, u64 offset, | footer: u32 n, u32 version,      |
    |         |         |     |            u32 length), by key hash   |         8 bytes "RLAKPACK"       |
    +---------+---------+-----+---------------------------------------+----------------------------------+

A block of an erased session is zeros; its length and its row in the index stay, so that every other offset does.
A block is one zstd frame of MessagePack: `[[ordinal, topic, offset, item, partition], ...]` of one session, in the
order of arrival. Integers are little endian. Two sessions whose keys share a hash have two index rows; the items tell
them apart.
"""

import bisect
import struct
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec
import xxhash
import zstandard

from schemas.errors import Damaged
from schemas.items import Item

# Until 3 segments did not say what may become rows, and items not who sent them; until 2 entries not their partition,
# until 1 not what was read from the records of a segment.
VERSION = 4
_READ = {2, 3, 4}  # an entry without a partition is read as one of partition 0, one that tells nothing gives no rows
_MAGIC = b"RLAKPACK"
_FOOTER = struct.Struct("<II8s")
_ROW = struct.Struct("<QQI")
_LEVEL = -1  # read back once, minutes later: speed counts, not size


class PackFormatError(Damaged):
    """Not a pack of a version this release reads, or damaged."""


class PackEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One item and where it came from. `ordinal` is unique among the items of its session in this epoch."""

    ordinal: int
    topic: str
    offset: int
    item: Item
    partition: int = 0


class PackIndex:
    """Where each session's block lies in a pack; `rows` as they are stored, because many indexes are kept."""

    def __init__(self, rows: bytes) -> None:
        self._rows = rows

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, about."""
        return len(self._rows)

    def spans(self) -> Iterator[tuple[int, int, int]]:
        """(key hash, offset, length) of every block."""
        return map(self._row, range(self._count))

    def find(self, app_id: str, session_id: str) -> Iterator[tuple[int, int]]:
        """(offset, length) of each block that may hold the session."""
        wanted = key_hash(app_id, session_id)
        first = bisect.bisect_left(range(self._count), wanted, key=lambda number: self._row(number)[0])
        for number in range(first, self._count):
            found, offset, length = self._row(number)
            if found != wanted:
                return
            yield offset, length

    @property
    def _count(self) -> int:
        return len(self._rows) // _ROW.size

    def _row(self, number: int) -> tuple[int, int, int]:
        key, offset, length = _ROW.unpack_from(self._rows, number * _ROW.size)
        return key, offset, length


def key_hash(app_id: str, session_id: str) -> int:
    return xxhash.xxh3_64_intdigest(f"{app_id}\0{session_id}".encode())


def encode_pack(sessions: Mapping[tuple[str, str], Sequence[PackEntry]]) -> tuple[bytes, PackIndex]:
    """One pack of the entries of each (app_id, session_id)."""
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    encoder = msgspec.msgpack.Encoder()
    content, rows = bytearray(), []
    encoded = bytearray()  # one for all: memory that was used just now is the fastest
    for (app_id, session_id), entries in sorted(sessions.items()):
        encoder.encode_into(entries, encoded)
        block = compressor.compress(encoded)
        rows.append((key_hash(app_id, session_id), len(content), len(block)))
        content += block  # a block that is kept holds as much memory as it had before it was compressed
    index = b"".join(_ROW.pack(*row) for row in sorted(rows))
    content += index + _FOOTER.pack(len(rows), VERSION, _MAGIC)
    return bytes(content), PackIndex(index)


def decode_block(block: bytes, decompressor: zstandard.ZstdDecompressor | None = None) -> list[PackEntry]:
    """The entries of one block, none when it was erased. Raises PackFormatError.

    `decompressor`: of the caller's thread; to make one takes longer than most blocks.
    """
    if not block:
        raise PackFormatError("a pack block without a byte")
    if not any(block):
        return []
    try:
        return _DECODER.decode((decompressor or zstandard.ZstdDecompressor()).decompress(block))
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise PackFormatError(f"damaged pack block: {error}") from error


def index_length(tail: bytes) -> int:
    """Bytes of index and footer, from the last bytes of a pack. Raises PackFormatError."""
    if len(tail) < _FOOTER.size:
        raise PackFormatError("a pack cut short")
    count, version, magic = _FOOTER.unpack(tail[-_FOOTER.size :])
    if magic != _MAGIC or version not in _READ:
        raise PackFormatError(f"not a pack of version {' or '.join(map(str, sorted(_READ)))}")
    return int(count * _ROW.size + _FOOTER.size)


def decode_index(tail: bytes) -> PackIndex:
    """The index, from exactly the last `index_length` bytes of a pack."""
    return PackIndex(tail[: -_FOOTER.size])


def read_index(pack: bytes) -> PackIndex:
    """The index of a whole pack. Raises PackFormatError."""
    return decode_index(pack[-index_length(pack) :])


def without_sessions(pack: bytes, hashes: AbstractSet[int]) -> bytes:
    """The pack with the blocks of these sessions (by `key_hash`) erased; the same bytes if it has none."""
    spans = [(offset, length) for found, offset, length in read_index(pack).spans() if found in hashes]
    if not spans:
        return pack
    content = bytearray(pack)
    for offset, length in spans:
        content[offset : offset + length] = bytes(length)
    return bytes(content)


_DECODER = msgspec.msgpack.Decoder(list[PackEntry])
