"""A style: the text of one style sheet, an object of its own, because replay blobs of format version 2 share it.

One zstd frame of the text, with content size and checksum; named by the SHA-256 of the text (`schemas.keys.style_key`).
"""

import hashlib

import zstandard

from schemas.blob import BlobFormatError, open_frame
from schemas.units import MIB

STYLES_BYTES_MAX = 4 * MIB  # of all styles of a blob, so that a reader knows what it needs at most
STYLE_OBJECT_BYTES_MAX = STYLES_BYTES_MAX + STYLES_BYTES_MAX // 128  # what zstd makes of one at most
_LEVEL = 19  # once per class and day


def encode_style(text: bytes) -> bytes:
    """The object of a style."""
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, write_content_size=True).compress(text)


def open_style(data: bytes, digest: str) -> bytes:
    """The text of a style from its object, verified."""
    try:
        size = zstandard.get_frame_parameters(data).content_size
    except zstandard.ZstdError as error:
        raise BlobFormatError(f"not a style: {error}") from error
    if not 0 < size <= STYLES_BYTES_MAX:
        raise BlobFormatError(f"not a style: {size} bytes")
    text = open_frame(data)
    if hashlib.sha256(text).hexdigest() != digest:
        raise BlobFormatError("not the style that its name says")
    return text
