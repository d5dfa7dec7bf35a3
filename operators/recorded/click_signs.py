"""Which clicks of a recording are rage clicks and dead clicks. The definitions are in docs/signals.md.

A rage click: three clicks within a second, each within 30 pixels of the one before; the third of them is marked, once,
however long it goes on. A dead click: nothing changed on the page from shortly before it until 3 s after it, no
request began, and the recording went on for longer than that.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from math import hypot
from typing import NamedTuple

from schemas.recorded import Click
from schemas.units import US_PER_MS, US_PER_SECOND

RAGE_CLICKS, RAGE_US, RAGE_PIXELS = 3, US_PER_SECOND, 30.0
DEAD_US = 3 * US_PER_SECOND
PRESS_US = 100 * US_PER_MS  # what reacts to the press of the button does so before the click
FOCUS_US = US_PER_SECOND  # an element takes the focus when the button is pressed, and the click comes when it is let go

RAGE, DEAD = "rage_click", "dead_click"


class Answers(NamedTuple):
    """How the page answered in one browser window. All in order of time; client clock, epoch us."""

    reactions_us: Sequence[int]  # of every second the first and the last change, and starts of requests
    focused_us: Mapping[int, Sequence[int]]  # by element, when it got the focus
    fields: frozenset[int]  # elements in which the visitor typed or chose something
    recorded_until_us: int


def signs_of(clicks: Sequence[Click], answers: Answers) -> list[tuple[str, ...]]:
    """For each click, in order of time, the signs of frustration."""
    raging = _rage(clicks)
    return [
        click.frustrations if click.is_judged else (RAGE,) * (place in raging) + (DEAD,) * _is_dead(click, answers)
        for place, click in enumerate(clicks)
    ]


def _rage(clicks: Iterable[Click]) -> set[int]:
    found: set[int] = set()
    run: list[Click] = []
    is_marked = False
    for place, click in enumerate(clicks):
        if not run or not _goes_on(run[-1], click):
            run, is_marked = [], False
        run.append(click)
        if not is_marked and len(run) >= RAGE_CLICKS and click.at_us - run[-RAGE_CLICKS].at_us <= RAGE_US:
            found.add(place)
            is_marked = True
    return found


def _goes_on(before: Click, click: Click) -> bool:
    if before.x is None or before.y is None or click.x is None or click.y is None:
        return False
    return click.at_us - before.at_us <= RAGE_US and hypot(click.x - before.x, click.y - before.y) <= RAGE_PIXELS


def _is_dead(click: Click, answers: Answers) -> bool:
    from_us, until_us = click.at_us - PRESS_US, click.at_us + DEAD_US
    if answers.recorded_until_us < until_us or click.node in answers.fields:
        return False
    # Whether there is a change between two moments further apart than a second is seen by the first and last of each.
    if _any_between(answers.reactions_us, from_us, until_us):
        return False
    return not _any_between(answers.focused_us.get(click.node, ()), click.at_us - FOCUS_US, click.at_us + PRESS_US)


def _any_between(times_us: Sequence[int], from_us: int, until_us: int) -> bool:
    place = bisect_left(times_us, from_us)
    return place < len(times_us) and times_us[place] <= until_us
