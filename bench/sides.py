"""The two sides of the comparison, each run as a process of its own."""

import json
import resource
import sys
import time
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, TopicPartition

from flows.job import run_bounded_with_recovery
from flows.metrics import JobMetrics
from flows.session_replay import build, kafka_options, kafka_source
from flows.settings import load_settings


class _Tags(msgspec.Struct):
    app_id: str
    session_id: str


class _Fields(msgspec.Struct):
    time_spent: float = 0
    duration: float = 0


class _Line(msgspec.Struct):
    measurement: str
    tags: _Tags
    fields: _Fields
    time: float


def consume_and_decode(bootstrap: str, topic: str, end: int) -> int:
    """Consume in lists, decode what a session needs, keep first and last time and a count per session."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    decoder = msgspec.json.Decoder(_Line)
    sessions: dict[tuple[str, str], list[float]] = {}
    count = 0
    while count < end:
        for message in consumer.consume(2000, timeout=1.0):
            line = decoder.decode(message.value() or b"")
            key = line.tags.app_id, line.tags.session_id
            until = line.time + line.fields.duration / 1e6
            found = sessions.get(key)
            if found is None:
                sessions[key] = [line.time, until, 1]
            else:
                found[0], found[1], found[2] = min(found[0], line.time), max(found[1], until), found[2] + 1
            count += 1
    consumer.close()
    return count


def flow(bootstrap: str, topic: str, end: int, work: str) -> int:
    """The job as it is, bounded by the end of the topic, recovery on."""
    kafka = {"bootstrap": bootstrap, "topics": [topic]}
    run = {"recovery_dir": Path(work) / "recovery"}
    settings = load_settings(lake=f"{work}/lake", kafka=kafka, run=run)
    options = msgspec.structs.replace(kafka_options(settings), end_offsets={(topic, 0): end})
    metrics = JobMetrics("bench")
    source = kafka_source(options, ["0000"], metrics)
    job = build(settings, source, ["0000"], metrics, is_bounded=True)
    run_bounded_with_recovery(job, settings)
    return sum(writer.counts.items for writer in job.sink.writers.values())


def main() -> None:
    side, bootstrap, topic, end, work = sys.argv[1:]
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    count = int(end)
    items = flow(bootstrap, topic, count, work) if side == "flow" else consume_and_decode(bootstrap, topic, count)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"items": items, "cpu": cpu, "wall": time.monotonic() - started}))


if __name__ == "__main__":
    main()
