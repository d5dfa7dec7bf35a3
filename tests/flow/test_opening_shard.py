"""A new shard whose epoch ends while it waits for a reader: what it keeps is there when its windows close."""

import time
from pathlib import Path

from operators.arrivals import Poll, Received, decode_poll
from operators.client.request import Clients
from operators.input.shard_clock import ShardClock
from operators.shards import ShardBatch, Spread
from operators.windows.rules import WindowRules
from operators.windows.tracker import SessionTracker
from operators.wire.unusable import Limits
from schemas.keys import TABLES
from schemas.retention import Retention
from schemas.units import MS_PER_MINUTE
from sinks.engine import LakeShard, Stopwatch
from sinks.packs import PackStore
from sinks.store import LocalStore
from sinks.writer import LakeLimits, LakeWriter, ShardPlace
from tests.flow.made import START_MS, batch, change, snapshot

READERS = ["0000", "0001"]


def said(reader: str, minute: int, *, brings: bool = False) -> ShardBatch:
    """What a reader has read by a minute."""
    clock_ms = START_MS + minute * MS_PER_MINUTE
    received = [Received("rum", 0, 0, clock_ms, batch([snapshot(), change(10)]))] if brings else []
    arrivals = decode_poll(Poll(reader, clock_ms, received), Limits(), Clients()).arrivals
    return ShardBatch(reader, "0000", clock_ms, False, arrivals, [], is_last=False, has_read=True)  # noqa: FBT003


def test_items_of_an_epoch_without_a_clock_are_found_at_the_close(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    writer = LakeWriter(ShardPlace(store, PackStore(store, None, 0), "0000", "test"), Retention(), LakeLimits())
    stopwatch = Stopwatch(time.monotonic, lambda _: None, lambda _: None)
    tracker = SessionTracker(WindowRules())
    shard = LakeShard(ShardClock("0000", READERS), tracker, None, writer, Spread(), stopwatch, READERS, None)
    shard.write_batch([said("0000", 0, brings=True)])
    shard.snapshot()  # reader 0001 has not said anything
    shard.write_batch([said("0001", 0), said("0000", 1)])
    shard.snapshot()
    shard.write_batch([said("0000", 30), said("0001", 30)])
    shard.snapshot()
    shard.write_batch([])
    assert len(list(store.list(f"{TABLES}sessions/"))) == 1
