"""What was made for one caller and serves others: each thing made once, the ones used last kept within a size."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class SharedCache(Generic[Key, Value]):
    """A cache for any thread. `size_of`: what a value counts towards `limit`; larger ones are made and not kept.

    A caller who wants what another is making waits for it, and shares what that raises.
    """

    def __init__(self, limit: int, size_of: Callable[[Value], int]) -> None:
        self._limit = limit
        self._size_of = size_of
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._size = 0
        self._making: dict[Key, Future[Value]] = {}
        self._lock = Lock()
        self.made_count = 0
        self.shared_count = 0

    @property
    def size(self) -> int:
        """Of all that is kept."""
        return self._size

    def get(self, key: Key, make: Callable[[], Value], worth: Callable[[Value], bool] = lambda _: True) -> Value:
        """The value of a key. `worth`: whether to keep what was made."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                self.shared_count += 1
                return self._kept[key][0]
            others = self._making.get(key)
            own: Future[Value] = Future()
            if others is None:
                self._making[key] = own
                self.made_count += 1
            else:
                self.shared_count += 1
        return self._make(key, own, make, worth) if others is None else others.result()

    def kept(self, key: Key) -> Value | None:
        """The value of a key, if it is there."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def keep(self, key: Key, value: Value) -> None:
        """A value that was made otherwise."""
        size = self._size_of(value)
        with self._lock:
            if key not in self._kept and size <= self._limit:
                self._put(key, value, size)

    def drop(self, is_gone: Callable[[Key], bool]) -> None:
        """Forget these; what is being made of them is handed to its callers and not kept."""
        with self._lock:
            for key in [key for key in self._making if is_gone(key)]:
                del self._making[key]
            for key in [key for key in self._kept if is_gone(key)]:
                self._size -= self._kept.pop(key)[1]

    def keys(self) -> list[Key]:
        """Of all that is kept."""
        with self._lock:
            return list(self._kept)

    def _make(self, key: Key, own: Future[Value], make: Callable[[], Value], worth: Callable[[Value], bool]) -> Value:
        try:
            value = make()
        except BaseException as error:
            self._end(key, own)
            own.set_exception(error)
            raise
        size = self._size_of(value) if worth(value) else self._limit + 1
        with self._lock:
            if self._making.get(key) is own and size <= self._limit:
                self._put(key, value, size)
        self._end(key, own)
        own.set_result(value)
        return value

    def _put(self, key: Key, value: Value, size: int) -> None:
        self._kept[key] = value, size
        self._size += size
        while self._size > self._limit:
            self._size -= self._kept.popitem(last=False)[1][1]

    def _end(self, key: Key, own: Future[Value]) -> None:
        with self._lock:
            if self._making.get(key) is own:
                del self._making[key]
