"""An erasure in the recovery folder of a job that is stopped. A running one does the same when it hears of it."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import closing
from pathlib import Path

from schemas.erasure import Failure, SessionKey
from schemas.keys import safe_segment
from schemas.pack import PackFormatError, key_hash
from schemas.pack import without_sessions as pack_without_sessions
from sinks.session_journal import without_sessions as journal_without_sessions

_READ_BYTES = 1 << 20
_NAME_BYTES = 8  # shorter ids are looked for only where they name a replay
_STATE = "the engine's state of the last epoch names a session; the next epoch forgets it: run the job once more"


def erase_in_folder(folder: Path, cache: Path | None, keys: AbstractSet[SessionKey]) -> Iterator[Failure]:
    """Take sessions out of the journals and cached packs, and wipe the engine's files; yields what names one still."""
    hashes = {key_hash(*key) for key in keys}
    for path in sorted((folder / "sessions").glob("*")):
        yield from _rewritten(path, lambda content: journal_without_sessions(content, hashes))
    for path in sorted(cache.rglob("*.pack")) if cache is not None else ():
        yield from _rewritten(path, lambda content: pack_without_sessions(content, hashes))
    engines = sorted(folder.glob("part-*.sqlite3"))
    for path in engines:
        try:
            with closing(sqlite3.connect(path, isolation_level=None)) as engine:
                engine.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                engine.execute("VACUUM")  # deleted rows stay in free pages until then
        except sqlite3.Error as error:
            yield Failure(str(path), str(error))
    names = {f"/{safe_segment(session_id)}.".encode() for _, session_id in keys}
    names |= {session_id.encode() for _, session_id in keys if len(session_id.encode()) >= _NAME_BYTES}
    for path in engines:
        for file in (path, path.with_name(f"{path.name}-wal")):
            if file.exists() and _holds(file, names):
                yield Failure(str(file), _STATE)


def _rewritten(path: Path, without: Callable[[bytes], bytes]) -> Iterator[Failure]:
    try:
        before = path.read_bytes()
        after = without(before)
        if after != before:
            _replace(path, after)
    except (OSError, ValueError, PackFormatError) as error:
        yield Failure(str(path), str(error))


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.erase")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _holds(path: Path, names: Iterable[bytes]) -> bool:
    """Whether a file has one of these names anywhere; read in pieces that overlap."""
    overlap = max(map(len, names), default=0)
    with path.open("rb") as file:
        before = b""
        while piece := file.read(_READ_BYTES):
            text = before + piece
            if any(name in text for name in names):
                return True
            before = text[-overlap:]
    return False
