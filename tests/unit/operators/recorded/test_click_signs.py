"""Rage clicks and dead clicks: each border from both sides."""

import pytest

from operators.recorded.click_signs import DEAD_US, PRESS_US, RAGE_PIXELS, RAGE_US, Answers, signs_of
from schemas.recorded import Click

AT = 1_795_230_000_000_000
LATE = AT + 3600 * 1_000_000


def clicks(*moments: tuple[int, float]) -> list[Click]:
    """At a distance from the first in us, and in pixels from the left."""
    return [Click(AT + after_us, 7, x, 0.0) for after_us, x in moments]


def raging(*moments: tuple[int, float]) -> list[bool]:
    answers = Answers([AT + after_us for after_us, _ in moments], {}, frozenset(), LATE)
    return ["rage_click" in signs for signs in signs_of(clicks(*moments), answers)]


def is_dead(
    reactions_us: list[int],
    until_us: int = LATE,
    focused_us: dict[int, list[int]] | None = None,
    fields: frozenset[int] = frozenset(),
) -> bool:
    (signs,) = signs_of(clicks((0, 0.0)), Answers(reactions_us, focused_us or {}, fields, until_us))
    return signs == ("dead_click",)


def test_three_clicks_in_a_second_are_one_rage_click_on_the_third() -> None:
    assert raging((0, 0), (400_000, 0), (RAGE_US, 0)) == [False, False, True]


def test_three_clicks_in_more_than_a_second_are_none() -> None:
    assert raging((0, 0), (500_000, 0), (RAGE_US + 1, 0)) == [False] * 3


def test_it_counts_once_however_long_it_goes_on_and_again_after_a_pause() -> None:
    burst = [(step * 200_000, 0.0) for step in range(7)]
    assert raging(*burst) == [False, False, True, False, False, False, False]
    again = [(after_us + 3 * RAGE_US, x) for after_us, x in burst[:3]]
    assert sum(raging(*burst, *again)) == 2


@pytest.mark.parametrize(("pixels", "rage"), [(RAGE_PIXELS, True), (RAGE_PIXELS + 0.5, False)])
def test_clicks_on_different_places_are_none(pixels: float, *, rage: bool) -> None:
    assert any(raging((0, 0), (100_000, pixels), (200_000, 0))) is rage


def test_clicks_without_a_place_are_none() -> None:
    somewhere = [Click(AT + step, 7) for step in range(3)]
    assert signs_of(somewhere, Answers([AT], {}, frozenset(), LATE)) == [()] * 3


@pytest.mark.parametrize(
    ("reaction_us", "dead"),
    [
        (AT - PRESS_US - 1, True),
        (AT - PRESS_US, False),
        (AT, False),
        (AT + DEAD_US, False),
        (AT + DEAD_US + 1, True),
    ],
    ids=["before the press", "at the press", "at the click", "at the end", "too late"],
)
def test_a_click_that_changes_nothing_for_three_seconds_is_dead(reaction_us: int, *, dead: bool) -> None:
    assert is_dead([reaction_us]) is dead


@pytest.mark.parametrize(("until_us", "dead"), [(AT + DEAD_US, True), (AT + DEAD_US - 1, False)])
def test_when_the_recording_ends_before_nobody_knows(until_us: int, *, dead: bool) -> None:
    assert is_dead([], until_us) is dead


def test_a_click_into_a_form_field_is_answered_by_its_cursor() -> None:
    assert not is_dead([], focused_us={7: [AT - 200_000]})
    assert is_dead([], focused_us={8: [AT - 200_000]})
    assert is_dead([], focused_us={7: [AT - 5_000_000]})
    assert not is_dead([], fields=frozenset({7}))


def test_what_the_sdk_judges_itself_is_taken_over() -> None:
    judged = [Click(AT, 7, 0.0, 0.0, frustrations=("rage_click",), is_judged=True), Click(AT, 7, is_judged=True)]
    assert signs_of(judged, Answers([], {}, frozenset(), LATE)) == [("rage_click",), ()]
