"""Capture files: what an intake received, one HTTP request a line, as the messages it would have sent to Kafka.

Gzipped JSONL; the fields used: `method`, `path` (with query), `raw_headers` (flat list), `body_b64`, `t_ms`, optional
`clock_offset_ms`. Every body counts once received, whatever was answered.
"""

import base64
import gzip
import heapq
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from operators.families.registry import kind_of_path
from operators.requests import request_message, route_of
from operators.wire.message import Message
from schemas.errors import Damaged

_REORDER_BYTES = 32 << 20  # requests held per file to undo disorder of the log: answers go out of order


class CaptureError(Damaged):
    """Not a capture file: the message names the file, the line and what is wrong."""


class CapturedRequest(msgspec.Struct):
    """One line of a file: a request as the SDK made it."""

    method: str
    path: str
    t_ms: float
    body_b64: str | None = None
    raw_headers: list[str] = []
    clock_offset_ms: float | None = None

    @property
    def headers(self) -> dict[str, str]:
        """By name in lower case."""
        pairs = zip(self.raw_headers[::2], self.raw_headers[1::2], strict=False)
        return {name.lower(): value for name, value in pairs}

    @property
    def body(self) -> bytes:
        return base64.b64decode(self.body_b64 or "")


class CapturedMessage(msgspec.Struct, frozen=True):
    """A message, the file's name and the line's number (from 0) in it."""

    name: str
    line: int
    message: Message


class CaptureCounts(msgspec.Struct):
    """What was read and what was passed over, by route."""

    requests: int = 0
    messages: int = 0
    skipped: dict[str, int] = msgspec.field(default_factory=dict)


_DECODER = msgspec.json.Decoder(CapturedRequest)


def read_captures(paths: Iterable[Path], counts: CaptureCounts) -> Iterator[CapturedMessage]:
    """Messages of all files in order of their receive time. Raises CaptureError."""
    return heapq.merge(*(_in_order(_messages(path, counts)) for path in paths), key=_place)


def _place(captured: CapturedMessage) -> tuple[int, str, int]:
    return captured.message.received_ms, captured.name, captured.line


def _in_order(messages: Iterator[CapturedMessage]) -> Iterator[CapturedMessage]:
    """Sort by receive time, as far as a bounded buffer reaches."""
    heap: list[tuple[tuple[int, str, int], CapturedMessage]] = []
    held = 0
    for captured in messages:
        heapq.heappush(heap, (_place(captured), captured))
        held += len(captured.message.value)
        while held > _REORDER_BYTES:
            _, first = heapq.heappop(heap)
            held -= len(first.message.value)
            yield first
    while heap:
        yield heapq.heappop(heap)[1]


def _messages(path: Path, counts: CaptureCounts) -> Iterator[CapturedMessage]:
    for number, request in enumerate(recorded_requests(path)):
        try:
            message = _message(request, counts)
        except (ValueError, OverflowError) as error:  # base64 or a time that is none
            raise CaptureError(f"{path}: line {number + 1} is not a captured request: {error}") from None
        if message is not None:
            yield CapturedMessage(path.name, number, message)


def recorded_requests(path: Path) -> Iterator[CapturedRequest]:
    """The requests of one file, in the order of its lines. Raises CaptureError."""
    number = -1
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines):  # noqa: B007 - the errors below name it
                yield _DECODER.decode(line)
    except (OSError, EOFError, zlib.error) as error:
        raise CaptureError(f"{path}: not readable after line {number + 1}: {error}") from None
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise CaptureError(f"{path}: line {number + 1} is not a captured request: {error}") from None


def _message(request: CapturedRequest, counts: CaptureCounts) -> Message | None:
    counts.requests += 1
    path, _, query = request.path.partition("?")
    route = route_of(path, query)
    kind = kind_of_path(route)
    if request.method != "POST" or kind is None:
        name = f"{request.method} {path}"
        counts.skipped[name] = counts.skipped.get(name, 0) + 1
        return None
    counts.messages += 1
    received_ms = int(request.t_ms + (request.clock_offset_ms or 0))
    return request_message(kind, query, request.headers, request.body, received_ms, route)
