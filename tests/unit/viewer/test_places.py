"""Who is answered when more ask than are answered at once."""

import asyncio
from collections.abc import Callable, Coroutine

from viewer.places import Places

_LONG = 5.0


async def _settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), _LONG))


def test_so_many_enter_at_once_and_the_next_when_one_leaves() -> None:
    async def test() -> None:
        places = Places(2, wait_seconds=_LONG)
        assert [await places.enter("a"), await places.enter("a")] == [True, True]
        third = asyncio.create_task(places.enter("a"))
        await _settled()
        assert not third.done()
        places.leave("a")
        assert await third

    run(test)


def test_who_waits_too_long_is_refused_and_takes_nobodys_place() -> None:
    async def test() -> None:
        places = Places(1, wait_seconds=0.01)
        assert await places.enter("a")
        assert not await places.enter("b")
        places.leave("a")
        assert await places.enter("c")

    run(test)


def test_a_place_goes_to_the_caller_who_has_the_fewest() -> None:
    async def test() -> None:
        places = Places(2, wait_seconds=_LONG)
        await places.enter("many")
        await places.enter("many")
        entered: list[str] = []

        async def enter(name: str) -> None:
            if await places.enter(name):
                entered.append(name)

        waiting = [asyncio.create_task(enter(name)) for name in ("many", "many", "few")]
        await _settled()
        for _ in range(3):
            places.leave("many" if "few" not in entered or "many" in entered else "few")
            await _settled()
        assert entered[0] == "few"
        await asyncio.gather(*waiting)

    run(test)


def test_when_too_many_wait_the_caller_with_the_most_is_refused() -> None:
    async def test() -> None:
        places = Places(1, wait_seconds=_LONG)
        await places.enter("many")
        waiting = [asyncio.create_task(places.enter("many")) for _ in range(4)]
        await _settled()
        assert not await places.enter("many")
        few = asyncio.create_task(places.enter("few"))
        await _settled()
        assert [task.done() for task in waiting] == [False, False, False, True]
        assert not await waiting[-1]
        places.leave("many")
        assert await few
        for task in waiting:
            task.cancel()

    run(test)


def test_one_that_goes_away_while_it_waits_leaves_no_trace() -> None:
    async def test() -> None:
        places = Places(1, wait_seconds=_LONG)
        await places.enter("a")
        gone = asyncio.create_task(places.enter("b"))
        await _settled()
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        places.leave("a")
        assert await places.enter("c")

    run(test)


def test_one_that_goes_away_as_it_is_let_in_gives_its_place_back() -> None:
    async def test() -> None:
        places = Places(1, wait_seconds=_LONG)
        await places.enter("a")
        gone = asyncio.create_task(places.enter("b"))
        await _settled()
        places.leave("a")
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert await places.enter("c")

    run(test)
