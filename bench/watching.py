"""Visitors who come while a job runs, and somebody who watches them: when does what was sent become readable?"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from confluent_kafka import Producer

from bench.clones import Recording, recordings
from bench.templates import LINE_KINDS, SAMPLES, Line, line_templates
from bench.traffic import Sent
from operators.decode import decode
from operators.windows.rules import WindowRules
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item
from schemas.units import MS_PER_SECOND
from sinks.open_store import open_store
from viewer.live import Live

_CAPTURE = SAMPLES / "guance" / "gc-shop.jsonl.gz"
_EVERY_SECONDS = 0.2
_SESSIONS = 10  # watched at a time: half a minute


class _Sender(ABC):
    """Sends in a thread of its own, until it is stopped."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._topic = topic
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "log_level": 0})
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._producer.flush(10)

    @abstractmethod
    def _run(self) -> None: ...

    def _produce(self, one: Sent) -> None:
        headers: list[tuple[str, str | bytes | None]] = [("type", one.type), *one.headers.items()]
        self._producer.produce(self._topic, one.value, key=one.key, headers=headers, timestamp=one.received_ms)
        self._producer.poll(0)


class Visitors(_Sender):
    """A new session of one line every few ms, stamped with now; `sent_ms` remembers when."""

    def __init__(self, bootstrap: str, topic: str, rate: int) -> None:
        self.sent_ms: dict[str, int] = {}
        self._rate = rate
        super().__init__(bootstrap, topic)

    def _run(self) -> None:
        template = line_templates()[LINE_KINDS[3]][0]
        while not self._stop.wait(1 / self._rate):
            number, now_ms = len(self.sent_ms), _now_ms()
            session_id = f"s-{number:08d}"
            value = Line("app-0001", session_id, "v", "l", "u", now_ms, 0).fill(template)
            self._produce(Sent(now_ms, number, 0, session_id.encode(), b"guance.rum", {}, value))
            self.sent_ms[session_id] = now_ms


class Watched(_Sender):
    """Sends a segment of a recorded visit every so often, one visit after the other, and looks whether it is there.

    `waited`: (seconds since the start, seconds until it was seen) of every segment.
    """

    def __init__(self, bootstrap: str, topic: str, lake: Path, rules: WindowRules) -> None:
        self.waited: list[tuple[float, float]] = []
        self._live = Live(open_store(str(lake)), time.time, rules)
        self._sent_ms: dict[tuple[str, str], dict[tuple[str, int], int]] = {}  # by session, then by segment
        self._missed = 0
        super().__init__(bootstrap, topic)

    def stop(self) -> None:
        """Raises RuntimeError when a segment was not seen while its session was watched."""
        super().stop()
        if self._missed or not self.waited:
            raise RuntimeError(f"{len(self.waited)} segments of open sessions were seen, {self._missed} were missed")

    def _run(self) -> None:
        began_ms = _now_ms()
        (recording,) = recordings([_CAPTURE])
        for one in _visits(recording.replay_only()):
            self._send(one._replace(received_ms=_now_ms()))
            for session in list(self._sent_ms):
                self._look(session, began_ms)
            if len(self._sent_ms) > _SESSIONS:
                self._missed += len(self._sent_ms.pop(next(iter(self._sent_ms))))
            if self._stop.wait(_EVERY_SECONDS):
                return

    def _send(self, one: Sent) -> None:
        self._produce(one)
        message = Message(one.type.decode(), one.headers, one.value, one.received_ms)
        for item in decode(message, Limits()):
            if isinstance(item, Item) and item.segment is not None:
                segments = self._sent_ms.setdefault((item.app_id, item.session_id), {})
                segments[item.segment.view_id, item.segment.index_in_view] = one.received_ms

    def _look(self, session: tuple[str, str], began_ms: int) -> None:
        now_ms, waiting = _now_ms(), self._sent_ms[session]
        for window in self._live.opened(*session, ()).windows:
            for piece in window.pieces:
                sent_ms = waiting.pop((piece.view_id, piece.index_in_view), None)
                if sent_ms is not None:
                    self.waited.append(((sent_ms - began_ms) / MS_PER_SECOND, (now_ms - sent_ms) / MS_PER_SECOND))


def _now_ms() -> int:
    return int(time.time() * MS_PER_SECOND)


def _visits(recording: Recording) -> Iterator[Sent]:
    number = 0
    while True:
        yield from recording.clone(number, 0)
        number += 1
