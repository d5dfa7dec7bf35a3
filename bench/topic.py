"""Putting generated traffic on a broker."""

from collections.abc import Iterable

import msgspec
from confluent_kafka import Producer

from bench.traffic import Sent

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
