"""The sessions of a shard on the recovery volume: a file of records that grows by what changed in an epoch.

    +---------------------+--------------------------------------------+---+--------+---
    | 8 bytes "RLAKSES1"  | u32 length, u32 CRC-32, record (MessagePack) |...| record | ...
    +---------------------+--------------------------------------------+---+--------+---
    |<-- everything, when the file was begun -->|<-- changes of the epochs since -->|

The engine's state of an epoch says only which file, and how much of it: what is behind that belongs to an epoch that
was never committed, and is cut off at a restart. When the changes take half as much as the beginning, a new file is
begun; the old one is deleted when the epoch that names the new one is committed.
"""

import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from operators.sessions import SessionTracker
from schemas.errors import Damaged
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
        if not place.name or changes_size > max(self._spare_bytes, place.base_size // 2):
            self._place = self._begin(tracker)
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
