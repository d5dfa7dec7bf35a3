"""A lake that loses what is due, day by day, is consistent on every one of them."""

import random
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest

from lake.verify import Expiry, verify
from schemas.retention import AppRetention, Retention
from schemas.units import MS_PER_DAY
from sinks.lifecycle import overdue
from sinks.store import LocalStore
from tests.flow.harness import run
from tests.torture.traffic import recording

CAPTURES = ("guance/gc-spa-json", "guance/gc-shop", "datadog/dd-shop", "rrweb/rr-spa")
FIRST = date(2026, 3, 1)


@pytest.mark.parametrize(
    "default",
    [AppRetention(3), AppRetention(3, 7), AppRetention(7, 3)],
    ids=["together", "replays longer", "replays shorter"],
)
def test_a_lake_holds_together_on_every_day_of_its_end(default: AppRetention, samples: Path, tmp_path: Path) -> None:
    """Sessions around midnight have rows of two days; RUM and replay may have classes of their own."""
    midnight_ms = (FIRST + timedelta(1) - date(1970, 1, 1)).days * MS_PER_DAY
    chance = random.Random(1)
    messages = []
    for name in CAPTURES:
        found = [message for _, message in recording(samples / f"{name}.jsonl.gz")]
        begin_ms = midnight_ms - 60_000
        step_ms = 120_000 // len(found)  # half before midnight, half after
        messages += [
            msgspec.structs.replace(message, received_ms=begin_ms + number * step_ms)
            for number, message in enumerate(found)
        ]
    messages.sort(key=lambda message: message.received_ms)
    store = LocalStore(tmp_path)
    retention = Retention(default, {"phc_local": AppRetention(5)})
    run(messages, [len(messages) // 2], tmp_path, store=store, retention=retention)
    files = len(list(store.list("")))
    for days in range(12):
        day = FIRST + timedelta(days)
        due = [one.key for one, _ in overdue(store, day) if not one.key.startswith("packs/")]
        half_gone = chance.sample(due, len(due) // 2)  # a store deletes one by one, in no order
        store.delete(half_gone)
        assert verify(store, expiry=Expiry(day, retention)).problems == []
        store.delete(due)
        assert verify(store, expiry=Expiry(day, retention)).problems == []
    left = [one.key for one in store.list("") if not one.key.startswith("packs/")]
    assert left == []
    assert files > 10
