"""Traffic in real time: real recordings again and again, each time as sessions of their own, with every nuisance."""

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import msgspec
from confluent_kafka import Producer

from flows.captures import CaptureCounts, read_captures
from operators.decode import Limits, Message, decode
from operators.sdk_requests import keyed_by_session
from schemas.items import Item

PLAYERS = 24  # sessions that run at a time
LATE_SECONDS = 12.0  # later than the window's close
_log = logging.getLogger(__name__)  # librdkafka is loud about a broker that is away on purpose
Keyed = tuple[bytes, Message]


class Traffic:
    """Sends until told to stop. Message timestamp = now, as at an intake. The dice are seeded, the times are not."""

    def __init__(self, bootstrap: str, topic: str, captures: Sequence[Path], *, rate: float, seed: int) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._rate = rate
        self._chance = random.Random(seed)
        self._recordings = [recording(path) for path in captures]
        self._clones = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self._failed: list[str] = []
        self.sent: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def finish(self) -> None:
        """Stop beginning sessions, send what is held back, and be sure that everything is on the broker."""
        self._stop.set()
        self._thread.join()
        assert not self._failed, f"{len(self._failed)} messages were not delivered, the first: {self._failed[0]}"

    def _run(self) -> None:
        options: dict[str, str | int] = {
            "linger.ms": 100,
            "message.max.bytes": 16_777_216,
            "message.timeout.ms": 120_000,
            "topic.metadata.propagation.max.ms": 120_000,  # a broker that has just started knows no topic yet
            "partitioner": "murmur2_random",  # as the intake: what is late then comes in one order
        }
        producer = Producer({"bootstrap.servers": self._bootstrap, **options}, logger=_log)
        players = [self._session() for _ in range(PLAYERS)]
        held: list[tuple[float, Keyed]] = []
        begun = time.monotonic()
        while not self._stop.is_set():
            number = self._chance.randrange(PLAYERS)
            keyed = next(players[number], None)
            if keyed is None:
                players[number] = self._session()
                continue
            dice = self._chance.random()
            if dice < 0.02:
                held.append((time.monotonic() + LATE_SECONDS, keyed))
            else:
                self._send(producer, keyed)
            if 0.02 <= dice < 0.05:
                self._send(producer, keyed)
                self.sent["doubled"] += 1
            if dice > 0.995:
                self._send(producer, (b"", _garbage(self._chance)))
                self.sent["garbage"] += 1
            while held and held[0][0] < time.monotonic():
                self._send(producer, held.pop(0)[1])
                self.sent["late"] += 1
            producer.poll(0)
            ahead = begun + self.sent["messages"] / self._rate - time.monotonic()
            if ahead > 0:
                self._stop.wait(ahead)
        for _, keyed in held:
            self._send(producer, keyed)
        self._failed += [f"{left} messages were not delivered"] if (left := producer.flush(120)) else []

    def _send(self, producer: Producer, keyed: Keyed) -> None:
        key, message = keyed
        headers: list[tuple[str, str | bytes | None]] = [("type", (message.type or "").encode())]
        headers += message.headers.items()
        now_ms = int(time.time() * 1000)
        producer.produce(
            self._topic, message.value, key=key, headers=headers, timestamp=now_ms, on_delivery=self._delivered
        )
        self.sent["messages"] += 1

    def _delivered(self, error: object, _: object) -> None:
        if error is not None:
            self._failed.append(str(error))

    def _session(self) -> Iterator[Keyed]:
        """The messages of one recording, as sessions that have not been before."""
        self._clones += 1
        number = self._clones
        for session_id, message in self._chance.choice(self._recordings):
            clone_id = f"{session_id[:-8]}{number:08x}"
            clone = renamed(message, session_id.encode(), clone_id.encode())
            if clone is not None:
                yield clone_id.encode(), clone


def recording(path: Path) -> list[tuple[str, Message]]:
    """(session id, message) of a recording, without what has no session."""
    found = []
    for captured in read_captures([path], CaptureCounts()):
        keyed = keyed_by_session(captured.message, Limits())
        found += [(one.session_id, one.message) for one in keyed if one.session_id]
    return found


def renamed(message: Message, session_id: bytes, clone_id: bytes) -> Message | None:
    """None where the id is inside a compressed body: that message would be of the old session."""
    headers = {name: value.replace(session_id, clone_id) for name, value in message.headers.items()}
    renamed = msgspec.structs.replace(message, value=message.value.replace(session_id, clone_id), headers=headers)
    items = decode(renamed, Limits())
    whole = all(isinstance(item, Item) and item.session_id == clone_id.decode() for item in items)
    return renamed if whole and items else None


def _garbage(chance: random.Random) -> Message:
    return Message("guance.rum", {}, b"[" + chance.randbytes(20), 0)
