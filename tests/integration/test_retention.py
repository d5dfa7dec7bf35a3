"""Retention on the real S3 server, whose lifecycle worker really deletes; and the same on a folder by sweep."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest

from flows.job import check_retention
from flows.servers import S3Server, start_s3
from flows.settings import ConfigurationError, load_settings
from operators.decode import Message
from replay.verify import verify
from schemas.keys import PACKS, STAGING, partition_value
from schemas.lifecycle import class_of
from schemas.retention import AppRetention, Retention
from sinks.s3 import S3Store
from sinks.store import LocalStore
from tests.flow.harness import run
from tests.integration.aging import make_older, run_lifecycle
from tests.torture.traffic import recording, renamed

pytestmark = pytest.mark.slow
DAY_MS = 86_400_000
AGES = (0, 5, 20)  # days since the data was received
CAPTURES = ("guance/gc-spa-json", "datadog/dd-shop", "rrweb/rr-spa")
APPS = '{"appid_a1b2c3d4e5f6": {"retention_days": 3}, "phc_local": {"retention_days": 90}}'
RETENTION = Retention(AppRetention(14), {"appid_a1b2c3d4e5f6": AppRetention(3), "phc_local": AppRetention(90)})


@pytest.fixture
def aged(samples: Path, tmp_path: Path) -> LocalStore:
    """A local lake: three apps with classes 3d, 14d and 90d, received 0, 5 and 20 days ago, and leftovers as old."""
    store = LocalStore(tmp_path / "lake")
    for age in AGES:
        at_ms = int(time.time() * 1000) - age * DAY_MS
        messages = [message for name in CAPTURES for message in sessions(samples / f"{name}.jsonl.gz", age, at_ms)]
        run(messages, [len(messages) // 2], tmp_path / "lake", store=store, retention=RETENTION)
        leftovers = f"{STAGING}0000/{age:010d}-dead/00000", f"{PACKS}0000/{age:010d}-000-dead.pack"
        store.put(dict.fromkeys(leftovers, b"left by a crash"))
        for key in leftovers:
            os.utime(tmp_path / "lake" / key, (at_ms / 1000, at_ms / 1000))
    return store


def sessions(path: Path, age: int, at_ms: int) -> list[Message]:
    """A recording received at that time, with session ids of its own."""
    found = []
    for session_id, message in recording(path):
        clone_id = f"{session_id[:-8]}{age:08x}"
        clone = renamed(message, session_id.encode(), clone_id.encode())
        if clone is not None:
            found.append(msgspec.structs.replace(clone, received_ms=at_ms))
    return found


def test_lifecycle_and_sweep_delete_exactly_what_is_due(aged: LocalStore) -> None:
    """Tables, replays, packs and staging of every class; afterwards both lakes hold together."""
    with start_s3() as server:
        store = S3Store("s3://lake/rum", server.storage_options())
        everything = {one.key: one.modified_ms for one in aged.list("")}
        for key, modified_ms in everything.items():
            store.put({key: aged.read(key)})
            make_older(server, f"rum/{key}", age_days(key, modified_ms))
        environment = {
            "REPLAYLAKE_LAKE": store.uri,
            "REPLAYLAKE_S3__ENDPOINT_URL": server.endpoint_url,
            "REPLAYLAKE_S3__KEY": server.access_key,
            "REPLAYLAKE_S3__SECRET": server.secret_key,
        }
        assert replaylake("verify", environment) == 1, "without rules everything old is overdue"
        assert replaylake("apply", environment) == 0
        run_lifecycle(server)
        assert replaylake("verify", environment) == 0
        left = {one.key for one in store.list("")}
        assert verify(store).problems == []
    assert replaylake("sweep", {"REPLAYLAKE_LAKE": aged.uri}, "--dry-run") == 0
    assert {one.key for one in aged.list("")} == everything.keys()
    assert replaylake("sweep", {"REPLAYLAKE_LAKE": aged.uri}) == 0
    swept = {one.key for one in aged.list("")}
    assert swept == left
    assert verify(aged).problems == []
    gone = everything.keys() - left
    assert {(class_of(key), round(age_days(key, 0))) for key in gone if class_of(key)} == {(3, 5), (3, 20), (14, 20)}
    assert {key.split("/")[0] for key in gone} == {"tables", "replays", "packs", "staging"}
    assert {key.split("/")[0] for key in left} == {"tables", "replays", "packs", "staging"}


def test_a_job_and_verify_find_a_rule_that_is_not_there_or_was_changed(s3: S3Server, tmp_path: Path) -> None:
    store = S3Store(f"s3://lake/{tmp_path.name}", s3.storage_options())
    environment = {
        "REPLAYLAKE_LAKE": store.uri,
        "REPLAYLAKE_S3__ENDPOINT_URL": s3.endpoint_url,
        "REPLAYLAKE_S3__KEY": s3.access_key,
        "REPLAYLAKE_S3__SECRET": s3.secret_key,
    }
    settings = load_settings(lake=store.uri, s3=s3_settings(s3), retention={"check": "refuse"}, apps=json.loads(APPS))
    with pytest.raises(ConfigurationError, match=r"retention.check: \d+ prefixes of .* do not expire as promised"):
        check_retention(store, settings)
    assert replaylake("apply", environment) == 0
    assert replaylake("verify", environment) == 0
    check_retention(store, settings)
    rules = store.lifecycle().rules()
    rules[0]["Status"] = "Disabled"
    foreign: dict[str, object] = {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}}
    foreign["Expiration"] = {"Days": 1}
    store.lifecycle().replace([*rules, foreign])
    assert replaylake("verify", environment) == 1
    assert replaylake("apply", environment) == 0
    assert replaylake("verify", environment) == 0
    assert "logs" in [rule["ID"] for rule in store.lifecycle().rules()]


def s3_settings(server: S3Server) -> dict[str, str]:
    return {"endpoint_url": server.endpoint_url, "key": server.access_key, "secret": server.secret_key}


def age_days(key: str, modified_ms: int) -> float:
    """Of an object as it would be, had it been made when its data was received."""
    day = partition_value(key, "dt")
    if day is None:
        return (time.time() * 1000 - modified_ms) / DAY_MS
    return float((datetime.now(UTC).date() - date.fromisoformat(day)).days)


def replaylake(command: str, environment: dict[str, str], *flags: str) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "retention", command, *flags],
        env={**os.environ, "REPLAYLAKE_APPS": APPS, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    assert not done.stderr, done.stderr
    return done.returncode
