"""The embedded servers: they keep what they are given, refuse strangers, stay on loopback and never outlive us."""

import os
import select
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import s3fs
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from flows.demo.apache_kafka import start_apache_kafka
from flows.demo.servers import Broker, S3Server, start_broker, start_s3
from flows.server_process import ServerCommand, ServerError, running
from tests.integration.listening import listening_addresses

WAIT_SECONDS = 120.0
LARGEST_MESSAGE = 8 << 20  # what the job takes by default
CLIENT_LIMIT = {"message.max.bytes": 16 << 20}
REPOSITORY = Path(__file__).parent.parent.parent


def test_a_message_comes_back_with_key_headers_and_timestamp(broker: Broker) -> None:
    """What the job reads is what was sent: bytes, header order, repeated and null headers, and the create time."""
    topic = new_topic(broker)
    headers: list[tuple[str, str | bytes | None]] = [
        ("type", b"guance.rum"),
        ("seq", b"\x00\xff"),
        ("seq", b"2"),
        ("none", None),
    ]
    with Producer({"bootstrap.servers": broker.bootstrap}) as producer:
        producer.produce(topic, b"\x1f\x8b raw", b"session-1", headers=headers, timestamp=1_600_000_000_123)
        assert producer.flush(WAIT_SECONDS) == 0
    message = first_message(broker, topic)
    assert (message.key(), message.value(), message.headers()) == (b"session-1", b"\x1f\x8b raw", headers)
    assert message.timestamp()[1] == 1_600_000_000_123


@pytest.mark.parametrize("size", [4 << 20, LARGEST_MESSAGE])
def test_the_largest_message_of_the_job_passes(broker: Broker, size: int) -> None:
    """A whole replay segment fits into one message."""
    topic = new_topic(broker)
    value = os.urandom(size)
    with Producer({"bootstrap.servers": broker.bootstrap, **CLIENT_LIMIT}) as producer:
        producer.produce(topic, value)
        assert producer.flush(WAIT_SECONDS) == 0
    assert first_message(broker, topic).value() == value


def test_a_topic_has_the_partitions_asked_for_and_is_made_once(broker: Broker) -> None:
    """Topics of one job must have equal partition counts, so the count is never left to the broker."""
    topic = new_topic(broker, partitions=5)
    with Producer({"bootstrap.servers": broker.bootstrap}) as client:
        assert sorted(client.list_topics(topic, timeout=WAIT_SECONDS).topics[topic].partitions) == [0, 1, 2, 3, 4]
    with pytest.raises(KafkaException, match="already exists"):
        broker.create_topic(topic, 5)


def test_s3_keeps_objects_and_gives_ranges_and_copies(s3: S3Server) -> None:
    """The four calls the lake is made of."""
    lake = s3fs.S3FileSystem(**s3.storage_options())
    content = os.urandom(100_000)
    lake.pipe({"lake/servers/a": content, "lake/servers/b/c": b"small"})
    assert lake.cat_file("lake/servers/a") == content
    assert lake.cat_file("lake/servers/a", start=10, end=20) == content[10:20]
    assert lake.cat_file("lake/servers/a", start=-24) == content[-24:]
    lake.copy("lake/servers/a", "lake/servers/copy")
    assert lake.cat_file("lake/servers/copy") == content
    assert lake.find("lake/servers") == ["lake/servers/a", "lake/servers/b/c", "lake/servers/copy"]


@pytest.mark.parametrize("stranger", [{"secret": "wrong"}, {"key": "nobody"}, {"key": "", "secret": "", "anon": True}])
def test_s3_refuses_who_has_not_the_key_pair(s3: S3Server, stranger: dict[str, object]) -> None:
    """A store that let everybody in would hide a wrong configuration until production."""
    lake = s3fs.S3FileSystem(**{**s3.storage_options(), **stranger, "skip_instance_cache": True})
    with pytest.raises(PermissionError):
        lake.pipe_file("lake/servers/stranger", b"x")


def test_s3_objects_survive_a_restart_on_the_same_folder(tmp_path: Path) -> None:
    """The demo's lake is still there the next day, behind a new key pair and new ports."""
    for step in ("write", "read"):
        with start_s3(tmp_path / "store", buckets=["lake", "other"]) as s3:
            lake = s3fs.S3FileSystem(**s3.storage_options())
            if step == "write":
                lake.pipe_file("other/kept", b"still here")
            assert lake.cat_file("other/kept") == b"still here"
            assert sorted(lake.ls("")) == ["lake", "other"]


def test_the_key_pair_is_not_shown(s3: S3Server) -> None:
    """A traceback or a log line prints the server, never its secret."""
    assert s3.secret_key not in repr(s3)


def test_the_broker_listens_on_loopback_only(broker: Broker) -> None:
    """It asks for no password, so nobody on the network may reach it."""
    assert {host for host, _ in listening_addresses(broker.process_id)} == {"127.0.0.1"}


def test_s3_listens_on_loopback_only(s3: S3Server) -> None:
    """Its filer and admin ports ask for no password, so nobody on the network may reach them."""
    addresses = listening_addresses(s3.process_id)
    assert {host for host, _ in addresses} == {"127.0.0.1"}
    assert len(addresses) >= 10  # five services, each with its gRPC twin: the check above saw them all


def test_servers_are_gone_after_their_block() -> None:
    """Also when the block fails."""
    with pytest.raises(ZeroDivisionError), start_broker() as broker, start_s3() as s3:
        _ = 1 / 0
    assert not [pid for pid in (broker.process_id, s3.process_id) if Path(f"/proc/{pid}").exists()]


def test_a_server_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """`kill -9` on the demo runs no clean-up code, and still leaves no server behind."""
    script = "import flows.demo.servers as f\nwith f.start_broker() as b: print(b.process_id, flush=True); input()"
    command, pipe = [sys.executable, "-c", script], subprocess.PIPE
    scratch = {**os.environ, "TMPDIR": str(tmp_path)}  # the killed parent leaves its scratch folder there
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=REPOSITORY, env=scratch) as parent:
        assert parent.stdout is not None
        server = os.pidfd_open(int(parent.stdout.readline()))
        try:
            parent.send_signal(signal.SIGKILL)
            assert select.select([server], [], [], WAIT_SECONDS)[0], "the broker lives on"
        finally:
            os.close(server)


def test_a_server_that_ignores_the_request_to_stop_is_killed(tmp_path: Path) -> None:
    """Leaving the block never hangs on a stubborn server."""
    deaf = tmp_path / "deaf"
    script = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); open({str(deaf)!r}, 'x'); signal.pause()"
    server = python_server(script, awaits=lambda: "" if deaf.exists() else "deafness", stop_seconds=0.2)
    with running(server) as process_id:
        assert Path(f"/proc/{process_id}").exists()
    assert not Path(f"/proc/{process_id}").exists()


def test_a_server_that_exits_is_quoted() -> None:
    """The error shows what the server said, so nobody has to look for a log."""
    server = running(python_server("print('no disk'); raise SystemExit(3)", awaits=lambda: "an answer"))
    with pytest.raises(ServerError, match=r"(?s)test server exited with 3\n  no disk"), server:
        pass


def test_a_server_that_never_serves_is_given_up() -> None:
    """The error names what was waited for."""
    server = running(
        python_server("import signal; signal.pause()", awaits=lambda: "no bucket 'lake'", ready_seconds=0.2)
    )
    with pytest.raises(ServerError, match="not ready after 0 s: no bucket 'lake'"), server:
        pass


@pytest.mark.parametrize("variable", ["REPLAYLAKE_TANSU_BIN", "REPLAYLAKE_WEED_BIN"])
def test_a_wrong_executable_names_its_variable(variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's own binary is taken or refused, never silently replaced by the packaged one."""
    monkeypatch.setenv(variable, str(tmp_path / "nothing"))
    server = start_broker() if "TANSU" in variable else start_s3()
    with pytest.raises(ServerError, match=f"{variable}=.*nothing is not an executable file"), server:
        pass


def test_apache_kafka_without_jars_says_where_they_come_from(tmp_path: Path) -> None:
    """An empty folder is a missing step, and the error names it."""
    server = start_apache_kafka(tmp_path)
    with pytest.raises(ServerError, match=r"pom\.xml|Java 17"), server:
        pass


def new_topic(broker: Broker, partitions: int = 1) -> str:
    """A topic that no other test uses."""
    name = f"test-{uuid.uuid4()}"
    broker.create_topic(name, partitions)
    return name


def first_message(broker: Broker, topic: str) -> Message:
    """The first message of the topic's partition 0, read the way the job reads: assigned, without a group."""
    options = {"bootstrap.servers": broker.bootstrap, "group.id": "none", "enable.auto.commit": False, **CLIENT_LIMIT}
    with Consumer(options) as consumer:
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(WAIT_SECONDS)
    assert message is not None, "no message came"
    assert message.error() is None
    return message


def python_server(
    script: str, awaits: Callable[[], str], ready_seconds: float = 5.0, stop_seconds: float = 5.0
) -> ServerCommand:
    """A stand-in server that is one line of Python."""
    return ServerCommand(
        name="test server",
        arguments=[sys.executable, "-c", script],
        environment={},
        awaits=awaits,
        ready_seconds=ready_seconds,
        stop_seconds=stop_seconds,
    )
