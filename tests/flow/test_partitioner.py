"""A message of the intake lies where a Java client would put it: by murmur2 of its key, the session id."""

import asyncio

from confluent_kafka import Consumer, TopicPartition

from flows.services.intake import producer_options
from flows.settings import load_settings
from intake.kafka import KafkaWriter
from operators.requests import Keyed
from operators.wire.message import Message
from tests.flow.mock_cluster import start_mock_cluster

PARTITIONS = 5
SESSIONS = [f"session-{number}" * (1 + number % 4) for number in range(60)] + ["é", "s 1", "0f3c1a52-1111-4222-8333-9"]


def murmur2(data: bytes) -> int:
    """As org.apache.kafka.common.utils.Utils.murmur2, in 32 bits without a sign."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        k = int.from_bytes(data[start : start + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    if rest := data[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def test_murmur2_is_javas() -> None:
    """Values of Kafka's own UtilsTest."""
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    assert {data: murmur2(data) for data in known} == {data: value & 0xFFFFFFFF for data, value in known.items()}


def test_messages_lie_where_a_java_client_puts_their_session() -> None:
    with start_mock_cluster() as cluster:
        cluster.create_topic("rum", PARTITIONS)
        settings = load_settings(kafka={"bootstrap": cluster.bootstrap})
        asyncio.run(write(producer_options(settings)))
        consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "g", "enable.partition.eof": False})
        consumer.assign([TopicPartition("rum", number, 0) for number in range(PARTITIONS)])
        found = consumer.consume(len(SESSIONS), timeout=200)
        consumer.close()
    assert {(one.key() or b"").decode(): one.partition() for one in found} == {
        session: (murmur2(session.encode()) & 0x7FFFFFFF) % PARTITIONS for session in SESSIONS
    }


async def write(options: dict[str, str | int | float | bool]) -> None:
    writer = KafkaWriter(options, "rum")
    await writer.write([Keyed("app", session, Message("rrweb", {}, b"{}", 1)) for session in SESSIONS])
    await writer.close(10)
