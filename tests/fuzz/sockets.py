"""Raw sockets against the intake: `python -m tests.fuzz.sockets --connections 1000000`.

Every connection sends one of the odd things below; all along somebody else sends a plain request and must be served,
and the server's memory must stay within a bound. Ends with exit code 1, and says why, when it does not.
"""

import argparse
import asyncio
import contextlib
import logging
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from flows.server_process import LOOPBACK, dying_with_us, free_ports
from intake.policy import GuardLimits
from schemas.units import MIB

LIMITS = GuardLimits(connections=200, head_seconds=1.0, body_seconds=1.0, answer_seconds=1.0)
GROWTH_MAX_BYTES = 192 * MIB  # of which 128 MiB are bodies that wait: `intake.pending_bytes`
SERVED_SECONDS = 30.0  # on a busy machine; the usual answer takes a millisecond
_WAITS = 0.03
_READ_SECONDS = 10.0  # more than every limit above
ROW = b'action,app_id=shop,session_id=s-1,view_id=v action_id="a",action_name="x" 1795229663252'
HEAD = b"POST /v1/write/rum HTTP/1.1\r\nhost: intake\r\n"
PLAIN = HEAD + b"content-length: %d\r\n\r\n" % len(ROW) + ROW

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


class Server:
    """A started intake without a broker."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
        self.process = process
        self.port = port
        self._log = log

    @property
    def complaints(self) -> str:
        """What it has said: errors only."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    @property
    def memory_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    async def connect(self) -> tuple[Reader, Writer]:
        return await asyncio.open_connection(LOOPBACK, self.port)

    async def say(self, *parts: bytes) -> bytes:
        """All that is answered until the server closes. `parts` are sent one after the other, as far as it reads."""
        reader, writer = await self.connect()
        heard = asyncio.create_task(everything(reader))
        with contextlib.suppress(OSError):
            for part in parts:
                writer.write(part)
                await writer.drain()
                if heard.done():
                    break
        answer = await heard
        await closed(writer)
        return answer

    async def is_served(self) -> float:
        """Seconds that a plain request takes. Raises AssertionError when it is not served."""
        begun = time.monotonic()
        async with asyncio.timeout(SERVED_SECONDS):
            answer = await self.say(PLAIN.replace(b"host: intake\r\n", b"host: intake\r\nconnection: close\r\n"))
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
        return time.monotonic() - begun

    async def refused(self) -> dict[str, int]:
        answer = await self.say(b"GET /counts HTTP/1.1\r\nhost: intake\r\nconnection: close\r\n\r\n")
        return msgspec.json.decode(answer.partition(b"\r\n\r\n")[2], type=dict[str, int])


async def everything(reader: Reader) -> bytes:
    """What is said until the end; what came before a reset counts."""
    heard = b""
    with contextlib.suppress(OSError):
        async with asyncio.timeout(_READ_SECONDS):
            while found := await reader.read(65_536):
                heard += found
    return heard


async def closed(writer: Writer) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@contextmanager
def running(limits: GuardLimits = LIMITS) -> Iterator[Server]:
    [port] = free_ports(1)
    command = [sys.executable, "-m", "tests.fuzz.socket_server", str(port), msgspec.json.encode(limits).decode()]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(dying_with_us(command), start_new_session=True, stderr=log)
        server = Server(process, port, log)
        try:
            asyncio.run(_until_served(server))
            yield server
            assert not server.complaints, server.complaints[:3000]
        finally:
            process.kill()
            process.wait()


async def _until_served(server: Server) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            await server.is_served()
        except OSError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        else:
            return


async def _half(_: Reader, writer: Writer, chance: random.Random) -> None:
    writer.write(PLAIN[: chance.randrange(len(HEAD))])


async def _slow(_: Reader, writer: Writer, chance: random.Random) -> None:
    for byte in PLAIN[:-1]:
        writer.write(bytes([byte]))
        await asyncio.sleep(chance.choice((0.0, 0.001, 0.1)))


async def _between(reader: Reader, writer: Writer, chance: random.Random) -> None:
    writer.write(PLAIN)
    await reader.readuntil(b"\r\n\r\n")
    writer.write(chance.choice((b"\r\n" * 7, b"P", PLAIN[:40], b"\0")))


async def _large(_: Reader, writer: Writer, chance: random.Random) -> None:
    what = chance.choice(("one", "many", "url", "breaks", "name"))
    size = chance.choice((1000, 33_000, 300_000, 3_000_000))
    start = {"one": HEAD + b"x: ", "many": HEAD, "url": b"POST /", "breaks": b"", "name": HEAD}[what]
    piece = {"one": b"y", "many": b"a: b\r\n", "url": b"z", "breaks": b"\r\n", "name": b"n"}[what]
    writer.write(start + piece * (size // len(piece)))


async def _chunks(_: Reader, writer: Writer, chance: random.Random) -> None:
    writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    choices = (
        b"ffffffffffffffff\r\n" + b"y" * 1000,
        b"7fffffff\r\n" + b"y" * 1_000_000,
        b"5;" + b"e" * 1_000_000,
        b"1\r\ny\r\n" * 10_000,
        b"5\r\nhello\r\n0\r\nx: " + b"t" * 1_000_000,
        b"5\r\nhello\r\n0\r\n" + b"a: b\r\n" * 10_000,
        b"-1\r\n",
        b"5\r\nhelloX",
        b"100000\r\n" + b"y" * 0x100000 + b"\r\n",
    )
    writer.write(chance.choice(choices))


async def _lengths(_: Reader, writer: Writer, chance: random.Random) -> None:
    choices = (
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        b"content-length: -1\r\n\r\n",
        b"content-length: 99999999999999999999\r\n\r\nhello",
        b"content-length: 8000000\r\n\r\n" + b"y" * 70_000,
        b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"expect: 100-continue\r\ncontent-length: 9\r\n\r\n",
        b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 4\r\n\r\nabcd",
    )
    writer.write(HEAD + chance.choice(choices))


async def _pipelined(_: Reader, writer: Writer, chance: random.Random) -> None:
    writer.write(PLAIN * chance.choice((2, 16, 17, 500, 5000)))


async def _deaf(_: Reader, writer: Writer, chance: random.Random) -> None:
    """Asks on and on, and reads no answer."""
    transport = writer.transport
    assert isinstance(transport, asyncio.Transport)
    transport.pause_reading()
    for _number in range(chance.choice((10, 2000))):
        writer.write(PLAIN * 8)
        await writer.drain()
    transport.resume_reading()


async def _noise(_: Reader, writer: Writer, chance: random.Random) -> None:
    sent = bytearray(PLAIN)
    for _number in range(chance.choice((1, 3, 20))):
        at = chance.randrange(len(sent))
        sent[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(4))
    writer.write(sent)


async def _plain(reader: Reader, writer: Writer, chance: random.Random) -> None:
    for _ in range(chance.randrange(1, 4)):
        writer.write(PLAIN)
        await reader.readuntil(b"\r\n\r\n")


Attack = Callable[[Reader, Writer, random.Random], Awaitable[None]]
ATTACKS: list[Attack] = [
    *(_half, _slow, _between, _large, _chunks, _lengths, _pipelined, _deaf),
    *(_noise, _noise, _noise, _plain),
]


class Run:
    """Connections to one server, so many at once, and how others fared meanwhile."""

    def __init__(self, server: Server, seed: int, at_once: int) -> None:
        self._server = server
        self._chance = random.Random(seed)
        self._at_once = at_once
        self._is_over = False
        self.ends: Counter[str] = Counter()
        self.slowest_seconds = 0.0
        self.grown_bytes = 0

    async def attack(self, connections: int) -> None:
        begun_bytes = self._server.memory_bytes
        left = iter(range(connections))
        workers = [asyncio.create_task(self._work(left)) for _ in range(self._at_once)]
        others = asyncio.create_task(self._others(begun_bytes))
        await asyncio.gather(*workers)
        self._is_over = True
        await others
        await self._look(begun_bytes)

    async def _others(self, begun_bytes: int) -> None:
        while not self._is_over:
            await self._look(begun_bytes)
            await asyncio.sleep(0.05)

    async def _look(self, begun_bytes: int) -> None:
        self.slowest_seconds = max(self.slowest_seconds, await self._server.is_served())
        self.grown_bytes = max(self.grown_bytes, self._server.memory_bytes - begun_bytes)
        assert self.grown_bytes < GROWTH_MAX_BYTES, f"memory grew by {self.grown_bytes / MIB:.0f} MiB"

    async def _work(self, left: Iterator[int]) -> None:
        for _ in left:
            chance = random.Random(self._chance.random())
            attack = chance.choice(ATTACKS)
            try:
                reader, writer = await self._server.connect()
            except OSError:
                self.ends["no connection"] += 1
                continue
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await attack(reader, writer, chance)
                async with asyncio.timeout(_READ_SECONDS):
                    await writer.drain()
            waits = chance.random() < _WAITS  # the others hang up
            heard = await everything(reader) if waits else b""
            status = heard[9:12].decode(errors="replace")
            self.ends[f"{attack.__name__[1:]} {status}".strip()] += 1
            writer.transport.abort()
            await closed(writer)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.sockets", description=__doc__)
    parser.add_argument("--connections", type=int, default=1_000_000)
    parser.add_argument("--at-once", type=int, default=390, help="twice the limit may be open for a moment")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it minds that the server hangs up
    begun = time.monotonic()
    with running() as server:
        run = Run(server, options.seed, options.at_once)
        try:
            asyncio.run(run.attack(options.connections))
        finally:
            for end, count in sorted(run.ends.items()):
                print(f"{count:12,} {end}")
            print(f"others waited {run.slowest_seconds * 1000:.0f} ms at most; grew by {run.grown_bytes / MIB:.0f} MiB")
        print(asyncio.run(server.refused()))
    print(f"{options.connections:,} connections in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
