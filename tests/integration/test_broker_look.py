"""What a job learns of its topics before it reads, from the brokers of this machine."""

from confluent_kafka.admin import AdminClient

from flows.broker import client_log, look_up_topics
from flows.demo.servers import Broker


def test_partitions_and_identity_of_topics(broker: Broker) -> None:
    broker.create_topic("look-a", 3)
    broker.create_topic("look-b", 1)
    client = {"bootstrap.servers": broker.bootstrap, "fetch.wait.max.ms": 100}  # an option of consumers, too
    found = look_up_topics(client, ["look-a", "look-b"])
    assert {name: facts.partitions for name, facts in found.items()} == {"look-a": (0, 1, 2), "look-b": (0,)}
    first, second = found["look-a"].topic_id, found["look-b"].topic_id
    assert first
    assert second
    assert first != second
    assert look_up_topics(client, ["look-a"])["look-a"].topic_id == first


def test_a_topic_that_is_made_again_is_another_one(broker: Broker) -> None:
    client = {"bootstrap.servers": broker.bootstrap}
    broker.create_topic("look-again", 1)
    before = look_up_topics(client, ["look-again"])["look-again"]
    with AdminClient({"bootstrap.servers": broker.bootstrap}, logger=client_log()) as admin:
        for deleted in admin.delete_topics(["look-again"]).values():
            deleted.result(10)
    broker.create_topic("look-again", 2)
    after = look_up_topics(client, ["look-again"])["look-again"]
    assert after.partitions == (0, 1)
    assert after.topic_id != before.topic_id
