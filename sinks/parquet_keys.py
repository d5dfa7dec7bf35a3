"""Reading only some columns of a Parquet file in the store, and writing a file again without some of its rows."""

import io
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.units import MIB
from sinks.store import ObjectInfo, ObjectStore
from sinks.tables import write_parquet

_READ_WHOLE_BYTES = 1 * MIB  # below that, one request for everything is cheaper than several for parts
_MAGIC = b"PAR1"


class RangeFile(io.RawIOBase):
    """An object of the store as a file that can be read and sought in; every read is one range request."""

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


def is_parquet(content: bytes) -> bool:
    return content.startswith(_MAGIC) and content.endswith(_MAGIC)


def read_columns(store: ObjectStore, found: ObjectInfo, columns: Sequence[str]) -> dict[str, list[Any]]:
    """Values of some columns; a column that the file does not have is full of None."""
    if found.size <= _READ_WHOLE_BYTES:
        return columns_of(store.read(found.key), columns)
    with pq.ParquetFile(RangeFile(store, found.key, found.size)) as file:
        return _columns(file, columns)


def columns_of(content: bytes, columns: Sequence[str]) -> dict[str, list[Any]]:
    """The same from a file in memory."""
    with pq.ParquetFile(io.BytesIO(content)) as file:
        return _columns(file, columns)


def _columns(file: pq.ParquetFile, columns: Sequence[str]) -> dict[str, list[Any]]:
    there = [name for name in columns if name in file.schema_arrow.names]
    read = file.read(columns=there)
    missing = [None] * file.metadata.num_rows
    return {name: read[name].to_pylist() if name in there else missing for name in columns}


def read_table(store: ObjectStore, found: ObjectInfo) -> pa.Table:
    """A whole file, with the schema it has."""
    return pq.read_table(io.BytesIO(store.read(found.key)))


def row_count(store: ObjectStore, key: str) -> int:
    """Rows of a file, from its footer."""
    with pq.ParquetFile(RangeFile(store, key, store.size(key))) as file:
        return int(file.metadata.num_rows)


def take_rows(content: bytes, positions: Iterable[int]) -> bytes:
    """The file with only these rows, in their order; its schema stays as it was."""
    table = pq.read_table(io.BytesIO(content))
    return write_parquet(table.take(pa.array(list(positions), pa.int64())))
