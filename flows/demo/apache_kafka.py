"""Apache Kafka itself as a child process: one KRaft node from the jars that `docker/kafka/pom.xml` names.

The demo does not need it (it needs Java); the tests run against it as well where Java and the jars are there.
"""

import base64
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.demo.servers import Broker, kafka_awaits
from flows.server_process import LOOPBACK, STOP_SECONDS, ServerCommand, ServerError, free_ports, running

_FORMAT_SECONDS = 60.0
_READY_SECONDS = 60.0  # a JVM on a busy small machine; usually 3 s to 6 s
_MESSAGE_MAX_BYTES = 16 << 20  # twice the largest message that the job takes

_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={log_directory}
log.retention.ms=-1
message.max.bytes={message_max_bytes}
replica.fetch.max.bytes={message_max_bytes}
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""

# Small heap, one garbage collector thread and no second compiler: it starts sooner and leaves the cores to the job.
_JVM_OPTIONS = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_JVM_PROPERTIES = ("-Djava.net.preferIPv4Stack=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")


@contextmanager
def start_apache_kafka(
    libs_directory: Path, directory: Path | None = None, again: Broker | None = None, properties: str = ""
) -> Iterator[Broker]:
    """Run a broker from the jars in this folder. Needs Java 17 or later on PATH.

    `properties`: more of the server's, over ours; may hold {host}, {port} and {controller_port}.

    Its log rests in `directory`, which a later start may use again, or dies with the block. `again`: at the address of
    an earlier broker, which has ended. Raises ServerError when there is no Java, no Kafka jar, or the broker does not
    come up.
    """
    java = _java(libs_directory)
    port, controller_port = free_ports(2)
    if again is not None:
        port = int(again.bootstrap.rpartition(":")[2])
    with tempfile.TemporaryDirectory(prefix="replaylake-kafka-") as scratch:
        log_directory = directory or Path(scratch) / "log"
        server_properties = Path(scratch) / "server.properties"
        server_properties.write_text(
            (_PROPERTIES + properties).format(
                host=LOOPBACK,
                port=port,
                controller_port=controller_port,
                log_directory=log_directory,
                message_max_bytes=_MESSAGE_MAX_BYTES,
            )
        )
        if not (log_directory / "meta.properties").exists():
            _format_log(java, server_properties)
        command = ServerCommand(
            name="Apache Kafka",
            arguments=[*java, "kafka.Kafka", str(server_properties)],
            environment={},
            awaits=lambda: kafka_awaits(port),
            ready_seconds=_READY_SECONDS,
            stop_seconds=STOP_SECONDS if directory else 0.0,  # it has nothing to save
        )
        with running(command) as process_id:
            yield Broker(bootstrap=f"{LOOPBACK}:{port}", process_id=process_id)


def _java(libs_directory: Path) -> list[str]:
    java = shutil.which("java")
    if java is None:
        raise ServerError("Apache Kafka needs Java 17 or later on PATH")
    if not any(libs_directory.glob("kafka_*.jar")):
        raise ServerError(f"no kafka_*.jar in {libs_directory}: see docker/kafka/pom.xml")
    return [java, *_JVM_OPTIONS, *_JVM_PROPERTIES, "-cp", f"{libs_directory.absolute()}/*"]


def _format_log(java: list[str], properties: Path) -> None:
    cluster_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
    try:
        subprocess.run(
            [*java, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "-c", str(properties)],
            check=True,
            capture_output=True,
            text=True,
            timeout=_FORMAT_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        raise ServerError(f"Apache Kafka could not format its log folder\n{error.stderr}") from error
    except subprocess.TimeoutExpired as error:
        raise ServerError(f"Apache Kafka did not format its log folder in {_FORMAT_SECONDS:.0f} s") from error
