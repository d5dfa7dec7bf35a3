"""One suite for what a reader is given: the in-memory twin, a real broker, and Apache Kafka where it is."""

import time
import uuid
from collections.abc import Callable

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from flows.broker import SourceError, TopicFacts, look_up_topics
from flows.demo.servers import Broker
from flows.kafka_log import KafkaLog, KafkaProbe
from flows.topic_log import End, Event, Gone, Record, TopicLog
from operators.input.receive_clock import Input
from tests.contract.memory_log import MemoryBroker, MemoryLog

WAIT_SECONDS = 120.0
STAMP_MS = int(time.time() * 1000) - 60_000


class Topic:
    """A topic of a broker, in memory or real, as the suite fills it and looks at it."""

    def __init__(self, broker: "MemoryBroker | Broker", partitions: int) -> None:
        self.name = f"log-{uuid.uuid4().hex}"
        self.broker = broker
        broker.create_topic(self.name, partitions)
        self._options: dict[str, str | int | float | bool] = (
            {"bootstrap.servers": broker.bootstrap} if isinstance(broker, Broker) else {}
        )
        self._producer = Producer(self._options) if self._options else None
        self._admin = AdminClient(self._options) if self._options else None  # its answers end with it

    def place(self, number: int) -> Input:
        return self.name, number

    def send(self, number: int, *values: bytes | None, headers: dict[str, bytes] | None = None) -> None:
        for value in values:
            if self._producer is None:
                assert isinstance(self.broker, MemoryBroker)
                self.broker.send(self.place(number), value, STAMP_MS, headers)
            else:
                kept: list[tuple[str, str | bytes | None]] = list((headers or {}).items())
                self._producer.produce(self.name, value, partition=number, timestamp=STAMP_MS, headers=kept)
        if self._producer is not None:
            assert self._producer.flush(WAIT_SECONDS) == 0

    def log(self) -> TopicLog:
        if isinstance(self.broker, MemoryBroker):
            return MemoryLog(self.broker)
        return KafkaLog(self._options, KafkaProbe(self._options))

    def facts(self) -> TopicFacts:
        if isinstance(self.broker, MemoryBroker):
            return self.broker.facts()[self.name]
        return look_up_topics(self._options, [self.name])[self.name]

    def add_partitions(self, total: int) -> None:
        if isinstance(self.broker, MemoryBroker):
            self.broker.add_partitions(self.name, total)
            return
        assert self._admin is not None
        made = self._admin.create_partitions([NewPartitions(self.name, total)])
        made[self.name].result(WAIT_SECONDS)

    def delete_before(self, number: int, offset: int) -> None:
        if isinstance(self.broker, MemoryBroker):
            self.broker.delete_before(self.place(number), offset)
            return
        assert self._admin is not None
        done = self._admin.delete_records([TopicPartition(self.name, number, offset)])
        for one in done.values():
            one.result(WAIT_SECONDS)

    def end_transaction(self, number: int, *values: bytes) -> None:
        if isinstance(self.broker, MemoryBroker):
            self.send(number, *values)
            self.broker.end_transaction(self.place(number))
            return
        producer = Producer(self._options | {"transactional.id": uuid.uuid4().hex})
        producer.init_transactions(WAIT_SECONDS)
        producer.begin_transaction()
        for value in values:
            producer.produce(self.name, value, partition=number, timestamp=STAMP_MS)
        producer.commit_transaction(WAIT_SECONDS)

    def again(self) -> None:
        """Delete it and make it again under its name."""
        if isinstance(self.broker, MemoryBroker):
            self.broker.delete_topic(self.name)
        else:
            admin = self._admin
            assert admin is not None
            admin.delete_topics([self.name])[self.name].result(WAIT_SECONDS)
            wait_for(lambda: self.name not in admin.list_topics(timeout=WAIT_SECONDS).topics)
        self.broker.create_topic(self.name, 1)


MakeTopic = Callable[[int], Topic]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(params=["memory", "tansu", pytest.param("apache_kafka", marks=pytest.mark.slow)])
def topic(request: pytest.FixtureRequest) -> MakeTopic:
    broker = MemoryBroker() if request.param == "memory" else request.getfixturevalue(request.param)
    return lambda partitions: Topic(broker, partitions)


@pytest.fixture(params=["memory", pytest.param("apache_kafka", marks=pytest.mark.slow)])
def full_topic(request: pytest.FixtureRequest) -> MakeTopic:
    """Of a broker that can do everything that Kafka can."""
    broker = MemoryBroker() if request.param == "memory" else request.getfixturevalue(request.param)
    return lambda partitions: Topic(broker, partitions)


def read(log: TopicLog, until: Callable[[list[Event]], bool]) -> list[Event]:
    found: list[Event] = []
    deadline = time.monotonic() + WAIT_SECONDS
    while not until(found):
        found += log.poll(100)
        assert time.monotonic() < deadline, found
    return found


def has_ends(count: int) -> Callable[[list[Event]], bool]:
    return lambda found: sum(isinstance(one, End) for one in found) >= count


def test_messages_come_in_order_with_all_that_they_say(topic: MakeTopic) -> None:
    made = topic(1)
    made.send(0, b"one", None, b"", headers={"Type": b"guance.rum"})
    log = made.log()
    log.assign({made.place(0): 0})
    *records, end = read(log, has_ends(1))
    assert [(r.topic, r.partition, r.offset, r.stamp_ms) for r in records if isinstance(r, Record)] == [
        (made.name, 0, number, STAMP_MS) for number in range(3)
    ]
    assert [r.value for r in records if isinstance(r, Record)] == [b"one", None, b""]
    assert all(isinstance(r, Record) and list(r.headers.values()) == [b"guance.rum"] for r in records)
    assert end == End(made.name, 0, 3)
    log.close()


def test_reading_begins_where_it_is_told_to_and_only_there(topic: MakeTopic) -> None:
    made = topic(3)
    for number in range(3):
        made.send(number, b"0", b"1", b"2")
    log = made.log()
    log.assign({made.place(0): 2, made.place(2): 0})
    found = read(log, has_ends(2))
    assert [(r.partition, r.offset) for r in sorted(found, key=str) if isinstance(r, Record)] == [
        (0, 2), (2, 0), (2, 1), (2, 2),
    ]  # fmt: skip
    log.close()


def test_a_new_assignment_goes_on_where_it_says(topic: MakeTopic) -> None:
    made = topic(2)
    made.send(0, b"0", b"1")
    log = made.log()
    log.assign({made.place(0): 0})
    read(log, has_ends(1))
    made.send(0, b"2")
    made.send(1, b"0")
    log.assign({made.place(0): 2, made.place(1): 0})
    found = read(log, has_ends(2))
    assert sorted((r.partition, r.offset) for r in found if isinstance(r, Record)) == [(0, 2), (1, 0)]
    log.close()


def test_the_end_of_a_transaction_is_no_message_and_no_lag(full_topic: MakeTopic) -> None:
    made = full_topic(1)
    made.end_transaction(0, b"one", b"two")
    log = made.log()
    log.assign({made.place(0): 0})
    *records, end = read(log, has_ends(1))
    assert [r.offset for r in records if isinstance(r, Record)] == [0, 1]
    assert end == End(made.name, 0, 3)
    extent = log.extent(made.place(0))
    assert extent is not None
    assert extent.high == 3
    assert log.known_end(made.place(0)) == 3
    log.close()


@pytest.mark.parametrize("offset", [0, 7])
def test_an_offset_that_is_not_there_is_told(full_topic: MakeTopic, offset: int) -> None:
    made = full_topic(1)
    made.send(0, b"0", b"1", b"2")
    made.delete_before(0, 2)
    log = made.log()
    log.assign({made.place(0): offset})
    found = read(log, bool)
    assert found[0] == Gone(made.name, 0)
    extent = log.extent(made.place(0))
    assert extent == (2, 3)
    log.assign({made.place(0): 2})
    found = read(log, has_ends(1))
    assert [r.value for r in found if isinstance(r, Record)] == [b"2"]
    log.close()


def test_partitions_that_are_added_and_topics_made_again_are_seen(full_topic: MakeTopic) -> None:
    made = full_topic(1)
    before = made.facts()
    assert before.partitions == (0,)
    made.add_partitions(3)
    wait_for(lambda: made.facts().partitions == (0, 1, 2))
    assert made.facts().topic_id == before.topic_id is not None
    made.again()
    wait_for(lambda: is_another(made, before.topic_id))


def is_another(made: Topic, topic_id: str | None) -> bool:
    try:
        return made.facts().topic_id != topic_id
    except SourceError:  # the broker has not made it yet
        return False


def test_committed_offsets_are_for_others_to_see(full_topic: MakeTopic) -> None:
    made = full_topic(1)
    made.send(0, b"0", b"1")
    log = made.log()
    log.assign({made.place(0): 0})
    read(log, has_ends(1))
    log.commit({made.place(0): 2})
    assert committed(made, log) == 2
    log.close()


def committed(made: Topic, log: TopicLog) -> int:
    broker = made.broker
    if isinstance(broker, MemoryBroker):
        return broker.committed[made.place(0)]
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    found: list[int] = []

    def look() -> bool:
        log.poll(10)  # the client works while it is asked for messages
        asked = ConsumerGroupTopicPartitions("replaylake", [TopicPartition(*made.place(0))])
        [result] = admin.list_consumer_group_offsets([asked]).values()
        found.append(result.result(WAIT_SECONDS).topic_partitions[0].offset)
        return found[-1] == 2

    wait_for(look)
    return found[-1]
