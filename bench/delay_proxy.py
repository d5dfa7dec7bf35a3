"""A proxy before an HTTP server, in its own process: each request waits a while, requests and bytes are counted."""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec
import uvloop

from flows.server_process import LOOPBACK

_HEAD_END = b"\r\n\r\n"
_READ_BYTES = 1 << 18
_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")


class Passed(msgspec.Struct, frozen=True):
    """What has passed so far. A GET of a bucket is a listing."""

    requests: dict[str, int]
    bytes_out: int

    def since(self, earlier: "Passed") -> "Passed":
        """What came after an earlier count."""
        requests = {name: count - earlier.requests[name] for name, count in self.requests.items()}
        return Passed(requests, self.bytes_out - earlier.bytes_out)


class _Shared(msgspec.Struct, frozen=True):
    """Values that both processes see."""

    counts: dict[str, Any]  # of requests, by method
    sent: Any
    port: Any
    listens: Any


class DelayProxy:
    """A running one. `url`: where it listens."""

    def __init__(self, shared: _Shared) -> None:
        self.url = f"http://{LOOPBACK}:{shared.port.value}"
        self._shared = shared

    def passed(self) -> Passed:
        """So far."""
        requests = {name: int(count.value) for name, count in self._shared.counts.items()}
        return Passed(requests, int(self._shared.sent.value))


@contextmanager
def delay_proxy(endpoint_url: str, seconds: float) -> Iterator[DelayProxy]:
    """Every request reaches the server so much later."""
    context = multiprocessing.get_context("spawn")
    counts = {name: context.Value("q", 0) for name in (*_METHODS, "LIST")}
    shared = _Shared(counts, context.Value("q", 0), context.Value("i", 0), context.Event())
    process = context.Process(target=_run, args=(urlsplit(endpoint_url).netloc, seconds, shared), daemon=True)
    process.start()
    try:
        if not shared.listens.wait(30):
            raise RuntimeError("the proxy does not listen")
        yield DelayProxy(shared)
    finally:
        process.terminate()
        process.join()


def _run(upstream: str, seconds: float, shared: _Shared) -> None:
    host, _, upstream_port = upstream.partition(":")

    async def to_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(_HEAD_END)
            method, path, _ = head.split(b" ", 2)
            shared.counts["LIST" if b"list-type" in path else method.decode()].value += 1
            length = next((int(one[15:]) for one in head.lower().split(b"\r\n") if one[:15] == b"content-length:"), 0)
            body = await reader.readexactly(length)
            await asyncio.sleep(seconds)
            writer.write(head + body)

    async def to_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(_READ_BYTES):
            shared.sent.value += len(content)
            writer.write(content)
            await writer.drain()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(host, int(upstream_port))
        answers = asyncio.create_task(to_client(server_reader, writer))
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await to_server(reader, server_writer)
        answers.cancel()
        server_writer.close()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(connected, LOOPBACK, 0)
        shared.port.value = server.sockets[0].getsockname()[1]
        shared.listens.set()
        await server.serve_forever()

    uvloop.run(main())
