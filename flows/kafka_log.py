"""Topics on Kafka, as the source reads them: consume, assign, and translate errors. No rule is in here."""

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from flows.broker import SourceError, client_log, made
from flows.logs import LOGGER
from flows.topic_log import End, Event, Gone, Record
from operators.input.positions import Extent
from operators.input.receive_clock import Input

_PROBE_SECONDS = 5.0
_IMPATIENT_SECONDS = 0.5  # after no answer, or the readers of a process wait for it one after the other
_IMPATIENCE_SECONDS = 120.0
_SEEK_SECONDS = 15.0
_CLOSE_SECONDS = 2.0
_AWAY = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT}
_GONE = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}
_FINAL = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._AUTHENTICATION}

_Headers = dict[str, str | bytes | None] | list[tuple[str, str | bytes | None]]

_log = logging.getLogger(LOGGER)


class KafkaProbe:
    """Asks for the ends of partitions, on a connection of its own, where no fetch is waiting."""

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._consumer: Consumer = made(lambda: Consumer(consumer_options(client), logger=client_log()), client)
        self._impatient_until = 0.0

    def extent(self, place: Input) -> Extent | None:
        """As `TopicLog.extent`."""
        seconds = _IMPATIENT_SECONDS if time.monotonic() < self._impatient_until else _PROBE_SECONDS
        for _ in range(2):
            try:
                found = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=seconds, cached=False)
            except KafkaException:
                self._look_up(place[0], seconds)
            else:
                return Extent(*found)
        self._impatient_until = time.monotonic() + _IMPATIENCE_SECONDS
        return None

    def _look_up(self, topic: str, seconds: float) -> None:
        """A partition that was added is unknown to this client until it has asked for the topic again."""
        with suppress(KafkaException):
            self._consumer.list_topics(topic, timeout=seconds)

    def offset_at(self, place: Input, time_ms: int) -> int | None:
        """The first offset of a message from `time_ms` (epoch ms) on, the end if there is none; None: no answer."""
        try:
            [found] = self._consumer.offsets_for_times([TopicPartition(*place, time_ms)], timeout=_SEEK_SECONDS)
        except KafkaException:
            return None
        if found.error is None and found.offset >= 0:
            return int(found.offset)
        extent = self.extent(place)
        return None if extent is None else extent.high


class KafkaLog:
    """One consumer, which belongs to no group: its partitions are assigned to it."""

    def __init__(self, client: Mapping[str, Any], probe: KafkaProbe) -> None:
        self.outages = 0
        self._probe = probe
        self._may_commit = True
        self._sent_headers: _Headers = []
        self._headers: dict[str, bytes] = {}
        options = consumer_options(client) | {"error_cb": self._note_error, "on_commit": self._note_commit}
        self._consumer: Consumer = made(lambda: Consumer(options, logger=client_log()), client)

    def assign(self, positions: Mapping[Input, int]) -> None:
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in positions.items()])

    def poll(self, count: int) -> list[Event]:
        messages = self._consumer.consume(count, timeout=0.0)
        return [event for message in messages if (event := self._event(message)) is not None]

    def extent(self, place: Input) -> Extent | None:
        return self._probe.extent(place)

    def known_end(self, place: Input) -> int | None:
        try:
            found = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
        except (KafkaException, RuntimeError):
            return None  # closed meanwhile
        return found[1] if found[1] >= 0 else None

    def commit(self, positions: Mapping[Input, int]) -> None:
        if self._may_commit and positions:
            places = [TopicPartition(*place, offset) for place, offset in positions.items()]
            self._consumer.commit(offsets=places, asynchronous=True)

    def close(self) -> None:
        """Without waiting long for a broker that is away: nothing is to be told to it."""
        closing = threading.Thread(target=self._consumer.close, name="close", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)

    def _event(self, message: KafkaMessage) -> Event | None:
        error = message.error()
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if error is not None:
            return _failed(error, topic, partition, offset)
        assert topic is not None  # only error events have none
        assert partition is not None
        assert offset is not None
        value: str | bytes | None = message.value()
        if type(value) is not bytes and value is not None:
            value = _bytes(value)
        headers = message.headers() or []
        if headers != self._sent_headers:  # mostly they are those of the message before
            self._sent_headers, self._headers = headers, _headers(headers)
        return Record(topic, partition, offset, message.timestamp()[1], self._headers, value)

    def _note_error(self, error: KafkaError) -> None:
        if error.code() in _AWAY:  # librdkafka goes on by itself; only the clock has to know
            self.outages += 1

    def _note_commit(self, error: KafkaError | None, _: list[TopicPartition]) -> None:
        if error is not None and error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            self._may_commit = False
            _log.warning("no offsets are committed for lag tools to see: %s", error.str())


def consumer_options(client: Mapping[str, Any]) -> dict[str, Any]:
    """librdkafka's options for reading; what the user has set wins, except for what the job's rules rest on."""
    return {
        "group.id": "replaylake",  # its offsets are committed for lag tools to see, and never read
        "queued.max.messages.kbytes": 32_768,  # per reader; the default of 64 MB adds up
        "fetch.message.max.bytes": 16_777_216,
        "receive.message.max.bytes": 134_217_728,
        "topic.metadata.refresh.interval.ms": 30_000,  # a leader may move unseen while a broker restarts
        "max.poll.interval.ms": 86_400_000,  # while the store is away nothing is polled, and that is right
        **client,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",  # an offset that is gone is told, and the job decides
    }


def _failed(error: KafkaError, topic: str | None, partition: int | None, offset: int | None) -> Event | None:
    code = error.code()
    if topic is not None and partition is not None:
        if code == KafkaError._PARTITION_EOF and offset is not None:
            return End(topic, partition, offset)
        if code in _GONE:
            return Gone(topic, partition)
    if error.fatal() or code in _FINAL:
        raise SourceError(f"topic {topic!r} partition {partition}: {error.str()}")
    return None  # anything else (broker away, leader moving) librdkafka retries by itself


def _headers(found: _Headers) -> dict[str, bytes]:
    pairs = found.items() if isinstance(found, dict) else found
    return {name.lower(): value if type(value) is bytes else _bytes(value) for name, value in pairs}


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""
