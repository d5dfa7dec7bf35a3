"""A produce request byte by byte: the only way to stamps that client libraries do not let through, such as 0 and -1.

Produce version 3 with one record batch of version 2 (KIP-98):

    baseOffset:8 length:4 leaderEpoch:4 magic:1=2 crc32c:4 | attributes:2 lastDelta:4 baseStamp:8 maxStamp:8
    producerId:8=-1 epoch:2=-1 sequence:4=-1 count:4 | records, lengths and deltas as zigzag varints
"""

import socket
import struct
import time
from collections.abc import Sequence

import msgspec

_PRODUCE, _VERSION, _MAGIC = 0, 3, 2
_TIMEOUT_MS = 30_000
_CASTAGNOLI = 0x82F63B78
_NOT_YET = {3, 6}  # topic unknown, partition without leader: it was made just now
_TRIES, _PAUSE_SECONDS = 100, 0.1


class Record(msgspec.Struct, frozen=True):
    """One message. `stamp_ms`: as it is to be on the broker, -1 is none."""

    value: bytes
    stamp_ms: int
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class Refused(Exception):
    """The broker does not take the batch; the message is its error code."""


def produce(bootstrap: str, topic: str, partition: int, records: Sequence[Record]) -> int:
    """Append one batch, acknowledged by all replicas; returns its first offset. Raises Refused."""
    code, offset = 0, 0
    for _ in range(_TRIES):
        code, offset = _try(bootstrap, topic, partition, records)
        if code not in _NOT_YET:
            break
        time.sleep(_PAUSE_SECONDS)
    if code:
        raise Refused(str(code))
    return offset


def _try(bootstrap: str, topic: str, partition: int, records: Sequence[Record]) -> tuple[int, int]:
    """Error code of the broker and first offset."""
    batch = _batch(records)
    name = topic.encode()
    body = struct.pack(">hhih", _PRODUCE, _VERSION, 1, -1)  # correlation id 1, no client id
    body += struct.pack(">hhi", -1, -1, _TIMEOUT_MS)  # no transaction, all replicas
    body += struct.pack(">ih", 1, len(name)) + name + struct.pack(">iii", 1, partition, len(batch)) + batch
    host, _, port = bootstrap.rpartition(":")
    with socket.create_connection((host, int(port)), _TIMEOUT_MS / 1000) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        with connection.makefile("rb") as answers:
            answer = answers.read(*struct.unpack(">i", answers.read(4)))
    code, offset = struct.unpack_from(">hq", answer, 4 + 4 + 2 + len(name) + 4 + 4)
    return int(code), int(offset)


def _batch(records: Sequence[Record]) -> bytes:
    base = records[0].stamp_ms
    content = struct.pack(">hiqq", 0, len(records) - 1, base, max(record.stamp_ms for record in records))
    content += struct.pack(">qhii", -1, -1, -1, len(records))
    content += b"".join(_record(number, base, record) for number, record in enumerate(records))
    after_length = struct.pack(">ibI", -1, _MAGIC, _crc32c(content)) + content
    return struct.pack(">qi", 0, len(after_length)) + after_length


def _record(number: int, base_ms: int, record: Record) -> bytes:
    key = _varint(-1) if record.key is None else _varint(len(record.key)) + record.key
    content = b"\0" + _varint(record.stamp_ms - base_ms) + _varint(number) + key
    content += _varint(len(record.value)) + record.value + _varint(len(record.headers))
    for name, value in record.headers:
        content += _varint(len(name)) + name.encode() + _varint(len(value)) + value
    return _varint(len(content)) + content


def _varint(number: int) -> bytes:
    left = number << 1 if number >= 0 else (-number << 1) - 1
    found = bytearray()
    while left > 0x7F:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    found.append(left)
    return bytes(found)


def _crc32c(content: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_CASTAGNOLI if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
