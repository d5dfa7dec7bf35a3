"""Mutations of real messages that stay close to the wire, so that they reach the inside of the decoders."""

import base64
import gzip
import random
import zlib
from collections.abc import Callable

import msgspec
import zstandard

from operators.wire.message import Message
from tests.fuzz.mutate_json import HOSTILE, with_json
from tests.fuzz.mutate_parts import is_form, with_parts

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
PROTOCOL_VALUES = [
    b'"', b'"\\"', b'"\\', b'""', b"t", b"1i", b"i", b"-9223372036854775809i", b"1e400", b"NaN", b"-inf", b"1.", b".5",
    b"\xd9\xa1", b"1_0", b'"a\nview,a=b c=1"', b"\\,", b"\\ ", b"\\=", b",", b"\n", b"\r\nview ", b"1 1e300", b"1 -1",
]  # fmt: skip
INFLATED_MAX = 4 << 20
Pack = Callable[[bytes], bytes]


def mutate(message: Message, other: Message, chance: random.Random) -> Message:
    """One to four changes to a message; `other` lends parts of itself."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        dice = chance.random()
        if dice < 0.15:
            message = _with_headers(message, other, chance)
        else:
            spare = _unpacked(other.value)[0] if dice < 0.25 else b""

            def change(content: bytes, spare: bytes = spare) -> bytes:
                return _with_content(content, spare, chance)

            if is_form(message) and chance.random() < 0.8:
                message = with_parts(message, change, chance)
            else:
                message = msgspec.structs.replace(message, value=change(message.value))
    return message


def _with_content(content: bytes, spare: bytes, chance: random.Random) -> bytes:
    """A change below the compression, mostly; sometimes to the compressed bytes, sometimes another compression."""
    if chance.random() < 0.15:
        return _with_body(content, spare, chance)
    body, pack = _unpacked(content)
    changed = with_json(body, chance) if not spare and chance.random() < 0.6 else None
    if changed is None:
        changed = _with_body(body, spare, chance)
    if chance.random() < 0.05:
        pack = chance.choice(PACKS)
    return pack(changed)


def _two_frames(body: bytes) -> bytes:
    half = len(body) // 2
    return zstandard.compress(body[:half]) + zstandard.compress(body[half:])


PACKS: list[Pack] = [
    bytes,
    lambda body: zlib.compress(body, 1),
    lambda body: gzip.compress(body, 1),
    lambda body: gzip.compress(body[:9], 1) + gzip.compress(body[9:], 1),
    zstandard.compress,
    lambda body: zstandard.compress(body)[:-4],
    _two_frames,
    lambda body: zlib.compress(gzip.compress(body, 1), 1),
    lambda body: b"data=" + base64.b64encode(body),
]


def _unpacked(value: bytes) -> tuple[bytes, Pack]:
    """The plain body and how it was packed."""
    try:
        if value[:2] == b"\x1f\x8b":
            return gzip.decompress(value), lambda body: gzip.compress(body, 1)
        if value[:1] == b"\x78":
            return zlib.decompressobj().decompress(value, INFLATED_MAX), lambda body: zlib.compress(body, 1)
        if value[:4] == b"\x28\xb5\x2f\xfd":
            return zstandard.ZstdDecompressor().stream_reader(value).read(INFLATED_MAX), zstandard.compress
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
    match chance.randrange(10):
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
        case 5:
            lines = body.split(b"\n")
            first = chance.randrange(len(lines))
            return b"\n".join(lines[first : first + chance.choice((1, 3))]) or b"\n"
        case 6:
            end = body.find(chance.choice((b",", b" ", b'"')), at)
            return body[: max(at, end)] + chance.choice(PROTOCOL_VALUES) + body[max(at, end) :]
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
    hostile = PROTOCOL_VALUES if mark == b"=" else HOSTILE
    return body[:start] + chance.choice(hostile) + body[end:]


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
            return msgspec.structs.replace(message, type=chance.choice((None, None, other.type, "x", "")))
        case _:
            return msgspec.structs.replace(message, received_ms=chance.choice((0, 1, 253402300799999)))
    return msgspec.structs.replace(message, headers=headers)
