"""Bounded decompression: by name, where a request names its content encoding, else told apart by the first bytes."""

from collections.abc import Callable

import brotli
import zstandard
from zlib_ng import zlib_ng

from operators.wire.unusable import Unusable
from schemas.items import RejectReason

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_FIRST_BYTES = b"\x1f\x28\x78"  # of what is compressed: gzip, zstd, zlib. Most bodies of lines are not
_GZIP_WBITS = 31
_ZSTD_WINDOW_MAX = 1 << 27
_ZSTD_STEP = 256  # bytes given to zstd at once: they become 8 MiB at most, so a bomb passes the limit by no more
_CODINGS_MAX = 4  # one on top of the other; a proxy adds one to what an SDK did
_MEMBERS_MAX = 64  # compressed streams in one body; an SDK sends one


def inflate(body: bytes, limit_bytes: int) -> bytes:
    """The body without its compression. Raises Unusable for damage and for more than `limit_bytes`.

    A bomb is cut off at the limit: no more than that is ever held.
    """
    if body[:1] not in _FIRST_BYTES:
        return body
    if body.startswith(_GZIP):
        return _members(body, limit_bytes, _gzip_member)
    if is_zlib(body):
        return _stream(body, zlib_ng.MAX_WBITS, limit_bytes)
    if body.startswith(_ZSTD):
        return _members(body, limit_bytes, _zstd_frame)
    return body


def undo(body: bytes, codings: str, limit_bytes: int) -> bytes:
    """The body without the codings that a Content-Encoding names, in the order they were applied.

    Raises Unusable for one that is not known, for damage, and for more than `limit_bytes` at any stage.
    """
    for coding in reversed(coding_names(codings)):
        step = _STEPS.get(coding)
        if step is None:
            raise Unusable(RejectReason.UNKNOWN_ENCODING, f"content encoding {coding[:100]!r}")
        body = step(body, limit_bytes)
    return body


def coding_names(codings: str) -> list[str]:
    """The codings that a Content-Encoding names. Raises Unusable for more than anyone applies."""
    names = [name for part in codings.lower().split(",") if (name := part.strip()) not in {"", "identity"}]
    if len(names) > _CODINGS_MAX:
        raise Unusable(RejectReason.UNKNOWN_ENCODING, f"{len(names)} content encodings on top of each other")
    return names


def is_zlib(body: bytes) -> bool:
    """Whether the first two bytes are a zlib header with deflate (RFC 1950)."""
    return len(body) > 1 and body[0] == 0x78 and (body[0] << 8 | body[1]) % 31 == 0


def _gzip(body: bytes, limit_bytes: int) -> bytes:
    """What does not begin like gzip was undone on its way, by a proxy that left the header."""
    return _members(body, limit_bytes, _gzip_member) if body.startswith(_GZIP) else body


def _zstd(body: bytes, limit_bytes: int) -> bytes:
    return _members(body, limit_bytes, _zstd_frame) if body.startswith(_ZSTD) else body


def _deflate(body: bytes, limit_bytes: int) -> bytes:
    """zlib, as the standard says, or without its header, as some clients send it."""
    return _stream(body, zlib_ng.MAX_WBITS if is_zlib(body) else -zlib_ng.MAX_WBITS, limit_bytes)


def _brotli(body: bytes, limit_bytes: int) -> bytes:
    stream = brotli.Decompressor()
    try:
        raw: bytes = stream.process(body, output_buffer_limit=limit_bytes + 1)
    except brotli.error as error:
        raise Unusable(RejectReason.CORRUPT_COMPRESSION, str(error)) from None
    if len(raw) > limit_bytes:
        raise Unusable(RejectReason.INFLATED_TOO_LARGE, f"more than {limit_bytes} bytes inflated")
    if not stream.is_finished():
        raise Unusable(RejectReason.CORRUPT_COMPRESSION, "compressed data ends too early")
    return raw


_STEPS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
    "br": _brotli,
}


def _stream(body: bytes, wbits: int, limit_bytes: int) -> bytes:
    raw, rest = _member(body, wbits, limit_bytes)
    if rest:
        raise Unusable(RejectReason.CORRUPT_COMPRESSION, f"{len(rest)} bytes after the compressed stream")
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
