"""A question to DuckDB runs in a slot: so many at once, a bounded wait for one, a bounded time, and memory as it lasts.

Whoever has a question takes a slot and asks through it, on the connection that holds the answer. Past a bound the
caller hears `Busy` and may ask again; nothing that a question needs too much of becomes an error of the server.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TypeVar

import duckdb
import pyarrow as pa

from schemas.errors import TryAgain
from viewer.options import QuestionLimits

Params = Sequence[object]
Answer = TypeVar("Answer")
_BATCH_ROWS = 100_000
_QUIET_SECONDS = 1.0  # for one slot
_QUIET_LOOKS = 10


class Bound(StrEnum):
    """What a question came up against."""

    SLOTS = "slots"  # none became free while it waited
    TIME = "time"
    MEMORY = "memory"
    DISK = "disk"  # what it put there, or the index itself
    CLOSED = "closed"  # the index was closed meanwhile, or is made anew


_TEXTS = {
    Bound.SLOTS: "too many questions are being answered: ask again",
    Bound.TIME: "the question took longer than serve.question_seconds: ask for fewer days, or again",
    Bound.MEMORY: "the question needs more than is left of serve.memory_bytes: ask for fewer days, or again",
    Bound.DISK: "the disk of the index is full or fails",
    Bound.CLOSED: "the index is being opened: ask again",
}
_BOUNDS: tuple[tuple[type[Exception], Bound], ...] = (
    (duckdb.InterruptException, Bound.TIME),
    (duckdb.OutOfMemoryException, Bound.MEMORY),
    (MemoryError, Bound.MEMORY),
    (duckdb.FatalException, Bound.CLOSED),
    (duckdb.InternalException, Bound.CLOSED),
    (duckdb.ConnectionException, Bound.CLOSED),
    (duckdb.IOException, Bound.DISK),
)


class Busy(TryAgain):
    """A question was not answered, for want of something that comes back."""

    def __init__(self, bound: Bound) -> None:
        super().__init__(_TEXTS[bound])
        self.bound = bound


class Slot:
    """A place in which one question is asked, in one statement or several. One thread's."""

    def __init__(self) -> None:
        self._running: duckdb.DuckDBPyConnection | None = None
        self._over: Bound | None = None
        self._lock = threading.Lock()
        self._ends: list[Callable[[], None]] = []

    @contextmanager
    def ending(self, end: Callable[[], None]) -> Iterator[None]:
        """When its time is over while the block lasts, `end` is called too, on another thread."""
        with self._lock:
            self._ends.append(end)
        try:
            yield
        finally:
            with self._lock:
                self._ends.remove(end)

    def ask(self, connection: duckdb.DuckDBPyConnection, sql: str, params: Params = ()) -> list[tuple[object, ...]]:
        """All rows of one statement. Raises Busy."""
        return self._run(connection, lambda: connection.execute(sql, list(params)).fetchall())

    def in_batches(
        self,
        connection: duckdb.DuckDBPyConnection,
        sql: str,
        params: Params,
        take: Callable[[Iterable[pa.RecordBatch]], Answer],
    ) -> Answer:
        """What `take` makes of the rows of one query, of which only some are in memory at a time. Raises Busy."""
        return self._run(
            connection, lambda: take(connection.sql(sql, params=list(params)).to_arrow_reader(_BATCH_ROWS))
        )

    def _run(self, connection: duckdb.DuckDBPyConnection, do: Callable[[], Answer]) -> Answer:
        with self._lock:
            if self._over is not None:
                raise Busy(self._over)
            self._running = connection
        try:
            return do()
        except tuple(kind for kind, _ in _BOUNDS) as error:
            bound = next(bound for kind, bound in _BOUNDS if isinstance(error, kind))
            raise Busy(self._ended_by() if bound == Bound.TIME else bound) from error
        except OSError as error:  # of a later batch, whatever it was
            if self._over is not None:
                raise Busy(self._over) from error
            if str(error).startswith("Out of Memory"):
                raise Busy(Bound.MEMORY) from error
            raise
        finally:
            with self._lock:
                self._running = None

    def _ended_by(self) -> Bound:
        return self._over or Bound.TIME

    def end(self, bound: Bound = Bound.TIME) -> None:
        """Its time is over, or something else. From another thread."""
        with self._lock:
            self._over = self._over or bound
            if self._running is not None:
                self._running.interrupt()
            for end in self._ends:
                end()


class Questions:
    """The slots."""

    def __init__(self, limits: QuestionLimits) -> None:
        self._limits = limits
        self._free = threading.Semaphore(limits.at_once)
        self._quiet = threading.Lock()
        self._open = threading.Event()  # not while somebody waits for quiet
        self._open.set()
        self._given: set[Slot] = set()
        self.asked = 0  # slots that were given
        self.refused: Counter[Bound] = Counter()

    @contextmanager
    def slot(self) -> Iterator[Slot]:
        """Wait for a slot, and hold it while the block lasts. Raises Busy."""
        try:
            with self._place():
                slot = Slot()
                self._given.add(slot)
                timer = threading.Timer(self._limits.answer_seconds, slot.end)
                timer.daemon = True
                timer.start()
                try:
                    yield slot
                finally:
                    timer.cancel()
                    self._given.discard(slot)
        except Busy as busy:
            self.refused[busy.bound] += 1
            raise

    def end_all(self) -> None:
        """Whoever is asking hears that the index is being closed."""
        for slot in list(self._given):
            slot.end(Bound.CLOSED)

    @contextmanager
    def quiet(self, meanwhile: Callable[[], None] = lambda: None) -> Iterator[bool]:
        """No question is being answered while the block lasts; False when that could not be had in good time.

        `meanwhile` is called again and again until then. Questions that come meanwhile wait.
        """
        with self._quiet:
            taken = 0
            self._open.clear()
            while taken < self._limits.at_once and self._took(meanwhile):
                taken += 1
            try:
                yield taken == self._limits.at_once
            finally:
                self._open.set()
                if taken:
                    self._free.release(taken)

    def _took(self, meanwhile: Callable[[], None]) -> bool:
        """A place in good time."""
        for _ in range(_QUIET_LOOKS):
            meanwhile()
            if self._free.acquire(timeout=_QUIET_SECONDS / _QUIET_LOOKS):
                return True
        return False

    @contextmanager
    def _place(self) -> Iterator[None]:
        wait_seconds = self._limits.wait_seconds
        if not self._open.wait(wait_seconds) or not self._free.acquire(timeout=wait_seconds):
            raise Busy(Bound.SLOTS)
        self.asked += 1
        try:
            yield
        finally:
            self._free.release()
