"""Somebody who watches recorded visits while they last: when does what was sent become readable?"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

from confluent_kafka import Producer

from bench.clones import Recording, recordings
from bench.templates import SAMPLES
from bench.traffic import Sent
from operators.decode import Limits, Message, decode
from operators.windows import WindowRules
from schemas.items import Item
from schemas.units import MS_PER_SECOND
from sinks.open_store import open_store
from viewer.live import Live

_CAPTURE = SAMPLES / "guance" / "gc-shop.jsonl.gz"
_EVERY_SECONDS = 0.2
_SESSIONS = 10  # watched at a time: half a minute


class Watched:
    """Sends a segment of a recorded visit every so often, one visit after the other, and looks whether it is there.

    `waited`: (seconds since the start, seconds until it was seen) of every segment.
    """

    def __init__(self, bootstrap: str, topic: str, lake: Path, rules: WindowRules) -> None:
        self.waited: list[tuple[float, float]] = []
        self._topic = topic
        self._live = Live(open_store(str(lake)), time.time, rules)
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "log_level": 0})
        self._sent_at: dict[tuple[str, str], dict[tuple[str, int], float]] = {}  # by session, then by segment
        self._missed = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Raises RuntimeError when a segment was not seen while its session was watched."""
        self._stop.set()
        self._thread.join()
        self._producer.flush(10)
        if self._missed or not self.waited:
            raise RuntimeError(f"{len(self.waited)} segments of open sessions were seen, {self._missed} were missed")

    def _run(self) -> None:
        began = time.time()
        (recording,) = recordings([_CAPTURE])
        for one in _visits(recording.replay_only()):
            self._send(one)
            for session in list(self._sent_at):
                self._look(session, began)
            if len(self._sent_at) > _SESSIONS:
                self._missed += len(self._sent_at.pop(next(iter(self._sent_at))))
            if self._stop.wait(_EVERY_SECONDS):
                return

    def _send(self, one: Sent) -> None:
        now = time.time()
        headers: list[tuple[str, str | bytes | None]] = [("type", one.type), *one.headers.items()]
        self._producer.produce(self._topic, one.value, key=one.key, headers=headers, timestamp=int(now * MS_PER_SECOND))
        self._producer.poll(0)
        message = Message(one.type.decode(), one.headers, one.value, 0)
        for item in decode(message, Limits()):
            if isinstance(item, Item) and item.segment is not None:
                segments = self._sent_at.setdefault((item.app_id, item.session_id), {})
                segments[item.segment.view_id, item.segment.index_in_view] = now

    def _look(self, session: tuple[str, str], began: float) -> None:
        now, waiting = time.time(), self._sent_at[session]
        for window in self._live.opened(*session, ()).windows:
            for piece in window.pieces:
                sent_at = waiting.pop((piece.view_id, piece.index_in_view), None)
                if sent_at is not None:
                    self.waited.append((sent_at - began, now - sent_at))


def _visits(recording: Recording) -> Iterator[Sent]:
    number = 0
    while True:
        yield from recording.clone(number, 0)
        number += 1
