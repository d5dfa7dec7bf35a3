"""The sessions of a shard on the recovery volume: a file of records that grows by what changed in an epoch.

    +---------------------+--------------------------------------------+---+--------+---
    | 8 bytes "RLAKSES1"  | u32 length, u32 CRC-32, record (MessagePack) |...| record | ...
    +---------------------+--------------------------------------------+---+--------+---
    |<-- everything, when the file was begun -->|<-- changes of the epochs since -->|

The engine's state of an epoch says only which file, and how much of it: what is behind that belongs to an epoch that
was never committed, and is cut off at a restart. When the changes take half as much as the beginning, a new file is
begun; the old one is deleted when the epoch that names the new one is committed.

An erasure of a job that is stopped takes sessions out of the records in place. Each keeps its length, because the
engine's state counts them: what is missing is made up by zeros behind the record's last member.
"""

import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import BinaryIO

import msgspec

from operators.windows.state import decode_record, encode_record
from operators.windows.tracker import SessionTracker
from schemas.errors import Damaged
from schemas.pack import key_hash
from schemas.units import MIB

_MAGIC = b"RLAKSES1"
_FRAME = struct.Struct("<II")  # length and CRC-32 of a record
_SPARE_BYTES = 8 * MIB  # of changes that are not worth a new file


class JournalError(Damaged):
    """The saved sessions are not what the engine's state says, or not readable by this release."""


class JournalPlace(msgspec.Struct, array_like=True, frozen=True):
    """What an epoch commits of a journal: its file, the bytes of it that count, those of its beginning."""

    name: str = ""
    size: int = 0
    base_size: int = 0


class SessionJournal:
    """Saves a shard's sessions in a folder that every process of the job can reach. `place`: to go on from."""

    def __init__(self, folder: Path, shard: str, place: JournalPlace | None, spare_bytes: int = _SPARE_BYTES) -> None:
        self._folder = folder
        self._shard = shard
        self._place = place or JournalPlace()
        self._spare_bytes = spare_bytes
        self._old: list[Path] = []
        self._is_stale = False

    def records(self) -> Iterator[bytes]:
        """What was saved, oldest first. Raises JournalError when the file is not what the engine's state says."""
        place = self._place
        if not place.name:
            return
        path = self._folder / place.name
        try:
            with path.open("r+b") as file:
                yield from _records(file, path, place.size)
                file.truncate(place.size)
        except FileNotFoundError:
            raise JournalError(
                f"{path} is missing, and the open sessions of shard {self._shard} are in it: "
                "a recovery folder is moved and restored as a whole"
            ) from None
        self._old = [other for other in self._folder.glob(f"{self._shard}-*") if other != path]

    def begin_anew(self) -> None:
        """The next save leaves nothing of what was written so far: sessions were erased from the tracker."""
        self._is_stale = True

    def save(self, tracker: SessionTracker) -> JournalPlace:
        """Write what changed, durably; the place of it all. Raises OSError, which names the folder."""
        try:
            return self._save(tracker)
        except OSError as error:
            if error.filename is None:  # one of a write names no file
                raise OSError(error.errno, error.strerror, str(self._folder)) from error
            raise

    def _save(self, tracker: SessionTracker) -> JournalPlace:
        place = self._place
        changes_size = place.size - place.base_size
        if self._is_stale or not place.name or changes_size > max(self._spare_bytes, place.base_size // 2):
            self._place = self._begin(tracker)
            self._is_stale = False
        else:
            with (self._folder / place.name).open("ab") as file:
                size = place.size + _write(file, tracker.changes())
                _sync(file)
            self._place = JournalPlace(place.name, size, place.base_size)
        return self._place

    def drop_old(self) -> None:
        """Delete the files before this one: the epoch that named this one is committed."""
        for path in self._old:
            path.unlink(missing_ok=True)
        self._old = []

    def _begin(self, tracker: SessionTracker) -> JournalPlace:
        if self._place.name:
            self._old.append(self._folder / self._place.name)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._shard}-{secrets.token_hex(8)}"
        with path.open("xb") as file:
            size = file.write(_MAGIC) + sum(_write(file, record) for record in tracker.everything())
            _sync(file)
        _sync_folder(self._folder)
        return JournalPlace(path.name, size, size)


def without_sessions(journal: bytes, hashes: AbstractSet[int]) -> bytes:
    """A whole journal without these sessions (by `key_hash`); the same bytes if it has none of them.

    What is behind its last whole record was never committed, and goes. Raises ValueError for what is no journal.
    """
    if not journal.startswith(_MAGIC):
        raise ValueError("no journal of sessions that this release reads")
    content = bytearray(_MAGIC)
    is_changed = False
    position = len(_MAGIC)
    while position + _FRAME.size <= len(journal):
        length, checksum = _FRAME.unpack_from(journal, position)
        record = journal[position + _FRAME.size : position + _FRAME.size + length]
        if len(record) < length:
            break
        if zlib.crc32(record) != checksum:
            raise ValueError(f"damaged at byte {position}")
        left = _without(record, hashes)
        is_changed = is_changed or left != record
        content += _FRAME.pack(len(left), zlib.crc32(left)) + left
        position += _FRAME.size + length
    return bytes(content) if is_changed or position < len(journal) else journal


def _without(record: bytes, hashes: AbstractSet[int]) -> bytes:
    before = decode_record(record)
    after = msgspec.structs.replace(
        before,
        gone=[key for key in before.gone if key_hash(*key) not in hashes],
        whole=[(key, session) for key, session in before.whole if key_hash(*key) not in hashes],
        grown=[one for one in before.grown if key_hash(one.app_id, one.session_id) not in hashes],
    )
    kept = (after.gone, after.whole, after.grown)
    if list(map(len, kept)) == list(map(len, (before.gone, before.whole, before.grown))):
        return record
    left = encode_record(after)
    return bytes([left[0] + 1]) + left[1:] + _zeros(len(record) - len(left))


def _zeros(size: int) -> bytes:
    """One value of MessagePack of so many bytes: nil, or binary zeros. Who reads a record passes over it."""
    if size == 1:
        return b"\xc0"
    for mark, width in ((b"\xc4", 1), (b"\xc5", 2), (b"\xc6", 4)):
        length = size - 1 - width
        if length < 1 << 8 * width:
            return mark + length.to_bytes(width, "big") + bytes(length)
    raise ValueError(f"{size} bytes are too many for a record")


def _records(file: BinaryIO, path: Path, size: int) -> Iterator[bytes]:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise JournalError(f"{path} is no journal of sessions that this release reads")
    position = len(_MAGIC)
    while position < size:
        frame = file.read(_FRAME.size)
        length, checksum = _FRAME.unpack(frame) if len(frame) == _FRAME.size else (0, 0)
        record = file.read(length)
        position += len(frame) + len(record)
        if not length or len(record) < length or zlib.crc32(record) != checksum:
            raise JournalError(
                f"{path} is damaged at byte {position - len(record)} of {size}: restore the recovery folder as a whole"
            )
        yield record


def _write(file: BinaryIO, record: bytes) -> int:
    return file.write(_FRAME.pack(len(record), zlib.crc32(record))) + file.write(record)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
