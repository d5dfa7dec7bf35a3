"""Token buckets: the rate holds, bursts are bounded, keys do not share, memory does not grow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.rates import Buckets


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_then_the_rate_holds() -> None:
    clock = Clock()
    buckets = Buckets(10, 5, clock, 100)
    assert [buckets.take("a") == 0 for _ in range(7)] == [True] * 5 + [False] * 2
    assert buckets.take("a") == pytest.approx(0.1)
    clock.now += 0.1
    assert buckets.take("a") == 0
    assert buckets.take("a") > 0


def test_each_key_has_its_own_bucket() -> None:
    buckets = Buckets(1, 1, Clock(), 100)
    assert [buckets.take(key) == 0 for key in ("a", "b", "a")] == [True, True, False]


def test_no_rate_is_no_limit() -> None:
    buckets = Buckets(0, 0, Clock(), 1)
    assert all(buckets.take("a") == 0 for _ in range(1000))


def test_the_key_that_was_quiet_for_longest_is_forgotten() -> None:
    buckets = Buckets(1, 1, Clock(), 2)
    for key in ("a", "b", "a", "c"):  # "a" was seen later than "b"
        buckets.take(key)
    assert buckets.take("a") > 0
    assert buckets.take("b") == 0


@given(st.lists(st.floats(0, 3), max_size=200), st.floats(0.5, 20), st.integers(1, 10))
def test_never_more_than_the_burst_and_the_rate_over_any_time(waits: list[float], rate: float, burst: int) -> None:
    clock = Clock()
    buckets = Buckets(rate, burst, clock, 10)
    begun, taken = clock.now, 0
    for wait in waits:
        clock.now += wait
        taken += buckets.take("a") == 0
        assert taken <= burst + (clock.now - begun) * rate + 1e-6
