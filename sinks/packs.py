"""Packs at rest: written once per epoch, read back session by session when a window closes.

Recent packs are kept in a bounded local folder, so that the usual close costs no request to the store.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from schemas.pack import PackEntry, PackIndex, decode_block, decode_index, encode_pack, index_length, without_sessions
from sinks.store import LocalStore, ObjectMissing, ObjectStore

_TAIL_GUESS = 1 << 16
_INDEXES_MAX = 4096  # parsed indexes kept in memory; an epoch of 10 s makes 360 an hour


class PackStore:
    """Packs of one shard. `cache`: a local folder with room for `cache_bytes`, or None when the lake is local."""

    def __init__(self, store: ObjectStore, cache: Path | None, cache_bytes: int) -> None:
        self._store = store
        self._cache = LocalStore(cache) if cache else None
        self._cache_bytes = cache_bytes
        self._cached: OrderedDict[str, int] = OrderedDict()
        self._indexes: OrderedDict[str, PackIndex] = OrderedDict()
        if self._cache is not None:  # what an earlier process left is as good
            for found in self._cache.list(""):
                self._cached[found.key] = found.size
            self._evict()

    def write(self, key: str, sessions: Mapping[tuple[str, str], Sequence[PackEntry]]) -> int:
        """Store one pack; returns its size. It is durable when this returns."""
        content, index = encode_pack(sessions)
        self._store.put({key: content})
        self._remember_index(key, index)
        if self._cache is not None:
            self._cache.put({key: content})
            self._cached[key] = len(content)
            self._evict()
        return len(content)

    def read(self, keys: Iterable[str], app_id: str, session_id: str) -> list[PackEntry]:
        """Every entry of one session in the given packs, in their order."""
        entries: list[PackEntry] = []
        for key in keys:
            source: ObjectStore = self._cache if self._cache is not None and key in self._cached else self._store
            for offset, length in self._index(key, source).find(app_id, session_id):
                block = decode_block(source.read_range(key, offset, length))
                entries += [e for e in block if e.item.app_id == app_id and e.item.session_id == session_id]
        return entries

    def erase(self, hashes: AbstractSet[int], keys: Iterable[str] = ()) -> None:
        """Erase the blocks of sessions (by `key_hash`) in the local folder, and in these packs of the store."""
        if not hashes:
            return
        copies = [(self._cache, key) for key in self._cached] if self._cache is not None else []
        for store, key in [*copies, *((self._store, key) for key in keys)]:
            with contextlib.suppress(ObjectMissing):  # it has expired
                pack = store.read(key)
                without = without_sessions(pack, hashes)
                if without is not pack:
                    store.put({key: without})

    def _index(self, key: str, source: ObjectStore) -> PackIndex:
        index = self._indexes.get(key)
        if index is None:
            index = read_pack_index(source, key, source.size(key))
            self._remember_index(key, index)
        return index

    def _remember_index(self, key: str, index: PackIndex) -> None:
        self._indexes[key] = index
        while len(self._indexes) > _INDEXES_MAX:
            self._indexes.popitem(last=False)

    def _evict(self) -> None:
        assert self._cache is not None
        while sum(self._cached.values()) > self._cache_bytes:
            key, _ = self._cached.popitem(last=False)
            self._cache.delete([key])


def read_pack_index(store: ObjectStore, key: str, size: int, guess_bytes: int = _TAIL_GUESS) -> PackIndex:
    """The index of a pack of `size` bytes, with one read if it is no longer than the guess, else two.

    Raises PackFormatError.
    """
    tail = store.read_range(key, max(0, size - guess_bytes), guess_bytes)
    length = index_length(tail)
    if length > len(tail):
        tail = store.read_range(key, size - length, length)
    return decode_index(tail[-length:])
