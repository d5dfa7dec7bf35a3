"""An erasure beside a running job, both killed in between: nothing of the person is left or comes back."""

import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.demo.servers import Broker, S3Server, start_broker
from lake.verify import verify
from schemas.keys import RECEIPTS, REPLAYS, is_style
from sinks.s3 import S3Store
from sinks.store import ObjectStore
from tests.conftest import LONG
from tests.flow.test_erase import plain, styles_in
from tests.starts import Process, run_command
from tests.torture.compare import Content, content
from tests.torture.job import JobProcess, Place
from tests.torture.routes import rum_lane
from tests.torture.traffic import Traffic

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200 if LONG else 600)]
ERASED = ("guance/gc-shop", "datadog/dd-shop")  # the person u-1001, ada@example.test logs in in both
OTHERS = ("guance/gc-spa-json", "datadog/dd-spa-mask", "rrweb/rr-spa")
SESSION_ID = re.compile(r"'session_id': '([^']+)'")
KILLS = 6 if LONG else 2


@pytest.fixture
def place(s3: S3Server, tmp_path: Path) -> Iterator[Place]:
    with start_broker() as broker:
        broker.create_topic("rum", 2)
        yield Place(broker, f"s3://lake/{tmp_path.name}-{time.time_ns()}", tmp_path / "recovery", s3)


def test_an_erasure_beside_a_job_both_killed_in_between(place: Place, samples: Path, tmp_path: Path) -> None:
    chance = random.Random(time.time_ns())
    captures = {name: samples / f"{name}.jsonl.gz" for name in (*ERASED, *OTHERS)}
    job = JobProcess(place)
    with traffic(place.broker, [captures[name] for name in OTHERS]) as others:
        with traffic(place.broker, [captures[name] for name in ERASED]):
            time.sleep(6)
        command = erase_command(tmp_path)
        for number in range(KILLS):  # the person's last sessions are still open
            running = Process(command, env=place.environment(), stdout=subprocess.DEVNULL)
            time.sleep(chance.uniform(1.0, 6.0))
            running.kill()
            running.wait()
            if number % 2:
                job.kill(chance)
                job = JobProcess(place)
        done = run_command(command, env=place.environment(), capture_output=True, text=True, check=False)
        receipts = [json.loads(place.store().read(one.key)) for one in place.store().list(RECEIPTS)]
        assert sum(one["rows"].get("sessions", 0) for one in receipts) > 0  # of several where one ended before its kill
        unread = json.loads((tmp_path / "receipt.json").read_text())["failures"]
        assert done.returncode == bool(unread), done.stdout + done.stderr
        assert all("/quarantine/" in one["object"] and "nobody knows whose" in one["reason"] for one in unread), unread
        assert others.sent["messages"] > 0
    with traffic(place.broker, [captures[name] for name in ERASED]) as late:  # the first ones again: same dice
        time.sleep(3)
    assert late.sent["messages"] > 0
    job.await_idle()
    assert job.stop()[0] == 0
    calm = calm_lake(place, tmp_path)
    ada = [row for rows in calm.tables.values() for row in rows if "ada@example.test" in row]
    erased = {session_id for row in ada for session_id in SESSION_ID.findall(row)}
    assert len(erased) > 3
    store = place.store()
    after = content(store)
    assert traces(store, erased) == []
    for table, rows in calm.tables.items():
        assert after.tables[table] == [row for row in rows if not erased & set(SESSION_ID.findall(row))]
    expected = {key: digest for key, digest in calm.blobs.items() if not any(one in key for one in erased)}
    assert after.blobs == expected
    assert expected
    assert verify(store).problems == []


def traffic(broker: Broker, captures: list[Path]) -> Traffic:
    return Traffic([rum_lane(broker.bootstrap)], captures, rate=40.0, seed=1)


def erase_command(folder: Path) -> list[str]:
    receipt = str(folder / "receipt.json")
    return [sys.executable, "-m", "flows.cli", "erase", "--user-email", "ada@example.test", "--receipt", receipt]


def traces(store: ObjectStore, erased: set[str]) -> list[str]:
    """Objects that hold the person or one of the sessions, however compressed."""
    wanted = re.compile(b"|".join(re.escape(one.encode()) for one in (*sorted(erased), "ada@example.test", "u-1001")))
    styles = styles_in(store)
    return [
        one.key
        for one in store.list("")
        if wanted.search(one.key.encode())
        or any(wanted.search(text) for text in plain(store.read(one.key), one.key, styles))
    ]


def calm_lake(place: Place, folder: Path) -> Content:
    """The same topic without any erasure."""
    calm = Place(place.broker, str(folder / "calm"), folder / "calm-recovery")
    job = JobProcess(calm)
    job.await_idle()
    assert job.stop()[0] == 0
    return content(calm.store())


def test_an_object_under_lock_is_named(s3: S3Server, samples: Path, tmp_path: Path) -> None:
    """A bucket with object lock: the row goes, the locked version of the replay stays, and the command says so."""
    store = S3Store(f"s3://locked-{time.time_ns()}/rum", s3.storage_options())
    store.call("create_bucket", ObjectLockEnabledForBucket=True)
    place = Place(Broker("127.0.0.1:9", 0), store.uri, tmp_path, s3)
    capture = str(samples / f"{ERASED[0]}.jsonl.gz")
    run_command([sys.executable, "-m", "flows.cli", "backfill", capture], env=place.environment(), check=True)
    replay = next(one.key for one in store.list(REPLAYS))
    retention = {"Mode": "COMPLIANCE", "RetainUntilDate": datetime.now(UTC) + timedelta(days=1)}
    store.call("put_object_retention", Key=store.prefix + replay, Retention=retention)
    done = run_command(erase_command(tmp_path), env=place.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"not erased: {replay}" in done.stdout
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    assert [failure["object"] for failure in receipt["failures"]] == [replay]
    left = store.call("list_object_versions", Prefix=f"{store.prefix}{REPLAYS}")["Versions"]
    keys = [one["Key"].removeprefix(store.prefix) for one in left]
    assert [key for key in keys if not is_style(key)] == [replay]


def test_an_erasure_after_the_job_has_stopped_reaches_its_folder(place: Place, samples: Path, tmp_path: Path) -> None:
    """Whatever in the recovery folder names a session of the person is clean, or is said to be not."""
    captures = {name: samples / f"{name}.jsonl.gz" for name in (ERASED[0], OTHERS[0])}
    job = JobProcess(place)
    with traffic(place.broker, list(captures.values())):
        time.sleep(6)
    job.await_idle()
    assert job.stop()[0] == 0
    rows = content(place.store()).tables.values()
    ada = [row for found in rows for row in found if "ada@example.test" in row]
    names = [one.encode() for row in ada for one in SESSION_ID.findall(row)]
    assert names
    assert any(named_in(place.recovery, name) for name in names)
    command = [*erase_command(tmp_path), "--job-is-stopped"]
    done = run_command(command, env=place.environment(), capture_output=True, text=True, check=False)
    said = {failure["object"] for failure in json.loads((tmp_path / "receipt.json").read_text())["failures"]}
    left = {str(path) for name in names for path in named_in(place.recovery, name)}
    assert left <= said
    assert (done.returncode == 1) == bool(said)
    assert not [path for path in left if "part-" not in path]


def named_in(folder: Path, name: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and name in path.read_bytes()]
