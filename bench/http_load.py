"""A load tool for one HTTP server on this machine: prepared requests over connections that stay open."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
import uvloop

from flows.captures import CapturedRequest
from flows.server_process import LOOPBACK

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Loaded(msgspec.Struct):
    """What came of it. `seconds`: of each request, from when it was due."""

    statuses: Counter[int]
    seconds: list[float]
    lasted: float

    def quantile_ms(self, share: float) -> float:
        return sorted(self.seconds)[int(share * (len(self.seconds) - 1))] * 1000


def raw_request(request: CapturedRequest) -> bytes:
    """As the browser sent it, but for the host."""
    headers = {**request.headers, "host": "replaylake.test", "content-length": str(len(request.body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name != "connection")
    return f"POST {request.path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + request.body


def load(port: int, requests: Sequence[bytes], *, connections: int, seconds: float, per_second: float = 0) -> Loaded:
    """Send the requests over and over for so long. `per_second` 0: each connection as fast as it is answered."""
    return uvloop.run(_load(port, requests, connections, seconds, per_second))


async def _load(port: int, requests: Sequence[bytes], connections: int, seconds: float, per_second: float) -> Loaded:
    found = Loaded(Counter(), [], 0.0)
    turns = itertools.cycle(requests)
    begun = time.monotonic()
    pause = connections / per_second if per_second else 0.0
    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            first = begun + pause * number / connections
            group.create_task(_connection(port, turns, (first, begun + seconds, pause), found))
    found.lasted = time.monotonic() - begun
    return found


async def _connection(port: int, turns: Iterator[bytes], when: tuple[float, float, float], found: Loaded) -> None:
    due, end, pause = when
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        while (now := time.monotonic()) < end:
            if pause:
                await asyncio.sleep(max(0.0, due - now))
            else:
                due = now
            writer.write(next(turns))
            found.statuses[await _status(reader)] += 1
            found.seconds.append(time.monotonic() - due)
            due += pause
    finally:
        writer.close()


async def _status(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(_HEAD_END)).lower()
    start = head.find(_LENGTH)
    if start >= 0:
        await reader.readexactly(int(head[start + len(_LENGTH) : head.index(b"\r", start)]))
    return int(head[9:12])
