"""`replaylake serve` as a process of its own, and a client that sees everything it answers."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
import zstandard

from tests.starts import Process

REPOSITORY = Path(__file__).parents[2]
API = "/api/v1"
Seen = TypeVar("Seen")
_STOP_SECONDS = 180  # of a slow machine


class Answer(msgspec.Struct, frozen=True):
    """One answer; `body` as it was before compression."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Served(msgspec.Struct, frozen=True):
    """A running server. `audit`: the file of its audit log."""

    url: str
    audit: Path
    process_id: int

    def ask(self, path: str, method: str = "GET", token: str = "", body: object = None, **headers: str) -> Answer:
        """One request; `_` in names of headers is `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=180)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            found = connection.getresponse()
            raw = found.read()
            received = {name.lower(): value for name, value in found.getheaders()}
            return Answer(found.status, received, _plain(raw, received.get("content-encoding", "")))
        finally:
            connection.close()

    def audited(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.audit.read_text().splitlines()]


def session_path(row: Mapping[str, Any], rest: str = "") -> str:
    """The path of a session's route."""
    app, session = quote(row["app_id"], safe=""), quote(row["session_id"], safe="")
    return f"{API}/apps/{app}/sessions/{session}{rest}"


@contextmanager
def serving(lake: str, folder: Path, settings: str = "", **sections: str) -> Iterator[Served]:
    """A server over a lake. `settings`: lines below `[serve]`; `sections`: text of other ones."""
    folder.mkdir(parents=True, exist_ok=True)
    audit, config = folder / "audit.jsonl", folder / "replaylake.toml"
    others = "\n".join(f"[{name}]\n{text}" for name, text in sections.items())
    config.write_text(f'[serve]\nport = 0\nrefresh_seconds = 0.2\naudit_file = "{audit}"\n{settings}\n{others}')
    command = [sys.executable, "-m", "flows.cli", "serve", "--lake", lake]
    environment = {"PATH": os.environ["PATH"], "REPLAYLAKE_CONFIG": str(config), "TMPDIR": str(folder)}
    with (
        (folder / "output").open("wb") as output,
        Process(command, cwd=REPOSITORY, env=environment, stdout=output, stderr=subprocess.PIPE) as process,
    ):
        assert process.stderr is not None
        try:
            said = process.stderr.readline().decode()
            assert " at http://" in said, said + process.stderr.read().decode()
            yield Served(said.rsplit(" at ", 1)[1].strip().rstrip("/"), audit, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                _, rest = process.communicate(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        assert process.returncode == 0, rest.decode()
        assert b"Traceback" not in rest, rest.decode()


def until(look: Callable[[], Seen], is_right: Callable[[Seen], bool], seconds: float) -> Seen:
    """What is seen as soon as it is right."""
    deadline = time.monotonic() + seconds
    while not is_right(seen := look()):
        assert time.monotonic() < deadline, repr(seen)[:2000]
        time.sleep(0.3)  # the page looks every 4 s
    return seen


def _plain(body: bytes, encoding: str) -> bytes:
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return gzip.decompress(body) if encoding == "gzip" else body
