"""Lifecycle rules of a bucket: the wanted ones, how they differ from what is there, and whether everything is covered.

One rule a prefix. Ours are known by their id (`replaylake <prefix>`); every other rule is foreign and stays as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any

import msgspec

from schemas.errors import Declined
from schemas.keys import PACKS, REPLAYS, STAGING, TABLES
from schemas.lifecycle import class_of, due_day, expiring_prefixes
from schemas.retention import Retention
from sinks.store import Lifecycle, ObjectInfo, ObjectStore

RULES_MAX = 1000  # of a bucket, on S3
_ID = "replaylake "
_LEFTOVER_DAYS = 1  # incomplete uploads, versions that were overwritten or deleted

Rule = dict[str, Any]  # as the S3 API has it


class LifecycleRefused(Declined):
    """The rules cannot be set without breaking the promise or somebody else's rules."""


class Action(StrEnum):
    """What `apply` does to a rule of ours."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"
    KEEP = "keep"


class Change(msgspec.Struct, frozen=True):
    """One prefix of the lake (without the lake's own prefix) and what happens to its rule."""

    action: Action
    prefix: str
    days: int


class Plan(msgspec.Struct, frozen=True):
    """The way from the bucket's rules to the wanted ones. `rules`: all of the bucket afterwards."""

    changes: list[Change]
    foreign: int
    conflicts: list[str]
    rules: list[Rule]

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do."""
        return all(change.action == Action.KEEP for change in self.changes)


def prefixes_in_use(store: ObjectStore) -> dict[str, int]:
    """Days by prefix of every class that has objects, also of classes that nothing is written to any more."""
    found: dict[str, int] = {}
    parents = [REPLAYS, *(f"{TABLES}{table}/" for table in store.folders(TABLES, with_old=True))]
    for parent in parents:
        for folder in store.folders(parent, with_old=True):
            days = class_of(folder)
            if days is not None:
                found[f"{parent}{folder}/"] = days
    return found


def wanted_prefixes(store: ObjectStore, retention: Retention) -> dict[str, int]:
    """Days by prefix: what a writer with these classes can write to, and what older ones have written to."""
    return prefixes_in_use(store) | expiring_prefixes(retention)


def plan(existing: Sequence[Rule], wanted: Mapping[str, int], root: str) -> Plan:
    """How to get from `existing` to one rule for each of the `wanted` prefixes of the lake at `root`."""
    ours = {str(rule.get("ID")): rule for rule in existing if _is_ours(rule, root)}
    foreign = [rule for rule in existing if not _is_ours(rule, root)]
    rules = {_rule_id(root + prefix): rule_for(root + prefix, days) for prefix, days in wanted.items()}
    changes = []
    for prefix, days in sorted(wanted.items()):
        there = ours.get(_rule_id(root + prefix))
        same = there is not None and _meaning(there) == _meaning(rules[_rule_id(root + prefix)])
        changes.append(Change(Action.KEEP if same else Action.CHANGE if there else Action.ADD, prefix, days))
    for rule_id in sorted(ours.keys() - rules.keys()):
        prefix = _prefix(ours[rule_id]).removeprefix(root)
        changes.append(Change(Action.REMOVE, prefix, _days(ours[rule_id]) or 0))
    return Plan(changes, len(foreign), _conflicts(foreign, wanted, root), [*foreign, *rules.values()])


def overdue(store: ObjectStore, day: date) -> list[tuple[ObjectInfo, date]]:
    """Objects that were due to be gone at the beginning of `day`, and since when."""
    found = []
    for one in store.list(""):
        due = due_day(one.key, one.modified_ms)
        if due is not None and due <= day:
            found.append((one, due))
    return found


def apply(lifecycle: Lifecycle, wanted: Mapping[str, int]) -> Plan:
    """Set the rules; returns what was done. Raises LifecycleRefused before anything is changed."""
    planned = plan(lifecycle.rules(), wanted, lifecycle.root)
    if planned.conflicts:
        raise LifecycleRefused("; ".join(planned.conflicts))
    if len(planned.rules) > RULES_MAX:
        raise LifecycleRefused(
            f"a bucket has at most {RULES_MAX} lifecycle rules: {planned.foreign} are there for other things, "
            f"{len(planned.rules) - planned.foreign} are needed. Nothing was changed. Use fewer retention classes or a "
            "bucket of its own"
        )
    if not planned.is_done:
        lifecycle.replace(planned.rules)
        left = plan(lifecycle.rules(), wanted, lifecycle.root)
        if not left.is_done:
            undone = [change.prefix for change in left.changes if change.action != Action.KEEP]
            raise LifecycleRefused(f"the server took the rules and gives others back for {', '.join(undone)}")
    return planned


def coverage_problems(existing: Sequence[Rule], wanted: Mapping[str, int], root: str) -> list[str]:
    """Every prefix that does not have exactly one effective rule with the right days, as one line each."""
    planned = plan(existing, wanted, root)
    said = {
        Action.ADD: "no rule",
        Action.CHANGE: "the rule is not as it was set",
        Action.REMOVE: "a rule that nothing asks for",
    }
    problems = [f"{one.prefix}: {said[one.action]}" for one in planned.changes if one.action in said]
    return problems + planned.conflicts


def rule_for(prefix: str, days: int) -> Rule:
    """The rule of a prefix: objects, versions that are not current, and uploads that never ended."""
    return {
        "ID": _rule_id(prefix),
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "Expiration": {"Days": days},
        "NoncurrentVersionExpiration": {"NoncurrentDays": _LEFTOVER_DAYS},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _LEFTOVER_DAYS},
    }


def _rule_id(prefix: str) -> str:
    return f"{_ID}{prefix}"


def _is_ours(rule: Rule, root: str) -> bool:
    name = str(rule.get("ID", ""))
    return name.startswith(tuple(f"{_ID}{root}{part}" for part in (TABLES, REPLAYS, PACKS, STAGING)))


def _meaning(rule: Rule) -> tuple[object, ...]:
    """What a rule does, whatever words the server gives it back in."""
    uploads = rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
    versions = rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")
    return rule.get("Status"), _prefix(rule), _is_plain(rule), _days(rule), versions, uploads


def _prefix(rule: Rule) -> str:
    chosen = rule.get("Filter", {})
    return str(chosen.get("Prefix") or chosen.get("And", {}).get("Prefix") or rule.get("Prefix") or "")


def _is_plain(rule: Rule) -> bool:
    """Every object and version of the prefix, and nothing is moved to another class before it goes."""
    versions_kept = rule.get("NoncurrentVersionExpiration", {}).get("NewerNoncurrentVersions")
    moves = rule.get("Transitions") or rule.get("NoncurrentVersionTransitions")
    return set(rule.get("Filter", {})) <= {"Prefix"} and not versions_kept and not moves


def _days(rule: Rule) -> int | None:
    days = rule.get("Expiration", {}).get("Days")
    return int(days) if days is not None else None


def _conflicts(foreign: Iterable[Rule], wanted: Mapping[str, int], root: str) -> list[str]:
    """Foreign rules that would delete our data too early: where two rules meet, the shorter one wins."""
    found = []
    for rule in foreign:
        if rule.get("Status") != "Enabled" or "Expiration" not in rule:
            continue
        theirs, days, is_dated = _prefix(rule), _days(rule), "Date" in rule["Expiration"]
        for prefix, wanted_days in sorted(wanted.items()):
            ours = root + prefix
            meets = ours.startswith(theirs) or theirs.startswith(ours)
            if meets and (is_dated or (days is not None and days < wanted_days)):
                when = "on a date" if is_dated else f"after {days} days"
                name = rule.get("ID", "without an id")
                found.append(f"{prefix}: the foreign rule {name!r} deletes {when}, before our {wanted_days} days")
    return found
