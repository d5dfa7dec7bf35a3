"""The intake as a process on real brokers: what it acknowledged is there; what it cannot store it asks for again."""

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.intake_process import IntakeProcess
from bench.senders import Sender, action_id
from bench.topic import read_back
from flows.captures import recorded_requests
from flows.demo.servers import Broker, start_broker, start_s3
from flows.server_process import free_ports
from flows.services.intake import run_intake
from flows.settings import ConfigurationError, load_settings
from lake.verify import verify
from sinks.store import LocalStore
from tests.flow.test_recordings import capture_files, differences, known_captures
from tests.starts import run_command

pytestmark = pytest.mark.timeout(300)
QUICK = {"REPLAYLAKE_INTAKE__CONFIRM_SECONDS": "2", "REPLAYLAKE_LOG__FORMAT": "json"}


def new_topic(broker: Broker, partitions: int = 2) -> str:
    topic = f"intake-{time.time_ns()}"
    broker.create_topic(topic, partitions)
    return topic


def line(session: str, action: str = "a") -> bytes:
    return (
        f'action,app_id=shop,session_id={session},view_id=v action_id="{action}",action_name="x" 1795229663252'
    ).encode()


def test_a_message_has_key_type_and_the_time_of_receipt(tansu: Broker, tmp_path: Path) -> None:
    topic = new_topic(tansu)
    with IntakeProcess(tansu.bootstrap, topic, tmp_path) as intake:
        before = time.time_ns() // 1_000_000
        assert intake.post("/v1/write/rum?precision=ms", line("s-1") + b"\n" + line("s-2"))[0] == 200
        after = time.time_ns() // 1_000_000
        assert intake.health("live") == intake.health() == 200
        assert intake.metrics()['replaylake_intake_messages_total{type="guance.rum"}'] == 2
    found = read_back(tansu.bootstrap, topic)
    assert {message.key() for message in found} == {b"s-1", b"s-2"}
    assert {dict(message.headers() or [])["type"] for message in found} == {b"guance.rum"}
    assert all(before <= message.timestamp()[1] <= after for message in found)


@pytest.mark.slow
def test_recorded_requests_sent_again_give_the_counts_of_the_manifest(
    tansu: Broker, recordings_or_samples: Path, tmp_path: Path
) -> None:
    """Byte for byte over HTTP, to Kafka, through the job's operators, into a lake."""
    manifest = known_captures(recordings_or_samples)
    captures = capture_files(recordings_or_samples, manifest)
    topic = new_topic(tansu, 4)
    requests = [one for path in captures for one in recorded_requests(path) if one.method == "POST"]
    with IntakeProcess(tansu.bootstrap, topic, tmp_path) as intake, ThreadPoolExecutor(4) as senders:
        statuses = list(senders.map(lambda one: intake.post(one.path, one.body, one.headers)[0], requests))
        assert {status // 100 for status in statuses} == {2}
        assert intake.stop() == 0
    lake = tmp_path / "lake"
    command = ["backfill", "--topic", topic, "--to-offset", str(len(requests)), "--lake", str(lake)]
    done = run_command(
        [sys.executable, "-m", "flows.cli", *command],
        env=os.environ | {"REPLAYLAKE_KAFKA__BOOTSTRAP": tansu.bootstrap},
        capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert differences(lake, manifest) == []
    assert verify(LocalStore(lake)).problems == []


def test_nothing_that_was_acknowledged_is_missing_after_kill_9(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker)
    with IntakeProcess(broker.bootstrap, topic, tmp_path) as intake:
        with Sender(intake.port, connections=8) as sender:
            sender.wait_acknowledged(300)
            intake.kill()
        assert sender.statuses[0] > 0  # it was killed in the middle of its work
    stored = {action_id(message.value()) for message in read_back(broker.bootstrap, topic)}
    assert sender.acknowledged <= stored


def test_a_stop_answers_what_was_begun(tansu: Broker, tmp_path: Path) -> None:
    """SIGTERM: every request that the intake took is answered, and every answer is true."""
    topic = new_topic(tansu)
    with IntakeProcess(tansu.bootstrap, topic, tmp_path) as intake, Sender(intake.port, connections=8) as sender:
        sender.wait_acknowledged(200)
        assert intake.stop() == 0
    stored = {action_id(message.value()) for message in read_back(tansu.bootstrap, topic)}
    assert sender.acknowledged == stored


@pytest.mark.slow
def test_while_the_broker_is_away_senders_are_asked_again_and_lose_nothing(tmp_path: Path) -> None:
    """A broker whose messages rest on S3, stopped and started again at its address."""
    with start_s3(buckets=["broker"]) as s3, ExitStack() as first:
        broker = first.enter_context(start_broker(s3))
        topic = new_topic(broker)
        with (
            IntakeProcess(broker.bootstrap, topic, tmp_path, QUICK) as intake,
            Sender(intake.port, per_second=40, again=True) as sender,
        ):
            sender.wait_acknowledged(20)
            first.close()
            sender.wait_status(503, 3)
            assert intake.health() == 503
            assert intake.health("live") == 200
            with start_broker(s3, broker):
                sender.wait_acknowledged(20)
                sender.finish()
                assert intake.health() == 200
                stored = {action_id(message.value()) for message in read_back(broker.bootstrap, topic)}
    assert sender.statuses.keys() == {200, 503}
    assert sender.retry_after == {"2"}
    assert sender.acknowledged == sender.sent == stored


@pytest.mark.slow
def test_several_processes_share_an_address_and_one_that_dies_is_replaced(tansu: Broker, tmp_path: Path) -> None:
    topic = new_topic(tansu)
    with IntakeProcess(tansu.bootstrap, topic, tmp_path, {"REPLAYLAKE_INTAKE__WORKERS": "2"}) as intake:
        children = intake.children()
        assert len(children) == 2
        subprocess.run(["kill", "-9", str(children[0])], check=True)
        replaced = threading.Event()
        with Sender(intake.port, per_second=50, again=True) as sender:
            deadline = time.monotonic() + 30
            while len(set(intake.children()) - {children[0]}) < 2 and time.monotonic() < deadline:
                replaced.wait(0.1)
            sender.finish()
        assert len(set(intake.children()) - {children[0]}) == 2
        assert intake.stop() == 0
    stored = {action_id(message.value()) for message in read_back(tansu.bootstrap, topic)}
    assert sender.acknowledged == sender.sent == stored


def test_only_a_trusted_proxy_may_name_the_client(tansu: Broker, tmp_path: Path) -> None:
    named = {"x-forwarded-for": "203.0.113.9, 198.51.100.7"}
    for proxies, address in (("[]", b"127.0.0.1"), ('["127.0.0.0/8"]', b"198.51.100.7")):
        topic = new_topic(tansu)
        settings = {"REPLAYLAKE_INTAKE__TRUSTED_PROXIES": proxies, "REPLAYLAKE_INTAKE__CLIENT_ADDRESS": "true"}
        with IntakeProcess(tansu.bootstrap, topic, tmp_path, settings) as intake:
            assert intake.post("/v1/write/rum", line("s-1"), named)[0] == 200
        [message] = read_back(tansu.bootstrap, topic)
        assert b'"ip":"%b"' % address in (message.value() or b"")


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("intake.geo_databases", '["/nowhere.mmdb"]'), ("intake.address", "192.0.2.1:80")):
        with monkeypatch.context() as environment:
            environment.setenv("REPLAYLAKE_" + name.upper().replace(".", "__"), value)
            with pytest.raises(ConfigurationError, match=name):
                run_intake(load_settings())


def test_a_message_that_the_topic_never_takes_is_refused_for_good(tansu: Broker, tmp_path: Path) -> None:
    settings = {"REPLAYLAKE_INTAKE__CLIENT": '{"message.max.bytes": 2000}'}
    topic = new_topic(tansu)
    with IntakeProcess(tansu.bootstrap, topic, tmp_path, settings) as intake:
        assert intake.post("/v1/write/rum", line("s-1", "a" * 3000))[0] == 413
        assert intake.post("/v1/write/rum", line("s-1"))[0] == 200


def test_logs_hold_nothing_of_what_was_sent(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    with IntakeProcess(f"127.0.0.1:{port}", "rum", tmp_path, {**QUICK, "REPLAYLAKE_LOG__LEVEL": "debug"}) as intake:
        assert intake.post("/v1/write/rum", line("s-secret") + b"\nsecret")[0] == 503
        intake.stop()
    assert "is not acknowledging" in intake.log()
    assert "secret" not in intake.log()
    assert all(json.loads(one)["level"] for one in intake.log().splitlines())
