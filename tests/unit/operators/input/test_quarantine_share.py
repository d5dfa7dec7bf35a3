"""When the share of what cannot be used stops the job."""

from collections import Counter

import pytest

from operators.input.quarantine_share import QuarantineShare, ShareLimits

LIMITS = ShareLimits(share=0.5, messages=10, window_ms=60_000)
BAD = Counter({"malformed_json": 1})


def note(share: QuarantineShare, good: int, bad: int, at_ms: int = 0) -> str | None:
    said = share.note(good, Counter(), at_ms) if good else None
    for _ in range(bad):
        said = share.note(1, BAD, at_ms)
    return said


@pytest.mark.parametrize(
    ("good", "bad", "stops"), [(0, 9, False), (0, 10, True), (10, 10, False), (9, 10, True), (1000, 900, False)]
)
def test_it_takes_enough_messages_and_too_large_a_share(good: int, bad: int, stops: bool) -> None:  # noqa: FBT001 - a case
    assert (note(QuarantineShare(LIMITS), good, bad) is not None) == stops


def test_it_says_how_many_and_why() -> None:
    said = note(QuarantineShare(LIMITS), 5, 10)
    assert said == "10 of the last 15 messages cannot be used, 10 of them for 'malformed_json'"


def test_what_was_long_ago_does_not_count() -> None:
    share = QuarantineShare(LIMITS)
    assert note(share, 0, 9, at_ms=0) is None
    assert note(share, 0, 1, at_ms=61_001) is None


def test_a_share_of_one_switches_it_off() -> None:
    assert note(QuarantineShare(ShareLimits(share=1.0, messages=1)), 0, 100) is None


def test_after_a_stop_few_are_enough_for_a_while() -> None:
    """Or a supervisor's restarts bring it all into the quarantine, `messages` at a time."""
    limits = ShareLimits(share=0.5, messages=1000, window_ms=60_000)
    assert note(QuarantineShare(limits, wary_until_ms=60_000), 0, 9) is None
    assert note(QuarantineShare(limits, wary_until_ms=60_000), 0, 10) is not None
    assert note(QuarantineShare(limits, wary_until_ms=60_000), 11, 10) is None  # the release that can read them
    assert note(QuarantineShare(limits, wary_until_ms=60_000), 0, 10, at_ms=60_000) is None
