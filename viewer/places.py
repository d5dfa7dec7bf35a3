"""How many requests are answered at once, and who is next: a caller with many of them does not keep the others out.

A request that finds no place waits a little. The next free place goes to the caller who has the fewest, or waits with
the fewest; when too many wait, the newest of the caller who has the most waiting is refused. All of it in the event
loop's thread.
"""

import asyncio
from collections import Counter, defaultdict, deque

_WAITING_TIMES = 4
_WAIT_SECONDS = 5.0


class Places:
    """So many at once; for each of them `waiting_times` more may wait, each for so long. A caller is any text that
    names one.
    """

    def __init__(self, at_once: int, waiting_times: int = _WAITING_TIMES, wait_seconds: float = _WAIT_SECONDS) -> None:
        self._at_once = at_once
        self._waiting_max = at_once * waiting_times
        self._wait_seconds = wait_seconds
        self._inside: Counter[str] = Counter()
        self._waiting: defaultdict[str, deque[asyncio.Future[bool]]] = defaultdict(deque)

    async def enter(self, caller: str) -> bool:
        """Take a place; False when there is none in good time. Who got one must leave."""
        if self._inside.total() < self._at_once and not self._waiting:
            self._inside[caller] += 1
            return True
        if not self._may_wait(caller):
            return False
        turn = asyncio.get_running_loop().create_future()
        self._waiting[caller].append(turn)
        try:
            async with asyncio.timeout(self._wait_seconds):
                return bool(await turn)
        except TimeoutError:
            return self._was_let_in(turn)
        except asyncio.CancelledError:
            if self._was_let_in(turn):
                self.leave(caller)
            raise
        finally:
            self._forget(caller, turn)

    def leave(self, caller: str) -> None:
        """Give the place to whoever is next."""
        self._inside[caller] -= 1
        if not self._inside[caller]:
            del self._inside[caller]
        while self._waiting and self._inside.total() < self._at_once:
            following = min(self._waiting, key=lambda one: (self._inside[one], len(self._waiting[one])))
            turn = self._waiting[following].popleft()
            if not self._waiting[following]:
                del self._waiting[following]
            if not turn.done():
                self._inside[following] += 1
                turn.set_result(True)

    def _may_wait(self, caller: str) -> bool:
        if sum(map(len, self._waiting.values())) < self._waiting_max:
            return True
        greediest = max(self._waiting, key=lambda one: len(self._waiting[one]))
        if len(self._waiting[greediest]) <= len(self._waiting.get(caller, ())) + 1:
            return False
        newest = self._waiting[greediest].pop()
        if not newest.done():
            newest.set_result(False)
        return True

    @staticmethod
    def _was_let_in(turn: "asyncio.Future[bool]") -> bool:
        """Whether a place came in the very moment in which the wait was over."""
        return turn.done() and not turn.cancelled() and turn.result()

    def _forget(self, caller: str, turn: "asyncio.Future[bool]") -> None:
        queue = self._waiting.get(caller)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[caller]
