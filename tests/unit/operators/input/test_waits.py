"""How long a partition has been waited for in vain."""

from operators.input.waits import Waits

ONE, OTHER = ("rum", 0), ("rum", 1)


def test_a_partition_is_waited_for_until_its_end_and_from_each_message_anew() -> None:
    waits = Waits()
    waits.expect(ONE, 10.0)
    waits.expect(ONE, 15.0)
    assert waits.seconds(20.0) == {ONE: 10.0}
    waits.came(ONE, 20.0)
    assert waits.seconds(25.0) == {ONE: 5.0}
    waits.ended(ONE)
    assert waits.seconds(99.0) == {}


def test_nobody_answers_from_the_first_question_to_the_last_one() -> None:
    """What is not asked again may be well since."""
    waits = Waits()
    waits.unanswered(ONE, 10.0)
    assert waits.seconds(99.0) == {ONE: 0.0}
    waits.unanswered(ONE, 40.0)
    assert waits.seconds(99.0) == {ONE: 30.0}
    waits.answered(ONE)
    waits.unanswered(ONE, 50.0)
    assert waits.seconds(99.0) == {ONE: 0.0}


def test_time_in_which_nobody_looked_does_not_count() -> None:
    waits = Waits()
    waits.expect(ONE, 0.0)
    waits.pause(600.0)
    assert waits.seconds(605.0) == {ONE: 5.0}


def test_the_longer_of_both_counts() -> None:
    waits = Waits()
    waits.unanswered(ONE, 0.0)
    waits.unanswered(ONE, 30.0)
    waits.expect(ONE, 20.0)
    waits.expect(OTHER, 25.0)
    assert waits.seconds(30.0) == {ONE: 30.0, OTHER: 5.0}
    assert waits.seconds(60.0) == {ONE: 40.0, OTHER: 35.0}
