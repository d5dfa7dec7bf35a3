"""Baseline: the codecs alone, on one core: inflate every segment of a topic, compress each session as its blob does."""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import msgspec
from confluent_kafka import Message as KafkaMessage

from bench.sides.consumers import consume
from bench.spent import charged
from bench.topic import Topic
from operators.decode import decode
from operators.families.registry import family_of
from operators.replay.frames import compress_frame
from operators.wire.inflate import inflate
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Family, Item, Kind
from schemas.units import GIB

Bodies = dict[tuple[str, Family], list[bytes]]  # by session


class _Arguments(msgspec.Struct):
    topic: Topic
    how: str


def _bodies(topic: Topic) -> Bodies:
    found: Bodies = defaultdict(list)

    def take(messages: Iterable[KafkaMessage]) -> None:
        for one in messages:
            pairs = one.headers() or []
            headers = {name: value for name, value in dict(pairs).items() if isinstance(value, bytes)}
            message = Message(headers.pop("type", b"").decode(), headers, one.value() or b"", 0)
            for item in decode(message, Limits()):
                if isinstance(item, Item) and item.kind == Kind.SEGMENT:
                    found[item.session_id, Family(item.family)].append(item.body)

    consume(topic, take)
    return found


def _inflate(bodies: Bodies) -> tuple[int, int]:
    raw = sum(len(inflate(body, GIB)) for session in bodies.values() for body in session)
    return raw, 0


def _both(bodies: Bodies) -> tuple[int, int]:
    raw = stored = 0
    for (_, family), session in bodies.items():
        segments = [inflate(body, GIB) for body in session]
        size = sum(map(len, segments))
        raw += size
        stored += len(compress_frame(segments, size, family_of(family).recording.min_match))
    return raw, stored


_HOW: dict[str, Callable[[Bodies], tuple[int, int]]] = {"inflate": _inflate, "both": _both}


def main() -> None:
    arguments = msgspec.json.decode(sys.argv[1], type=_Arguments)
    bodies = _bodies(arguments.topic)

    def work() -> tuple[int, Mapping[str, float]]:
        raw, stored = _HOW[arguments.how](bodies)
        return arguments.topic.messages, {"raw_bytes": raw, "stored_bytes": stored}

    charged(work)


if __name__ == "__main__":
    main()
