"""A proxy before the S3 server that makes its faults on demand: refusing, 503, slow, losing connections, content."""

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

from flows.server_process import LOOPBACK

_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}
_SLOW_DOWN = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"""


class Faults:
    """What happens to requests from now on: a share (0 to 1) of each fault. Change it while the proxy runs."""

    def __init__(self, seed: int = 1) -> None:
        self.shares = {
            "unavailable": 0.0,  # 503 without forwarding
            "answer_lost": 0.0,  # forwarded and done, then the connection breaks
            "slow": 0.0,  # a second before anything happens
            "shortened": 0.0,  # an object's content ends early, and the length says so
        }
        self.done: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()  # by method
        self._chance = random.Random(seed)
        self._lock = threading.Lock()

    def pick(self) -> str:
        """The fault of the next request, "" for none."""
        with self._lock:
            dice = self._chance.random()
            for name, share in self.shares.items():
                if dice < share:
                    self.done[name] += 1
                    return name
                dice -= share
            self.done["untouched"] += 1
            return ""


@contextmanager
def fault_proxy(endpoint_url: str, faults: Faults) -> Iterator[str]:
    """Its URL. The client signs for the proxy's address, and that is what the server sees in the Host header."""
    handler = type("Handler", (_Handler,), {"upstream": urlsplit(endpoint_url).netloc, "faults": faults})
    server = ThreadingHTTPServer((LOOPBACK, 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream: ClassVar[str]
    faults: ClassVar[Faults]

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.faults.asked[self.command] += 1
        fault = self.faults.pick()
        if fault == "unavailable":
            self._answer(503, [("Content-Type", "application/xml")], _SLOW_DOWN)
            return
        if fault == "slow":
            time.sleep(1.0)
        connection = http.client.HTTPConnection(self.upstream, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() != "connection":
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            content = response.read()
        except OSError:
            self.close_connection = True
            return
        finally:
            connection.close()
        if fault == "answer_lost":
            self.close_connection = True
            return
        headers = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP]
        if fault == "shortened" and self.command == "GET" and response.getheader("ETag"):
            content = content[: len(content) // 2]
        length = response.getheader("Content-Length") if self.command == "HEAD" else None
        self._answer(response.status, headers, content, length)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _forward  # noqa: N815 - the base class looks for these

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, length: str | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length if length is not None else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
        """The test says what happened."""
