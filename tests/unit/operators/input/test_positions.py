"""Where reading goes on: what is remembered against what the broker has."""

import pytest

from operators.input.positions import Extent, OnLost, after_loss, go_on, refused

EXTENT = Extent(low=100, high=200)


@pytest.mark.parametrize("saved", [100, 150, 200])
def test_a_place_that_is_there_is_gone_on_from(saved: int) -> None:
    assert go_on(saved, EXTENT, is_other_topic=False) is None


def test_messages_that_were_deleted_are_counted() -> None:
    loss = go_on(99, EXTENT, is_other_topic=False)
    assert loss is not None
    assert "1 messages from offset 99 on were deleted" in loss.detail


@pytest.mark.parametrize("saved", [0, 150, 300])
def test_another_topic_of_the_name_is_a_loss_wherever_it_ends(saved: int) -> None:
    loss = go_on(saved, EXTENT, is_other_topic=True)
    assert loss is not None
    assert "made again" in loss.detail


def test_what_the_broker_refuses_is_named() -> None:
    assert "ends at 200" in refused(300, EXTENT).detail
    assert "deleted" in refused(50, EXTENT).detail


@pytest.mark.parametrize(("policy", "goal"), [(OnLost.STOP, None), (OnLost.EARLIEST, 100), (OnLost.LATEST, 200)])
def test_a_reset_goes_where_it_was_told_to_go(policy: OnLost, goal: int | None) -> None:
    assert after_loss(policy, EXTENT) == goal
