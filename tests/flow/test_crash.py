"""kill -9 at moments that differ by run: the job started again gives the lake of an uninterrupted run."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.captures import CaptureCounts, read_captures
from flows.feed import feed
from flows.servers import Broker, S3Server, start_broker
from replay.catalog import session_keys
from replay.verify import verify
from sinks.s3 import S3Store
from tests.flow.harness import read_lake
from tests.flow.test_recordings import run_until

KILLS = 10
HOUR_MS = 3_600_000


@pytest.mark.slow
def test_kill_9_changes_nothing(samples: Path, tmp_path: Path, s3: S3Server) -> None:
    """Ten kills at random moments of start, epoch, snapshot and publish, on a real S3 server."""
    chance = random.Random(time.time_ns())
    captures = sorted(samples.glob("*/*.jsonl.gz"))
    newest = max(c.message.received_ms for c in read_captures(captures, CaptureCounts()))
    shift_ms = min(0, int(time.time() * 1000) - HOUR_MS - newest)
    with start_broker() as broker:
        broker.create_topic("rum", 4)
        fed = feed(broker.bootstrap, "rum", captures, shift_ms=shift_ms, copies=2)
        run_until(broker, "rum", tmp_path / "calm", tmp_path / "calm-recovery", len(fed.sessions))
        prefix = f"crash-{time.time_ns()}"
        environment = job_environment(broker, s3, prefix, tmp_path / "recovery")
        delays = [chance.uniform(0.0, 4.0) for _ in range(KILLS)]
        for delay in delays:
            kill_after(delay, environment)
        store = S3Store(f"s3://lake/{prefix}", s3.storage_options())
        finish(environment, store, len(fed.sessions))
    assert verify(store).problems == [], delays
    copy = tmp_path / "copy"
    for found in [*store.list("tables/"), *store.list("replays/")]:
        path = copy / found.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.read(found.key))
    calm, crashed = read_lake(tmp_path / "calm"), read_lake(copy)
    assert crashed.blobs == calm.blobs, delays
    assert crashed.tables == calm.tables, delays


def kill_after(delay_seconds: float, environment: dict[str, str]) -> None:
    """Start the job and kill it that long after it began to read."""
    with subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run"], env=environment, stderr=subprocess.PIPE, text=True
    ) as job:
        assert job.stderr is not None
        assert "reading" in job.stderr.readline()
        time.sleep(delay_seconds)  # the moment of the kill is what this test is about
        job.kill()


def job_environment(broker: Broker, s3: S3Server, prefix: str, recovery: Path) -> dict[str, str]:
    return {
        **os.environ,
        "REPLAYLAKE_LAKE": f"s3://lake/{prefix}",
        "REPLAYLAKE_S3__ENDPOINT_URL": s3.endpoint_url,
        "REPLAYLAKE_S3__KEY": s3.access_key,
        "REPLAYLAKE_S3__SECRET": s3.secret_key,
        "REPLAYLAKE_KAFKA__BOOTSTRAP": broker.bootstrap,
        "REPLAYLAKE_KAFKA__TOPICS": json.dumps(["rum"]),
        "REPLAYLAKE_RUN__RECOVERY_DIR": str(recovery),
        "REPLAYLAKE_RUN__EPOCH_SECONDS": "0.3",
    }


def finish(environment: dict[str, str], store: S3Store, sessions: int) -> None:
    """Run once more until every session is there and nothing is staged, then stop by SIGTERM."""
    command = [sys.executable, "-m", "flows.cli", "run"]
    job = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert job.stderr is not None
        assert "reading" in job.stderr.readline()
        deadline = time.monotonic() + 60
        while len(session_keys(store)) < sessions:
            assert job.poll() is None, "the job ended by itself"
            assert time.monotonic() < deadline, "not all sessions closed"
            time.sleep(0.3)
        job.terminate()
        _, errors = job.communicate(timeout=20)
        assert job.returncode == 0, errors
    finally:
        if job.poll() is None:
            job.kill()
            job.wait()
