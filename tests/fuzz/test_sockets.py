"""The intake and raw sockets: whatever a connection sends or does not send, it costs little, and others are served."""

import asyncio
import socket
import time
from collections.abc import Iterator
from itertools import repeat

import pytest

from flows.server_process import LOOPBACK
from intake.policy import GuardLimits
from schemas.units import MIB
from tests.fuzz.sockets import HEAD, LIMITS, PLAIN, Run, Server, closed, everything, running

CONNECTIONS = 400
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
ALLOWED_SECONDS = 4.0  # beyond a limit: the guard looks each second, and the machine may be busy


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as started:
        yield started


def test_odd_connections_cost_little_and_others_are_served_meanwhile(server: Server) -> None:
    run = Run(server, seed=1, at_once=380)
    asyncio.run(run.attack(CONNECTIONS))
    assert run.ends.total() == CONNECTIONS
    refused = asyncio.run(server.refused())
    assert refused.keys() >= {"malformed", "head_too_large", "head_slow"}


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        pytest.param(HEAD + b"x: ", b"y" * MIB, id="a header"),
        pytest.param(HEAD, b"a: b\r\n" * 170_000, id="headers"),
        pytest.param(b"POST /", b"z" * MIB, id="an address"),
        pytest.param(b"", b"\r\n" * (MIB // 2), id="line ends"),
        pytest.param(CHUNKED + b"5;", b"e" * MIB, id="a chunk extension"),
        pytest.param(CHUNKED + b"5\r\nhello\r\n0\r\nx: ", b"t" * MIB, id="a trailer"),
        pytest.param(CHUNKED + b"5\r\nhello\r\n0\r\n", b"a: b\r\n" * 170_000, id="trailers"),
    ],
)
def test_400_mb_of_a_head_are_refused_and_held_by_nobody(server: Server, start: bytes, piece: bytes) -> None:
    before = server.memory_bytes
    answer = asyncio.run(server.say(start, *repeat(piece, 400)))
    assert server.memory_bytes - before < 32 * MIB
    assert answer == b"" or answer.split(b" ")[1] in {b"431", b"200"}, answer  # a reset may overtake the answer
    asyncio.run(server.is_served())


def test_a_head_within_its_limits_is_taken_and_one_above_is_told(server: Server) -> None:
    last = b"connection: close\r\ncontent-length: 0\r\n\r\n"
    for fields, size, status in ((100, 0, 400), (101, 0, 431), (4, 32_000, 400), (4, 33_000, 431)):
        filler = b"a: b\r\n" * (fields - 4) + b"c: %b\r\n" % (b"d" * size)
        answer = asyncio.run(server.say(HEAD + filler + last))
        assert answer.startswith(b"HTTP/1.1 %d" % status), (fields, size, answer)


async def half_open(server: Server, count: int, sent: bytes) -> list[asyncio.Task[bytes]]:
    found = []
    for _ in range(count):
        reader, writer = await server.connect()
        writer.write(sent)
        await writer.drain()
        found.append(asyncio.create_task(held(reader, writer)))
    return found


async def held(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    try:
        return await everything(reader)
    finally:
        await closed(writer)


def test_half_open_heads_turn_nobody_else_away_and_end_by_themselves(server: Server) -> None:
    async def all_of_it() -> list[bytes]:
        silent = await half_open(server, 260, HEAD)
        for _ in range(5):
            await server.is_served()
        return await asyncio.gather(*silent)

    begun = time.monotonic()
    answers = asyncio.run(all_of_it())
    assert time.monotonic() - begun < LIMITS.head_seconds + 2 * ALLOWED_SECONDS
    statuses = {answer[9:12] for answer in answers}
    assert statuses == {b"503", b"408"}
    assert sum(answer[9:12] == b"503" for answer in answers) < 100, "only as many go as are needed"


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (HEAD, [b"408"]),
        (PLAIN + b"P", [b"200", b"408"]),
        (PLAIN + b"\r\n", [b"200"]),
        (HEAD + b"content-length: 100\r\n\r\nview", [b"408"]),
        (CHUNKED + b"5\r\nhe", [b"408"]),
        (HEAD + b"content-length: 60000000\r\n\r\nview", [b"413"]),
        (PLAIN, [b"200"]),
        (b"", []),
    ],
)
def test_what_does_not_come_is_not_waited_for(server: Server, sent: bytes, statuses: list[bytes]) -> None:
    begun = time.monotonic()
    answer = asyncio.run(server.say(sent))
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == statuses
    assert time.monotonic() - begun < LIMITS.body_seconds + 5 + ALLOWED_SECONDS


def test_who_reads_no_answers_is_not_waited_for(server: Server) -> None:
    """Asked slowly enough to be no pipeline, for answers that do not fit into the buffers of both systems."""
    asked = b"GET /flags/ HTTP/1.1\r\nhost: intake\r\nx: " + b"y" * 20_000 + b"\r\n\r\n"
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(LIMITS.answer_seconds + 5 + ALLOWED_SECONDS)
        deaf.connect((LOOPBACK, server.port))
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            send_on(deaf, asked)
    asyncio.run(server.is_served())


def send_on(to: socket.socket, what: bytes) -> None:
    while True:
        to.sendall(what)


def test_two_lengths_are_no_request(server: Server) -> None:
    both = HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + PLAIN
    assert asyncio.run(server.say(both)).startswith(b"HTTP/1.1 400")


def test_where_all_are_at_work_the_new_one_is_told_to_come_again() -> None:
    with running(GuardLimits(connections=3, body_seconds=30)) as small:

        async def all_of_it() -> bytes:
            waiting = await half_open(small, 6, HEAD + b"content-length: 9\r\n\r\n")
            answer = await small.say(PLAIN)
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            return answer

        assert asyncio.run(all_of_it()).startswith(b"HTTP/1.1 503")
