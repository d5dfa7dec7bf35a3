"""Lifecycle rules: one for each prefix that can be written, foreign ones untouched, traps refused."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from flows.captures import CaptureCounts, read_captures
from schemas.keys import PACKS, REPLAYS, STAGING, TABLES
from schemas.lifecycle import due_day, expiring_prefixes
from schemas.retention import AppRetention, Retention
from sinks.lifecycle import Action, LifecycleRefused, apply, coverage_problems, plan, prefixes_in_use, rule_for
from sinks.store import Lifecycle, LocalStore
from tests.flow.harness import run

ROOT = "rum/"
WANTED = {"tables/sessions/retention=14d/": 14, "packs/": 2}
FOREIGN: dict[str, Any] = {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 1}}


class Bucket(Lifecycle):
    """Rules in memory."""

    def __init__(self, *rules: dict[str, Any], root: str = ROOT) -> None:
        self.root = root
        self._rules = list(rules)
        self.calls = 0

    def rules(self) -> list[dict[str, object]]:
        return self._rules

    def replace(self, rules: list[dict[str, object]]) -> None:
        self._rules = rules
        self.calls += 1


def actions(bucket: Bucket, wanted: dict[str, int]) -> dict[str, Action]:
    return {change.prefix: change.action for change in plan(bucket.rules(), wanted, bucket.root).changes}


def test_an_empty_bucket_gets_every_rule_once() -> None:
    bucket = Bucket()
    assert set(actions(bucket, WANTED).values()) == {Action.ADD}
    apply(bucket, WANTED)
    apply(bucket, WANTED)
    assert bucket.calls == 1
    assert coverage_problems(bucket.rules(), WANTED, ROOT) == []


def test_another_class_is_a_change_and_a_class_without_use_goes() -> None:
    bucket = Bucket(rule_for(f"{ROOT}packs/", 7), rule_for(f"{ROOT}tables/sessions/retention=3d/", 3))
    assert actions(bucket, WANTED) == {
        "packs/": Action.CHANGE,
        "tables/sessions/retention=14d/": Action.ADD,
        "tables/sessions/retention=3d/": Action.REMOVE,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"Status": "Disabled"},
        {"Expiration": {"Days": 3}},
        {"Filter": {"Prefix": "rum/other/"}},
        {"Filter": {"And": {"Prefix": "rum/packs/", "Tags": [{"Key": "a", "Value": "b"}]}}},
        {"NoncurrentVersionExpiration": {"NoncurrentDays": 400}},
        {"AbortIncompleteMultipartUpload": {}},
    ],
)
def test_a_rule_that_was_changed_by_hand_is_found_and_mended(change: dict[str, Any]) -> None:
    bucket = Bucket(*(rule_for(ROOT + prefix, days) for prefix, days in WANTED.items()))
    assert coverage_problems(bucket.rules(), WANTED, ROOT) == []
    bucket.rules()[1].update(change)
    assert coverage_problems(bucket.rules(), WANTED, ROOT) == ["packs/: the rule is not as it was set"]
    apply(bucket, WANTED)
    assert coverage_problems(bucket.rules(), WANTED, ROOT) == []


def test_a_rule_that_was_removed_is_found() -> None:
    bucket = Bucket(rule_for(f"{ROOT}packs/", 2))
    assert coverage_problems(bucket.rules(), WANTED, ROOT) == ["tables/sessions/retention=14d/: no rule"]


def test_foreign_rules_stay_as_they_are() -> None:
    other_lake = rule_for("other/packs/", 2)
    bucket = Bucket(FOREIGN, other_lake)
    apply(bucket, WANTED)
    assert FOREIGN in bucket.rules()
    assert other_lake in bucket.rules()
    assert len(bucket.rules()) == 4


@pytest.mark.parametrize(
    ("prefix", "expiration", "is_trap"),
    [
        ("", {"Days": 7}, True),
        ("rum/tables/", {"Days": 13}, True),
        ("rum/tables/", {"Days": 14}, False),
        ("rum/tables/sessions/retention=14d/dt=2026-01-01/", {"Days": 1}, True),
        ("rum/tables/", {"Date": "2026-01-01"}, True),
        ("logs/", {"Days": 1}, False),
    ],
)
def test_a_foreign_rule_that_is_shorter_is_a_trap(prefix: str, expiration: dict[str, Any], is_trap: bool) -> None:  # noqa: FBT001
    """Where two rules meet the store follows the shorter one."""
    trap = {"ID": "trap", "Status": "Enabled", "Filter": {"Prefix": prefix}, "Expiration": expiration}
    bucket = Bucket(trap)
    wanted = {"tables/sessions/retention=14d/": 14}
    assert bool(plan(bucket.rules(), wanted, ROOT).conflicts) == is_trap
    if is_trap:
        with pytest.raises(LifecycleRefused, match="'trap'"):
            apply(bucket, wanted)
        assert bucket.rules() == [trap]


@pytest.mark.parametrize(("foreign", "fits"), [(997, True), (998, True), (999, False)])
def test_the_limit_on_rules_is_refused_before_anything_changes(foreign: int, fits: bool) -> None:  # noqa: FBT001
    others = [FOREIGN | {"ID": f"logs-{number}"} for number in range(foreign)]
    bucket = Bucket(*others)
    if fits:
        apply(bucket, WANTED)
        assert len(bucket.rules()) == foreign + 2
    else:
        with pytest.raises(LifecycleRefused, match="at most 1000 lifecycle rules: 999 are there for other things"):
            apply(bucket, WANTED)
        assert bucket.rules() == others


def test_every_key_that_is_written_is_under_exactly_one_expiring_prefix(samples: Path, tmp_path: Path) -> None:
    """Real recordings of several apps with classes of their own, packs and staging included."""
    paths = sorted(samples.glob("*/*.jsonl.gz"))
    messages = [captured.message for captured in read_captures(paths, CaptureCounts())]
    retention = Retention(AppRetention(14), {"appid_a1b2c3d4e5f6": AppRetention(3, 90), "phc_local": AppRetention(30)})
    written: list[str] = []

    class Recorded(LocalStore):
        def put(self, objects: Any) -> None:
            written.extend(objects)
            super().put(objects)

        def copy(self, pairs: Any) -> list[tuple[str, str]]:
            pairs = list(pairs)
            written.extend(target for _, target in pairs)
            return super().copy(pairs)

    store = Recorded(tmp_path / "lake")
    run(messages, [len(messages) // 2], tmp_path / "lake", store=store, retention=retention)
    prefixes = expiring_prefixes(retention)
    covering = {key: [prefix for prefix in prefixes if key.startswith(prefix)] for key in written}
    assert {key for key, found in covering.items() if len(found) != 1} == set()
    kinds = {key.partition("/")[0] + "/" for key in written}
    assert kinds == {TABLES, REPLAYS, PACKS, STAGING}
    assert {"retention=3d", "retention=14d", "retention=30d", "retention=90d"} <= set("/".join(written).split("/"))
    assert prefixes_in_use(store).items() <= prefixes.items()


@pytest.mark.parametrize(
    ("key", "modified", "due"),
    [
        ("tables/views/retention=3d/dt=2026-11-01/x.parquet", "2026-11-20", "2026-11-05"),
        ("replays/retention=14d/dt=2026-11-01/app_id=a/s.0.jsonl.zst", "2026-11-01", "2026-11-16"),
        ("packs/0000/0000000001-000-a.pack", "2026-11-01", "2026-11-04"),
        ("staging/0000/0000000001-a/00000", "2026-11-01", "2026-11-03"),
        ("_job/owner.json", "2020-01-01", None),
    ],
)
def test_an_object_is_due_by_the_day_of_its_data(key: str, modified: str, due: str | None) -> None:
    """Not by its own age: it may have been copied. Packs and staging have no other day."""
    modified_ms = (date.fromisoformat(modified) - date(1970, 1, 1)).days * 86_400_000 + 1
    assert due_day(key, modified_ms) == (date.fromisoformat(due) if due else None)
