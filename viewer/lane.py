"""A bounded queue before a bounded number of requests at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Lane:
    """`at_once` may be inside, `waiting` more wait in the order of their coming, each for at most `seconds`."""

    def __init__(self, at_once: int, waiting: int, seconds: float) -> None:
        self._inside = asyncio.Semaphore(at_once)
        self._waiting_max = waiting
        self._seconds = seconds
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[bool]:
        """A place inside; False where so many wait already, or one has waited for so long."""
        if not await self._enter():
            yield False
            return
        try:
            yield True
        finally:
            self._inside.release()

    async def _enter(self) -> bool:
        if not self._inside.locked():
            return await self._inside.acquire()  # at once
        if self._waiting >= self._waiting_max:
            return False
        self._waiting += 1
        try:
            return await asyncio.wait_for(self._inside.acquire(), self._seconds)
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
