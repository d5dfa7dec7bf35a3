"""Asking an ASGI application without a server: every byte and header as the test wants it."""

import asyncio
from collections.abc import Iterable, Sequence

import msgspec
from starlette.types import ASGIApp, Message

from intake.counts import Counts
from intake.masking import Masking
from intake.policy import Policy
from intake.preparing import Preparer
from intake.service import application
from intake.visitors import Visitors
from operators.requests import Keyed


class Answer(msgspec.Struct):
    """What the application said."""

    status: int
    headers: dict[str, str]
    body: bytes


class Kept:
    """A writer that keeps messages in memory, where they are safe for as long as a test lasts."""

    def __init__(self) -> None:
        self.messages: list[Keyed] = []

    async def write(self, messages: Sequence[Keyed]) -> None:
        await asyncio.sleep(0)  # a real one waits, and other requests go on meanwhile
        self.messages += messages


class Clocks:
    """Time as the test sets it."""

    def __init__(self) -> None:
        self.ms = 1_795_229_663_252
        self.now = 0.0

    def wall_ms(self) -> int:
        return self.ms

    def seconds(self) -> float:
        return self.now


class Intake:
    """The application with its parts at hand."""

    def __init__(self, policy: Policy, masking: Masking | None = None, *, keeps_address: bool = False) -> None:
        self.kept = Kept()
        self.clocks = Clocks()
        self.counts = Counts(lambda _: None)
        masking = masking or Masking([], [], "", policy.limits)
        preparer = Preparer(policy, masking, Visitors([], keeps_address=keeps_address))
        self.app = application(policy, preparer, self.kept, self.counts, self.clocks)

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        pairs = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
        return asyncio.run(ask(self.app, "POST", path.encode(), pairs, [body]))


async def ask(  # noqa: PLR0913 - what a request consists of
    app: ASGIApp,
    method: str,
    target: bytes,
    headers: Iterable[tuple[bytes, bytes]],
    chunks: Sequence[bytes | None],
    *,
    client: tuple[str, int] | None = ("198.51.100.7", 1234),
) -> Answer:
    """`chunks`: of the body; None for a client that goes away there. After the last the client says no more."""
    path, _, query = target.partition(b"?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": list(headers),
        "client": client,
        "server": ("127.0.0.1", 80),
    }
    left = list(chunks)
    sent: list[Message] = []

    async def receive() -> Message:
        if not left:
            return {"type": "http.disconnect"}
        chunk = left.pop(0)
        if chunk is None:
            return {"type": "http.disconnect"}
        if chunk == b"...":  # it keeps silent
            await asyncio.sleep(60)
        return {"type": "http.request", "body": chunk, "more_body": bool(left)}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *bodies = sent
    found = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(start["status"], found, b"".join(part.get("body", b"") for part in bodies))
