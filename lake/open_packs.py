"""Where the sessions that are not closed yet lie: their blocks in packs, found with few requests.

Names of packs go up with the epochs of their shard, so a look lists only what comes behind the last names. A
session lies in one shard, and an open one has been heard of not long ago: the newest packs tell which one that
is. Its older blocks are looked for once, backwards, until it has been silent for longer than an open session can be.
Indexes never change and are kept within a number of bytes.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import accumulate
from threading import Lock

import msgspec

from schemas.keys import OWNER, PACKS
from schemas.pack import PackEntry, PackFormatError, PackIndex, decode_block, read_index
from schemas.units import KIB, MIB, MS_PER_MINUTE
from sinks.packs import read_pack_index
from sinks.parallel import in_parallel
from sinks.store import ObjectInfo, ObjectMissing, ObjectStore

_log = logging.getLogger("replaylake.serve")
_LOOK_SECONDS = 1.0  # a shard is listed no more often
_FOLDERS_SECONDS = 10.0
_EPOCHS_AGAIN = 8  # an epoch that was interrupted runs again under its number
_BATCH_PACKS = 64
_INDEX_GUESS_BYTES = 8 * KIB  # of 400 sessions
_SEQ_DIGITS = 10
_STEP_MAX_MS = MS_PER_MINUTE  # between two packs the job may have stood still: that is no silence of a session


class PackLimits(msgspec.Struct, frozen=True):
    """How far back to look, by the store's clock: for anything of an open session; for the newest thing of one; over
    how much silence.
    """

    open_ms: int
    newest_ms: int
    quiet_ms: int
    index_bytes: int = 128 * MIB


class Block(msgspec.Struct, frozen=True):
    """A block that holds the session. `entries`: all of it, also what is of another session with the same hash."""

    key: str
    offset: int
    length: int
    entries: list[PackEntry]


class Trail(msgspec.Struct):
    """How far the packs of a session have been looked through. Of one thread at a time."""

    app_id: str
    session_id: str
    folder: str = ""  # of its shard, once that is known: `pack_folder`
    looked: set[str] = set()
    since_ms: int = 0  # older packs have nothing of it


class _Folder(msgspec.Struct):
    """The packs of a shard that may hold something of an open session, by key."""

    packs: dict[str, ObjectInfo] = {}
    looked_at: float = 0.0
    lock: Lock = msgspec.field(default_factory=Lock)

    @property
    def newest_ms(self) -> int:
        return max((pack.modified_ms for pack in self.packs.values()), default=0)


class OpenPacks:
    """The packs of a lake, for any thread. `now`: seconds."""

    def __init__(self, store: ObjectStore, now: Callable[[], float], limits: PackLimits) -> None:
        self._store = store
        self._now = now
        self._limits = limits
        self._folders: dict[str, _Folder] = {}
        self._owner = b""
        self._folders_at = 0.0
        self._indexes: OrderedDict[str, PackIndex] = OrderedDict()
        self._indexes_bytes = 0
        self._lock = Lock()

    def new_blocks(self, trail: Trail) -> Iterator[Block]:
        """What has come of a session since the last call; at the first call everything there is."""
        folders = self._known_folders(_FOLDERS_SECONDS if trail.folder else _LOOK_SECONDS)
        trail.folder = trail.folder or self._find(trail.app_id, trail.session_id, folders)
        if not trail.folder:
            return
        packs = self._look(trail.folder)
        trail.looked &= {pack.key for pack in packs}
        fresh = [pack for pack in packs if pack.modified_ms >= trail.since_ms and pack.key not in trail.looked]
        is_first = not trail.since_ms
        silent_ms, before_ms = 0, fresh[0].modified_ms if fresh else 0
        for start in range(0, len(fresh), _BATCH_PACKS):
            for pack, blocks in in_parallel(
                lambda pack: self._blocks(pack, trail), fresh[start : start + _BATCH_PACKS]
            ):
                silent_ms = 0 if blocks else silent_ms + min(before_ms - pack.modified_ms, _STEP_MAX_MS)
                before_ms = pack.modified_ms
                trail.looked.add(pack.key)
                yield from blocks
            if is_first and silent_ms > self._limits.quiet_ms:
                break
        if is_first:
            trail.since_ms = before_ms

    def newest(self, recent_ms: int, room_bytes: int) -> tuple[list[Block], bool]:
        """Every block of the packs of the last while, newest first, and whether all of them had room."""
        packs = [pack for _, found in in_parallel(self._look, self._known_folders()) for pack in found]
        since_ms = max((pack.modified_ms for pack in packs), default=0) - recent_ms
        recent = sorted((pack for pack in packs if pack.modified_ms >= since_ms), key=_by_age)
        sizes = accumulate(pack.size for pack in recent)
        wanted = [pack for pack, size in zip(recent, sizes, strict=True) if size <= room_bytes]
        blocks = [block for _, found in in_parallel(self._every_block, wanted) for block in found]
        return blocks, len(wanted) == len(recent)

    def _find(self, app_id: str, session_id: str, folders: list[str]) -> str:
        """The folder whose newest packs have the session; "" when none has."""
        recent: list[tuple[int, str, ObjectInfo]] = []
        for folder, packs in in_parallel(self._look, folders):
            newest_ms = packs[0].modified_ms if packs else 0
            recent += [
                (-pack.modified_ms, folder, pack)
                for pack in packs
                if pack.modified_ms >= newest_ms - self._limits.newest_ms
            ]
        unknown: list[tuple[str, ObjectInfo]] = []
        room = self._limits.index_bytes // 2  # of what is kept, so that the next search has it at hand
        for _, folder, pack in sorted(recent, key=lambda one: one[:2]):
            index = self._indexes.get(pack.key)
            if index is None:
                unknown.append((folder, pack))
            elif any(index.find(app_id, session_id)):
                return folder
            else:
                room -= index.size_bytes
        for (folder, _), index in in_parallel(lambda one: self._index(one[1]), unknown):
            if index is not None and any(index.find(app_id, session_id)):
                return folder
            room -= index.size_bytes if index is not None else 0
            if room < 0:
                break
        return ""

    def _known_folders(self, seconds: float = _FOLDERS_SECONDS) -> list[str]:
        """Those of a look that is no older than this."""
        now = self._now()
        with self._lock:
            if not self._folders_at or now - self._folders_at > seconds:
                self._folders_at = now
                owner = self._read_owner()
                if owner != self._owner:  # another job numbers its epochs anew
                    self._owner, self._folders = owner, {}
                for name in self._store.folders(PACKS):
                    self._folders.setdefault(f"{PACKS}{name}/", _Folder())
            return list(self._folders)

    def _read_owner(self) -> bytes:
        try:
            return self._store.read(OWNER)
        except ObjectMissing:
            return b""  # the lake of a backfill, or none yet

    def _look(self, prefix: str) -> list[ObjectInfo]:
        """The packs of a shard, newest first."""
        folder = self._folders.setdefault(prefix, _Folder())
        with folder.lock:
            now = self._now()
            if now - folder.looked_at > _LOOK_SECONDS:
                folder.packs |= {found.key: found for found in self._store.list(prefix, _behind(folder.packs))}
                oldest_ms = folder.newest_ms - self._limits.open_ms
                folder.packs = {key: pack for key, pack in folder.packs.items() if pack.modified_ms >= oldest_ms}
                folder.looked_at = now
            return sorted(folder.packs.values(), key=_by_age)

    def _blocks(self, pack: ObjectInfo, trail: Trail) -> list[Block]:
        index = self._index(pack)
        spans = index.find(trail.app_id, trail.session_id) if index is not None else ()
        blocks = []
        for offset, length in spans:
            try:
                entries = decode_block(self._store.read_range(pack.key, offset, length))
            except ObjectMissing:
                break  # expired
            blocks.append(Block(pack.key, offset, length, entries))
        return blocks

    def _every_block(self, pack: ObjectInfo) -> list[Block]:
        try:
            content = self._store.read(pack.key)
            spans = [(offset, length) for _, offset, length in read_index(content).spans()]
        except ObjectMissing:
            return []  # expired
        except PackFormatError as error:
            _log.warning("pack %s cannot be read: %s", pack.key, error)
            return []
        return [Block(pack.key, at, length, decode_block(content[at : at + length])) for at, length in spans]

    def _index(self, pack: ObjectInfo) -> PackIndex | None:
        """None when the pack has expired."""
        with self._lock:
            index = self._indexes.get(pack.key)
            if index is not None:
                self._indexes.move_to_end(pack.key)
                return index
        try:
            index = read_pack_index(self._store, pack.key, _INDEX_GUESS_BYTES)
        except ObjectMissing:
            return None
        except PackFormatError as error:  # of a later release, say: nobody else's session is the worse for it
            _log.warning("pack %s cannot be read: %s", pack.key, error)
            index = PackIndex(b"")
        with self._lock:
            if pack.key not in self._indexes:
                self._indexes[pack.key] = index
                self._indexes_bytes += index.size_bytes
            while self._indexes_bytes > self._limits.index_bytes:
                self._indexes_bytes -= self._indexes.popitem(last=False)[1].size_bytes
        return index


def _by_age(pack: ObjectInfo) -> tuple[int, str]:
    return -pack.modified_ms, pack.key


def _behind(packs: dict[str, ObjectInfo]) -> str:
    """The key to list on from: a little before the last one, because an epoch may have run again."""
    if not packs:
        return ""
    folder, _, name = max(packs).rpartition("/")
    return f"{folder}/{max(0, int(name[:_SEQ_DIGITS]) - _EPOCHS_AGAIN):0{_SEQ_DIGITS}d}"
