"""Listed objects as files for DuckDB, read through the block cache: `read_parquet` of the name that `name_of` gives."""

import io
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
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
    """A question would take more than one may, or than there is now; the message says what."""


class Question(msgspec.Struct, eq=False):
    """What one question may still read, and what went wrong: a library between us would lose that."""

    bytes_left: int
    is_over: bool = False
    errors: list[Exception] = []
    stops: list[Callable[[], None]] = []

    def end(self) -> None:
        """Nobody waits any more: what runs is interrupted, and no more is read. From any thread."""
        self.is_over = True
        for stop in list(self.stops):
            stop()

    @contextmanager
    def running(self, stop: Callable[[], None]) -> Iterator[None]:
        """A query runs that `stop` interrupts. Raises TooMuch."""
        self.stops.append(stop)
        try:
            self.charge(0)
            yield
        finally:
            self.stops.remove(stop)

    def charge(self, count: int) -> None:
        """Before bytes are read. Raises TooMuch."""
        self.bytes_left -= count
        if self.bytes_left < 0:
            raise TooMuch("too much to read for one question: ask for fewer days, or for one window of the session")
        if self.is_over:
            raise TooMuch("nobody waits for the answer any more")


class BlockFiles(fsspec.AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """DuckDB opens and reads a file on any of its threads, so its name alone says who asks for it (`asked_by`).

    What several ask for at once is charged to each of them, and refused when none of them may read any more.
    """

    protocol = SCHEME.removesuffix("://")
    cachable = False

    def __init__(self, blocks: BlockCache) -> None:
        super().__init__()
        self._blocks = blocks
        self._asking: dict[str, list[Question]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def asked_by(self, question: Question, names: Collection[str]) -> Iterator[None]:
        """The files of these names are read for this question meanwhile."""
        with self._lock:
            for name in names:
                self._asking.setdefault(name, []).append(question)
        try:
            yield
        finally:
            with self._lock:
                for name in names:
                    asking = self._asking[name]
                    asking.remove(question)
                    if not asking:
                        del self._asking[name]

    def open(self, path: str, mode: str = "rb", **_: object) -> io.RawIOBase:
        if mode != "rb":
            raise PermissionError(f"{path!r} is only read")
        found = found_of(path)

        def read(start: int, length: int) -> bytes:
            with self._lock:
                asking = list(self._asking.get(path, ()))
            try:
                _charge(asking, length)
                return self._blocks.read(found, start, length)
            except Exception as error:
                for question in asking:
                    question.errors.append(error)
                raise

        return _BlockFile(read, found.size)

    def glob(self, path: str, **_: object) -> list[str]:
        return [path]

    def info(self, path: str, **_: object) -> dict[str, Any]:
        return {"name": path, "size": found_of(path).size, "type": "file"}

    def modified(self, path: str) -> datetime:
        return datetime.fromtimestamp(found_of(path).modified_ms / MS_PER_SECOND, UTC)


def name_of(found: ObjectInfo) -> str:
    """Of this very object: another one under the same key has another name, so whatever is cached by name holds."""
    return f"{SCHEME}{found.size}-{found.modified_ms}/{found.key}"


def _charge(asking: Sequence[Question], count: int) -> None:
    refusals = []
    for question in asking:
        try:
            question.charge(count)
        except TooMuch as refusal:
            refusals.append(refusal)
    if len(refusals) == len(asking):
        raise refusals[0] if refusals else TooMuch("nobody waits for the answer any more")


def found_of(path: str) -> ObjectInfo:
    """The object of such a name."""
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
