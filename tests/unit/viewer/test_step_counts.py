"""Three of four numbers and how many do not exceed a bound are exact, however large the numbers."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from viewer.step_counts import COUNTED_STEPS, UNKNOWN, StepCounts, Steps

STEPS = st.sampled_from(
    (UNKNOWN, 0, 1, 2, 99, 100, 101, COUNTED_STEPS - 1, COUNTED_STEPS, COUNTED_STEPS + 1, 2**31 - 1)
)
ROWS = st.lists(st.tuples(st.integers(0, 2), STEPS))


@given(st.lists(ROWS, max_size=3))
def test_counts_are_those_of_the_rows(batches: list[list[tuple[int, int]]]) -> None:
    counts = StepCounts(3)
    for batch in batches:
        codes = np.array([code for code, _ in batch], np.int32)
        counts.add(codes, Steps(np.array([steps for _, steps in batch], np.int32)))
    for code in (None, 0, 1, 2):
        known = sorted(
            steps for batch in batches for one, steps in batch if steps != UNKNOWN and (code is None or one == code)
        )
        assert counts.count(code) == len(known)
        assert counts.up_to(100, code) == sum(steps <= 100 for steps in known)
        assert counts.p75(code) == (known[math.ceil(len(known) * 0.75) - 1] if known else None)
