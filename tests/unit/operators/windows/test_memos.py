"""Closed sessions: revised while remembered, numbered on when forgotten, and never more memory than allowed."""

import msgspec
import pytest

from operators.windows.memos import MemoLimits
from operators.windows.rules import WindowRules
from operators.windows.tracker import Arrival, CloseOrder, SessionTracker
from schemas.items import Item, Kind
from schemas.units import MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE

RULES = WindowRules()
DAY_MS = 20_000 * MS_PER_DAY


def action(session_id: str, at_ms: int, ident: int, *, received_ms: int | None = None) -> Item:
    at_us = at_ms * 1000
    received_ms = received_ms or at_ms
    return Item("app", session_id, Kind.ACTION, 0, at_us, at_us, received_ms, ident, opens=True, ends=False, body=b"")


def apply(tracker: SessionTracker, *items: Item, clock_ms: int | None = None) -> list[CloseOrder]:
    arrivals = [Arrival(item.received_ms, "rum", 0, 0, item) for item in items]
    last = max((item.received_ms for item in items), default=0)
    return tracker.apply(0, clock_ms if clock_ms is not None else last, arrivals).orders


def test_late_data_of_a_remembered_session_revises_its_part() -> None:
    tracker = SessionTracker(RULES)
    apply(tracker, action("a", DAY_MS, 1), clock_ms=DAY_MS + 20 * MS_PER_MINUTE)
    late = action("a", DAY_MS + 1000, 2, received_ms=DAY_MS + MS_PER_HOUR)
    [order] = apply(tracker, late, clock_ms=DAY_MS + 2 * MS_PER_HOUR)
    assert (order.part, order.revision, order.late_count) == (0, 1, 1)


@pytest.mark.parametrize("limits", [MemoLimits(age_ms=30 * MS_PER_MINUTE), MemoLimits(size_bytes=1)])
def test_late_data_of_a_forgotten_session_gets_the_next_part(limits: MemoLimits) -> None:
    """Whatever is in the lake as part 0 revision 0 stays the only such row."""
    tracker = SessionTracker(RULES, limits)
    [first] = apply(tracker, action("a", DAY_MS, 1), clock_ms=DAY_MS + 20 * MS_PER_MINUTE)
    apply(tracker, clock_ms=DAY_MS + MS_PER_HOUR)
    assert tracker.memo_count == 0
    late = action("a", DAY_MS + 1000, 2, received_ms=DAY_MS + MS_PER_HOUR)
    [order] = apply(tracker, late, clock_ms=DAY_MS + 2 * MS_PER_HOUR)
    assert (first.part, first.revision) == (0, 0)
    assert (order.part, order.revision, order.late_count) == (1, 0, 1)


def test_what_begins_after_a_forgotten_part_is_not_late() -> None:
    tracker = SessionTracker(RULES, MemoLimits(size_bytes=1))
    apply(tracker, action("a", DAY_MS, 1), clock_ms=DAY_MS + 20 * MS_PER_MINUTE)
    [order] = apply(tracker, action("a", DAY_MS + MS_PER_HOUR, 2), clock_ms=DAY_MS + 2 * MS_PER_HOUR)
    assert (order.part, order.late_count) == (1, 0)


@pytest.mark.parametrize(("age_ms", "remembered"), [(-1, 1), (0, 1), (1, 0)])
def test_a_memo_ends_after_its_age(age_ms: int, remembered: int) -> None:
    """The age counts from when the close was due; at it the memo is still there, after it no more."""
    tracker = SessionTracker(RULES)
    apply(tracker, action("a", DAY_MS, 1))
    due_ms = DAY_MS + RULES.gap_ms + RULES.lateness_ms
    apply(tracker, clock_ms=due_ms + 1)
    apply(tracker, clock_ms=due_ms + MemoLimits().age_ms + age_ms)
    assert tracker.memo_count == remembered


def test_memory_of_closed_sessions_stays_below_its_limit() -> None:
    limits = MemoLimits(size_bytes=10_000, forgotten=50)
    tracker = SessionTracker(RULES, limits)
    for number in range(500):
        apply(tracker, action(f"s{number}", DAY_MS + number * MS_PER_MINUTE, number))
        assert tracker.memo_bytes <= limits.size_bytes
    assert 0 < tracker.memo_count < 30
    assert sum(map(len, tracker.everything())) < 30 * 600 + 50 * 30


def test_what_is_remembered_survives_a_restart() -> None:
    limits = MemoLimits(size_bytes=2000)
    tracker = SessionTracker(RULES, limits)
    for number in range(20):
        apply(tracker, action(f"s{number}", DAY_MS + number * MS_PER_MINUTE, number))
    again = SessionTracker(RULES, limits, tracker.everything())
    assert (again.open_count, again.memo_count, again.memo_bytes) == (
        tracker.open_count,
        tracker.memo_count,
        tracker.memo_bytes,
    )
    assert list(again.everything()) == list(tracker.everything())


def test_what_is_saved_goes_by_what_changed() -> None:
    tracker = SessionTracker(RULES)
    apply(tracker, *(action(f"s{number}", DAY_MS, number) for number in range(1000)))
    first = tracker.changes()
    apply(tracker, action("s7", DAY_MS + 1000, 2000))
    assert len(tracker.changes()) < 150 < len(first) / 500
    assert len(tracker.changes()) < 50, "nothing but the clock"


def test_a_part_that_is_due_waits_for_an_earlier_one() -> None:
    """A late item can keep part 0 open for longer than part 1; both close then, once, in their order."""
    tracker = SessionTracker(RULES)
    apply(
        tracker,
        action("a", DAY_MS, 1),
        action("a", DAY_MS + MS_PER_HOUR, 2, received_ms=DAY_MS + 1),
        action("a", DAY_MS + 1000, 3, received_ms=DAY_MS + 10 * MS_PER_MINUTE),
    )
    assert apply(tracker, clock_ms=DAY_MS + 20 * MS_PER_MINUTE) == []
    orders = apply(tracker, clock_ms=DAY_MS + 30 * MS_PER_MINUTE)
    assert [(order.part, order.revision) for order in orders] == [(0, 0), (1, 0)]


@pytest.mark.parametrize("wait_ms", [1000, RULES.lateness_ms - 1])
def test_what_opens_nothing_waits_for_what_opens_the_next_window(wait_ms: int) -> None:
    """A segment overtakes the line that the visitor's return began with: both are in the new window."""
    tracker = SessionTracker(RULES)
    apply(tracker, action("a", DAY_MS, 1), clock_ms=DAY_MS + 20 * MS_PER_MINUTE)
    back_ms = DAY_MS + MS_PER_HOUR
    segment = msgspec.structs.replace(action("a", back_ms + 1, 2), kind=Kind.SEGMENT, opens=False)
    assert apply(tracker, segment, clock_ms=back_ms + wait_ms) == []
    opener = action("a", back_ms, 3, received_ms=back_ms + 1 + wait_ms)
    [order] = apply(tracker, opener, clock_ms=back_ms + MS_PER_HOUR)
    assert (order.part, order.revision, len(order.new_moments)) == (1, 0, 2 * 41)


def test_what_opens_nothing_and_stays_alone_is_the_tail_of_the_window_before() -> None:
    tracker = SessionTracker(RULES)
    apply(tracker, action("a", DAY_MS, 1), clock_ms=DAY_MS + 20 * MS_PER_MINUTE)
    back_ms = DAY_MS + MS_PER_HOUR
    segment = msgspec.structs.replace(action("a", back_ms, 2), kind=Kind.SEGMENT, opens=False)
    [order] = apply(tracker, segment, clock_ms=back_ms + RULES.lateness_ms + 1)
    assert (order.part, order.revision, order.late_count) == (0, 1, 1)
