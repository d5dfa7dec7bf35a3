"""Which shard a session belongs to, and how polls are split."""

import pickle
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.arrivals import DecodedPoll, Refused
from operators.shards import Router, ShardBatch, Spread, murmur2, shard_of
from operators.windows.tracker import Arrival
from schemas.items import Item, Kind, Rejected, RejectReason

NAMES = ["0000", "0001", "0002", "0003"]
REFUSED = Refused("rum", 7, 1, 5, Rejected(RejectReason.MALFORMED_JSON, "x", b"x"))


@pytest.mark.parametrize(
    ("key", "known"),
    [  # of Kafka's own tests of the hash (UtilsTest.testMurmur2)
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_the_one_of_the_java_client(key: bytes, known: int) -> None:
    assert murmur2(key) == known & 0xFFFFFFFF


@given(st.text(), st.integers(1, 64))
def test_every_session_has_a_shard(session_id: str, shards: int) -> None:
    assert 0 <= shard_of(session_id, shards) < shards


def test_an_id_with_half_a_character_has_one_too() -> None:
    assert shard_of("\ud800", 4) in range(4)


def arrival(session_id: str, number: int = 0) -> Arrival:
    item = Item("app", session_id, Kind.ACTION, 0, 1, 1, 1, number, opens=True, ends=False, body=b"{}")
    return Arrival(10 + number, "rum", 3, number, item)


def sessions_of(shard: int, count: int) -> list[str]:
    found = (f"session-{number}" for number in range(10_000))
    return [one for one in found if shard_of(one, len(NAMES)) == shard][:count]


def route(router: Router, reader: int, arrivals: list[Arrival], *, is_last: bool = False) -> list[ShardBatch]:
    return router(DecodedPoll(NAMES[reader], 99, arrivals, [REFUSED], is_last))


def introduced(spread: Spread) -> Router:
    """Every shard has heard of every reader once."""
    router = Router(NAMES, spread, is_bounded=False)
    for reader in range(len(NAMES)):
        assert {batch.shard for batch in route(router, reader, [])} == set(NAMES)
    return router


def test_every_shard_hears_of_a_reader_once_it_has_read_something_or_there_is_nothing() -> None:
    router = Router(NAMES, Spread(), is_bounded=False)
    [batch] = router(DecodedPoll("0001", 99, [], [], is_last=False))  # nothing came yet
    assert not batch.has_read
    batches = router(DecodedPoll("0001", 99, [], [], is_last=False, is_at_end=True))
    assert sorted(batch.shard for batch in batches) == NAMES
    assert all(batch.has_read and not batch.is_spread for batch in batches)


def test_a_keyed_poll_goes_to_its_own_shard_and_nowhere_else() -> None:
    spread = Spread()
    arrivals = [arrival(one) for one in sessions_of(2, 5)]
    [batch] = route(introduced(spread), 2, arrivals)
    assert (batch.reader, batch.shard, batch.arrivals, batch.refused) == ("0002", "0002", arrivals, [REFUSED])
    assert not spread.is_on
    assert not batch.is_spread


def test_a_poll_without_messages_tells_its_own_shard_the_time() -> None:
    [batch] = route(introduced(Spread()), 1, [])
    assert (batch.shard, batch.clock_ms, batch.arrivals) == ("0001", 99, [])


def test_one_session_from_elsewhere_makes_every_shard_hear_of_every_reader() -> None:
    spread = Spread()
    router = introduced(spread)
    own, other = arrival(sessions_of(0, 1)[0], 1), arrival(sessions_of(3, 1)[0], 2)
    batches = route(router, 0, [own, other])
    assert [batch.shard for batch in batches] == NAMES
    assert [batch.arrivals for batch in batches] == [[own], [], [], [other]]
    assert [batch.refused for batch in batches] == [[REFUSED], [], [], []]
    assert all(batch.is_spread for batch in batches)
    assert [batch.shard for batch in route(router, 2, [])] == ["0002", "0000", "0001", "0003"]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3))))
def test_everything_arrives_once_in_its_order(sent: list[tuple[int, int]]) -> None:
    router = Router(NAMES, Spread(), is_bounded=False)
    taken: dict[str, list[int]] = {name: [] for name in NAMES}
    for number, (session, reader) in enumerate(sent):
        for batch in route(router, reader, [arrival(f"s{session}", number)]):
            for one in batch.arrivals:
                assert NAMES[shard_of(one.item.session_id, len(NAMES))] == batch.shard
                taken[batch.shard].append(one.offset)
    assert sorted(chain.from_iterable(taken.values())) == list(range(len(sent)))
    assert all(offsets == sorted(offsets) for offsets in taken.values())


def test_the_end_of_a_bounded_input_is_told_to_all() -> None:
    batches = route(Router(NAMES, Spread(), is_bounded=True), 1, [], is_last=True)
    assert sorted(batch.shard for batch in batches) == NAMES
    assert all(batch.is_last for batch in batches)


def test_a_batch_crosses_to_another_process_as_it_is() -> None:
    [batch] = route(introduced(Spread()), 2, [arrival(one) for one in sessions_of(2, 3)])
    assert pickle.loads(pickle.dumps(batch)) == batch
