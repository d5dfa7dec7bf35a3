"""Senders of lines that can be told apart: what was acknowledged, what was not, and what a retry brought through."""

import http.client
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Self

from flows.server_process import LOOPBACK

_ACTION = re.compile(rb'action_id="([^"]+)"')
_LOOK_SECONDS = 0.02
_DEADLINE_SECONDS = 120.0
_PATIENCE_SECONDS = 30.0  # for one answer
_AGAIN_SECONDS = 0.25  # between tries; SDKs begin with 1 s
_THREADS = 8


def action_id(value: bytes | None) -> str:
    """Which line a stored message is."""
    found = _ACTION.search(value or b"")
    if found is None:
        raise ValueError("no line of these senders")
    return found[1].decode()


def sent_line(name: str) -> bytes:
    """A line of the Guance SDK with this action id, of a session that others share."""
    session = f"session-{hash(name) % 50}"
    return (
        f'action,app_id=shop,session_id={session},view_id=v action_id="{name}",action_name="Buy" 1795229663252'
    ).encode()


class Sender:
    """Sends on so many connections at once, each as fast as it is answered, until one breaks or all is to finish.

    `per_second`: of all together; 0 is as fast as possible. `again`: like an SDK, send a line until it is acknowledged.
    """

    def __init__(self, port: int, connections: int = _THREADS, *, per_second: float = 0, again: bool = False) -> None:
        self._port = port
        self._again = again
        self._pause_seconds = connections / per_second if per_second else 0.0
        self._lock = threading.Lock()
        self._finish = threading.Event()
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.statuses: Counter[int] = Counter()  # 0: the connection broke before an answer
        self.retry_after: set[str] = set()
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(connections)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def finish(self) -> None:
        """Send nothing new, and wait for the answers to what is on its way."""
        self._finish.set()
        for thread in self._threads:
            thread.join(_DEADLINE_SECONDS)

    def wait_acknowledged(self, more: int) -> None:
        """Until so many more than now have arrived."""
        count = len(self.acknowledged) + more
        self._wait(lambda: len(self.acknowledged) >= count)

    def wait_status(self, status: int, more: int) -> None:
        """Until so many more than now were answered so."""
        count = self.statuses[status] + more
        self._wait(lambda: self.statuses[status] >= count)

    def _wait(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while not reached():
            if time.monotonic() > deadline:
                raise TimeoutError(f"acknowledged {len(self.acknowledged)}, answered {dict(self.statuses)}")
            time.sleep(_LOOK_SECONDS)

    def _run(self, thread: int) -> None:
        with closing(http.client.HTTPConnection(LOOPBACK, self._port, timeout=_PATIENCE_SECONDS)) as connection:
            self._send_all(thread, connection)

    def _send_all(self, thread: int, connection: http.client.HTTPConnection) -> None:
        number = 0
        while not self._finish.is_set():
            name = f"{thread}-{number}"
            number += 1
            self.sent.add(name)
            status = self._send(connection, name)
            while self._again and status != http.client.OK:
                time.sleep(_AGAIN_SECONDS)
                status = self._send(connection, name)
            if status == http.client.OK:
                self.acknowledged.add(name)
            elif not status:
                return
            self._finish.wait(self._pause_seconds)

    def _send(self, connection: http.client.HTTPConnection, name: str) -> int:
        """The status, 0 when there was no answer."""
        try:
            connection.request("POST", "/v1/write/rum?precision=ms", sent_line(name))
            answer = connection.getresponse()
            answer.read()
            status = answer.status
            after = answer.getheader("retry-after")
        except (OSError, http.client.HTTPException):
            connection.close()
            status, after = 0, None
        with self._lock:
            self.statuses[status] += 1
            if after is not None:
                self.retry_after.add(after)
        return status
