"""Baselines that read a topic and write nothing: consume; consume and orjson; a hand-written session loop."""

import sys
from collections.abc import Callable, Sequence

import msgspec
import orjson
from confluent_kafka import Consumer, Message, TopicPartition

from bench.spent import charged
from bench.topic import Topic

_BATCH = 2000


class _Arguments(msgspec.Struct):
    topic: Topic
    how: str


class _Tags(msgspec.Struct, gc=False):
    app_id: str
    session_id: str


class _Fields(msgspec.Struct, gc=False):
    time_spent: float = 0
    duration: float = 0


class _Line(msgspec.Struct, gc=False):
    measurement: str
    tags: _Tags
    fields: _Fields
    time: float


class SessionLoop:
    """What a team writes first: decode the fields that sessions need, keep a small list per session in a dictionary."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Line).decode
        self._sessions: dict[tuple[str, str], list[float]] = {}

    def __call__(self, messages: Sequence[Message]) -> None:
        sessions, decode = self._sessions, self._decode
        for message in messages:
            line = decode(message.value() or b"")
            key = line.tags.app_id, line.tags.session_id
            until = line.time + (line.fields.duration or line.fields.time_spent) / 1e6
            found = sessions.get(key)
            if found is None:
                sessions[key] = [line.time, until, 1]
            else:
                found[0], found[1], found[2] = min(found[0], line.time), max(found[1], until), found[2] + 1


def _values(messages: Sequence[Message]) -> None:
    for message in messages:
        message.value()


def _orjson(messages: Sequence[Message]) -> None:
    for message in messages:
        orjson.loads(message.value() or b"")


_HOW: dict[str, Callable[[], Callable[[Sequence[Message]], None]]] = {
    "consume": lambda: _values,
    "orjson": lambda: _orjson,
    "loop": SessionLoop,
}


def consume(topic: Topic, work: Callable[[Sequence[Message]], None]) -> int:
    """Read the whole topic in batches; the number of messages."""
    options: dict[str, str | int | float | bool | None] = {
        "bootstrap.servers": topic.bootstrap,
        "group.id": "bench",
        "enable.auto.commit": False,
        "fetch.message.max.bytes": 16_777_216,
    }
    consumer = Consumer(options)
    consumer.assign([TopicPartition(topic.name, number, 0) for number in range(len(topic.ends))])
    count = 0
    while count < topic.messages:
        messages = consumer.consume(_BATCH, timeout=1.0)
        work(messages)
        count += len(messages)
    consumer.close()
    return count


def main() -> None:
    arguments = msgspec.json.decode(sys.argv[1], type=_Arguments)
    work = _HOW[arguments.how]()
    charged(lambda: (consume(arguments.topic, work), {}))


if __name__ == "__main__":
    main()
