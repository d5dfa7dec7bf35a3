"""The job without what it writes: source, decode, windows and recovery as they are, then everything is thrown away.

What the job does for the same result as the baselines that keep sessions and write nothing, but with all window rules,
copies removed, and state that survives a crash.
"""

import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from bytewax.testing import cluster_main

from bench.spent import charged
from bench.topic import Topic
from flows.decoding import Decode
from flows.job_input import part_names
from flows.kafka_log import KafkaProbe
from flows.metrics import JobMetrics
from flows.recovery_folder import open_recovery_folder
from flows.settings import load_settings
from flows.topics import Topics
from flows.wiring import client_options, journal_folder, kafka_source, source_options, tracker_builder
from operators.client.request import Clients
from operators.shards import Router, ShardBatch, Spread
from operators.windows.tracker import SessionTracker
from sinks.engine import TrackerBuilder
from sinks.session_journal import SessionJournal


class _Arguments(msgspec.Struct):
    topic: Topic
    work: str


class _Nowhere(FixedPartitionedSink[ShardBatch, bytes]):
    """Keeps sessions and counts their windows."""

    def __init__(self, shards: list[str], build_tracker: TrackerBuilder, journals: Path) -> None:
        self._shards = shards
        self._journals = journals
        self._build_tracker = build_tracker
        self.windows = 0

    def list_parts(self) -> list[str]:
        return self._shards

    def part_fn(self, item_key: str) -> int:
        return self._shards.index(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> "_NowherePart":
        del step_id, resume_state
        return _NowherePart(self, self._build_tracker(for_part, ()), SessionJournal(self._journals, for_part, None))


class _NowherePart(StatefulSinkPartition[ShardBatch, bytes]):
    def __init__(self, sink: _Nowhere, tracker: SessionTracker, journal: SessionJournal) -> None:
        self._sink = sink
        self._journal = journal
        self._tracker = tracker
        self._seq = 0

    def write_batch(self, values: list[ShardBatch]) -> None:
        for batch in values:
            self._sink.windows += len(self._tracker.apply(self._seq, batch.clock_ms, batch.arrivals).orders)
            if batch.is_last and batch.reader == batch.shard:
                self._sink.windows += len(self._tracker.drain().orders)

    def snapshot(self) -> bytes:
        self._seq += 1
        return msgspec.msgpack.encode(self._journal.save(self._tracker))


def run_sessions(topic: Topic, work: Path) -> tuple[int, Mapping[str, float]]:
    """The first half of `flows.session_replay.build`, bounded as the whole flow is."""
    kafka = {"bootstrap": topic.bootstrap, "topics": [topic.name]}
    settings = load_settings(lake=str(work / "lake"), kafka=kafka, run={"recovery_dir": work / "recovery"})
    names = part_names(len(topic.ends))
    metrics = JobMetrics("bench")
    client = client_options(settings.kafka)
    options = msgspec.structs.replace(source_options(settings), end_offsets=topic.end_offsets())
    source = kafka_source(options, client, names, Topics(topic.facts()), metrics, KafkaProbe(client))
    sink = _Nowhere(names, tracker_builder(settings, metrics, names), journal_folder(settings))
    decode = Decode(settings.limits.decode(), settings.limits.share(), Clients())

    flow = Dataflow("sessions_only")
    polls = op.input("read", flow, source)
    decoded = op.map("decode", polls, decode)
    batches = op.flat_map("key_by_session", decoded, Router(names, Spread(), is_bounded=True))
    op.output("nowhere", op.key_on("shard", batches, lambda one: one.shard), sink)

    epoch = timedelta(seconds=settings.run.epoch_seconds)
    with open_recovery_folder(settings) as folder:
        config = folder.engine_config()
        cluster_main(flow, [], 0, epoch_interval=epoch, recovery_config=config)  # type: ignore[no-untyped-call]
    return sum(part.messages for part in metrics.readers), {"windows": sink.windows}


def main() -> None:
    arguments = msgspec.json.decode(sys.argv[1], type=_Arguments)
    charged(lambda: run_sessions(arguments.topic, Path(arguments.work)))


if __name__ == "__main__":
    main()
