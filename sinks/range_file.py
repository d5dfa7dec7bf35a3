"""An object of the store as a file, for libraries that read files: every read is one range request."""

import io

from sinks.store import ObjectStore


class RangeFile(io.RawIOBase):
    """Can be read and sought in."""

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        self._store = store
        self._key = key
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        length = self._size - self._position if size < 0 else min(size, self._size - self._position)
        content = self._store.read_range(self._key, self._position, length) if length > 0 else b""
        self._position += len(content)
        return content
