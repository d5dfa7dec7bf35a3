"""Kafka as the job reads it: one partition of all topics together, one list per poll, the receive clock beside it.

The only place of the running job that knows confluent_kafka.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from flows.broker import SourceError, client_log, look_up_topics
from flows.stopping import stop_requested
from operators.arrivals import Poll, Received
from operators.decode import Message
from schemas.units import MS_PER_SECOND

_IDLE_WAIT = timedelta(milliseconds=50)
_TICK_MS = 500  # an idle partition moves its clock this often
_PROBE_SECONDS = 5.0
_CLOCK_MAX_MS = 7_258_118_400_000  # year 2200: a broken stamp must not end every session of a partition
_STATE_VERSION = 1


class KafkaOptions(msgspec.Struct, frozen=True):
    """How to read. `end_offsets`: (topic, partition) to the offset to stop before, for bounded runs."""

    client: dict[str, Any]
    topics: tuple[str, ...]
    start: str
    on_lost_offsets: str
    poll_messages: int
    clock_margin_ms: int
    outage_hold_ms: int
    start_offsets: dict[tuple[str, int], int] = {}
    end_offsets: dict[tuple[str, int], int] | None = None
    is_cluster: bool = False  # a stop must then wait for one more epoch, see `KafkaPartition`


class SourceWatch(msgspec.Struct, frozen=True):
    """Who is told of a partition: when it is built, how long an epoch took, how long its commit took (seconds)."""

    built: "Callable[[KafkaPartition], None]"
    epoch: Callable[[float], None]
    commit: Callable[[float], None]


def partition_names(options: KafkaOptions) -> list[str]:
    """The partitions as the flow names them. Raises SourceError when topics are missing or not alike."""
    facts = look_up_topics(options.client, options.topics)
    counts = {topic: len(found.partitions) for topic, found in facts.items()}
    if len(set(counts.values())) > 1:
        raise SourceError(f"kafka.topics: partition counts differ: {counts}; sessions would fall apart")
    return [f"{number:04d}" for number in range(next(iter(counts.values())))]


class KafkaSource(FixedPartitionedSource[Poll, bytes]):
    """All partitions of the topics; one consumer each."""

    def __init__(self, options: KafkaOptions, partitions: Sequence[str], watch: SourceWatch) -> None:
        self._options = options
        self._partitions = list(partitions)
        self._watch = watch
        self._probe: Consumer | None = None  # asks for ends; on a connection of its own, where no fetch is waiting

    def list_parts(self) -> list[str]:
        return self._partitions

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> "KafkaPartition":
        if self._probe is None:
            self._probe = Consumer(_client_options(self._options), logger=client_log())
        partition = KafkaPartition(self._options, for_part, resume_state, self._watch, self._probe)
        self._watch.built(partition)
        return partition


class KafkaPartition(StatefulSourcePartition[Poll, bytes]):
    """One partition number of every topic.

    The receive clock is the smallest of the topics' running maxima of message timestamps, so that a backlog in one
    topic holds back closing; a topic read to its end does not count, and when all are, the wall clock leads.
    State: epoch number, clock, next offset of each topic.

    A stop ends the input at once in a single process, which publishes its last epoch after the engine has ended. In a
    cluster a process cannot know that the others have committed, so there the input goes on without messages into one
    more epoch, whose beginning publishes the last one.
    """

    def __init__(
        self, options: KafkaOptions, partition: str, resume_state: bytes | None, watch: SourceWatch, probe: Consumer
    ) -> None:
        self._options = options
        self._probe = probe
        self._watch = watch
        self.name = partition
        self._number = int(partition)
        self._seq, self.clock_ms = 0, 0
        self._stop_seq: int | None = None  # the epoch in which a stop was first seen
        self._is_last_poll_sent = False
        self._epoch_began = time.monotonic()
        self._snapshot_at: float | None = None
        # For metrics: totals since the start, and Unix times (0.0 is never).
        self.messages, self.message_bytes = 0, 0
        self.looked_at, self.committed_at = 0.0, 0.0
        self._next: dict[str, int] = {}
        if resume_state is not None:
            version, self._seq, self.clock_ms, self._next = msgspec.msgpack.decode(
                resume_state, type=tuple[int, int, int, dict[str, int]]
            )
            if version != _STATE_VERSION:
                raise SourceError(f"source state has version {version}, this release reads {_STATE_VERSION}")
        self._topic_clock = dict.fromkeys(options.topics, 0)
        self._drained: set[str] = set()
        self._last_poll_ms = 0.0
        self._broker_lost_ms = 0.0
        client = _client_options(options) | {"error_cb": self._note_error}
        self._consumer = Consumer(client, logger=client_log())
        self._consumer.assign([TopicPartition(topic, self._number, self._begin(topic)) for topic in options.topics])

    def next_batch(self) -> list[Poll]:
        self._note_look()
        if self._is_past_end():
            return self._drain()
        if stop_requested():
            return self._last_polls()
        messages = self._consumer.consume(self._options.poll_messages, timeout=0.0)
        received = [one for message in messages if (one := self._receive(message)) is not None]
        now_ms = time.time() * MS_PER_SECOND
        if not received:
            if now_ms - self._last_poll_ms < _TICK_MS:
                return []
            self._follow_wall_clock(now_ms)
        self._last_poll_ms = now_ms
        return [Poll(self.name, self._seq, self.clock_ms, received)]

    def next_awake(self) -> datetime | None:
        if time.time() * MS_PER_SECOND - self._last_poll_ms < 1:
            return None
        return datetime.now(UTC) + _IDLE_WAIT

    def snapshot(self) -> bytes:
        # Called once at the end of each epoch: what is read from here on belongs to the next one.
        self._seq += 1
        self._snapshot_at = time.monotonic()
        self._watch.epoch(self._snapshot_at - self._epoch_began)
        return msgspec.msgpack.encode((_STATE_VERSION, self._seq, self.clock_ms, self._next))

    def close(self) -> None:
        self._consumer.close()

    def lags(self) -> dict[str, int]:
        """Messages not read yet, by topic, as of the last fetch; a topic never fetched is left out. Thread-safe."""
        found = dict.fromkeys(list(self._drained), 0)
        for topic, next_offset in list(self._next.items()):
            try:
                _, high = self._consumer.get_watermark_offsets(TopicPartition(topic, self._number), cached=True)
            except (KafkaException, RuntimeError):
                continue  # closed meanwhile
            if high >= 0:
                found[topic] = max(0, high - next_offset)
        return found

    def _note_look(self) -> None:
        self.looked_at = time.time()
        if self._snapshot_at is not None:  # the engine asks for input again, so the last epoch is committed
            self._watch.commit(time.monotonic() - self._snapshot_at)
            self.committed_at = self.looked_at
            self._epoch_began = time.monotonic()
            self._snapshot_at = None

    def _drain(self) -> list[Poll]:
        """The bounded range is read: one poll that says so, then the end."""
        if self._is_last_poll_sent:
            raise StopIteration
        self._is_last_poll_sent = True
        return [Poll(self.name, self._seq, self.clock_ms, [], is_last=True)]

    def _last_polls(self) -> list[Poll]:
        """Polls without messages until an epoch has ended, then one that belongs to the next."""
        if self._options.end_offsets is not None:
            raise InterruptedError("stopped before the end: nothing was published; run it again")
        if not self._options.is_cluster or self._is_last_poll_sent:
            raise StopIteration
        now_ms = time.time() * MS_PER_SECOND
        if now_ms - self._last_poll_ms < _TICK_MS:
            return []
        self._last_poll_ms = now_ms
        if self._stop_seq is None:
            self._stop_seq = self._seq
        self._is_last_poll_sent = self._seq > self._stop_seq
        return [Poll(self.name, self._seq, self.clock_ms, [])]

    def _begin(self, topic: str) -> int:
        if topic in self._next:
            return self._next[topic]
        chosen = self._options.start_offsets.get((topic, self._number))
        if chosen is not None:
            return chosen
        return int(OFFSET_BEGINNING if self._options.start == "earliest" else OFFSET_END)

    def _receive(self, message: KafkaMessage) -> Received | None:
        error = message.error()
        topic = message.topic()
        if error is not None:
            self._handle(error, topic)
            return None
        offset, value = message.offset(), message.value()
        if topic is None or offset is None:
            return None  # only error events have none
        end = self._end(topic)
        if end is not None and offset >= end:
            return None
        expected = self._next.get(topic)
        if expected is not None and offset < expected:
            return None  # a broker may send a batch again after a reconnect
        self._next[topic] = offset + 1
        self.messages += 1
        self.message_bytes += len(value or b"")
        received_ms = min(max(message.timestamp()[1], 0), _CLOCK_MAX_MS)
        self._drained.discard(topic)
        self._topic_clock[topic] = max(self._topic_clock[topic], received_ms)
        self._advance()
        headers = _headers(message)
        kind = headers.pop("type", None)
        body = Message(kind.decode(errors="replace") if kind else None, headers, _bytes(value), received_ms)
        return Received(topic, offset, self.clock_ms, body)

    def _handle(self, error: KafkaError, topic: str | None) -> None:
        code = error.code()
        if code == KafkaError._PARTITION_EOF and topic is not None:
            self._drained.add(topic)
        elif code in {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}:
            raise SourceError(
                f"topic {topic!r} partition {self._number}: offset {self._next.get(topic or '')} is no longer on the "
                "broker. Messages were deleted before they were read; nothing was skipped. Choose where to go on with "
                "`replaylake run --on-lost-offsets earliest|latest`, see docs/operations.md"
            )
        elif error.fatal() or code in {
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError.UNKNOWN_TOPIC_OR_PART,
            KafkaError._AUTHENTICATION,
        }:
            raise SourceError(f"topic {topic!r} partition {self._number}: {error.str()}")
        # Anything else (broker away, leader moving) librdkafka retries by itself.

    def _note_error(self, error: KafkaError) -> None:
        # librdkafka goes on by itself; only the clock has to know.
        if error.code() in {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT}:
            self._broker_lost_ms = time.time() * MS_PER_SECOND

    def _advance(self) -> None:
        drained, clocks = self._drained, self._topic_clock
        busy = [clock for topic, clock in clocks.items() if topic not in drained] if drained else clocks.values()
        self.clock_ms = max(self.clock_ms, min(busy)) if busy else self.clock_ms

    def _follow_wall_clock(self, now_ms: float) -> None:
        """Let a silent partition's sessions close, once the broker confirms that nothing is left to read.

        Not while the broker is away, nor shortly after: what was sent meanwhile waits at its senders and is older.
        """
        if now_ms - self._broker_lost_ms < self._options.outage_hold_ms:
            return
        if len(self._drained) == len(self._options.topics) and self._is_at_end():
            wall_ms = int(now_ms) - self._options.clock_margin_ms
            self.clock_ms = max(self.clock_ms, *self._topic_clock.values(), wall_ms)

    def _is_at_end(self) -> bool:
        for topic in self._options.topics:
            try:
                low, high = self._probe.get_watermark_offsets(
                    TopicPartition(topic, self._number), timeout=_PROBE_SECONDS, cached=False
                )
            except KafkaException:
                self._broker_lost_ms = time.time() * MS_PER_SECOND
                return False
            if high > self._next.get(topic, low):
                return False
        return True

    def _end(self, topic: str) -> int | None:
        ends = self._options.end_offsets
        return None if ends is None else ends.get((topic, self._number), 0)

    def _is_past_end(self) -> bool:
        if self._options.end_offsets is None:
            return False
        return all(
            self._next.get(topic, self._options.start_offsets.get((topic, self._number), 0)) >= (self._end(topic) or 0)
            or topic in self._drained
            for topic in self._options.topics
        )


def _headers(message: KafkaMessage) -> dict[str, bytes]:
    found = message.headers() or []
    pairs = found.items() if isinstance(found, dict) else found
    return {name.lower(): value if type(value) is bytes else _bytes(value) for name, value in pairs}


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


def client_options(bootstrap: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """librdkafka options shared by consumer and metadata look-ups; `extra` wins."""
    return {"bootstrap.servers": bootstrap, **extra}


def _client_options(options: KafkaOptions) -> dict[str, Any]:
    return {
        "group.id": "replaylake",  # needed by the library; nothing is committed to the group
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        # An offset that is gone must stop the job, not skip, unless a person chose where to go on.
        "auto.offset.reset": "error" if options.on_lost_offsets == "stop" else options.on_lost_offsets,
        "max.poll.interval.ms": 86_400_000,  # while the store is away nothing is polled, and that is right
        "queued.max.messages.kbytes": 32_768,  # per partition; the default of 64 MB adds up
        "fetch.message.max.bytes": 16_777_216,
        "receive.message.max.bytes": 134_217_728,
        **options.client,
    }
