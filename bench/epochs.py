"""The whole job without engine and broker, epoch by epoch of the receive clock: for what is counted, not timed.

A day of traffic passes as fast as it can be handled, and every epoch is still ended, staged and published as in the
streaming job on an S3 store (packs are cached on local disk). Only the waiting is left out.
"""

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import msgspec

from bench.traffic import Sent
from operators.arrivals import Poll, Received, decode_poll
from operators.client.request import Clients
from operators.input.shard_clock import ShardClock
from operators.shards import ShardBatch, Spread
from operators.windows.rules import WindowRules
from operators.windows.tracker import SessionTracker
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.keys import REPLAYS
from schemas.retention import Retention
from schemas.units import GIB, MS_PER_SECOND
from sinks.engine import LakeShard, Stopwatch
from sinks.fence import Fence
from sinks.notices import NoticeBoard
from sinks.packs import PackStore
from sinks.steady import Patience, SteadyStore
from sinks.store import LocalStore
from sinks.writer import LakeLimits, LakeWriter, ShardPlace

_LIMITS = Limits()
_CLIENTS = Clients()


class Counted(msgspec.Struct, frozen=True):
    """What was asked of the store so far, and what for."""

    requests: dict[str, int]  # by operation
    blobs: int  # put under their final names, styles included
    packs: int
    sessions: int  # windows closed for the first time

    def since(self, earlier: "Counted") -> "Counted":
        """What came after an earlier count."""
        return Counted(
            {name: count - earlier.requests.get(name, 0) for name, count in self.requests.items()},
            self.blobs - earlier.blobs,
            self.packs - earlier.packs,
            self.sessions - earlier.sessions,
        )


class _PurposeStore(LocalStore):
    """Counts what the objects are for."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.blobs = 0

    def put(self, objects: Mapping[str, bytes]) -> None:
        self.blobs += sum(key.startswith(REPLAYS) for key in objects)
        super().put(objects)


class EpochRunner:
    """All shards of one job. `folder`: for the lake and the cache of packs."""

    def __init__(self, folder: Path, shards: int, epoch_seconds: float) -> None:
        self._epoch_ms = int(epoch_seconds * MS_PER_SECOND)
        self._purposes = _PurposeStore(folder / "lake")
        self._store = SteadyStore(self._purposes, Patience(60))
        self._now_ms = 0
        self._packs = 0
        board = NoticeBoard(self._store, lambda: self._now_ms / MS_PER_SECOND)
        self._shards = [_Shard(self._store, board, folder, f"{n:04d}") for n in range(shards)]

    def run(self, sent: Iterable[Sent]) -> Iterator[int]:
        """Take traffic in order of receive time; yields the clock (ms) after each epoch."""
        seq = 0
        for epoch, messages in groupby(sent, lambda one: one.received_ms // self._epoch_ms):
            for silent in range(seq or epoch, epoch):  # epochs without a message pass as well
                self._end_epoch(silent, [])
                yield self._now_ms
            self._end_epoch(epoch, list(messages))
            yield self._now_ms
            seq = epoch + 1

    def run_lines(self, sent: Sequence[Sent], lines: int) -> Iterator[int]:
        """The same with an epoch after so many messages, whenever they came."""
        for seq, first in enumerate(range(0, len(sent), lines)):
            messages = list(sent[first : first + lines])
            self._now_ms = messages[-1].received_ms
            self._pass(messages)
            yield seq

    def counted(self) -> Counted:
        """So far."""
        requests: Counter[str] = Counter()
        for (operation, _), count in self._store.counts.requests.items():
            requests[operation] += count
        sessions = sum(sum(one.writer.counts.windows.values()) for one in self._shards)
        return Counted(dict(requests), self._purposes.blobs, self._packs, sessions)

    def _end_epoch(self, seq: int, messages: list[Sent]) -> None:
        self._now_ms = (seq + 1) * self._epoch_ms
        self._pass(messages)

    def _pass(self, messages: list[Sent]) -> None:
        shares: list[list[Sent]] = [[] for _ in self._shards]
        for one in messages:
            shares[zlib.crc32(one.key) % len(shares)].append(one)
        for shard, share in zip(self._shards, shares, strict=True):
            self._packs += bool(share)
            shard.epoch(self._now_ms, share)


class _Shard:
    """Sessions and writer of one shard, and the only reader that feeds it."""

    def __init__(self, store: SteadyStore, board: NoticeBoard, folder: Path, name: str) -> None:
        self._name = name
        packs = PackStore(store, folder / "cache" / name, GIB)
        fence = Fence(store, name, "bench", "bench")
        place = ShardPlace(store, packs, name, "bench", fence)
        self.writer = LakeWriter(place, Retention(), LakeLimits(), board=board)
        nothing = Stopwatch(lambda: 0.0, _ignore, _ignore)
        clock, tracker = ShardClock(name, [name]), SessionTracker(WindowRules())
        self._sink = LakeShard(clock, tracker, None, self.writer, Spread(), nothing, [name], unended=None)

    def epoch(self, clock_ms: int, messages: Iterable[Sent]) -> None:
        received = [Received("rum", 0, n, one.received_ms, _message(one)) for n, one in enumerate(messages)]
        decoded = decode_poll(Poll(self._name, clock_ms, received), _LIMITS, _CLIENTS)
        arrivals, refused = decoded.arrivals, decoded.refused
        batch = ShardBatch(
            self._name, self._name, clock_ms, is_spread=False, arrivals=arrivals, refused=refused, is_last=False,
            has_read=True,
        )  # fmt: skip
        self._sink.write_batch([batch])
        self._sink.snapshot()


def _message(one: Sent) -> Message:
    return Message(one.type.decode(), one.headers, one.value, one.received_ms)


def _ignore(_seconds: float) -> None:
    """Times mean nothing here."""
