"""Traffic in real time: real recordings again and again, each time as sessions of their own, with every nuisance."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

import msgspec

from flows.captures import CaptureCounts, read_captures
from operators.decode import decode
from operators.requests import keyed_by_session
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item
from tests.torture.routes import Lane, Sent

PLAYERS = 24  # sessions that run at a time
LATE_SECONDS = 12.0  # later than the window's close
Keyed = tuple[bytes, Message]


class Traffic:
    """Sends until told to stop. Message timestamp = now, as at an intake. The dice are seeded, the times are not."""

    def __init__(  # noqa: PLR0913 - what a traffic is made of
        self,
        lanes: Sequence[Lane],
        captures: Sequence[Path],
        *,
        rate: float,
        seed: int,
        late_seconds: float = LATE_SECONDS,
        hear: Callable[[Sent], None] = lambda _: None,
    ) -> None:
        self._lanes = lanes
        self._hear = hear
        self._late_seconds = late_seconds
        self._rate = rate
        self._chance = random.Random(seed)
        self._recordings = [recording(path) for path in captures]
        self._clones = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self._failed: list[str] = []
        self._between: Callable[[], None] | None = None
        self.sessions: set[str] = set()
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
        assert not self._failed, f"the traffic failed: {self._failed[0]}"

    def between(self, act: Callable[[], None]) -> None:
        """Do this soon, between two messages: nothing else uses the lanes meanwhile."""
        self._between = act

    def _run(self) -> None:
        try:
            self._play()
            for lane in self._lanes:
                lane.finish()
        except Exception as error:  # noqa: BLE001 - the thread that waits for this one says it
            self._failed.append(repr(error))

    def _play(self) -> None:
        players = [self._session() for _ in range(PLAYERS)]
        held: list[tuple[float, Keyed]] = []
        begun = time.monotonic()
        while not self._stop.is_set():
            if self._between is not None:
                act, self._between = self._between, None
                act()
            number = self._chance.randrange(PLAYERS)
            keyed = next(players[number], None)
            if keyed is None:
                players[number] = self._session()
                continue
            dice = self._chance.random()
            if dice < 0.02:
                held.append((time.monotonic() + self._late_seconds, keyed))
            else:
                self._send(keyed)
            if 0.02 <= dice < 0.05:
                self._send(keyed)
                self.sent["doubled"] += 1
            if dice > 0.995:
                self._send((b"", garbage(self._chance)))
                self.sent["garbage"] += 1
            while held and held[0][0] < time.monotonic():
                self._send(held.pop(0)[1])
                self.sent["late"] += 1
            ahead = begun + self.sent["messages"] / self._rate - time.monotonic()
            if ahead > 0:
                self._stop.wait(ahead)
        for _, keyed in held:
            self._send(keyed)

    def _send(self, keyed: Keyed) -> None:
        key, message = keyed
        sent = Sent(key.decode(), message, int(time.time() * 1000))
        for lane in self._lanes:
            lane.send(sent)
        self._hear(sent)
        if sent.session_id:
            self.sessions.add(sent.session_id)
        self.sent["messages"] += 1

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


def garbage(chance: random.Random) -> Message:
    return Message("guance.rum", {}, b"[" + chance.randbytes(20), 0)
