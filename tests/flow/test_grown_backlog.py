"""A job that begins behind partitions that were added: sessions lie on the old ones and on the new ones."""

from pathlib import Path

import pytest

from flows.job import run_bounded
from flows.machine_clock import MachineClock
from flows.metrics import JobMetrics
from flows.settings import load_settings
from flows.topic_log import Event
from flows.topic_source import SourceOptions, SourceWatch, TopicSource
from flows.topics import Topics
from flows.wiring import State, build
from lake.catalog import read_rows, table_keys
from operators.input.positions import OnLost
from operators.input.receive_clock import ClockRules
from operators.shards import shard_of
from sinks.store import LocalStore
from tests.contract.memory_log import MemoryBroker, MemoryLog
from tests.torture.truth import action

RUM, READERS = "rum", 4
NAMES = [f"{number:04d}" for number in range(READERS)]
BEGIN_MS = 1_795_000_000_000
MINUTE_MS = 60_000
TYPE = {"type": b"guance.rum"}


class SlowLog(MemoryLog):
    """A consumer to which nothing comes at first."""

    def __init__(self, broker: MemoryBroker, looks: int) -> None:
        super().__init__(broker)
        self._looks = looks

    def poll(self, count: int) -> list[Event]:
        self._looks -= 1
        return [] if self._looks >= 0 else super().poll(count)


def send(broker: MemoryBroker, session_id: str, partitions: int, minute: int, number: int) -> None:
    at_ms = BEGIN_MS + minute * MINUTE_MS
    place = RUM, shard_of(session_id, partitions)
    broker.send(place, action(session_id, number, at_ms), at_ms, dict(TYPE))


@pytest.mark.parametrize("slow", [(0, 1), (2, 3), (0, 3), ()], ids=["old", "new", "one of each", "none"])
def test_whichever_readers_come_late_every_session_is_one_row(tmp_path: Path, slow: tuple[int, ...]) -> None:
    """Each begins before the partitions were added and ends after; later ones let time pass."""
    broker = MemoryBroker()
    broker.create_topic(RUM, 2)
    sessions = [f"session-{number}" for number in range(16)]
    for minute in range(10):
        for name in sessions:
            send(broker, name, 2, minute, minute)
    broker.add_partitions(RUM, READERS)
    for minute in range(10, 20):
        for name in sessions:
            send(broker, name, READERS, minute, minute)
    for number in range(16):
        send(broker, f"later-{number}", READERS, 120, 0)
    logs = iter([SlowLog(broker, 20 if number in slow else 0) for number in range(READERS)])
    ends = {(RUM, number): 1_000 for number in range(READERS)}
    options = SourceOptions(poll_messages=1_000, clock=ClockRules(), on_lost=OnLost.STOP, end_offsets=ends)
    metrics = JobMetrics("test")
    watch = SourceWatch(metrics.readers.append, lambda _: None, lambda _: None)
    source = TopicSource(options, NAMES, Topics(broker.facts()), lambda: next(logs), MachineClock(), watch)
    settings = load_settings(lake=str(tmp_path / "lake"), run={"cache_dir": tmp_path / "packs"})
    run_bounded(build(settings, source, NAMES, metrics, State(), is_bounded=True))
    store = LocalStore(tmp_path / "lake")
    rows = read_rows(store, list(table_keys(store, "sessions")), "sessions")
    found = sorted((row["session_id"], row["revision"], row["late_count"], row["session_action_count"]) for row in rows)
    wanted = [(name, 0, 0, 20) for name in sessions] + [(f"later-{number}", 0, 0, 1) for number in range(16)]
    assert found == sorted(wanted)
