"""The short way to the window of a usual session finds what the fold finds, or says that it cannot tell."""

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from operators.windows.rules import ENDS, OPENS, SEGMENT, Moment, WindowRules, distinct, due_ms, plain_window, split
from schemas.units import MS_PER_HOUR, MS_PER_MINUTE

RULES = WindowRules()
GAP_MS, CAP_MS = 15 * MS_PER_MINUTE, 4 * MS_PER_HOUR
STEPS_MS = [0, 1, 60_000, GAP_MS - 1, GAP_MS, GAP_MS + 1]
LENGTHS_MS = [0, 0, 0, 5, GAP_MS - 1, GAP_MS, CAP_MS - 1, CAP_MS]
FLAGS = [OPENS, OPENS, OPENS, OPENS | SEGMENT, SEGMENT, ENDS]


@st.composite
def sessions(draw: st.DrawFn) -> list[Moment]:
    """Moments of one session with steps and lengths at the limits; copies, some of which differ."""
    found: list[Moment] = []
    at_ms = 10**6
    flags = draw(st.sampled_from([FLAGS[:3], FLAGS[:5], FLAGS]))
    for _ in range(draw(st.integers(1, 12))):
        if found and draw(st.integers(0, 5)) == 0:
            copy = draw(st.sampled_from(found))
            longer_us = draw(st.sampled_from([0, 0, 0, 1000]))
            received_ms = copy.received_ms + draw(st.integers(-9, 9))
            found.append(copy._replace(received_ms=received_ms, end_us=copy.end_us + longer_us))
            continue
        at_ms += draw(st.sampled_from(STEPS_MS))
        end_ms = at_ms + draw(st.sampled_from(LENGTHS_MS))
        received_ms = end_ms + draw(st.integers(0, 60_000))
        found.append(
            Moment(
                at_ms * 1000, end_ms * 1000, received_ms, len(found) + 1, 0, len(found), draw(st.sampled_from(flags))
            )
        )
    return draw(st.permutations(found))


LONG_SEGMENT = Moment(0, GAP_MS * 1000, GAP_MS, 1, 0, 0, OPENS | SEGMENT)


@given(sessions(), st.integers(0, 3))
@example([LONG_SEGMENT], 0)
def test_a_plain_window_is_the_one_that_the_fold_finds(moments: list[Moment], part: int) -> None:
    plain = plain_window([tuple(moment) for moment in moments], RULES, part)
    folded = split(distinct(moments), [], RULES, part)
    if plain is None:
        return
    assert len(folded) == 1
    assert sorted(folded[0].moments) == sorted(moments)
    assert msgspec.structs.replace(folded[0], moments=[]) == plain
    assert due_ms(folded[0], RULES) == due_ms(plain, RULES)


@given(st.lists(st.integers(0, GAP_MS - 1), min_size=1, max_size=15))
def test_a_session_of_lines_without_a_gap_is_plain(steps_ms: list[int]) -> None:
    at_ms = 0
    moments = []
    for number, step_ms in enumerate(steps_ms):
        at_ms = min(at_ms + step_ms, CAP_MS - 1)
        moments.append((at_ms * 1000, at_ms * 1000, at_ms, number, 0, number, OPENS))
    assert plain_window(moments, RULES) is not None
