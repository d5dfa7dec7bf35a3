"""The object store as the lake needs it: an interface, its errors, and the local-disk implementation.

Keys are relative to the lake root, with `/` between segments. Every method may block; none may be called from an
event loop. `open_store` picks the implementation by URI.
"""

import errno
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from schemas.errors import MustAct, ReplayLakeError, TryAgain

# What waiting does not cure: no permission, a read-only disk, a file where a folder should be, a name too long.
_REFUSALS = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST),
    *(errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP),
}


class StoreError(ReplayLakeError):
    """Base of what can go wrong with the store; the message names the key and the cause."""


class StoreUnavailable(StoreError, TryAgain):
    """The store did not answer or answered with a server error after all retries: try again later."""


class StoreRefused(StoreError, MustAct):
    """The store refuses (credentials, missing bucket, permissions): a person must act."""


class ObjectMissing(StoreError):
    """No such key."""


class ObjectInfo(msgspec.Struct, frozen=True):
    """One listed object. `modified_ms`: epoch ms by the store's clock."""

    key: str
    size: int
    modified_ms: int


class Part(msgspec.Struct, frozen=True):
    """Bytes of an object. `size`: of the whole object."""

    content: bytes
    size: int


class Lifecycle(ABC):
    """The lifecycle rules of the lake's bucket, in the words of the S3 API."""

    root: str  # the lake's prefix in the bucket, "" or ending in "/"

    @abstractmethod
    def rules(self) -> list[dict[str, object]]:
        """All rules of the bucket, also those of others."""

    @abstractmethod
    def replace(self, rules: list[dict[str, object]]) -> None:
        """Set all rules of the bucket at once."""


class ObjectStore(ABC):
    """What the lake asks of a store. Two implementations pass the same contract tests."""

    uri: str

    @abstractmethod
    def put(self, objects: Mapping[str, bytes]) -> None:
        """Write all objects, each atomically; raises unless every one is durable."""

    @abstractmethod
    def create(self, objects: Mapping[str, bytes]) -> set[str]:
        """Store those whose key is free, never another's; the keys that were taken. Safe beside other writers."""

    @abstractmethod
    def read(self, key: str) -> bytes: ...

    @abstractmethod
    def read_part(self, key: str, start: int, length: int) -> Part:
        """`length` bytes from `start`, fewer at the end of the object; with one request."""

    @abstractmethod
    def read_tail(self, key: str, length: int) -> Part:
        """The last `length` bytes, or all that there are; with one request."""

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """The bytes of such a part."""
        return self.read_part(key, start, length).content

    @abstractmethod
    def size(self, key: str) -> int:
        """Bytes of an object; raises `ObjectMissing`."""

    @abstractmethod
    def copy(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Copy each (source, target), atomically per object; returns the pairs whose source is missing.

        A source may have several targets, a target one source.
        """

    @abstractmethod
    def delete(self, keys: Iterable[str]) -> None:
        """Delete; a missing key is no error, a failed delete is."""

    @abstractmethod
    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        """Every object whose key begins with `prefix` and comes behind `after`, in key order."""

    @abstractmethod
    def folders(self, prefix: str, *, with_old: bool = False) -> Sequence[str]:
        """Names of the folders directly below a prefix that ends in `/`, or below the root for "", sorted.

        `with_old`: also where a versioned bucket has nothing but old versions.
        """

    def lifecycle(self) -> "Lifecycle | None":
        """The store's lifecycle rules; None where objects do not expire by themselves."""
        return None

    def purge_old_versions(self) -> dict[str, str]:
        """Delete what a versioned bucket keeps of overwritten and deleted objects; keys that refuse, and why."""
        return {}

    def exists(self, key: str) -> bool:
        try:
            self.size(key)
        except ObjectMissing:
            return False
        return True


class LocalStore(ObjectStore):
    """A folder. Writes go to a hidden temporary name first and are renamed, so a reader never sees half a file."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self.uri = str(self._root)

    def put(self, objects: Mapping[str, bytes]) -> None:
        for key, content in objects.items():
            self._write(self._path(key), content)

    def create(self, objects: Mapping[str, bytes]) -> set[str]:
        return {key for key, content in objects.items() if not self._write(self._path(key), content, is_new=True)}

    def read(self, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except OSError as error:
            raise self._fault("read", key, error) from error

    def read_part(self, key: str, start: int, length: int) -> Part:
        return self._read(key, lambda _: (start, length))

    def read_tail(self, key: str, length: int) -> Part:
        return self._read(key, lambda size: (max(0, size - length), length))

    def size(self, key: str) -> int:
        try:
            return self._path(key).stat().st_size
        except OSError as error:
            raise self._fault("read", key, error) from error

    def copy(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        missing = []
        for source, target in pairs:
            try:
                self._link(self._path(source), self._path(target))
            except FileNotFoundError:
                missing.append((source, target))
            except OSError as error:
                raise self._fault("write", target, error) from error
        return missing

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            path = self._path(key)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise self._fault("delete", key, error) from error
            self._prune(path.parent)

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        folder = self._root / prefix.rpartition("/")[0]
        for key, path in sorted((path.relative_to(self._root).as_posix(), path) for path in self._files(folder)):
            if key.startswith(prefix) and key > after and not path.name.startswith("."):
                try:
                    stat = path.stat()
                except FileNotFoundError:
                    continue  # published or deleted while we looked
                yield ObjectInfo(key, stat.st_size, stat.st_mtime_ns // 1_000_000)

    def folders(self, prefix: str, *, with_old: bool = False) -> Sequence[str]:  # noqa: ARG002 - it has none
        folder = self._path(prefix.rstrip("/")) if prefix else self._root
        try:
            return sorted(path.name for path in folder.iterdir() if path.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._fault("list", prefix, error) from error

    def _read(self, key: str, place: Callable[[int], tuple[int, int]]) -> Part:
        """A part. `place`: its start and length, by the size of the object."""
        try:
            file = os.open(self._path(key), os.O_RDONLY)
            try:
                size = os.fstat(file).st_size
                start, length = place(size)
                return Part(os.pread(file, length, start), size)
            finally:
                os.close(file)
        except OSError as error:
            raise self._fault("read", key, error) from error

    def _path(self, key: str) -> Path:
        path = self._root / key
        if not key or ".." in key.split("/") or path.is_absolute() != self._root.is_absolute():
            raise ValueError(f"key {key!r} leaves the lake")
        return path

    def _write(self, path: Path, content: bytes, *, is_new: bool = False) -> bool:
        """Write all of it or nothing; False where `is_new` and something is there."""
        temporary = _temporary(path)
        try:
            with _created(temporary) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if is_new:
                os.link(temporary, path)
                temporary.unlink()
            else:
                temporary.replace(path)
        except FileExistsError:
            temporary.unlink()
            return False
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise self._fault("write", path.relative_to(self._root).as_posix(), error) from error
        return True

    @staticmethod
    def _link(source: Path, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(path)
        os.link(source, temporary)
        temporary.replace(path)
        temporary.unlink(missing_ok=True)  # rename(2) of two links to one file keeps both

    def _files(self, folder: Path) -> Iterator[Path]:
        def refuse(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError | NotADirectoryError):  # a folder that became empty may go
                raise self._fault("list", str(folder), error) from error

        for parent, _, names in os.walk(folder, onerror=refuse):
            for name in names:
                yield Path(parent, name)

    def _fault(self, what: str, key: str, error: OSError) -> StoreError:
        """What an error of the disk is to the lake."""
        if what == "read" and isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
            return ObjectMissing(f"no object {key!r} in {self.uri}")
        text = f"lake {self.uri}: cannot {what} {key!r}: {error.strerror}"
        return StoreRefused(text) if error.errno in _REFUSALS else StoreUnavailable(text)

    def _prune(self, folder: Path) -> None:
        while folder != self._root:
            try:
                folder.rmdir()
            except OSError:
                return  # not empty, or somebody was faster
            folder = folder.parent


def _created(path: Path) -> BinaryIO:
    while True:
        try:
            return path.open("wb")
        except FileNotFoundError:  # no folder yet, or one that was just deleted because it had become empty
            path.parent.mkdir(parents=True, exist_ok=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{secrets.token_hex(16)}")
