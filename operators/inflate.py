"""Bounded decompression: zlib, gzip, zstd or nothing, told apart by the first bytes."""

import zlib

import zstandard

from operators.unusable import Unusable
from schemas.items import RejectReason

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_GZIP_WBITS = 31
_ZSTD_WINDOW_MAX = 1 << 27


def inflate(body: bytes, limit_bytes: int) -> bytes:
    """The body without its compression. Raises Unusable for damage and for more than `limit_bytes`.

    A bomb is cut off at the limit: no more than that is ever held.
    """
    if body.startswith(_GZIP):
        return _members(body, limit_bytes)
    if is_zlib(body):
        return _zlib(body, limit_bytes)
    if body.startswith(_ZSTD):
        return _zstd(body, limit_bytes)
    return body


def is_zlib(body: bytes) -> bool:
    """Whether the first two bytes are a zlib header with deflate (RFC 1950)."""
    return len(body) > 1 and body[0] == 0x78 and (body[0] << 8 | body[1]) % 31 == 0


def _zlib(body: bytes, limit_bytes: int) -> bytes:
    raw, rest = _member(body, zlib.MAX_WBITS, limit_bytes)
    if rest:
        raise Unusable(RejectReason.CORRUPT_COMPRESSION, f"{len(rest)} bytes after the zlib stream")
    return raw


def _members(body: bytes, limit_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while body:
        raw, body = _member(body, _GZIP_WBITS, limit_bytes - size)
        parts.append(raw)
        size += len(raw)
    return b"".join(parts)


def _member(body: bytes, wbits: int, limit_bytes: int) -> tuple[bytes, bytes]:
    stream = zlib.decompressobj(wbits)
    try:
        raw = stream.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise Unusable(RejectReason.CORRUPT_COMPRESSION, str(error)) from None
    if len(raw) > limit_bytes:
        raise Unusable(RejectReason.INFLATED_TOO_LARGE, f"more than {limit_bytes} bytes inflated")
    if not stream.eof:
        raise Unusable(RejectReason.CORRUPT_COMPRESSION, "compressed data ends too early")
    return raw, stream.unused_data


def _zstd(body: bytes, limit_bytes: int) -> bytes:
    stream = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_MAX).stream_reader(body)
    try:
        raw = stream.read(limit_bytes + 1)
    except zstandard.ZstdError as error:
        raise Unusable(RejectReason.CORRUPT_COMPRESSION, str(error)) from None
    if len(raw) > limit_bytes:
        raise Unusable(RejectReason.INFLATED_TOO_LARGE, f"more than {limit_bytes} bytes inflated")
    if not raw:
        raise Unusable(RejectReason.CORRUPT_COMPRESSION, "compressed data ends too early")
    return raw
