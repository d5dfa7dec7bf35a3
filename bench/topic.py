"""Putting generated traffic on a broker, and reading back what is there."""

import time
from collections.abc import Iterable

import msgspec
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from bench.traffic import Sent
from flows.broker import TopicFacts
from operators.input.receive_clock import Input

_WAIT_SECONDS = 20.0
_LOOK_SECONDS = 0.5
_PRODUCER = {
    "partitioner": "murmur2_random",  # Java's, as producers on the JVM and the intake have it
    "linger.ms": 50,
    "queue.buffering.max.messages": 200_000,
    "queue.buffering.max.kbytes": 262_144,
    "message.max.bytes": 16_777_216,
}


class Topic(msgspec.Struct):
    """A topic that was filled: what a side of a measurement needs to know to read all of it."""

    bootstrap: str
    name: str
    ends: list[int]  # offset after the last message, by partition
    messages: int = 0
    lines: int = 0
    bytes: int = 0

    def facts(self) -> dict[str, TopicFacts]:
        """As the job looks it up."""
        return {self.name: TopicFacts(self.name, None, tuple(range(len(self.ends))))}

    def end_offsets(self) -> dict[Input, int]:
        """Where a bounded run stops."""
        return {(self.name, number): end for number, end in enumerate(self.ends)}


def fill(bootstrap: str, name: str, partitions: int, sent: Iterable[Sent], *, compression: str = "none") -> Topic:
    """Send everything, keyed by session and stamped with the receive time. Returns when the broker has it all."""
    topic = Topic(bootstrap, name, [0] * partitions)
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": compression, **_PRODUCER})
    failed: list[str] = []

    def delivered(error: object, message: object) -> None:
        if error is not None:
            failed.append(str(error))
        else:
            topic.ends[message.partition()] += 1  # type: ignore[attr-defined]

    for one in sent:
        headers: list[tuple[str, str | bytes | None]] = [("type", one.type), *one.headers.items()]
        while True:
            try:
                producer.produce(
                    name, one.value, key=one.key, headers=headers, timestamp=one.received_ms, on_delivery=delivered
                )
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
        topic.messages += 1
        topic.lines += one.lines
        topic.bytes += len(one.value)
    left = producer.flush(120)
    if failed or left:
        raise RuntimeError(f"{len(failed) + left} messages were not delivered: {failed[:1]}")
    return topic


def read_back(bootstrap: str, name: str) -> list[Message]:
    """Every message of a topic that is there now. Not by its watermarks: Tansu's count batches, not messages."""
    options = {"bootstrap.servers": bootstrap, "group.id": "bench", "enable.partition.eof": True, "log_level": 0}
    consumer = Consumer({**options, "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(name, timeout=_WAIT_SECONDS).topics[name].partitions
        consumer.assign([TopicPartition(name, number, 0) for number in partitions])
        found: list[Message] = []
        ended: set[int | None] = set()
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            message = consumer.poll(_LOOK_SECONDS)
            if message is None:
                if len(ended) == len(partitions):
                    return found
                if time.monotonic() > deadline:
                    raise RuntimeError(f"only {len(ended)} of {len(partitions)} partitions have an end")
                continue
            deadline = time.monotonic() + _WAIT_SECONDS
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
    finally:
        consumer.close()
