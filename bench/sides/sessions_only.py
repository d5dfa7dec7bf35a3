"""The job without what it writes: source, decode, windows and recovery as they are, then everything is thrown away.

What the job does for the same result as the baselines that keep sessions and write nothing, but with all window rules,
copies removed, and state that survives a crash.
"""

import sys
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from bytewax.testing import cluster_main

from bench.spent import charged
from bench.topic import Topic
from flows.metrics import JobMetrics
from flows.recovery_folder import open_recovery_folder
from flows.session_replay import journal_folder, kafka_options, kafka_source, tracker_builder
from flows.settings import load_settings
from operators.arrivals import DecodedPoll, decode_poll
from operators.sessions import SessionTracker
from sinks.engine import TrackerBuilder
from sinks.session_journal import SessionJournal


class _Arguments(msgspec.Struct):
    topic: Topic
    work: str


class _Nowhere(FixedPartitionedSink[DecodedPoll, bytes]):
    """Keeps sessions and counts their windows."""

    def __init__(self, partitions: list[str], build_tracker: TrackerBuilder, journals: Path) -> None:
        self._partitions = partitions
        self._journals = journals
        self._build_tracker = build_tracker
        self.windows = 0

    def list_parts(self) -> list[str]:
        return self._partitions

    def part_fn(self, item_key: str) -> int:
        return self._partitions.index(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> "_NowherePart":
        del step_id, resume_state
        return _NowherePart(self, self._build_tracker(()), SessionJournal(self._journals, for_part, None))


class _NowherePart(StatefulSinkPartition[DecodedPoll, bytes]):
    def __init__(self, sink: _Nowhere, tracker: SessionTracker, journal: SessionJournal) -> None:
        self._sink = sink
        self._journal = journal
        self._tracker = tracker

    def write_batch(self, values: list[DecodedPoll]) -> None:
        for poll in values:
            self._sink.windows += len(self._tracker.apply(poll.seq, poll.clock_ms, poll.arrivals).orders)
            if poll.is_last:
                self._sink.windows += len(self._tracker.drain().orders)

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self._journal.save(self._tracker))


def run_sessions(topic: Topic, work: Path) -> tuple[int, Mapping[str, float]]:
    """The first half of `flows.session_replay.build`, bounded as the whole flow is."""
    kafka = {"bootstrap": topic.bootstrap, "topics": [topic.name]}
    settings = load_settings(lake=str(work / "lake"), kafka=kafka, run={"recovery_dir": work / "recovery"})
    ends = {(topic.name, number): end for number, end in enumerate(topic.ends)}
    partitions = [f"{number:04d}" for number in range(len(topic.ends))]
    metrics = JobMetrics("bench")
    source = kafka_source(msgspec.structs.replace(kafka_options(settings), end_offsets=ends), partitions, metrics)
    sink = _Nowhere(partitions, tracker_builder(settings, metrics, len(partitions)), journal_folder(settings))

    flow = Dataflow("sessions_only")
    polls = op.input("input", flow, source)
    decoded = op.map("decode", polls, partial(decode_poll, limits=settings.limits.decode()))
    op.output("nowhere", op.key_on("partition", decoded, lambda one: one.partition), sink)

    epoch = timedelta(seconds=settings.run.epoch_seconds)
    with open_recovery_folder(settings) as folder:
        config = folder.engine_config()
        cluster_main(flow, [], 0, epoch_interval=epoch, recovery_config=config)  # type: ignore[no-untyped-call]
    return sum(part.messages for part in metrics.partitions), {"windows": sink.windows}


def main() -> None:
    arguments = msgspec.json.decode(sys.argv[1], type=_Arguments)
    charged(lambda: run_sessions(arguments.topic, Path(arguments.work)))


if __name__ == "__main__":
    main()
