"""What one epoch of a partition is about to publish, as one object: final keys and their content.

8 bytes "RLAKSTAG" | MessagePack: [[final key, content], ...]
"""

from collections.abc import Mapping

import msgspec

_MAGIC = b"RLAKSTAG"


class BundleFormatError(Exception):
    """Not a bundle, or damaged."""


def encode_bundle(objects: Mapping[str, bytes]) -> bytes:
    return _MAGIC + msgspec.msgpack.encode(list(objects.items()))


def decode_bundle(stored: bytes) -> dict[str, bytes]:
    """Content by final key. Raises BundleFormatError."""
    if not stored.startswith(_MAGIC):
        raise BundleFormatError(f"not a bundle: it begins with {stored[:8]!r}")
    try:
        return dict(_DECODER.decode(memoryview(stored)[len(_MAGIC) :]))
    except msgspec.DecodeError as error:
        raise BundleFormatError(f"damaged bundle: {error}") from error


_DECODER = msgspec.msgpack.Decoder(list[tuple[str, bytes]])
