"""Who comes when all places are taken waits in turn, and is sent away only when too many wait, or for too long."""

import asyncio

from viewer.lane import Lane

LONG = 60.0


def test_who_waits_comes_in_turn_and_never_more_than_may_be_inside() -> None:
    async def play() -> None:
        lane, inside, most, order = Lane(2, 10, LONG), 0, 0, list[int]()

        async def enter(number: int) -> None:
            nonlocal inside, most
            async with lane.place() as is_in:
                assert is_in
                inside += 1
                most = max(most, inside)
                order.append(number)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*map(enter, range(8)))
        assert order == list(range(8))
        assert most == 2

    asyncio.run(play())


def test_one_more_than_may_wait_is_sent_away() -> None:
    async def play() -> None:
        lane, leave = Lane(1, 2, LONG), asyncio.Event()

        async def enter() -> bool:
            async with lane.place() as is_in:
                if is_in:
                    await leave.wait()
                else:
                    leave.set()
                return is_in

        assert await asyncio.gather(*(enter() for _ in range(4))) == [True, True, True, False]

    asyncio.run(play())


def test_who_has_waited_for_long_is_sent_away_and_the_place_stays_whole() -> None:
    async def play() -> None:
        lane = Lane(1, 5, 0.01)
        async with lane.place() as first, lane.place() as second:
            assert (first, second) == (True, False)
        async with lane.place() as third:
            assert third

    asyncio.run(play())
