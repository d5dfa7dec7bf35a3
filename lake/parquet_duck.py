"""Queries of single Parquet files by DuckDB: statistics and Bloom filters leave row groups alone, and a column that is
not asked for, or has no row that is, is not decoded. Bytes come through the block cache; nothing else can be reached.
"""

from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import TypeVar

import duckdb
import pyarrow as pa

from lake.block_files import SCHEME, BlockFiles, Question, TooMuch, name_of
from lake.blocks import BlockCache
from schemas.errors import Damaged
from schemas.units import MIB
from sinks.store import ObjectInfo

_FOOTERS_BYTES = 24 * MIB  # as DuckDB counts them; measured, they take eight times that
# Planning is a third of a look-up of a hundred columns, most of it in optimizers that can do nothing for it.
_WITHOUT = """
    SET VARIABLE others = (SELECT string_agg(name, ',') FROM duckdb_optimizers()
        WHERE name NOT IN ('expression_rewriter', 'filter_pushdown', 'unused_columns'));
    SET disabled_optimizers = getvariable('others');
"""
_BATCH_ROWS = 100_000
_TOO_LONG = "the question took too long: ask for fewer days, or again"
Answer = TypeVar("Answer")
_FOOTERS = "SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'OBJECT_CACHE'"


class Unreadable(Damaged):
    """A file is not Parquet, damaged, or has not the columns that were asked for."""


class ParquetDuck:
    """For any thread. `memory_bytes`, `threads`: of all queries that run at once; 0 threads: one a core.

    `is_look_up`: queries find few rows of one file, and are planned with no more than that needs.
    """

    def __init__(self, blocks: BlockCache, memory_bytes: int, threads: int = 1, *, is_look_up: bool = False) -> None:
        self._files = BlockFiles(blocks)
        self._memory_bytes = memory_bytes
        self._threads = threads
        self._is_look_up = is_look_up
        self._lock = Lock()
        self._names: set[str] = set()  # of files whose footers are kept
        self._connection = self._connected()

    def query(self, found: ObjectInfo, sql: str, parameters: Sequence[object], question: Question) -> pa.Table:
        """Rows of a query whose first parameter is the name of the file.

        Raises Unreadable, TooMuch, and what the store has raised: ObjectMissing also when the file is another one now.
        """
        return self.query_all([found], sql, [name_of(found), *parameters], question)

    def query_all(
        self, files: Sequence[ObjectInfo], sql: str, parameters: Sequence[object], question: Question
    ) -> pa.Table:
        """Rows of a query of several files, whose names (`name_of`) are in its parameters. Raises the same."""
        return self._run(files, question, lambda cursor: cursor.sql(sql, params=list(parameters)).to_arrow_table())

    def in_batches(
        self,
        files: Sequence[ObjectInfo],
        sql: str,
        parameters: Sequence[object],
        question: Question,
        take: Callable[[Iterable[pa.RecordBatch]], Answer],
    ) -> Answer:
        """What `take` makes of these rows, of which only some are in memory at a time. Raises the same."""
        return self._run(
            files, question, lambda cursor: take(cursor.sql(sql, params=list(parameters)).to_arrow_reader(_BATCH_ROWS))
        )

    def _run(
        self, files: Sequence[ObjectInfo], question: Question, do: Callable[[duckdb.DuckDBPyConnection], Answer]
    ) -> Answer:
        names = {name_of(found) for found in files}
        with self._lock:
            is_new = not names <= self._names
            self._names |= names
            cursor = self._connection.cursor()
        try:
            with self._files.asked_by(question, names), question.running(cursor.interrupt):
                return do(cursor)
        except duckdb.OutOfMemoryException as error:
            raise TooMuch(f"no memory for one more question: {error}") from error
        except duckdb.InterruptException as error:
            raise TooMuch(_TOO_LONG) from error
        except (duckdb.FatalException, duckdb.InternalException) as error:  # no file is to blame
            self._begin_anew()
            raise TooMuch(f"DuckDB gave up on {files[0].key!r}: {error}") from error
        except (duckdb.Error, OSError) as error:  # OSError: of a later batch, whatever it was
            if question.errors:
                raise question.errors[0] from error
            if question.is_over:
                raise TooMuch(_TOO_LONG) from error
            if str(error).startswith("Out of Memory"):
                raise TooMuch(f"no memory for one more question: {error}") from error
            some = " and others" if len(files) > 1 else ""
            raise Unreadable(f"{files[0].key!r}{some} cannot be read: {error}") from error
        finally:
            if is_new:
                self._bound_footers()

    def close(self) -> None:
        """Let go of what is kept."""
        self._connection.close()

    def _bound_footers(self) -> None:
        """DuckDB cannot drop some of them, so it begins anew; what still runs keeps the old ones until it ends."""
        kept = self._connection.cursor().execute(_FOOTERS).fetchone()
        if kept is not None and kept[0] >= _FOOTERS_BYTES:
            self._begin_anew()

    def _begin_anew(self) -> None:
        with self._lock:
            self._names = set()
            self._connection = self._connected()

    def _connected(self) -> duckdb.DuckDBPyConnection:
        threads = {"threads": self._threads} if self._threads else {}
        connection = duckdb.connect(config={"memory_limit": f"{self._memory_bytes}B", **threads})
        connection.register_filesystem(self._files)
        if self._is_look_up:
            connection.execute(_WITHOUT)
        return connection.execute(f"""
            SET GLOBAL parquet_metadata_cache = true;
            SET GLOBAL TimeZone = 'UTC';
            SET GLOBAL allowed_directories = ['{SCHEME}'];
            SET GLOBAL enable_external_access = false;
        """)
