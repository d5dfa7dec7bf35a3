"""What a shard remembers of closed sessions: which are still memos, oldest first, and the little left of others.

Bounded by memory and by number, and a function of the log alone, because it decides part numbers and revisions.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator

import msgspec

from schemas.pack import key_hash
from schemas.units import MIB, MS_PER_HOUR

SessionKey = tuple[str, str]  # (app_id, session_id)


class MemoLimits(msgspec.Struct, frozen=True):
    """How long and how much of closed sessions is remembered. Part of the result: change them on purpose."""

    age_ms: int = 6 * MS_PER_HOUR  # receive time since the close became due; packs must live longer
    size_bytes: int = 128 * MIB  # of memos
    forgotten: int = 1_000_000  # sessions of which the next part number is known

    def of_shard(self, shards: int) -> "MemoLimits":
        """The share of one of the job's shards: whatever the number of processes, and so is the result."""
        size_bytes, forgotten = self.size_bytes // shards, max(1, self.forgotten // shards)
        return MemoLimits(self.age_ms, size_bytes, forgotten)


class Forgotten(msgspec.Struct, array_like=True, gc=False):
    """What is left of a session whose memo is gone: what begins before `over_us` (client time) is late."""

    next_part: int
    over_us: int


class ClosedSessions:
    """Keys and sizes of memos, and forgotten sessions by the hash of their key."""

    def __init__(self, limits: MemoLimits) -> None:
        self._limits = limits
        self._memos: OrderedDict[SessionKey, int] = OrderedDict()
        self._forgotten: OrderedDict[int, Forgotten] = OrderedDict()
        self._newly: OrderedDict[int, Forgotten] = OrderedDict()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._memos)

    def __contains__(self, key: SessionKey) -> bool:
        return key in self._memos

    def __iter__(self) -> Iterator[SessionKey]:
        """Oldest close first."""
        return iter(self._memos)

    def add(self, key: SessionKey, size_bytes: int) -> None:
        """A session has closed."""
        self._memos[key] = size_bytes
        self.size_bytes += size_bytes

    def remove(self, key: SessionKey) -> None:
        """A session is open again, or forgotten."""
        self.size_bytes -= self._memos.pop(key)

    def surplus(self) -> Iterator[SessionKey]:
        """Memos that must go because memory is short; each is to be removed before the next is asked for."""
        while self.size_bytes > self._limits.size_bytes:
            yield next(iter(self._memos))

    def forget(self, key: SessionKey, left: Forgotten) -> None:
        """Keep only the next part number of a session; of too many, the oldest go altogether."""
        short = key_hash(*key)
        self._keep(self._forgotten, short, left)
        self._keep(self._newly, short, left)

    def left_of(self, key: SessionKey) -> Forgotten | None:
        """What is known of a session that has no memo."""
        return self._forgotten.get(key_hash(*key))

    def forgotten(self) -> list[tuple[int, Forgotten]]:
        """All that are known, to be saved."""
        self._newly.clear()
        return list(self._forgotten.items())

    def newly_forgotten(self) -> list[tuple[int, Forgotten]]:
        """Those since the last call of this or of `forgotten`."""
        newly = list(self._newly.items())
        self._newly.clear()
        return newly

    def restore(self, forgotten: Iterable[tuple[int, Forgotten]]) -> None:
        """From what was saved, oldest first."""
        for short, left in forgotten:
            self._keep(self._forgotten, short, left)

    def _keep(self, found: OrderedDict[int, Forgotten], short: int, left: Forgotten) -> None:
        found.pop(short, None)
        found[short] = left
        if len(found) > self._limits.forgotten:
            found.popitem(last=False)
