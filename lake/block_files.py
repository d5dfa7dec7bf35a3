"""Listed objects as files for DuckDB, read through the block cache: `read_parquet` of the name that `name_of` gives."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import fsspec
import msgspec

from lake.blocks import BlockCache
from schemas.errors import TryAgain
from schemas.units import MS_PER_SECOND
from sinks.store import ObjectInfo

SCHEME = "lake://"


class TooMuch(TryAgain):
    """A question would take more than one may; the message says what."""


class Question(msgspec.Struct):
    """What one question may still read, and what went wrong: a library between us would lose that."""

    bytes_left: int
    is_over: bool = False
    errors: list[Exception] = []

    def charge(self, count: int) -> None:
        """Before bytes are read. Raises TooMuch."""
        self.bytes_left -= count
        if self.bytes_left < 0:
            raise TooMuch("too much to read for one question: ask for one window of the session")
        if self.is_over:
            raise TooMuch("nobody waits for the answer any more")


class BlockFiles(fsspec.AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A file is opened on the thread that asks (`asked_by`), and may be read on others."""

    protocol = SCHEME.removesuffix("://")
    cachable = False

    def __init__(self, blocks: BlockCache) -> None:
        super().__init__()
        self._blocks = blocks
        self._here = threading.local()

    @contextmanager
    def asked_by(self, question: Question) -> Iterator[None]:
        """What this thread opens meanwhile is read for this question."""
        self._here.question = question
        try:
            yield
        finally:
            del self._here.question

    def open(self, path: str, mode: str = "rb", **_: object) -> io.RawIOBase:
        if mode != "rb":
            raise PermissionError(f"{path!r} is only read")
        found, question = _found(path), self._here.question

        def read(start: int, length: int) -> bytes:
            try:
                question.charge(length)
                return self._blocks.read(found, start, length)
            except Exception as error:
                question.errors.append(error)
                raise

        return _BlockFile(read, found.size)

    def glob(self, path: str, **_: object) -> list[str]:
        return [path]

    def info(self, path: str, **_: object) -> dict[str, Any]:
        return {"name": path, "size": _found(path).size, "type": "file"}

    def modified(self, path: str) -> datetime:
        return datetime.fromtimestamp(_found(path).modified_ms / MS_PER_SECOND, UTC)


def name_of(found: ObjectInfo) -> str:
    """Of this very object: another one under the same key has another name, so whatever is cached by name holds."""
    return f"{SCHEME}{found.size}-{found.modified_ms}/{found.key}"


def _found(path: str) -> ObjectInfo:
    version, _, key = path.removeprefix(SCHEME).partition("/")
    size, _, modified_ms = version.partition("-")
    return ObjectInfo(key, int(size), int(modified_ms))


class _BlockFile(io.RawIOBase):
    """Every thread has a position of its own: DuckDB seeks and reads on several at once."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read = read
        self._size = size
        self._here = threading.local()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self._size}[whence]
        self._here.position = base + offset
        return self.tell()

    def tell(self) -> int:
        return int(getattr(self._here, "position", 0))

    def read(self, size: int = -1) -> bytes:
        start = self.tell()
        length = self._size - start if size < 0 else min(size, self._size - start)
        content = self._read(start, length) if length > 0 else b""
        self._here.position = start + len(content)
        return content
