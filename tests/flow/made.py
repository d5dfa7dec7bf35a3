"""Small recordings made up, and the commands that read a lake of them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from typer.testing import CliRunner

from flows.cli.main import app
from operators.wire.message import Message
from tests.flow.harness import run

START_MS = 1_795_132_800_000
Event = dict[str, Any]


class Done(msgspec.Struct, frozen=True):
    """How a command ended. `error`: what `main` prints as one line when it fails."""

    code: int
    out: str
    warnings: list[str]
    error: str


def meta(at_ms: int = 0) -> Event:
    """Address and size of a page."""
    data = {"href": "https://page.test/", "width": 1280, "height": 800}
    return {"type": 4, "timestamp": START_MS + at_ms, "data": data}


def snapshot(at_ms: int = 0, text: str = "a page") -> Event:
    """A full snapshot of a page with one text."""
    page = {"type": 2, "id": 2, "tagName": "html", "attributes": {}, "childNodes": [text_node(text)]}
    node = {"type": 0, "id": 1, "childNodes": [page]}
    return {"type": 2, "timestamp": START_MS + at_ms, "data": {"node": node, "initialOffset": {"left": 0, "top": 0}}}


def text_node(text: str) -> Event:
    return {"type": 3, "id": 3, "textContent": text}


def change(at_ms: int, source: int = 0, **data: object) -> Event:
    """An incremental event, a mutation that changes nothing unless told otherwise."""
    nothing: dict[str, object] = {"adds": [], "removes": [], "texts": [], "attributes": []} if source == 0 else {}
    return {"type": 3, "timestamp": START_MS + at_ms, "data": {"source": source, **nothing, **data}}


def batch(events: Sequence[object], app_id: str = "shop", session_id: str = "s", window_id: str = "w") -> Message:
    """A batch of plain rrweb."""
    body = {"app_id": app_id, "session_id": session_id, "window_id": window_id, "events": events}
    return Message("rrweb", {}, json.dumps(body).encode(), START_MS + 60_000)


def page_view(app_id: str = "shop", session_id: str = "s") -> Message:
    """A session without recording."""
    properties = {"$session_id": session_id, "$current_url": "https://shop.test/"}
    event = {"event": "$pageview", "api_key": app_id, "timestamp": "2026-11-20T00:00:00Z", "properties": properties}
    return Message("rrweb", {}, json.dumps(event).encode(), START_MS + 60_000)


def lake_of(folder: Path, messages: Iterable[Message]) -> Path:
    """The lake of these messages."""
    run(list(messages), [], folder)
    return folder


def blobs_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("replays/*/*/app_id=*/*.zst"))


def command(*arguments: str, lake: Path) -> Done:
    """A command, in this process."""
    done = CliRunner().invoke(app, [*arguments, "--lake", str(lake)])
    failed = done.exception if isinstance(done.exception, Exception) else None
    return Done(done.exit_code, done.stdout_bytes.decode(), done.stderr.splitlines(), str(failed or ""))
