"""The whole job without the engine: polls in, a lake on disk out; and that lake read back for comparison."""

import hashlib
import time
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from flows.captures import CaptureCounts, read_captures
from operators.arrivals import Poll, Received, decode_poll
from operators.client.request import Clients
from operators.windows.rules import WindowRules
from operators.windows.tracker import SessionTracker
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.keys import REPLAYS
from schemas.retention import Retention
from sinks.notices import NoticeBoard
from sinks.packs import PackStore
from sinks.store import LocalStore
from sinks.writer import LakeLimits, LakeWriter, Refusal, ShardPlace

SHARD = "0000"
# Which run wrote a row, and how often things came: all that may differ between two runs over the same items.
COUNTERS = ("duplicate_count",)


class Lake(msgspec.Struct):
    """A lake's content, comparable: rows by table, blob digests by key."""

    tables: dict[str, list[dict[str, object]]]
    blobs: dict[str, str]


def capture_messages(paths: Iterable[Path]) -> list[Message]:
    """The messages of capture files, in order of receive time."""
    return [captured.message for captured in read_captures(list(paths), CaptureCounts())]


def run(  # noqa: PLR0913 - what a run may differ in
    messages: Sequence[Message],
    cuts: Iterable[int],
    folder: Path,
    *,
    restart_every: int = 0,
    store: LocalStore | None = None,
    retention: Retention | None = None,
    seq: int = 0,
    limits: LakeLimits | None = None,
) -> Lake:
    """Feed messages in the given order, cut into polls at `cuts`; close everything at the end.

    `restart_every`: rebuild all state from its snapshot after that many polls. `store`: of the folder.
    `seq`: of the first epoch, for a further run into the same lake.
    """
    store = store or LocalStore(folder)
    retention = retention or Retention()
    rules = WindowRules()
    tracker = SessionTracker(rules)
    writer = _writer(store, retention, limits)
    clock_ms = 0
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(messages)}), len(messages)]
    for number, (start, end) in enumerate(pairwise(edges)):
        received = []
        for offset in range(start, end):
            clock_ms = max(clock_ms, messages[offset].received_ms)
            received.append(Received("rum", 0, offset, clock_ms, messages[offset]))
        decoded = decode_poll(Poll(SHARD, clock_ms, received), Limits(), Clients())
        writer.refuse(Refusal(r.topic, r.partition, r.offset, r.received_ms, r.rejected) for r in decoded.refused)
        writer.take(tracker.apply(seq + number, decoded.clock_ms, decoded.arrivals))
        state = writer.stage()
        writer.publish()
        if restart_every and number % restart_every == 0:
            tracker = SessionTracker(rules, saved=list(tracker.everything()))
            writer = _writer(store, retention, limits, state)
    writer.take(tracker.drain())
    writer.stage()
    writer.publish()
    return read_lake(folder)


def read_lake(folder: Path) -> Lake:
    """Every row (without counters, in a fixed order) every blob and every style of a lake."""
    tables: dict[str, list[dict[str, object]]] = {}
    for path in folder.glob("tables/*/*/*/*.parquet"):
        table = path.relative_to(folder).parts[1]
        rows = pq.ParquetFile(path).read().to_pylist()
        tables.setdefault(table, []).extend({k: v for k, v in row.items() if k not in COUNTERS} for row in rows)
    for rows in tables.values():
        rows.sort(key=repr)
    blobs = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (folder / REPLAYS).rglob("*.zst")
    }
    return Lake(tables, blobs)


def _writer(store: LocalStore, retention: Retention, limits: LakeLimits | None, state: bytes = b"") -> LakeWriter:
    packs = PackStore(store, None, 0)
    board = NoticeBoard(store, time.time)
    return LakeWriter(ShardPlace(store, packs, SHARD, "test"), retention, limits or LakeLimits(), state, board=board)
