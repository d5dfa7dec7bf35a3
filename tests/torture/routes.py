"""The same traffic on topics of every kind: how messages are keyed, partitioned, and spread over topics that grow."""

import logging
from collections.abc import Callable, Mapping
from itertools import count
from zlib import crc32

import msgspec
from confluent_kafka import Producer

from operators.wire.message import Message
from tests.torture.topics import Topics

_USERS = 40
_REPLAYS = frozenset({"guance.replay", "datadog.replay", "rrweb"})
_AS_PARTITIONED = -1
_log = logging.getLogger(__name__)  # librdkafka is loud about a broker that is away on purpose
_log.addHandler(logging.NullHandler())


class Sent(msgspec.Struct, frozen=True):
    """A message as an intake sends it. `session_id`: "" for what has none."""

    session_id: str
    message: Message
    stamp_ms: int


Key = Callable[[Sent], str | None]


def by_session(sent: Sent) -> str:
    return sent.session_id


def by_user(sent: Sent) -> str:
    return f"user-{crc32(sent.session_id.encode()) % _USERS}"


def without_key(_: Sent) -> None:
    return None


class Route(msgspec.Struct, frozen=True):
    """`topics`: partitions of each, "replay" being the one of replays; `partitioner`: librdkafka's name, "" in turn.

    `replay_partitioner`: of another producer, which sends the replays.
    """

    name: str
    topics: Mapping[str, int]
    partitioner: str = "murmur2_random"  # Java's default
    replay_partitioner: str = ""
    key: Key = by_session
    grows_to: int = 0


ONE_LOG = Route("one partition", {"all": 1})  # the order of sending is the order of reading: what the others must equal
_KEYED = Route("keyed, Java's partitioner", {"all": 4})
ROUTES = (
    _KEYED,
    Route("keyed, librdkafka's partitioner", {"all": 4}, "consistent_random"),
    Route("without keys", {"all": 4}, "", key=without_key),
    Route("keyed by user", {"all": 4}, key=by_user),
    Route("two topics", {"rum": 3, "replay": 5}),
    Route("growing from 2 to 4", {"all": 2}, grows_to=4),
)
# Two producers mix their messages as they like, so that only their sending in real time keeps the order of stamps.
LIVE_ROUTES = (
    *ROUTES,
    Route("two producers, each its partitioner", {"all": 4}, replay_partitioner="consistent_random"),
)


class Lane:
    """A route into topics that are there. `grow`: adds partitions to one of them."""

    def __init__(
        self, route: Route, topics: Mapping[str, int], bootstrap: str, grow: Callable[[str, int], None] | None = None
    ) -> None:
        self._route = route
        self._partitions = dict(topics)
        self._grow = grow
        self._bootstrap = bootstrap
        self._turn = count()
        self._failed: list[str] = []
        self._producers = self._new_producers()

    @property
    def names(self) -> list[str]:
        return list(self._partitions)

    def send(self, sent: Sent) -> None:
        """Into the producer's queue; `finish` waits for it."""
        is_replay = sent.message.type in _REPLAYS
        topic = next((name for name in self.names if name.endswith("-replay") == is_replay), self.names[0])
        producer = self._producers[is_replay]
        key = self._route.key(sent)
        partition = _AS_PARTITIONED if self._route.partitioner else next(self._turn) % self._partitions[topic]
        headers: list[tuple[str, str | bytes | None]] = [("type", (sent.message.type or "").encode())]
        headers += sent.message.headers.items()
        while True:
            try:
                producer.produce(
                    topic,
                    sent.message.value,
                    partition=partition,
                    key=None if key is None else key.encode(),
                    headers=headers,
                    timestamp=sent.stamp_ms,
                    on_delivery=self._delivered,
                )
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)

    def grow(self) -> None:
        """Add the partitions that the route promises, and use them from here on."""
        if not self._route.grows_to or self._grow is None:
            return
        self.finish()
        for topic in self.names:
            self._grow(topic, self._route.grows_to)
        self._partitions = dict.fromkeys(self.names, self._route.grows_to)
        self._producers = self._new_producers()  # they ask for the partitions again

    def finish(self) -> None:
        """Be sure that everything is on the broker."""
        left = sum(producer.flush(120) for producer in self._producers)
        assert not self._failed, f"{len(self._failed)} messages were not delivered, such as {self._failed[0]}"
        assert not left, f"{left} messages were not delivered in time"

    def _new_producers(self) -> tuple[Producer, Producer]:
        """Of lines, and of replays: the same one where the route has one."""
        lines = self._new_producer(self._route.partitioner)
        apart = self._route.replay_partitioner
        return lines, self._new_producer(apart) if apart else lines

    def _new_producer(self, partitioner: str) -> Producer:
        options = {"bootstrap.servers": self._bootstrap, "linger.ms": 50, "message.max.bytes": 16_777_216}
        options |= {"message.timeout.ms": 300_000, "partitioner": partitioner or "random"}
        options |= {"max.in.flight.requests.per.connection": 1}  # a batch that is sent again does not change the order
        options |= {
            "topic.metadata.propagation.max.ms": 300_000,
            "topic.metadata.refresh.interval.ms": 2_000,
        }  # a broker that has just started knows no topic yet
        return Producer(options, logger=_log)

    def _delivered(self, error: object, _: object) -> None:
        if error is not None:
            self._failed.append(str(error))


def new_lane(route: Route, prefix: str, topics: Topics) -> Lane:
    """With topics of its own, named by the prefix."""
    named = {f"{prefix}-{name}": partitions for name, partitions in route.topics.items()}
    for topic, partitions in named.items():
        topics.make(topic, partitions)
    return Lane(route, named, topics.broker.bootstrap, topics.grow)


def rum_lane(bootstrap: str) -> Lane:
    """Into the topic `rum`, keyed as our intake does it: what is late is late in the order of the log."""
    return Lane(_KEYED, {"rum": 0}, bootstrap)
