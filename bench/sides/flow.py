"""The job as it is, bounded by the end of the topic: recovery on, epochs, packs, tables and blobs on local disk."""

import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from bench.spent import charged, refuse_pandas
from bench.topic import Topic
from flows.job import run_bounded_with_recovery
from flows.metrics import JobMetrics
from flows.settings import load_settings
from flows.wiring import State, bounded_kafka_job, journal_folder


class _Arguments(msgspec.Struct):
    topic: Topic
    work: str


def run_flow(topic: Topic, work: Path) -> tuple[int, Mapping[str, float]]:
    """Read the topic into a lake below `work`; messages that found their end, and what was made of them."""
    kafka = {"bootstrap": topic.bootstrap, "topics": [topic.name]}
    settings = load_settings(lake=str(work / "lake"), kafka=kafka, run={"recovery_dir": work / "recovery"})
    metrics = JobMetrics("bench")
    state = State(journals=journal_folder(settings))
    job = bounded_kafka_job(settings, topic.facts(), {}, topic.end_offsets(), metrics, state)
    run_bounded_with_recovery(job, settings)
    counts = [writer.counts for writer in job.sink.writers.values()]
    more = {
        "items": sum(one.items for one in counts),
        "refused": sum(sum(one.quarantined.values()) for one in counts),
        "windows": sum(sum(one.windows.values()) for one in counts),
        "revisions": sum(one.revisions for one in counts),
        "blob_bytes": sum(one.replay_bytes for one in counts),
    }
    return sum(part.messages for part in metrics.readers), more


def main() -> None:
    arguments = msgspec.json.decode(sys.argv[1], type=_Arguments)
    refuse_pandas()
    charged(lambda: run_flow(arguments.topic, Path(arguments.work)))


if __name__ == "__main__":
    main()
