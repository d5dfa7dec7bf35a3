"""The lake is a function of what was received: not of order, batches, copies or restarts. Over real recordings."""

import itertools
import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operators.wire.message import Message
from tests.flow.harness import Lake, capture_messages, run

LATENESS_MS = 60_000
CAPTURES = (
    *("guance/gc-multitab", "guance/gc-badnet", "datadog/dd-todo-v5", "guance/gc-clock-return"),
    *("rrweb/ph-docs", "rrweb/ph-shop", "rrweb/rr-spa"),
)

_numbers = itertools.count()


@pytest.fixture(scope="module", params=CAPTURES)
def recorded(
    request: pytest.FixtureRequest, samples: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Message], Lake]:
    """The messages of a capture, and the lake that they make in their order, in one batch."""
    messages = capture_messages([samples / f"{request.param}.jsonl.gz"])
    return messages, run(messages, [], tmp_path_factory.mktemp("plain"))


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_any_order_within_the_lateness_any_batches_every_copy_gives_the_same_lake(
    recorded: tuple[list[Message], Lake], seed: int, tmp_path: Path
) -> None:
    """Each message twice, shuffled by up to the allowed lateness, cut anywhere, restarted: same rows, same bytes."""
    messages, plain = recorded
    chance = random.Random(seed)
    twice = sorted(messages * 2, key=lambda m: _place(m, chance))
    cuts = chance.sample(range(len(twice)), min(9, len(twice) - 1))
    other = run(twice, cuts, tmp_path / f"other{next(_numbers)}", restart_every=chance.choice((0, 1, 2)))
    assert other.blobs == plain.blobs
    assert other.tables == plain.tables


def _place(message: Message, chance: random.Random) -> float:
    # Half the lateness on either side: no message is later than the lateness behind another.
    return message.received_ms + chance.uniform(-0.5, 0.5) * LATENESS_MS


def test_a_client_clock_a_year_ahead_changes_nobody_elses_rows(samples: Path, tmp_path: Path) -> None:
    """Another session's wild clock moves no window, and its own durations are right."""
    messages = capture_messages([samples / "guance/gc-spa-json.jsonl.gz"])
    alone = run(messages, [], tmp_path / "alone")
    year_us = 365 * 86_400 * 1_000_000
    wild = [_wild(message, year_us // 1000) for message in messages if message.type == "guance.rum"]
    together = sorted([*messages, *wild], key=lambda m: m.received_ms)
    rows = run(together, [5, 9], tmp_path / "together").tables["sessions"]
    mine = alone.tables["sessions"][0]
    assert [row for row in rows if row["session_id"] == mine["session_id"]] == [mine]
    other = next(row for row in rows if row["session_id"] != mine["session_id"])
    assert other["session_view_count"] == mine["session_view_count"]
    assert abs(int(str(other["time_spent"])) - int(str(mine["time_spent"]))) < 2_000_000_000


def _wild(message: Message, shift_ms: int) -> Message:
    rows = msgspec.json.decode(message.value)
    for row in rows:
        row["time"] += shift_ms
        row["tags"]["session_id"] = "wild"
    return Message(message.type, message.headers, msgspec.json.encode(rows), message.received_ms)


def test_late_segments_give_the_same_lake_to_a_writer_that_remembers_and_to_one_that_does_not(
    samples: Path, tmp_path: Path
) -> None:
    """A revision states the size of all blobs: known to the writer that made them, made once more by another."""
    messages = capture_messages([samples / "guance/gc-multitab.jsonl.gz"])
    late = [number for number, one in enumerate(messages) if one.type == "guance.replay"][::3]
    moved = [
        msgspec.structs.replace(one, received_ms=one.received_ms + 3_600_000) if number in late else one
        for number, one in enumerate(messages)
    ]
    moved.sort(key=lambda one: one.received_ms)
    on_time = len(messages) - len(late)
    remembers = run(moved, [], tmp_path / "remembers")
    forgets = run(moved, range(on_time, len(moved)), tmp_path / "forgets", restart_every=1)
    assert any(row["revision"] and row["replay_key"] for row in remembers.tables["sessions"])
    assert forgets.blobs == remembers.blobs
    assert forgets.tables == remembers.tables
