"""The block cache: one request for neighbours and for whoever waits, a bounded number of bytes, no mixture."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lake.blocks import BlockCache
from sinks.store import LocalStore, ObjectInfo, ObjectMissing, Part, StoreUnavailable

_BLOCK = 256 << 10
_CONTENT = b"".join(n.to_bytes(4) for n in range(5 * _BLOCK // 4 + 25))  # five blocks and a bit


class Store(LocalStore):
    """Notes parts that are asked for. `waits`: they come once it is set; `fails`: they do not."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.uri = f"far://{root}"
        self.asked: list[tuple[int, int]] = []
        self.waits: threading.Event | None = None
        self.fails = False

    def read_part(self, key: str, start: int, length: int) -> Part:
        self.asked.append((start, length))
        if self.waits is not None:
            assert self.waits.wait(30)
        if self.fails:
            raise StoreUnavailable(key)
        return super().read_part(key, start, length)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "lake")
    store.put({"k": _CONTENT, "small": _CONTENT[: 3 * _BLOCK]})
    return store


def found(store: Store, key: str = "k") -> ObjectInfo:
    return next(iter(store.list(key)))


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 1), (_BLOCK - 1, 2), (_BLOCK, _BLOCK), (10, 3 * _BLOCK), (len(_CONTENT) - 5, 100), (len(_CONTENT), 1)],
)
def test_any_part_is_what_the_object_has_there(store: Store, start: int, length: int) -> None:
    cache = BlockCache(store, 10 * _BLOCK)
    for _ in range(2):
        assert cache.read(found(store), start, length) == _CONTENT[start : start + length]
    assert len(store.asked) == (start < len(_CONTENT))


def test_of_a_local_disk_no_block_is_kept(store: Store) -> None:
    store.uri = store.uri.removeprefix("far://")
    cache = BlockCache(store, 10 * _BLOCK)
    for _ in range(2):
        assert cache.read(found(store), _BLOCK - 1, 7) == _CONTENT[_BLOCK - 1 : _BLOCK + 6]
    assert store.asked == [(_BLOCK - 1, 7)] * 2
    assert cache.counts.held_bytes == 0
    before = found(store)
    store.put({"k": _CONTENT[:-1]})
    with pytest.raises(ObjectMissing):
        cache.read(before, 0, 1)


def test_neighbours_are_one_request_and_what_is_there_is_none(store: Store) -> None:
    cache = BlockCache(store, 10 * _BLOCK)
    cache.read(found(store), 2 * _BLOCK, 1)
    cache.read(found(store), 0, len(_CONTENT))
    assert store.asked == [(2 * _BLOCK, _BLOCK), (0, 2 * _BLOCK), (3 * _BLOCK, 3 * _BLOCK)]
    assert (cache.counts.hit_bytes, cache.counts.missed_bytes) == (_BLOCK, len(_CONTENT))


def test_a_small_object_comes_whole(store: Store) -> None:
    cache = BlockCache(store, 10 * _BLOCK)
    cache.read(found(store, "small"), 2 * _BLOCK, 1)
    cache.read(found(store, "small"), 0, 10)
    assert store.asked == [(0, 3 * _BLOCK)]


def test_no_more_is_held_than_the_limit_and_what_was_used_last_stays(store: Store) -> None:
    cache = BlockCache(store, 3 * _BLOCK)
    for block in (0, 1, 2, 0, 3):
        cache.read(found(store), block * _BLOCK, 1)
        assert cache.counts.held_bytes <= 3 * _BLOCK
    store.asked.clear()
    cache.read(found(store), 0, 1)
    assert store.asked == []
    cache.read(found(store), _BLOCK, 1)
    assert store.asked == [(_BLOCK, _BLOCK)]
    assert cache.read(found(store), 0, len(_CONTENT)) == _CONTENT  # more than it may hold


def test_what_many_want_at_once_is_asked_for_once(store: Store) -> None:
    store.waits = threading.Event()
    cache = BlockCache(store, 10 * _BLOCK)
    with ThreadPoolExecutor(8) as pool:
        reads = [pool.submit(cache.read, found(store), 0, 2 * _BLOCK) for _ in range(8)]
        store.waits.set()
        assert {read.result() for read in reads} == {_CONTENT[: 2 * _BLOCK]}
    assert store.asked == [(0, 2 * _BLOCK)]


def test_a_read_that_failed_is_made_again(store: Store) -> None:
    cache = BlockCache(store, 10 * _BLOCK)
    store.fails = True
    with pytest.raises(StoreUnavailable):
        cache.read(found(store), 0, 10)
    store.fails = False
    assert cache.read(found(store), 0, 10) == _CONTENT[:10]


def test_an_object_that_was_written_anew_is_not_mixed_with_what_it_was(store: Store) -> None:
    cache = BlockCache(store, 10 * _BLOCK)
    before = found(store)
    cache.read(before, 0, 1)
    store.put({"k": b"x" + _CONTENT})
    with pytest.raises(ObjectMissing, match="another one"):
        cache.read(before, 4 * _BLOCK, 1)
    assert cache.read(found(store), 0, 2) == b"x" + _CONTENT[:1]
