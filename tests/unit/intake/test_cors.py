"""Answers carry what a browser wants to hear: the same as Starlette's middleware says, which is the oracle here."""

import asyncio
from collections.abc import Sequence

import pytest
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Message, Receive, Scope, Send

from intake.cors import Cors

EXPOSED = ["retry-after", "x-other"]


def said_by_starlette(origins: Sequence[str], origin: str | None) -> set[tuple[bytes, bytes]]:
    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    app = CORSMiddleware(answer, allow_origins=origins, allow_credentials=True, expose_headers=EXPOSED)
    headers = [] if origin is None else [(b"origin", origin.encode())]
    asyncio.run(app({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive, send))
    return {(name.lower(), text) for name, text in said[0]["headers"]}


@pytest.mark.parametrize("origins", [["*"], ["https://a.example"], ["https://b.example", "https://a.example"]])
@pytest.mark.parametrize("origin", [None, "https://a.example", "https://c.example", "null"])
def test_answers_say_what_the_middleware_would(origins: list[str], origin: str | None) -> None:
    headers = Cors(origins, EXPOSED).headers(origin)
    told = dict(headers)
    wanted = dict(said_by_starlette(origins, origin))
    if wanted.get(b"access-control-allow-origin") == b"*":  # to a page that may not see it, which is none here
        assert origin is None
    assert len(headers) == len(told)
    assert told == wanted
