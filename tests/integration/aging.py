"""Time travel on the real S3 server: objects made older, and its lifecycle pass run at once.

SeaweedFS keeps an object's time in its filer, which serves gRPC. Only a few fields of its messages are needed, so they
are edited in their wire form (protobuf: field number and type, then the value).
"""

import json
import urllib.request
from collections.abc import Iterator

import grpc

from flows.demo.servers import S3Server

_SERVICE = "/filer_pb.SeaweedFiler"
_VARINT, _BYTES = 0, 2
_ENTRY, _ATTRIBUTES, _EXTENDED, _MTIME = 1, 4, 5, 2  # numbers in filer.proto
_KEY, _VALUE = 1, 2  # of one item of a map
_NONCURRENT_SINCE = b"Seaweed-X-Amz-Noncurrent-Since-Ns"  # decimal, of a version that is not current
_DAY_SECONDS = 86_400
Field = tuple[int, int, int | bytes]


def make_older(server: S3Server, key: str, days: float, bucket: str = "lake") -> None:
    """Move an object's modification time into the past."""
    directory, _, name = f"/buckets/{bucket}/{key}".rpartition("/")
    with grpc.insecure_channel(server.filer_grpc) as channel:
        request = _encode([(1, _BYTES, directory.encode()), (2, _BYTES, name.encode())])
        answer = channel.unary_unary(f"{_SERVICE}/LookupDirectoryEntry")(request)
        [entry] = [value for number, _, value in _fields(answer) if number == _ENTRY]
        assert isinstance(entry, bytes)
        aged = _encode([_aged(field, days) for field in _fields(entry)])
        update = _encode([(1, _BYTES, directory.encode()), (2, _BYTES, aged)])
        channel.unary_unary(f"{_SERVICE}/UpdateEntry")(update)


def make_version_older(server: S3Server, key: str, version_id: str, days: float, bucket: str) -> None:
    """Move one version or delete marker into the past, and the moment since when it is not current."""
    make_older(server, f"{key}.versions/v_{version_id}", days, bucket)


def make_upload_older(server: S3Server, upload_id: str, days: float, bucket: str) -> None:
    """Move the beginning of a multipart upload into the past."""
    make_older(server, f".uploads/{upload_id}", days, bucket)


def run_lifecycle(server: S3Server) -> None:
    """One pass of the server's lifecycle worker; returns when it is through.

    A pass is repeated when the worker says that it could not do something (it also runs by itself, and two passes are
    in each other's way); what is asserted is what is left in the end.
    """
    request = urllib.request.Request(
        f"{server.admin_url}/api/plugin/job-types/s3_lifecycle/run",
        data=json.dumps({"timeout_seconds": 60}).encode(),
        headers={"Content-Type": "application/json"},
    )
    answers: list[dict[str, object]] = []
    while len(answers) < 3:
        with urllib.request.urlopen(request, timeout=90) as response:
            answers.append(json.load(response))
        if not answers[-1].get("error_count", 0):
            return
    raise AssertionError(answers)


def _aged(field: Field, days: float) -> Field:
    number, kind, value = field
    seconds = int(days * _DAY_SECONDS)
    if number == _ATTRIBUTES and isinstance(value, bytes):
        moved = [(n, k, v - seconds if n == _MTIME and isinstance(v, int) else v) for n, k, v in _fields(value)]
        return number, kind, _encode(moved)
    if number == _EXTENDED and isinstance(value, bytes):
        name, *rest = _fields(value)
        if name == (_KEY, _BYTES, _NONCURRENT_SINCE):
            [(_, _, since_ns)] = rest
            moved_ns = str(int(since_ns) - seconds * 10**9).encode()
            return number, kind, _encode([name, (_VALUE, _BYTES, moved_ns)])
    return field


def _fields(message: bytes) -> Iterator[Field]:
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        value, position = _varint(message, position)
        if kind == _BYTES:
            yield number, kind, message[position : position + value]
            position += value
        else:
            assert kind == _VARINT, f"field {number} has wire type {kind}"
            yield number, kind, value


def _encode(fields: list[Field]) -> bytes:
    out = bytearray()
    for number, kind, value in fields:
        out += _as_varint(number << 3 | kind)
        out += _as_varint(len(value)) + value if isinstance(value, bytes) else _as_varint(value)
    return bytes(out)


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def _as_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
