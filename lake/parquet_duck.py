"""Queries of single Parquet files by DuckDB: statistics and Bloom filters leave row groups alone, and a column that is
not asked for, or has no row that is, is not decoded. Bytes come through the block cache; nothing else can be reached.
"""

from collections.abc import Sequence
from threading import Lock

import duckdb
import pyarrow as pa

from lake.block_files import SCHEME, BlockFiles, Question, TooMuch, name_of
from lake.blocks import BlockCache
from schemas.errors import Damaged
from schemas.units import MIB
from sinks.store import ObjectInfo

_FOOTERS_BYTES = 24 * MIB  # as DuckDB counts them; measured, they take eight times that
_FOOTERS = "SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'OBJECT_CACHE'"


class Unreadable(Damaged):
    """A file is not Parquet, damaged, or has not the columns that were asked for."""


class ParquetDuck:
    """For any thread; each query runs on the thread that asks. `memory_bytes`: of all that run at once."""

    def __init__(self, blocks: BlockCache, memory_bytes: int) -> None:
        self._files = BlockFiles(blocks)
        self._memory_bytes = memory_bytes
        self._lock = Lock()
        self._names: set[str] = set()  # of files whose footers are kept
        self._connection = self._connected()

    def query(self, found: ObjectInfo, sql: str, parameters: Sequence[object], question: Question) -> pa.Table:
        """Rows of a query whose first parameter is the name of the file.

        Raises Unreadable, TooMuch, and what the store has raised: ObjectMissing also when the file is another one now.
        """
        name = name_of(found)
        with self._lock:
            is_new = name not in self._names
            self._names.add(name)
            cursor = self._connection.cursor()
        try:
            with self._files.asked_by(question):
                return cursor.sql(sql, params=[name, *parameters]).to_arrow_table()
        except duckdb.OutOfMemoryException as error:
            raise TooMuch(f"no memory for one more question: {error}") from error
        except duckdb.Error as error:
            if question.errors:
                raise question.errors[0] from error
            raise Unreadable(f"{found.key!r} cannot be read: {error}") from error
        finally:
            if is_new:
                self._bound_footers(cursor)

    def close(self) -> None:
        """Let go of what is kept."""
        self._connection.close()

    def _bound_footers(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """DuckDB cannot drop some of them, so it begins anew; what still runs keeps the old ones until it ends."""
        kept = cursor.execute(_FOOTERS).fetchone()
        if kept is None or kept[0] < _FOOTERS_BYTES:
            return
        with self._lock:
            self._names = set()
            self._connection = self._connected()

    def _connected(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(config={"memory_limit": f"{self._memory_bytes}B", "threads": 1})
        connection.register_filesystem(self._files)
        return connection.execute(f"""
            SET GLOBAL parquet_metadata_cache = true;
            SET GLOBAL TimeZone = 'UTC';
            SET GLOBAL allowed_directories = ['{SCHEME}'];
            SET GLOBAL enable_external_access = false;
        """)
