"""Reading many small objects at once, in their order and few ahead of who asks."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_THREADS = 16
_AHEAD = 32

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


def in_parallel(read: Callable[[Asked], Answer], asked: Iterable[Asked]) -> Iterator[tuple[Asked, Answer]]:
    """(what was asked, answer) in the order of `asked`. What `read` raises is raised in its turn."""
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting: deque[tuple[Asked, Future[Answer]]] = deque()
        for one in asked:
            waiting.append((one, pool.submit(read, one)))
            if len(waiting) >= _AHEAD:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
