"""What one epoch of a shard is about to publish, as one object: final keys and their content.

8 bytes "RLAKSTAG" | MessagePack: [[final key, content], ...]
"""

import struct
from collections.abc import Mapping

import msgspec

from schemas.errors import Damaged

_MAGIC = b"RLAKSTAG"
_HEAD = struct.Struct(">BI")  # of MessagePack: a type and a length
_ARRAY_32, _BIN_32 = 0xDD, 0xC6
_PAIR = b"\x92"  # an array of two


class BundleFormatError(Damaged):
    """Not a bundle, or damaged."""


def encode_bundle(objects: Mapping[str, bytes]) -> bytes:
    """Every content is copied once, which is why its frame is written by hand."""
    parts = [_MAGIC, _HEAD.pack(_ARRAY_32, len(objects))]
    for key, content in objects.items():
        parts += [_PAIR, msgspec.msgpack.encode(key), _HEAD.pack(_BIN_32, len(content)), content]
    return b"".join(parts)


def decode_bundle(stored: bytes) -> dict[str, bytes]:
    """Content by final key. Raises BundleFormatError."""
    if not stored.startswith(_MAGIC):
        raise BundleFormatError(f"not a bundle: it begins with {stored[:8]!r}")
    try:
        return dict(_DECODER.decode(memoryview(stored)[len(_MAGIC) :]))
    except msgspec.DecodeError as error:
        raise BundleFormatError(f"damaged bundle: {error}") from error


_DECODER = msgspec.msgpack.Decoder(list[tuple[str, bytes]])
