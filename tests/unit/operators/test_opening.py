"""How a new shard begins: what it holds, and until when."""

from operators.opening import Opening
from operators.shards import ShardBatch


def batch(reader: str, clock_ms: int, *, is_spread: bool = False, has_read: bool = True) -> ShardBatch:
    return ShardBatch(reader, "0000", clock_ms, is_spread, [], [], is_last=False, has_read=has_read)


def test_batches_wait_in_their_order_until_every_reader_has_read_something() -> None:
    opening = Opening(["0000", "0001"])
    first, second, third = batch("0000", 1), batch("0001", 2, has_read=False), batch("0000", 3)
    assert opening.passing([first, second]) == []
    assert opening.passing([third]) == []
    last = batch("0001", 4)
    assert opening.passing([last]) == [first, second, third, last]
    assert opening.is_over
    assert opening.passing([first]) == [first]


def test_sessions_from_elsewhere_end_it_and_count_for_what_was_held() -> None:
    opening = Opening(["0000", "0001", "0002"])
    assert opening.passing([batch("0000", 1)]) == []
    found = opening.passing([batch("0001", 2, is_spread=True)])
    assert [(one.clock_ms, one.is_spread) for one in found] == [(1, True), (2, True)]
    assert opening.is_over


def test_what_is_held_at_the_end_of_an_epoch_is_handed_over_once() -> None:
    opening = Opening(["0000", "0001"])
    opening.passing([batch("0000", 1)])
    assert [one.clock_ms for one in opening.held()] == [1]
    assert opening.held() == []
    assert not opening.is_over
    opening.give_up()
    assert opening.is_over


def test_a_shard_that_knows_its_readers_waits_for_nobody() -> None:
    assert Opening([]).is_over
