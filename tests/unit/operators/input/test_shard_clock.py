"""The clock of a shard: that of its own reader, or of the slowest one."""

import pytest

from operators.input.shard_clock import ShardClock

READERS = ["0000", "0001", "0002"]


def keyed() -> ShardClock:
    return ShardClock("0000", READERS)


def test_a_keyed_topic_has_the_clock_of_its_own_reader() -> None:
    """Whatever the others do: so the result depends on one log alone."""
    clock = keyed()
    for reader, clock_ms in (("0001", 900), ("0000", 100), ("0002", 0)):
        assert not clock.hear(reader, clock_ms, is_spread=False)
    assert clock.clock_ms == 100
    assert clock.ceiling_ms("0000") is None


def test_once_sessions_come_from_anywhere_the_slowest_reader_counts() -> None:
    clock = keyed()
    clock.hear("0000", 500, is_spread=True)
    assert clock.clock_ms == 0  # the others were not heard yet
    assert clock.ceiling_ms("0000") == 0
    clock.hear("0001", 300, is_spread=True)
    clock.hear("0002", 400, is_spread=True)
    assert clock.clock_ms == 300
    assert (clock.ceiling_ms("0000"), clock.ceiling_ms("0001")) == (300, 400)


def test_it_stands_while_not_all_readers_are_heard() -> None:
    clock = keyed()
    clock.hear("0000", 500, is_spread=False)
    clock.hear("0001", 100, is_spread=True)
    assert clock.clock_ms == 500


def test_a_reader_with_nothing_to_read_does_not_lead_what_others_have_to_read() -> None:
    """More shards than partitions, and a first start over a backlog: the shard's own reader is far ahead."""
    clock = keyed()
    clock.hear("0000", 36_000_000, is_spread=False)
    clock.hear("0001", 100, is_spread=True)
    assert clock.clock_ms == 36_000_000  # nothing closes before all were heard
    assert clock.hear("0002", 200, is_spread=True)
    assert clock.clock_ms == 100
    assert not clock.hear("0001", 300, is_spread=True)
    assert clock.clock_ms == 200


def test_what_readers_told_before_sessions_came_from_anywhere_does_not_count() -> None:
    clock = keyed()
    for reader in READERS:
        clock.hear(reader, 36_000_000, is_spread=False)
    assert clock.has_heard_all()
    clock.hear("0001", 100, is_spread=True)
    assert clock.clock_ms == 36_000_000
    assert clock.hear("0002", 200, is_spread=True)
    assert clock.clock_ms == 100


def test_a_reader_that_was_put_right_takes_the_clock_back() -> None:
    clock = keyed()
    clock.hear("0000", 36_000_000, is_spread=False)
    assert clock.hear("0000", 1_000, is_spread=False)
    assert clock.clock_ms == 1_000
    assert not clock.hear("0000", 1_001, is_spread=False)


def test_a_reader_that_does_not_count_takes_nothing_back() -> None:
    clock = keyed()
    clock.hear("0001", 36_000_000, is_spread=False)
    clock.hear("0000", 1_000, is_spread=False)
    assert not clock.hear("0001", 500, is_spread=False)
    assert clock.clock_ms == 1_000


@pytest.mark.parametrize("is_spread", [False, True])
def test_it_goes_on_after_a_restart(is_spread: bool) -> None:  # noqa: FBT001 - a case
    clock = keyed()
    for reader in READERS:
        clock.hear(reader, 700, is_spread=is_spread)
    again = ShardClock("0000", READERS, clock.state())
    assert (again.clock_ms, again.is_spread) == (700, is_spread)
    assert again.ceiling_ms("0000") == (700 if is_spread else None)


def test_a_shard_without_other_readers_has_no_ceiling() -> None:
    clock = ShardClock("0000", ["0000"])
    clock.hear("0000", 5, is_spread=True)
    assert clock.ceiling_ms("0000") is None
    assert clock.clock_ms == 5


def test_a_bounded_input_has_ended_where_its_last_reader_is() -> None:
    """A partition without messages does not make everything look as if it were cut off."""
    clock = keyed()
    clock.hear("0000", 100, is_spread=False)
    clock.hear("0001", 900, is_spread=False)
    assert clock.latest_ms == 100
    clock.hear("0001", 900, is_spread=True)
    assert (clock.clock_ms, clock.latest_ms) == (100, 900)
