"""The window rules, one test each; boundaries before, at and after."""

import pytest

from operators.windows.rules import (
    ENDS,
    OPENS,
    SEGMENT,
    Moment,
    Window,
    WindowRules,
    close_reason,
    distinct,
    due_ms,
    split,
)
from schemas.items import CloseReason
from schemas.units import MS_PER_HOUR, MS_PER_MINUTE

RULES = WindowRules()
GAP_MS = 15 * MS_PER_MINUTE
CAP_MS = 4 * MS_PER_HOUR


def moment(begin_ms: float, end_ms: float | None = None, *, flags: int = OPENS, ident: int = 0) -> Moment:
    """A moment received when it ends; its identity is made from its times unless given."""
    end_ms = begin_ms if end_ms is None else end_ms
    begin_us, end_us = int(begin_ms * 1000), int(end_ms * 1000)
    return Moment(begin_us, end_us, int(end_ms), ident or hash((begin_us, end_us, flags)) & (1 << 62) - 1, 0, 0, flags)


def windows(*moments: Moment) -> list[Window]:
    return split(distinct(moments), [], RULES)


def spans(*moments: Moment) -> list[tuple[float, float]]:
    return [(window.start_us / 1000, window.end_us / 1000) for window in windows(*moments)]


@pytest.mark.parametrize(("gap_ms", "parts"), [(GAP_MS - 1, 1), (GAP_MS, 2), (GAP_MS + 1, 2)])
def test_a_window_is_over_after_fifteen_minutes(gap_ms: int, parts: int) -> None:
    assert len(windows(moment(0, 1000), moment(1000 + gap_ms))) == parts


@pytest.mark.parametrize(("begin_ms", "parts"), [(CAP_MS - 1, 1), (CAP_MS, 2), (CAP_MS + 1, 2)])
def test_what_begins_at_the_cap_opens_the_next_window(begin_ms: int, parts: int) -> None:
    steps = [moment(at) for at in range(0, CAP_MS - 60_000, 600_000)]
    assert len(windows(*steps, moment(begin_ms))) == parts


def test_what_only_reaches_past_the_cap_is_cut_there() -> None:
    steps = [moment(at) for at in range(0, CAP_MS - 60_000, 600_000)]
    (window,) = windows(*steps, moment(CAP_MS - 1, CAP_MS + 5000))
    assert window.end_us == CAP_MS * 1000 - 1
    assert close_reason(window, drained=False, rules=RULES) == CloseReason.MAX_DURATION


def test_an_update_of_an_older_view_is_the_windows_tail() -> None:
    late_final = moment(0, 5 * MS_PER_HOUR)
    assert spans(moment(0, 60_000), late_final) == [(0, 60_000)]
    (window,) = windows(moment(0, 60_000), late_final)
    assert window.distinct_count == 2


def test_a_long_poll_that_began_before_joins_the_earlier_window() -> None:
    opener, poll = moment(60_000 + GAP_MS), moment(59_000 + GAP_MS, 61_000 + GAP_MS, flags=OPENS)
    first, second = windows(moment(0, 60_000), opener, poll)
    assert poll in first.moments
    assert opener in second.moments
    assert first.end_us == 60_000_000


@pytest.mark.parametrize(("flags", "parts"), [(SEGMENT, 1), (SEGMENT | OPENS, 2)])
def test_only_a_segment_with_a_full_snapshot_opens_a_window(flags: int, parts: int) -> None:
    assert len(windows(moment(0), moment(GAP_MS, GAP_MS + 5000, flags=flags))) == parts


@pytest.mark.parametrize(("length_ms", "end_ms"), [(GAP_MS - 1, GAP_MS - 1), (GAP_MS, 0), (GAP_MS + 1, 0)])
def test_a_segments_end_counts_only_when_it_is_less_than_the_gap_later(length_ms: int, end_ms: int) -> None:
    assert spans(moment(0), moment(0, length_ms, flags=SEGMENT | OPENS)) == [(0, end_ms)]


def test_an_end_marker_opens_nothing_and_moves_no_end() -> None:
    marker = moment(0, 20_000, flags=ENDS)
    (window,) = windows(moment(0, 10_000), marker)
    assert (window.start_us, window.end_us) == (0, 10_000_000)
    assert close_reason(window, drained=False, rules=RULES) == CloseReason.ENDED
    assert due_ms(window, RULES) == 20_000 + RULES.end_grace_ms


def test_an_end_marker_after_a_sleep_is_no_reason() -> None:
    (window,) = windows(moment(0, 10_000), moment(0, 5 * MS_PER_HOUR, flags=ENDS))
    assert close_reason(window, drained=False, rules=RULES) == CloseReason.INACTIVITY
    assert window.end_us == 10_000_000


def test_a_lone_end_marker_still_gives_a_window_without_length() -> None:
    assert spans(moment(5000, 5 * MS_PER_HOUR, flags=ENDS)) == [(5000, 5000)]


def test_copies_count_once_and_keep_the_first_receipt() -> None:
    first = moment(0, 1000, ident=7)
    again = first._replace(received_ms=90_000)
    (window,) = windows(again, first)
    assert (window.distinct_count, len(window.moments), window.last_received_ms) == (1, 2, 1000)
