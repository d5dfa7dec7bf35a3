"""The receive clock by values: stamps, ends and wall clocks in, times out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.input.receive_clock import ClockRules, ReceiveClock, StampFault, WallClock

RULES = ClockRules(ahead_ms=120_000, margin_ms=5_000, outage_hold_ms=60_000)
NOW = 1_795_000_000_000
A, B = ("rum", 0), ("replay", 0)


def clock(*places: tuple[str, int], clock_ms: int = 0) -> ReceiveClock:
    made = ReceiveClock(RULES, clock_ms)
    for place in places:
        made.add(place)
    return made


def test_the_clock_is_the_running_maximum_of_stamps() -> None:
    one = clock(A)
    assert [one.stamp(A, NOW + offset, NOW).received_ms for offset in (0, 5, 3)] == [NOW, NOW + 5, NOW + 3]
    assert one.clock_ms == NOW + 5


def test_a_backlog_in_one_input_holds_the_clock_back() -> None:
    one = clock(A, B)
    one.stamp(A, NOW, NOW)
    assert one.clock_ms == 0
    one.stamp(B, NOW - 1000, NOW)
    assert one.clock_ms == NOW - 1000


def test_an_input_that_is_read_to_its_end_does_not_count() -> None:
    one = clock(A, B)
    one.end(B)
    one.stamp(A, NOW, NOW)
    assert one.clock_ms == NOW
    one.stamp(B, NOW - 50, NOW)  # it counts again, and the clock never goes back for it
    assert one.clock_ms == NOW


@pytest.mark.parametrize(
    ("stamp_ms", "fault"),
    [
        (-1, StampFault.MISSING),
        (0, StampFault.TOO_OLD),
        (1, StampFault.TOO_OLD),
        (NOW // 1000, StampFault.TOO_OLD),  # seconds
        (RULES.earliest_ms - 1, StampFault.TOO_OLD),
        (RULES.earliest_ms, None),
        (NOW + RULES.ahead_ms, None),
        (NOW + RULES.ahead_ms + 1, StampFault.AHEAD),
        (NOW + 600_000, StampFault.AHEAD),
        (NOW + 86_400_000, StampFault.AHEAD),
        (4_102_444_800_000, StampFault.AHEAD),  # 2100
        (NOW * 1000, StampFault.AHEAD),  # microseconds
    ],
)
def test_a_stamp_that_cannot_be_counts_as_received_when_the_clock_stands(
    stamp_ms: int, fault: StampFault | None
) -> None:
    one = clock(A)
    one.stamp(A, NOW - 10, NOW)
    stamp = one.stamp(A, stamp_ms, NOW)
    assert stamp.fault == fault
    if fault is not None:
        assert stamp.received_ms == NOW - 10
        assert one.clock_ms == NOW - 10


def test_the_first_stamp_of_all_counts_as_now_and_moves_nothing() -> None:
    """A backlog behind it must not be closed by the wall clock."""
    one = clock(A)
    assert one.stamp(A, -1, NOW).received_ms == NOW
    assert one.clock_ms == 0


@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.integers(RULES.earliest_ms + 10**10, 4 * 10**12))
def test_no_stamp_moves_the_clock_or_a_receipt_beyond_the_wall_clock(stamps: list[int], wall_ms: int) -> None:
    one = clock(A)
    for stamp_ms in stamps:
        received_ms = one.stamp(A, stamp_ms, wall_ms).received_ms
        assert RULES.earliest_ms <= received_ms <= wall_ms + RULES.ahead_ms
        assert one.clock_ms <= wall_ms + RULES.ahead_ms


def test_the_wall_clock_leads_only_where_everything_is_read() -> None:
    one = clock(A, B)
    one.end(A)
    assert not one.may_follow(NOW)
    one.end(B)
    assert one.may_follow(NOW)
    one.follow(NOW)
    assert one.clock_ms == NOW - RULES.margin_ms


def test_a_reader_without_inputs_follows_the_wall_clock() -> None:
    """There may be more readers than partitions, and none of them may hold the others back."""
    one = clock()
    assert one.may_follow(NOW)
    one.follow(NOW)
    assert one.clock_ms == NOW - RULES.margin_ms


@pytest.mark.parametrize(("since_ms", "may"), [(0, False), (59_999, False), (60_000, True), (-1, True)])
def test_after_an_outage_senders_get_time(since_ms: int, may: bool) -> None:  # noqa: FBT001 - a case
    one = clock(A)
    one.end(A)
    one.outage(NOW)
    assert one.may_follow(NOW + since_ms) == may


def test_a_clock_that_is_ahead_comes_back_to_the_wall_clock() -> None:
    one = clock(A, clock_ms=NOW + 36_000_000)
    one.heads[A] = NOW + 36_000_000
    assert one.put_right(NOW)
    assert (one.clock_ms, one.heads[A]) == (NOW, NOW)
    assert not one.put_right(NOW)


@pytest.mark.parametrize(("ahead_ms", "is_wrong"), [(119_999, False), (120_000, False), (120_001, True)])
def test_a_little_ahead_is_no_error(ahead_ms: int, is_wrong: bool) -> None:  # noqa: FBT001 - a case
    assert clock(A, clock_ms=NOW + ahead_ms).put_right(NOW) == is_wrong


def test_a_wall_clock_that_jumps_is_not_followed_at_once() -> None:
    wall = WallClock(jump_ms=120_000, believed_after_ms=300_000)
    assert wall.read(NOW, 1_000) == NOW
    assert wall.read(NOW + 36_000_000, 2_000) == NOW + 1_000
    assert wall.is_jumped
    assert wall.read(NOW + 2_000, 3_000) == NOW + 2_000  # right again
    assert not wall.is_jumped


@pytest.mark.parametrize("jump_ms", [36_000_000, -3_600_000])
def test_a_wall_clock_that_stays_where_it_jumped_is_believed(jump_ms: int) -> None:
    wall = WallClock(jump_ms=120_000, believed_after_ms=300_000)
    wall.read(NOW, 0)
    assert wall.read(NOW + jump_ms, 0) == NOW
    assert wall.read(NOW + jump_ms + 299_999, 299_999) == NOW + 299_999
    assert wall.read(NOW + jump_ms + 300_000, 300_000) == NOW + jump_ms + 300_000


def test_a_wall_clock_that_drifts_is_followed() -> None:
    wall = WallClock(jump_ms=120_000)
    for step in range(100):
        assert wall.read(NOW + step * 61_000, step * 60_000) == NOW + step * 61_000
    assert not wall.is_jumped


def test_a_machine_that_slept_has_not_jumped() -> None:
    """`uptime_ms` goes on through a sleep."""
    wall = WallClock(jump_ms=120_000)
    wall.read(NOW, 0)
    assert wall.read(NOW + 36_000_000, 36_000_000) == NOW + 36_000_000
