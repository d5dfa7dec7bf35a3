"""Cases with a verdict: each returns what differs from what must be, and all of them make one table."""

import time
import traceback
from collections.abc import Callable, Sequence

import msgspec

_CAUSE_LENGTH = 300


class Case(msgspec.Struct, frozen=True):
    """`check` returns one line for each difference; none is as it must be."""

    name: str
    check: Callable[[], list[str]]


def judge_all(cases: Sequence[Case], say: Callable[[str], None]) -> list[str]:
    """Check one after the other and say a line of each; returns the names of those that differ."""
    failed = []
    for case in cases:
        begun = time.monotonic()
        try:
            found = case.check()
        except Exception:  # noqa: BLE001 - a case that cannot be judged is one of the verdicts
            found = ["not judged: " + " / ".join(traceback.format_exc().strip().splitlines()[-3:])]
        took = time.monotonic() - begun
        verdict, cause = ("differs", found[0]) if found else ("ok", "")
        say(f"{case.name:<40} {verdict:<8} {took:5.0f} s  {cause[:_CAUSE_LENGTH]}")
        for line in found[1:6]:
            say(f"{'':<58}{line[:_CAUSE_LENGTH]}")
        failed += [case.name] if found else []
    say(f"{len(cases) - len(failed)} of {len(cases)} as they must be")
    return failed
