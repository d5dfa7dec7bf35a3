"""Retention on the real S3 server, whose lifecycle worker really deletes; and the same on a folder by sweep."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flows.demo.servers import S3Server, start_s3
from flows.job import check_retention
from flows.settings import ConfigurationError, load_settings
from lake.verify import verify
from operators.wire.message import Message
from schemas.keys import PACKS, STAGING, partition_value
from schemas.lifecycle import class_of, expiring_prefixes
from schemas.retention import AppRetention, Retention
from sinks.lifecycle import apply, prefixes_in_use, rule_for, wanted_prefixes
from sinks.s3 import S3Store
from sinks.store import LocalStore
from tests.flow.harness import run
from tests.integration.aging import make_older, make_upload_older, make_version_older, run_lifecycle
from tests.starts import run_command
from tests.torture.traffic import recording, renamed

pytestmark = pytest.mark.slow
DAY_MS = 86_400_000
AGES = (0, 5, 20)  # days since the data was received
CAPTURES = ("guance/gc-spa-json", "datadog/dd-shop", "rrweb/rr-spa")
APPS = '{"appid_a1b2c3d4e5f6": {"retention_days": 3}, "phc_local": {"retention_days": 90}}'
RETENTION = Retention(AppRetention(14), {"appid_a1b2c3d4e5f6": AppRetention(3), "phc_local": AppRetention(90)})
PREFIXES = expiring_prefixes(RETENTION)
MARKER, VERSION = "delete marker", "version"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """A server whose lifecycle passes meet no other test's objects; a bucket for each test."""
    with start_s3(buckets=("lake", "uploads", "versions", "full")) as running:
        versions = S3Store("s3://versions", running.storage_options())
        versions.call("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})
        yield running


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


def test_lifecycle_and_sweep_delete_exactly_what_is_due(aged: LocalStore, server: S3Server) -> None:
    """Tables, replays, packs and staging of every class; afterwards both lakes are consistent."""
    store = S3Store("s3://lake/rum", server.storage_options())
    everything = {one.key: one.modified_ms for one in aged.list("")}
    for key, modified_ms in everything.items():
        store.put({key: aged.read(key)})
        make_older(server, f"rum/{key}", age_days(key, modified_ms))
    environment = environment_of(store, server)
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


def test_lifecycle_ends_uploads_that_were_never_completed(server: S3Server) -> None:
    """Those that began more than a day ago, below every prefix that expires and nowhere else."""
    store = S3Store("s3://uploads/rum", server.storage_options())
    begun = {f"rum/{prefix}{age}": age for prefix in (*PREFIXES, "_job/", "others/") for age in (0, 0.9, 1.1, 20)}
    for key, age in begun.items():
        upload_id = store.call("create_multipart_upload", Key=key)["UploadId"]
        store.call("upload_part", Key=key, UploadId=upload_id, PartNumber=1, Body=b"begun, and then a crash")
        make_upload_older(server, upload_id, age, "uploads")
    apply(store.lifecycle(), wanted_prefixes(store, RETENTION))
    run_lifecycle(server)
    left = {upload["Key"] for upload in store.call("list_multipart_uploads")["Uploads"]}
    assert left == {key for key, age in begun.items() if age < 1 or key.startswith(("rum/_job/", "rum/others/"))}


def test_lifecycle_deletes_old_versions_in_a_versioned_bucket(server: S3Server) -> None:
    """What is due becomes a version that is not current, and that goes a day later, like overwritten and deleted ones.

    S3 deletes a marker without versions by the days of our rule; this server only where a rule names such markers.
    """
    store = S3Store("s3://versions/rum", server.storage_options())
    store.put(everywhere("young", "due", "overwritten", "overwritten now", "deleted", "deleted now"))
    store.put(everywhere("overwritten", "overwritten now"))
    store.delete(everywhere("deleted", "deleted now"))
    make_versions_older(server, store, "young", lambda days: days - 0.1)
    make_versions_older(server, store, "due", lambda days: days + 0.1)
    make_versions_older(server, store, "overwritten", lambda _: 1.1, also_current=False)
    make_versions_older(server, store, "deleted", lambda _: 1.1)
    apply(store.lifecycle(), wanted_prefixes(store, RETENTION))
    assert {prefix: what_it_says(rule) for prefix, rule in rules_of(store).items()} == {
        prefix: {"current": days, "versions": 1, "uploads": 1} for prefix, days in PREFIXES.items()
    }
    run_lifecycle(server)
    left = {
        "young": [VERSION],
        "due": [MARKER, VERSION],
        "overwritten": [VERSION],
        "overwritten now": [VERSION, VERSION],
        "deleted": [MARKER],
        "deleted now": [MARKER, VERSION],
    }
    assert histories(store) == everywhere_is(left)
    make_versions_older(server, store, "due", lambda _: 1.1)
    run_lifecycle(server)
    assert histories(store) == everywhere_is(left | {"due": [MARKER]})
    markers = {"ID": "markers", "Status": "Enabled", "Filter": {"Prefix": "rum/"}}
    by_owner: dict[str, object] = {**markers, "Expiration": {"ExpiredObjectDeleteMarker": True}}
    store.lifecycle().replace([*store.lifecycle().rules(), by_owner])
    run_lifecycle(server)
    assert histories(store) == everywhere_is({name: left[name] for name in left if name not in {"due", "deleted"}})
    assert apply(store.lifecycle(), wanted_prefixes(store, RETENTION)).is_done
    assert by_owner in store.lifecycle().rules()


def test_a_class_keeps_its_rule_while_old_versions_of_it_are_left(server: S3Server) -> None:
    """Without the rule they would stay for ever."""
    store = S3Store("s3://versions/gone", server.storage_options())
    store.put({"replays/retention=30d/a": b"a replay", "tables/errors/retention=7d/a": b"a table"})
    store.delete(["replays/retention=30d/a", "tables/errors/retention=7d/a"])
    assert list(store.list("")) == []
    assert prefixes_in_use(store) == {"replays/retention=30d/": 30, "tables/errors/retention=7d/": 7}


def test_a_purge_of_old_versions_brings_nothing_back(server: S3Server) -> None:
    """Also where a listing's page of 1,000 ends between a delete marker and the version that it hides."""
    store = S3Store("s3://versions/purged", server.storage_options())
    store.put({f"packs/{number:03}": b"current" for number in range(999)} | {"packs/deleted": b"an erased session"})
    store.delete(["packs/deleted"])
    store.purge_old_versions()
    assert not store.exists("packs/deleted")
    assert histories(store) == {f"packs/{number:03}": [VERSION] for number in range(999)}


def test_apply_changes_nothing_where_our_rules_have_no_room(server: S3Server) -> None:
    store = S3Store("s3://full/rum", server.storage_options())
    shared: dict[str, object] = {"Status": "Enabled", "Expiration": {"Days": 1}}
    foreign = [shared | {"ID": f"team-{number}", "Filter": {"Prefix": f"team-{number}/"}} for number in range(990)]
    store.lifecycle().replace([*foreign, rule_for("rum/packs/", 7), rule_for("rum/replays/retention=7d/", 7)])
    before = store.lifecycle().rules()
    assert len(before) == 992
    done = retention("apply", environment_of(store, server))
    assert done.returncode == 1
    assert done.stderr == (
        "error: a bucket has at most 1000 lifecycle rules: 990 are there for other things, "
        f"{len(PREFIXES)} are needed. Nothing was changed. Use fewer retention classes or a bucket of its own\n"
    )
    assert not done.stdout
    assert store.lifecycle().rules() == before


def test_a_job_and_verify_find_a_rule_that_is_not_there_or_was_changed(s3: S3Server, tmp_path: Path) -> None:
    store = S3Store(f"s3://lake/{tmp_path.name}", s3.storage_options())
    environment = environment_of(store, s3)
    settings = load_settings(lake=store.uri, s3=s3_settings(s3), retention={"check": "refuse"}, apps=json.loads(APPS))
    with pytest.raises(ConfigurationError, match=r"retention.check: \d+ prefixes of .* do not expire as promised"):
        check_retention(store, settings)
    assert replaylake("apply", environment) == 0
    assert replaylake("verify", environment) == 0
    check_retention(store, settings)
    rules = rules_of(store)
    del rules["packs/"]
    rules["staging/"]["Status"] = "Disabled"
    rules["tables/views/retention=14d/"]["Expiration"]["Days"] = 400
    rules["replays/retention=14d/"]["NoncurrentVersionExpiration"]["NewerNoncurrentVersions"] = 5
    foreign: dict[str, object] = {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}}
    foreign["Expiration"] = {"Days": 1}
    store.lifecycle().replace([*rules.values(), foreign])
    found = retention("verify", environment, "--json")
    assert found.returncode == 1
    assert json.loads(found.stdout)["problems"] == [
        "packs/: no rule",
        "replays/retention=14d/: the rule is not as it was set",
        "staging/: the rule is not as it was set",
        "tables/views/retention=14d/: the rule is not as it was set",
    ]
    assert replaylake("apply", environment) == 0
    assert replaylake("verify", environment) == 0
    assert foreign in store.lifecycle().rules()


def everywhere(*names: str) -> dict[str, bytes]:
    """Objects of these names below every prefix that expires."""
    return {f"{prefix}{name}": b"some content" for prefix in PREFIXES for name in names}


def everywhere_is(histories_by_name: dict[str, list[str]]) -> dict[str, list[str]]:
    return {f"{prefix}{name}": history for prefix in PREFIXES for name, history in histories_by_name.items()}


def histories(store: S3Store) -> dict[str, list[str]]:
    """Of every object: what its bucket keeps, the current one first."""
    found: dict[str, list[str]] = {}
    for one in versions_of(store):
        found.setdefault(one["Key"].removeprefix(store.prefix), []).append(MARKER if "Size" not in one else VERSION)
    return found


def versions_of(store: S3Store) -> list[dict[str, Any]]:
    """Versions and delete markers of the lake, the current ones first."""
    found = store.call("list_object_versions", Prefix=store.prefix)
    assert not found["IsTruncated"]
    both = [*found.get("Versions", []), *found.get("DeleteMarkers", [])]
    return sorted(both, key=lambda one: not one["IsLatest"])


def make_versions_older(
    server: S3Server, store: S3Store, name: str, age: Callable[[int], float], *, also_current: bool = True
) -> None:
    """Objects of this name below every prefix; `age`: in days, by the days of the prefix."""
    ages = {f"{store.prefix}{prefix}{name}": age(days) for prefix, days in PREFIXES.items()}
    for one in versions_of(store):
        if one["Key"] in ages and (also_current or not one["IsLatest"]):
            make_version_older(server, one["Key"], one["VersionId"], ages[one["Key"]], "versions")


def rules_of(store: S3Store) -> dict[str, dict[str, Any]]:
    """The rules of the lake as they are on the server, by prefix."""
    rules = store.call("get_bucket_lifecycle_configuration")["Rules"]
    own = [rule for rule in rules if rule["Filter"]["Prefix"].startswith(store.prefix)]
    return {rule["Filter"]["Prefix"].removeprefix(store.prefix): rule for rule in own}


def what_it_says(rule: dict[str, Any]) -> dict[str, int]:
    """Days until current objects, versions that are not current, and uploads end."""
    assert rule["Status"] == "Enabled"
    return {
        "current": rule["Expiration"]["Days"],
        "versions": rule["NoncurrentVersionExpiration"]["NoncurrentDays"],
        "uploads": rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"],
    }


def environment_of(store: S3Store, server: S3Server) -> dict[str, str]:
    keys = {f"REPLAYLAKE_S3__{name.upper()}": value for name, value in s3_settings(server).items()}
    return {"REPLAYLAKE_LAKE": store.uri, **keys}


def s3_settings(server: S3Server) -> dict[str, str]:
    return {"endpoint_url": server.endpoint_url, "key": server.access_key, "secret": server.secret_key}


def age_days(key: str, modified_ms: int) -> float:
    """Of an object as it would be, had it been made when its data was received."""
    day = partition_value(key, "dt")
    if day is None:
        return (time.time() * 1000 - modified_ms) / DAY_MS
    return float((datetime.now(UTC).date() - date.fromisoformat(day)).days)


def replaylake(command: str, environment: dict[str, str], *flags: str) -> int:
    done = retention(command, environment, *flags)
    assert done.returncode in {0, 1}, done.stderr
    assert not done.stderr, done.stderr
    return done.returncode


def retention(command: str, environment: dict[str, str], *flags: str) -> subprocess.CompletedProcess[str]:
    return run_command(
        [sys.executable, "-m", "flows.cli", "retention", command, *flags],
        env={**os.environ, "REPLAYLAKE_APPS": APPS, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
