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
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import cluster_main

from bench.spent import charged
from bench.topic import Topic
from flows.metrics import JobMetrics
from flows.recovery_folder import open_recovery_folder
from flows.session_replay import kafka_options, kafka_source
from flows.settings import load_settings
from operators.arrivals import decode_poll, shard_batches
from operators.engine import ShardLogic
from operators.sessions import ShardOutput


class _Arguments(msgspec.Struct):
    topic: Topic
    work: str


class _Nowhere(DynamicSink[tuple[str, ShardOutput]]):
    """Counts windows."""

    def __init__(self) -> None:
        self.windows = 0

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_NowherePart":
        del step_id, worker_index, worker_count
        return _NowherePart(self)


class _NowherePart(StatelessSinkPartition[tuple[str, ShardOutput]]):
    def __init__(self, sink: _Nowhere) -> None:
        self._sink = sink

    def write_batch(self, items: list[tuple[str, ShardOutput]]) -> None:
        self._sink.windows += sum(len(output.orders) for _, output in items)


def run_sessions(topic: Topic, work: Path) -> tuple[int, Mapping[str, float]]:
    """The first half of `flows.session_replay.build`, bounded as the whole flow is."""
    kafka = {"bootstrap": topic.bootstrap, "topics": [topic.name]}
    settings = load_settings(lake=str(work / "lake"), kafka=kafka, run={"recovery_dir": work / "recovery"})
    ends = {(topic.name, number): end for number, end in enumerate(topic.ends)}
    partitions = [f"{number:04d}" for number in range(len(topic.ends))]
    metrics = JobMetrics("bench")
    source = kafka_source(msgspec.structs.replace(kafka_options(settings), end_offsets=ends), partitions, metrics)
    memo = settings.sessions.memo_limits(len(partitions))
    shard = partial(ShardLogic, settings.sessions.rules(), memo, metrics.trackers.append, drain_at_eof=True)
    sink = _Nowhere()

    flow = Dataflow("sessions_only")
    polls = op.input("input", flow, source)
    decoded = op.map("decode", polls, partial(decode_poll, limits=settings.limits.decode()))
    batches = op.flat_map("route", decoded, partial(shard_batches, shard_count=settings.sessions.shards))
    op.output("nowhere", op.stateful_batch("sessions", batches, shard), sink)

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
