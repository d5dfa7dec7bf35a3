"""The format of table files, which is Parquet: the only import of `pyarrow.parquet` in the project."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.tables import TABLES
from schemas.units import KIB, MIB
from sinks.range_file import RangeFile
from sinks.store import ObjectInfo, ObjectStore

_READ_WHOLE_BYTES = 1 * MIB  # below that, one request for everything is cheaper than several for parts
_FOOTER_GUESS_BYTES = 64 * KIB
_MAGIC = b"PAR1"
_ROW_GROUP_ROWS = 50_000
_COMPRESSION_LEVEL = 3
_FALSE_POSITIVES = 0.01


def encode(table: pa.Table) -> bytes:
    """A file as every table of the lake has it."""
    sink = io.BytesIO()
    with table_writer(sink, table.schema) as writer:
        writer.write_table(table, row_group_size=_ROW_GROUP_ROWS)
    return sink.getvalue()


def table_writer(
    sink: io.BytesIO, schema: pa.Schema, table: str | None = None, bloom_rows: int = 0
) -> pq.ParquetWriter:
    """For `table`: its order is noted in the file. `bloom_rows`: a Bloom filter on `session_id` for that many rows."""
    order = [(name, "ascending") for name in TABLES[table].sort_by] if table else []
    has_sessions = "session_id" in schema.names
    return pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=_COMPRESSION_LEVEL,
        write_statistics=True,
        write_page_index=True,
        coerce_timestamps="us",
        store_schema=True,
        sorting_columns=pq.SortingColumn.from_ordering(schema, order) if order else None,
        bloom_filter_options={"session_id": {"ndv": bloom_rows, "fpp": _FALSE_POSITIVES}}
        if bloom_rows and has_sessions
        else None,
    )


def decode(
    content: bytes,
    columns: Sequence[str] | None = None,
    where: Sequence[tuple[str, str, str]] | None = None,
    *,
    use_threads: bool = True,
) -> pa.Table:
    """A file's rows, with the schema it has. `where`: conditions like `("app_id", "=", "shop")`, all of which hold."""
    names = None if columns is None else list(columns)
    filters = None if where is None else list(where)
    return pq.read_table(pa.BufferReader(content), columns=names, filters=filters, use_threads=use_threads)


def is_table_file(content: bytes) -> bool:
    """Whether it begins and ends as one."""
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


def pieces(source: bytes | RangeFile, rows: int) -> Iterator[pa.Table]:
    """A file a piece at a time, of at most so many rows; one without rows is one empty piece."""
    file_like = pa.BufferReader(source) if isinstance(source, bytes) else source
    with pq.ParquetFile(file_like, pre_buffer=True) as file:  # columns that lie side by side are one request
        if not file.metadata.num_rows:
            yield file.schema_arrow.empty_table()
        for batch in file.iter_batches(rows):
            yield pa.Table.from_batches([batch], file.schema_arrow)


def read_table(store: ObjectStore, found: ObjectInfo) -> pa.Table:
    """A whole file, with the schema it has."""
    return decode(store.read(found.key))


def row_count(store: ObjectStore, key: str) -> int:
    """Rows of a file, from its footer."""
    return int(footer(store, key).num_rows)


def plain_file(content: pa.Table) -> bytes:
    """A file of a table that is not ours: no more than its rows."""
    sink = io.BytesIO()
    pq.write_table(content, sink, compression="zstd")
    return sink.getvalue()


def footer(store: ObjectStore, key: str) -> pq.FileMetaData:
    """What a file says of itself, with one request where it is short, else two. Raises ArrowInvalid for another."""
    tail = store.read_tail(key, _FOOTER_GUESS_BYTES).content
    length = int.from_bytes(tail[-8:-4], "little") + 8
    if tail.endswith(_MAGIC) and length > len(tail):
        tail = store.read_tail(key, length).content
    return pq.read_metadata(pa.BufferReader(tail))


def read_footer(read: Callable[[int, int], bytes], size: int) -> pq.FileMetaData:
    """The same through `read(start, length)` of a file of `size` bytes."""
    length = min(size, _FOOTER_GUESS_BYTES)
    tail = read(size - length, length)
    needed = int.from_bytes(tail[-8:-4], "little") + 8
    if tail.endswith(_MAGIC) and len(tail) < needed <= size:
        tail = read(size - needed, needed)
    return pq.read_metadata(pa.BufferReader(tail))


def take_rows(content: bytes, positions: Iterable[int]) -> bytes:
    """The file with only these rows, in their order; its schema stays as it was."""
    return encode(decode(content).take(pa.array(list(positions), pa.int64())))
