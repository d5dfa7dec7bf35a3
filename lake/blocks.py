"""Blocks of objects in memory, shared by everybody who reads parts of them: those used last, within a number of bytes.

Files of the lake never change but by an order to erase, which gives them another size or time. So a block belongs to a
listed object (key, size, modified), and what is read of another one under the same key is refused.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from threading import Lock

import msgspec

from schemas.units import KIB, MIB
from sinks.store import ObjectInfo, ObjectMissing, ObjectStore

_BLOCK_BYTES = 256 * KIB
_WHOLE_BYTES = 1 * MIB  # one request for everything is cheaper than several for parts

_Place = tuple[str, int, int, int]  # key, size and time of an object, number of the block


class BlockCounts(msgspec.Struct):
    """Since the start, but `held_bytes`: now. `hit_bytes`: found in memory, `missed_bytes`: asked of the store."""

    held_bytes: int = 0
    hit_bytes: int = 0
    missed_bytes: int = 0


class BlockCache:
    """Reads parts of objects, for any thread. What two want at once is asked for once."""

    def __init__(self, store: ObjectStore, limit_bytes: int) -> None:
        self._store = store
        self._limit_bytes = limit_bytes
        self._held: OrderedDict[_Place, bytes] = OrderedDict()
        self._coming: dict[_Place, Future[bytes]] = {}
        self._lock = Lock()
        # Of a local disk the system keeps what was read, and a request costs little.
        self._is_near = "://" not in store.uri
        self.counts = BlockCounts()

    def read(self, found: ObjectInfo, start: int, length: int) -> bytes:
        """`length` bytes from `start`, fewer at the end. Raises ObjectMissing also when another object is there now."""
        end = min(start + length, found.size)
        if start >= end:
            return b""
        if self._is_near:
            self.counts.missed_bytes += end - start
            return self._part(found, start, end - start)
        first = start // _BLOCK_BYTES
        content = b"".join(self._blocks(found, first, (end - 1) // _BLOCK_BYTES))
        return content[start - first * _BLOCK_BYTES : end - first * _BLOCK_BYTES]

    def _blocks(self, found: ObjectInfo, first: int, last: int) -> Iterator[bytes]:
        is_small = found.size <= _WHOLE_BYTES
        wanted = range((found.size - 1) // _BLOCK_BYTES + 1) if is_small else range(first, last + 1)
        blocks: dict[int, Future[bytes]] = {}
        ours: list[int] = []
        with self._lock:
            for number in wanted:
                place = _place(found, number)
                held = self._held.get(place)
                if held is not None:
                    self._held.move_to_end(place)
                    self.counts.hit_bytes += len(held)
                    blocks[number] = _done(held)
                elif place in self._coming:
                    blocks[number] = self._coming[place]
                else:
                    blocks[number] = self._coming[place] = Future()
                    ours.append(number)
        self._fetch(found, ours)
        return (blocks[number].result() for number in range(first, last + 1))

    def _fetch(self, found: ObjectInfo, numbers: list[int]) -> None:
        """Ask for blocks, neighbours with one request, and hand them to everybody who waits."""
        left = set(numbers)
        try:
            for run in _runs(numbers):
                content = self._of_store(found, run[0], run[-1])
                for place, number in enumerate(run):
                    self._keep(_place(found, number), content[place * _BLOCK_BYTES : (place + 1) * _BLOCK_BYTES])
                    left.discard(number)
        except BaseException as error:
            with self._lock:
                waited = [self._coming.pop(_place(found, number)) for number in left]
            for future in waited:
                future.set_exception(error)
            raise

    def _of_store(self, found: ObjectInfo, first: int, last: int) -> bytes:
        start = first * _BLOCK_BYTES
        return self._part(found, start, (last + 1) * _BLOCK_BYTES - start)

    def _part(self, found: ObjectInfo, start: int, length: int) -> bytes:
        part = self._store.read_part(found.key, start, length)
        if part.size != found.size:
            raise ObjectMissing(f"{found.key!r} is another one than was listed")
        return part.content

    def _keep(self, place: _Place, block: bytes) -> None:
        with self._lock:
            self._held[place] = block
            self.counts.missed_bytes += len(block)
            self.counts.held_bytes += len(block)
            while self.counts.held_bytes > self._limit_bytes:
                self.counts.held_bytes -= len(self._held.popitem(last=False)[1])
            future = self._coming.pop(place)
        future.set_result(block)


def _place(found: ObjectInfo, number: int) -> _Place:
    return found.key, found.size, found.modified_ms, number


def _done(block: bytes) -> Future[bytes]:
    future: Future[bytes] = Future()
    future.set_result(block)
    return future


def _runs(numbers: Iterable[int]) -> Iterator[list[int]]:
    """Neighbours together."""
    run: list[int] = []
    for number in numbers:
        if run and number != run[-1] + 1:
            yield run
            run = []
        run.append(number)
    if run:
        yield run
