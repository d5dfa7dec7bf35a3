"""Putting generated traffic on a broker, and reading back what is there."""

from collections.abc import Iterable

import msgspec
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from bench.traffic import Sent

_WAIT_SECONDS = 20.0
_LOOK_SECONDS = 0.5
_PRODUCER = {
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
    bytes: int = 0


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
        topic.bytes += len(one.value)
    left = producer.flush(120)
    if failed or left:
        raise RuntimeError(f"{len(failed) + left} messages were not delivered: {failed[:1]}")
    return topic


def read_back(bootstrap: str, name: str) -> list[Message]:
    """Every message of a topic that is there now."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench", "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(name, timeout=_WAIT_SECONDS).topics[name].partitions
        found: list[Message] = []
        for number in partitions:
            place = TopicPartition(name, number, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=_WAIT_SECONDS)
            consumer.assign([place])
            position = 0
            while position < end:
                for message in consumer.consume(end - position, _LOOK_SECONDS):
                    if message.error() is not None:
                        raise RuntimeError(str(message.error()))
                    position = (message.offset() or 0) + 1
                    found.append(message)
        return found
    finally:
        consumer.close()
