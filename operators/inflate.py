"""Bounded decompression: zlib, gzip, zstd or nothing, told apart by the first bytes."""

from collections.abc import Callable

import zstandard
from zlib_ng import zlib_ng

from operators.unusable import Unusable
from schemas.items import RejectReason

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_GZIP_WBITS = 31
_ZSTD_WINDOW_MAX = 1 << 27
_ZSTD_STEP = 256  # bytes given to zstd at once: they become 8 MiB at most, so a bomb passes the limit by no more
_MEMBERS_MAX = 64  # compressed streams in one body; an SDK sends one


def inflate(body: bytes, limit_bytes: int) -> bytes:
    """The body without its compression. Raises Unusable for damage and for more than `limit_bytes`.

    A bomb is cut off at the limit: no more than that is ever held.
    """
    if body.startswith(_GZIP):
        return _members(body, limit_bytes, _gzip_member)
    if is_zlib(body):
        return _zlib(body, limit_bytes)
    if body.startswith(_ZSTD):
        return _members(body, limit_bytes, _zstd_frame)
    return body


def is_zlib(body: bytes) -> bool:
    """Whether the first two bytes are a zlib header with deflate (RFC 1950)."""
    return len(body) > 1 and body[0] == 0x78 and (body[0] << 8 | body[1]) % 31 == 0


def _zlib(body: bytes, limit_bytes: int) -> bytes:
    raw, rest = _member(body, zlib_ng.MAX_WBITS, limit_bytes)
    if rest:
        raise Unusable(RejectReason.CORRUPT_COMPRESSION, f"{len(rest)} bytes after the zlib stream")
    return raw


def _members(body: bytes, limit_bytes: int, member: Callable[[bytes, int], tuple[bytes, bytes]]) -> bytes:
    parts: list[bytes] = []
    size = 0
    while body:
        if len(parts) == _MEMBERS_MAX:  # each costs a copy of all that follows
            raise Unusable(RejectReason.CORRUPT_COMPRESSION, f"more than {_MEMBERS_MAX} compressed streams in one body")
        raw, body = member(body, limit_bytes - size)
        parts.append(raw)
        size += len(raw)
    return b"".join(parts)


def _gzip_member(body: bytes, limit_bytes: int) -> tuple[bytes, bytes]:
    return _member(body, _GZIP_WBITS, limit_bytes)


def _member(body: bytes, wbits: int, limit_bytes: int) -> tuple[bytes, bytes]:
    stream = zlib_ng.decompressobj(wbits)
    try:
        raw = stream.decompress(body, limit_bytes + 1)
    except zlib_ng.error as error:  # type: ignore[misc] # its stub calls the class an instance
        raise Unusable(RejectReason.CORRUPT_COMPRESSION, str(error)) from None
    if len(raw) > limit_bytes:
        raise Unusable(RejectReason.INFLATED_TOO_LARGE, f"more than {limit_bytes} bytes inflated")
    if not stream.eof:
        raise Unusable(RejectReason.CORRUPT_COMPRESSION, "compressed data ends too early")
    return raw, stream.unused_data


def _zstd_frame(body: bytes, limit_bytes: int) -> tuple[bytes, bytes]:
    stream = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_MAX).decompressobj()
    raw = bytearray()
    for start in range(0, len(body), _ZSTD_STEP):
        try:
            raw += stream.decompress(body[start : start + _ZSTD_STEP])
        except zstandard.ZstdError as error:
            raise Unusable(RejectReason.CORRUPT_COMPRESSION, str(error)) from None
        if len(raw) > limit_bytes:
            raise Unusable(RejectReason.INFLATED_TOO_LARGE, f"more than {limit_bytes} bytes inflated")
        if stream.eof:
            return bytes(raw), stream.unused_data + body[start + _ZSTD_STEP :]
    raise Unusable(RejectReason.CORRUPT_COMPRESSION, "compressed data ends too early")
