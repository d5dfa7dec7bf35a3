"""Packs at rest: written once per epoch, read back session by session when a window closes.

Recent packs are kept in a bounded local folder, so that the usual close costs no request to the store.
"""

import contextlib
import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import zstandard

from schemas.pack import (
    PackEntry,
    PackFormatError,
    PackIndex,
    decode_block,
    decode_index,
    encode_pack,
    index_length,
    without_sessions,
)
from sinks.store import LocalStore, ObjectMissing, ObjectStore, StoreError

_log = logging.getLogger(__name__)
_TAIL_GUESS = 1 << 16
_INDEXES_MAX = 4096  # parsed indexes kept in memory; an epoch of 10 s makes 360 an hour


class PackStore:
    """Packs of one shard. `cache`: a local folder with room for `cache_bytes`, or None when the lake is local."""

    def __init__(self, store: ObjectStore, cache: Path | None, cache_bytes: int) -> None:
        self._store = store
        self._cache = LocalStore(cache) if cache else None
        self._cache_bytes = cache_bytes
        self._decompressor = zstandard.ZstdDecompressor()
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
        """Every entry of one session in the given packs, in their order. Raises PackFormatError, ObjectMissing."""
        entries: list[PackEntry] = []
        for key in keys:
            found = self._read_cached(key, app_id, session_id)
            entries += self._read(self._store, key, app_id, session_id) if found is None else found
        return entries

    def _read_cached(self, key: str, app_id: str, session_id: str) -> list[PackEntry] | None:
        """The same from the local folder; None when it has no sound copy, as when somebody has cleared it."""
        if self._cache is None or key not in self._cached:
            return None
        try:
            return self._read(self._cache, key, app_id, session_id)
        except (StoreError, PackFormatError) as error:
            _log.warning("%s is read from the store: its local copy is not usable: %s", key, error)
            with contextlib.suppress(StoreError):  # a folder that cannot be written is no reason to stop
                self._drop(key)
            return None

    def _read(self, source: ObjectStore, key: str, app_id: str, session_id: str) -> list[PackEntry]:
        entries: list[PackEntry] = []
        for offset, length in self._index(key, source).find(app_id, session_id):
            block = decode_block(source.read_range(key, offset, length), self._decompressor)
            if block and block[0].item.app_id == app_id and block[0].item.session_id == session_id:
                entries += block
        return entries

    def _drop(self, key: str) -> None:
        """Forget a local copy, and the index that may come from it."""
        assert self._cache is not None
        del self._cached[key]
        self._indexes.pop(key, None)
        self._cache.delete([key])

    def erase(self, hashes: AbstractSet[int], keys: Iterable[str] = ()) -> None:
        """Erase the blocks of sessions (by `key_hash`) in the local folder, and in these packs of the store."""
        if not hashes:
            return
        if self._cache is not None:
            for key in list(self._cached):
                try:
                    _erase(self._cache, key, hashes)
                except (ObjectMissing, PackFormatError):
                    self._drop(key)  # cleared or damaged: what is left of it must go too
        for key in keys:
            with contextlib.suppress(ObjectMissing):  # it has expired
                _erase(self._store, key, hashes)

    def _index(self, key: str, source: ObjectStore) -> PackIndex:
        index = self._indexes.get(key)
        if index is None:
            index = read_pack_index(source, key)
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


def _erase(store: ObjectStore, key: str, hashes: AbstractSet[int]) -> None:
    pack = store.read(key)
    without = without_sessions(pack, hashes)
    if without is not pack:
        store.put({key: without})


def read_pack_index(store: ObjectStore, key: str, guess_bytes: int = _TAIL_GUESS) -> PackIndex:
    """The index of a pack, with one read if it is no longer than the guess, else two.

    Raises PackFormatError.
    """
    part = store.read_tail(key, guess_bytes)
    tail, length = part.content, index_length(part.content)
    if length > part.size:
        raise PackFormatError(f"{key!r}: an index of {length} bytes in a pack of {part.size}")
    if length > len(tail):
        tail = store.read_tail(key, length).content
    return decode_index(tail[-length:])
