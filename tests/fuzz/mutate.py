"""Mutations of real messages that stay close to the wire, so that they reach the inside of the decoders."""

import gzip
import random
import zlib
from collections.abc import Callable

import msgspec
import zstandard

from operators.decode import Message

HOSTILE: list[bytes] = [
    b"null", b"true", b"-1", b"0", b"1e400", b"-1e-400", b"NaN", b"Infinity", b"9223372036854775808", b"1" * 400,
    b'""', b'"\\ud800"', b'"\\u0000"', b'"../../x"', b"[]", b"{}", b"[" * 3000, b'{"a":' * 3000,
    b'"' + b"x" * 10_000 + b'"',
    b'"\xf0\x9f\xa6\x8a"', b'"\xff\xfe"', b"1.5", b"-9223372036854775809", b"253402300800000", b'"1795230000000"',
]  # fmt: skip
INTERESTING = [
    b"\0",
    b"\n",
    b"\r\n",
    b'"',
    b"\\",
    b",",
    b" ",
    b"=",
    b"{",
    b"}",
    b"[",
    b"]",
    b"--",
    b":",
    b"\xff",
    b"1e9",
]
INFLATED_MAX = 4 << 20
Pack = Callable[[bytes], bytes]


def mutate(message: Message, other: Message, chance: random.Random) -> Message:
    """One to four changes to a message; `other` lends parts of itself."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        dice = chance.random()
        if dice < 0.15:
            message = _with_headers(message, other, chance)
        else:
            body, pack = _unpacked(message.value) if chance.random() < 0.8 else (message.value, bytes)
            spare = _unpacked(other.value)[0] if dice < 0.25 else b""
            message = msgspec.structs.replace(message, value=pack(_with_body(body, spare, chance)))
    return message


def _unpacked(value: bytes) -> tuple[bytes, Pack]:
    """The plain body and how it was packed."""
    try:
        if value[:2] == b"\x1f\x8b":
            return gzip.decompress(value), lambda body: gzip.compress(body, 1)
        if value[:1] == b"\x78":
            return zlib.decompressobj().decompress(value, INFLATED_MAX), lambda body: zlib.compress(body, 1)
        if value[:4] == b"\x28\xb5\x2f\xfd":
            plain = zstandard.ZstdDecompressor().decompress(value, max_output_size=INFLATED_MAX)
            return plain, zstandard.ZstdCompressor(1).compress
    except (zlib.error, EOFError, gzip.BadGzipFile, zstandard.ZstdError):
        pass
    return value, bytes


def _with_body(body: bytes, spare: bytes, chance: random.Random) -> bytes:  # noqa: PLR0911 - a table of changes
    if not body:
        return chance.choice(HOSTILE)
    at = chance.randrange(len(body))
    if spare:  # splice
        start = chance.randrange(len(spare))
        return body[:at] + spare[start : start + chance.choice((1, 16, 200, 5000))] + body[at:]
    match chance.randrange(8):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + bytes([body[at] ^ (1 << chance.randrange(8))]) + body[at + 1 :]
        case 2:
            return body[:at] + chance.choice(INTERESTING) + body[at + chance.randrange(2) :]
        case 3:
            return body[:at] + body[min(len(body), at + chance.choice((1, 4, 50))) :]
        case 4:
            end = min(len(body), at + chance.choice((4, 50, 500)))
            return body[:end] + body[at:end] + body[end:]
        case _:
            return _with_value(body, at, chance)


def _with_value(body: bytes, at: int, chance: random.Random) -> bytes:
    """The value after the next colon (or equals sign) becomes a hostile one; sometimes its key goes."""
    mark = chance.choice((b":", b":", b"="))
    start = body.find(mark, at) + 1
    if start == 0:
        return body[:at] + chance.choice(HOSTILE) + body[at:]
    ends = [place for place in (body.find(end, start) for end in (b",", b"}", b"\n", b" ")) if place >= 0]
    end = min(ends, default=len(body))
    if chance.random() < 0.2:
        key = body.rfind(b'"', 0, max(0, start - 2))
        return body[: max(0, key)] + body[end + 1 :]
    return body[:start] + chance.choice(HOSTILE) + body[end:]


def _with_headers(message: Message, other: Message, chance: random.Random) -> Message:
    headers = dict(message.headers)
    match chance.randrange(5):
        case 0 if headers:
            del headers[chance.choice(sorted(headers))]
        case 1 if headers:
            headers[chance.choice(sorted(headers))] = chance.choice(HOSTILE).strip(b'"')
        case 2:
            headers |= other.headers
        case 3:
            return msgspec.structs.replace(message, type=chance.choice((None, other.type, "x", "")))
        case _:
            return msgspec.structs.replace(message, received_ms=chance.choice((0, 1, 253402300799999)))
    return msgspec.structs.replace(message, headers=headers)
