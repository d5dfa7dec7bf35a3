"""The mistakes of a first day: each ends in the line that docs/first-day.md shows, with its exit code, without a trace.

What takes 15 s to give up is started together.
"""

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from flows.demo.apache_kafka import start_apache_kafka
from flows.demo.servers import Broker, S3Server
from flows.server_process import LOOPBACK, free_ports
from tests.conftest import REPOSITORY, apache_kafka_libs
from tests.starts import Process

_DOC = REPOSITORY / "docs" / "first-day.md"
_SECONDS = 280
_ROW = re.compile(r"\| (?P<mistake>.+?) \| `(?P<line>.+)` \| (?P<code>\d) \|")
_KAFKA = "kafka:9092"
_JAAS = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SASL = """
listeners=PLAINTEXT://{{host}}:{{port}},CONTROLLER://{{host}}:{{controller_port}},SASL://{{host}}:{port}
advertised.listeners=PLAINTEXT://{{host}}:{{port}},SASL://{{host}}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT
listener.name.sasl.sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config={jaas} required user_ada="right";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


@pytest.fixture(scope="module")
def documented() -> dict[str, tuple[str, int]]:
    """Line and exit code by mistake."""
    found = [_ROW.fullmatch(line) for line in _DOC.read_text().splitlines()]
    return {row["mistake"]: (row["line"], int(row["code"])) for row in found if row}


class Commands:
    """Started commands, each in an empty folder of its own."""

    def __init__(self, folder: Path, documented: dict[str, tuple[str, int]]) -> None:
        self._folder = folder
        self._documented = documented
        self._running: list[tuple[str, Process, dict[str, str]]] = []

    def start(
        self, mistake: str, settings: dict[str, str], names: dict[str, str] | None = None, *arguments: str
    ) -> None:
        """`settings`: KAFKA__BOOTSTRAP and so on. `names`: what the document has instead of this machine's names."""
        home = self._folder / re.sub(r"\W+", "-", mistake)
        home.mkdir()
        environment = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        environment |= {f"REPLAYLAKE_{name}": value for name, value in settings.items()}
        process = Process(
            [sys.executable, "-m", "flows.cli", *(arguments or ["run"])],
            cwd=home,
            env=environment | {"PYTHONPATH": str(REPOSITORY), "AWS_EC2_METADATA_DISABLED": "true"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._running.append((mistake, process, {str(home): "/srv", **(names or {})}))

    def check(self) -> None:
        """Every command has ended as the document says."""
        endings = [(mistake, *self._ended(process, names)) for mistake, process, names in self._running]
        for mistake, lines, code in endings:
            line, documented_code = self._documented[mistake]
            assert lines, mistake
            last = re.sub("process [01] of 2", "process 0 of 2", lines[-1])  # whichever was first
            assert re.fullmatch(re.escape(line).replace("…", ".*"), last), f"{mistake}\n{last}"
            assert code == documented_code, f"{mistake}: {code}"
            assert not any("Traceback" in one for one in lines), lines
            assert sum(one.startswith("error:") for one in lines) == 1, lines
            assert not any(one.startswith("%") for one in lines), "librdkafka's own lines"

    @staticmethod
    def _ended(process: Process, names: dict[str, str]) -> tuple[list[str], int]:
        try:
            _, errors = process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
        for here, there in names.items():
            errors = errors.replace(here, there)
        return errors.splitlines(), process.returncode


@pytest.fixture
def commands(tmp_path: Path, documented: dict[str, tuple[str, int]]) -> Commands:
    return Commands(tmp_path, documented)


def test_every_documented_mistake_is_made_here(documented: dict[str, tuple[str, int]]) -> None:
    assert len(documented) >= 20
    text = Path(__file__).read_text()
    assert [mistake for mistake in documented if f'"{mistake}"' not in text] == []


@pytest.mark.slow
def test_the_broker_is_not_where_the_setting_says(commands: Commands, tansu: Broker, tmp_path: Path) -> None:
    nobody = f"{LOOPBACK}:{free_ports(1)[0]}"
    commands.start("a host that does not exist", {"KAFKA__BOOTSTRAP": "kafka.invalid:9092"})
    commands.start("a port where nobody listens", {"KAFKA__BOOTSTRAP": nobody}, {nobody: _KAFKA})
    tls = '{"security.protocol": "ssl"}'
    commands.start("TLS to a port without", _at(tansu) | {"KAFKA__CLIENT": tls}, {tansu.bootstrap: _KAFKA})
    with _tls_port(tmp_path) as there:
        commands.start("no TLS to a port with TLS", {"KAFKA__BOOTSTRAP": there}, {there: _KAFKA})
        client = json.dumps({"security.protocol": "ssl", "ssl.ca.location": str(_other_ca(tmp_path))})
        commands.start("the wrong CA file", {"KAFKA__BOOTSTRAP": there, "KAFKA__CLIENT": client}, {there: _KAFKA})
        commands.check()


@pytest.mark.slow
def test_settings_that_cannot_be(commands: Commands, tansu: Broker) -> None:
    tls = '{"security.protocol": "ssl", "ssl.ca.location": "/no.pem"}'
    commands.start("a CA file that is not there", {"KAFKA__CLIENT": tls})
    commands.start("a librdkafka option that is misspelt", {"KAFKA__CLIENT": '{"sasl.mechansim": "PLAIN"}'})
    commands.start("a librdkafka option with a wrong value", {"KAFKA__CLIENT": '{"fetch.wait.max.ms": -5}'})
    commands.start("a list that is broken JSON", {"KAFKA__TOPICS": '["rum"'})
    misspelt = _at(tansu) | {"KAFKA__TOPICS": "rom"}
    commands.start("a topic that does not exist", misspelt, {tansu.bootstrap: _KAFKA})
    commands.start("the same in two processes", misspelt, {tansu.bootstrap: _KAFKA}, "run", "--processes", "2")
    commands.start("one slash too few", {"LAKE": "s3:/lake"})
    commands.start("a lake somewhere else", {"LAKE": "gs://bucket/lake"})
    commands.start("a gap longer than the cap", {"SESSIONS__GAP_SECONDS": "900000"})
    commands.start("a cap longer than packs live", {"SESSIONS__CAP_SECONDS": "200000"})
    commands.start("a key without its secret", {"LAKE": "s3://lake/x", "S3__KEY": "replaylake"})
    commands.check()


@pytest.mark.slow
def test_folders_and_lakes_that_are_not_there(commands: Commands, tansu: Broker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    recovery = str(tmp_path / "file" / "r")
    commands.start("a recovery folder that cannot be made", {"RUN__RECOVERY_DIR": recovery}, {str(tmp_path): "/srv"})
    commands.start("a recovery folder on a read-only disk", {"RUN__RECOVERY_DIR": "/sys/r"}, {"/sys/r": "/srv/r"})
    tansu.create_topic("first-day", 1)
    read_only = _at(tansu) | {"KAFKA__TOPICS": "first-day", "LAKE": "/sys/lake"}
    commands.start("a lake on a read-only disk", read_only, {"/sys/lake": "/srv/lake"})
    commands.start("a lake that is not there", {"LAKE": "/mnt/lake"}, {}, "verify")
    commands.start(
        "a folder that is not a lake", {"LAKE": str(tmp_path / "empty")}, {str(tmp_path): "/srv"}, "sessions"
    )
    commands.check()


@pytest.mark.slow
def test_a_full_disk(commands: Commands, tansu: Broker, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", full], check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        tansu.create_topic("full", 1)
        settings = _at(tansu) | {"RUN__RECOVERY_DIR": str(full / "r"), "KAFKA__TOPICS": "full"}
        commands.start("a recovery folder on a full disk", settings, {str(full): "/srv"})
        commands.check()
    finally:
        subprocess.run(["umount", full], check=True)


@pytest.mark.slow
def test_the_s3_store_refuses(commands: Commands, s3: S3Server) -> None:
    names = {s3.endpoint_url: "http://s3:8333"}
    right = {"S3__ENDPOINT_URL": s3.endpoint_url, "S3__KEY": s3.access_key, "S3__SECRET": s3.secret_key}
    right["LAKE"] = "s3://lake/none"
    commands.start("a wrong S3 secret", right | {"S3__SECRET": "wrong"}, names, "sessions")
    without = {"LAKE": "s3://lake/none", "S3__ENDPOINT_URL": s3.endpoint_url}
    commands.start("no S3 credentials", without, names, "sessions")
    nowhere = f"http://{LOOPBACK}:{free_ports(1)[0]}"
    away = right | {"S3__ENDPOINT_URL": nowhere}
    commands.start("an S3 server that does not answer", away, {nowhere: "http://s3:8333"}, "sessions")
    commands.start("a bucket that does not exist", right | {"LAKE": "s3://typo/none"}, names, "sessions")
    commands.start("a prefix that is not a lake", right, names, "sessions")
    commands.check()


@pytest.mark.slow
def test_what_apache_kafka_refuses(commands: Commands) -> None:
    [port] = free_ports(1)
    with start_apache_kafka(apache_kafka_libs(), properties=_SASL.format(port=port, jaas=_JAAS)) as broker:
        broker.create_topic("rum", 1)
        broker.create_topic("secret", 1)
        _allow_to_describe(broker, "rum")
        there = f"{LOOPBACK}:{port}"
        login = {"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "ada"}
        right, wrong = json.dumps(login | {"sasl.password": "right"}), json.dumps(login | {"sasl.password": "wrong"})
        at = {"KAFKA__BOOTSTRAP": there, "KAFKA__CLIENT": right}
        commands.start("a wrong SASL password", at | {"KAFKA__CLIENT": wrong}, {there: _KAFKA})
        commands.start("a topic without permission", at | {"KAFKA__TOPICS": "secret"}, {there: _KAFKA})
        commands.start("a topic that may be seen and not read", at | {"KAFKA__TOPICS": "rum"}, {there: _KAFKA})
        commands.check()


def test_a_stop_is_heard_while_the_broker_is_looked_for(tmp_path: Path) -> None:
    environment = os.environ | {
        "REPLAYLAKE_KAFKA__BOOTSTRAP": f"{LOOPBACK}:{free_ports(1)[0]}",
        "PYTHONPATH": str(REPOSITORY),
    }
    command = [sys.executable, "-m", "flows.cli", "run"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as job:
        assert job.stderr is not None
        assert "Connection refused" in job.stderr.readline()
        asked = time.monotonic()
        job.terminate()
        rest = job.stderr.read()
        assert job.wait() == 0
        assert time.monotonic() - asked < 2
    assert "error" not in rest.lower()
    assert not (tmp_path / "lake").exists()


def test_json_is_json_also_for_librdkafka_and_the_last_line(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "REPLAYLAKE_LOG__FORMAT": "json"}
    environment["REPLAYLAKE_KAFKA__BOOTSTRAP"] = f"{LOOPBACK}:{free_ports(1)[0]}"
    command = [sys.executable, "-m", "flows.cli", "run"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["logger"] for line in lines} == {"replaylake", "replaylake.kafka"}
    assert lines[-1]["message"].startswith("error: kafka.bootstrap: no answer from")
    assert len(lines) <= 4, "a text that repeats is said once"


def _at(broker: Broker) -> dict[str, str]:
    return {"KAFKA__BOOTSTRAP": broker.bootstrap}


def _allow_to_describe(broker: Broker, topic: str) -> None:
    what = ResourceType.TOPIC, topic, ResourcePatternType.LITERAL
    acl = AclBinding(*what, "User:ada", "*", AclOperation.DESCRIBE, AclPermissionType.ALLOW)
    with AdminClient({"bootstrap.servers": broker.bootstrap}) as admin:
        for created in admin.create_acls([acl]).values():
            created.result(10)


@contextmanager
def _tls_port(folder: Path) -> Iterator[str]:
    """Host and port of what speaks TLS, and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*_certificate(folder, "server"))
    with socket.create_server((LOOPBACK, 0)) as listener:

        def answer(connection: socket.socket) -> None:
            with suppress(OSError), connection, context.wrap_socket(connection, server_side=True) as secure:
                secure.recv(1)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"{LOOPBACK}:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def _other_ca(folder: Path) -> Path:
    return _certificate(folder, "other")[0]


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    try:
        subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl to make a certificate")
    return certificate, key
