"""Which files the tables have on a day, as listed not long ago: one look for everybody who asks about that day."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock

import msgspec

from sinks.store import ObjectInfo, ObjectStore
from sinks.swap import visible_day

_DAYS_MAX = 128

Files = dict[str, list[ObjectInfo]]  # by table


class _Day(msgspec.Struct):
    """The last look at a day. `at`: when it began; `news`: what was known before it. One thread looks at a time."""

    lock: Lock = msgspec.field(default_factory=Lock)
    at: float = 0.0
    news: int = -1
    files: Files = {}


class DayFiles:
    """Looks at days, for any thread. `now`: seconds; a look is good for `seconds`."""

    def __init__(self, store: ObjectStore, tables: Sequence[str], now: Callable[[], float], seconds: float) -> None:
        self._store = store
        self._tables = tables
        self._now = now
        self._seconds = seconds
        self._days: OrderedDict[str, _Day] = OrderedDict()
        self._lock = Lock()

    def of(self, day: str, news: int) -> Files:
        """Files that hold every row of a day (YYYY-MM-DD) once; never from a look before the caller's `news`.

        `news` counts up with what the caller learns of the lake: who has just read a session's row finds the files that
        were published before it. A file may be gone when it is opened (ObjectMissing): then `forget` the day.
        Raises LakeRestless.
        """
        with self._lock:
            seen = self._days.setdefault(day, _Day())
            self._days.move_to_end(day)
            while len(self._days) > _DAYS_MAX:
                self._days.popitem(last=False)
        with seen.lock:
            now = self._now()
            if seen.news < news or not 0 <= now - seen.at <= self._seconds:
                seen.files = visible_day(self._store, self._tables, day)
                seen.at, seen.news = now, news
            return seen.files

    def forget(self, day: str) -> None:
        """The next one who asks looks again."""
        with self._lock:
            self._days.pop(day, None)
