"""Topics of Apache Kafka as deployers have them: grown, made again, truncated, taken over, written in transactions."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from flows.demo.servers import Broker

WAIT_SECONDS = 200.0
ANY_STAMP = {"message.timestamp.after.max.ms": str((1 << 63) - 1)}  # as brokers before 4.0, and topics that say so
_log = logging.getLogger(__name__)  # librdkafka tells of every connection that ends
_log.addHandler(logging.NullHandler())


class Topics:
    """What is done to the topics of one broker; every call returns when all clients can see it."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._admin = AdminClient({"bootstrap.servers": broker.bootstrap}, logger=_log)

    def make(self, name: str, partitions: int, *, any_stamp: bool = False) -> None:
        """It keeps messages however old they are; `any_stamp`: and takes those of the future, as Kafka 4 does not."""
        config = {"retention.ms": "-1", **(ANY_STAMP if any_stamp else {})}
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=config)
        _done(self._admin.create_topics([topic]).values())
        _until(lambda: self.partitions(name) == partitions, f"{name} has {partitions} partitions")

    def partitions(self, name: str) -> int:
        found = self._admin.list_topics(timeout=WAIT_SECONDS).topics.get(name)
        return len(found.partitions) if found is not None and found.error is None else 0

    def grow(self, name: str, partitions: int) -> None:
        _done(self._admin.create_partitions([NewPartitions(name, partitions)]).values())
        _until(lambda: self.partitions(name) == partitions, f"{name} has {partitions} partitions")

    def make_again(self, name: str, partitions: int) -> None:
        """Delete the topic and create another one of the same name."""
        _done(self._admin.delete_topics([name]).values())
        _until(lambda: self.partitions(name) == 0, f"{name} is gone")
        _until(lambda: _succeeds(lambda: self.make(name, partitions)), f"{name} is there again")

    def truncate(self, name: str, partition: int, before: int) -> None:
        """As retention does: messages below this offset are gone."""
        _done(self._admin.delete_records([TopicPartition(name, partition, before)]).values())

    def ends(self, names: Iterable[str]) -> dict[tuple[str, int], int]:
        """The offset after the last message (or marker of a transaction) of each partition that has any."""
        with Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": "ends"}, logger=_log) as consumer:
            places = [(name, number) for name in names for number in range(self.partitions(name))]
            ends = {
                place: consumer.get_watermark_offsets(TopicPartition(*place), timeout=WAIT_SECONDS)[1]
                for place in places
            }
        return {place: end for place, end in ends.items() if end}

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """What the usual lag tools show of a consumer group."""
        [asked] = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]).values()
        found = asked.result(WAIT_SECONDS).topic_partitions
        return {(one.topic, one.partition): one.offset for one in found if one.offset >= 0}


class Sender:
    """A plain producer of rows, with every place and stamp as told."""

    def __init__(self, broker: Broker, topic: str, transaction: str = "") -> None:
        options = {"bootstrap.servers": broker.bootstrap, "linger.ms": 5}
        if transaction:
            options |= {"transactional.id": transaction}
        self._producer = Producer(options, logger=_log)
        self._topic = topic
        if transaction:
            self._producer.init_transactions(WAIT_SECONDS)

    def send(self, rows: Sequence[tuple[int, bytes, int]]) -> None:
        """(partition, value, stamp in ms) each; on the broker when this returns."""
        for partition, value, stamp_ms in rows:
            self._producer.produce(
                self._topic, value, partition=partition, timestamp=stamp_ms, headers=[("type", b"guance.rum")]
            )
        assert self._producer.flush(WAIT_SECONDS) == 0

    def transaction(self, rows: Sequence[tuple[int, bytes, int]], *, commit: bool) -> None:
        """One transaction; its marker follows the rows on every partition that they are on."""
        self._producer.begin_transaction()
        self.send(rows)
        if commit:
            self._producer.commit_transaction(WAIT_SECONDS)
        else:
            self._producer.abort_transaction(WAIT_SECONDS)


def _done(futures: Iterable[object]) -> None:
    for future in futures:
        future.result(WAIT_SECONDS)  # type: ignore[attr-defined]  # the client's futures have no common type


def _succeeds(call: Callable[[], None]) -> bool:
    try:
        call()
    except KafkaException:  # the old topic of that name is still being deleted
        return False
    return True


def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not so in time: {what}"
        time.sleep(0.1)
