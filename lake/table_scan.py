"""Queries over all rows of a line table: the files that can have what is asked for, in one query of DuckDB.

A file's bounds (times, apps, revisions) come from its footer, once; from then on a file that cannot have a row is not
opened. Inside a file DuckDB leaves row groups alone by the same statistics. Columns that an older file lacks are null.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from threading import Lock
from typing import TypeVar

import msgspec
import pyarrow as pa

from lake.block_files import Question, found_of, name_of
from lake.blocks import BlockCache
from lake.file_bounds import EVERYTHING, FileBounds, NotOfTable, Span, bounds_of
from lake.parquet_duck import ParquetDuck, Unreadable
from schemas.errors import Damaged
from schemas.fields import ColumnType
from schemas.keys import FIRST_REVISIONS, TABLE_ENDING, partition_value
from schemas.tables import REVISED, TABLES, arrow_schema
from sinks.parallel import in_parallel
from sinks.store import ObjectInfo, ObjectMissing, ObjectStore
from sinks.swap import LakeRestless, visible_files
from sinks.tables import declared_columns

_TRIES = 10  # a folder is compacted once a day
_LISTING_SHARE = 4  # listing may take a fifth of the time
_log = logging.getLogger("replaylake.serve")
Part = tuple[str, frozenset[str]]  # a file's name, and those of the files that may replace rows of it
Answer = TypeVar("Answer")
_SQL_TYPES: dict[ColumnType, str] = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "timestamp": "TIMESTAMPTZ",
    "map<string,string>": "MAP(VARCHAR, VARCHAR)",
    "binary": "BLOB",
}


class FileLeftOut(Damaged):
    """A file turned out damaged: ask the others."""


class ScanCounts(msgspec.Struct):
    """Since the start. `unreadable`: files that were left out; `opened`, `spared`: files in queries, and not needed."""

    unreadable: int = 0
    opened: int = 0
    spared: int = 0


class RowsAt(msgspec.Struct, frozen=True):
    """Rows, and of each its file and number."""

    places: list[tuple[str, int]]
    rows: pa.Table


class _Listing(msgspec.Struct):
    """Files of a table. `until`: seconds on the clock for which it is good."""

    files: list[ObjectInfo] = []
    until: float = -1.0
    lock: Lock = msgspec.field(default_factory=Lock)


class TableScan:
    """For any thread. `now`: seconds; a list of files is good for `seconds`, longer where listing takes long."""

    def __init__(
        self, store: ObjectStore, blocks: BlockCache, duck: ParquetDuck, now: Callable[[], float], seconds: float
    ) -> None:
        self._store = store
        self._blocks = blocks
        self._duck = duck
        self._now = now
        self._seconds = seconds
        self._listings = {table: _Listing() for table in TABLES}
        self._bounds: dict[str, FileBounds | None] = {}  # by name; None: the file is left out
        self.counts = ScanCounts()

    def files(self, table: str, span: Span, question: Question) -> list[ObjectInfo]:
        """Those that can have rows of the span, and what can replace rows of these. Raises LakeRestless, TooMuch."""
        listed = [one for one in self._listed(table) if span.takes_day(partition_value(one.key, "dt") or "")]
        self._learn(table, listed, question)
        held = [(one, bounds) for one in listed if (bounds := self._bounds.get(name_of(one))) is not None]
        wanted = [one for one, bounds in held if bounds.meets(span)]
        days = {partition_value(one.key, "dt") for one in wanted}
        names = {name_of(one) for one in wanted}
        replacing = [
            one
            for one, bounds in held
            if bounds.has_revisions and partition_value(one.key, "dt") in days and name_of(one) not in names
        ]
        self.counts.opened += len(wanted) + len(replacing)
        self.counts.spared += len(listed) - len(wanted) - len(replacing)
        return wanted + replacing

    def parts(self, table: str, span: Span, question: Question) -> dict[Part, ObjectInfo]:
        """The same files, the newest day first, each with what its rows depend on."""
        return self._parts(table, self.files(table, span, question))

    def large_parts(self, table: str, least_bytes: int, question: Question) -> dict[Part, ObjectInfo]:
        """The same of all files that have so many bytes, and what can replace rows of these."""
        listed = self._listed(table)
        days = {partition_value(one.key, "dt") for one in listed if one.size >= least_bytes}
        some = [one for one in listed if partition_value(one.key, "dt") in days]
        some = [one for one in some if one.size >= least_bytes or self._replaces(table, one)]
        self._learn(table, some, question)
        return self._parts(table, [one for one in some if self._bounds.get(name_of(one)) is not None])

    def _parts(self, table: str, files: Sequence[ObjectInfo]) -> dict[Part, ObjectInfo]:
        replacing: dict[str | None, list[str]] = {}
        for one in files:
            if self._replaces(table, one):
                replacing.setdefault(partition_value(one.key, "dt"), []).append(name_of(one))
        together = {day: frozenset(names) for day, names in replacing.items()}
        days = [(partition_value(one.key, "dt"), one) for one in files]
        days.sort(key=lambda pair: pair[0] or "", reverse=True)
        return {(name_of(one), together.get(day, frozenset())): one for day, one in days}

    def ask(  # noqa: PLR0913 - what a query depends on
        self,
        table: str,
        span: Span,
        columns: Iterable[str],
        sql: str,
        params: Sequence[object],
        question: Question,
        extra: Sequence[str] = (),
    ) -> pa.Table:
        """Rows of a query over `lines`: the table's latest rows with these columns and, where named in `extra`, the
        file's `filename` and `file_index` and the row's `file_row_number`.

        A file that is damaged costs its rows: it is named in the log and left out. Raises LakeRestless, TooMuch, and
        what the store has raised.
        """
        return self.steadily(
            table,
            question,
            lambda: self.ask_of(self.files(table, span, question), table, columns, sql, params, question, extra),
        )

    def ask_of(  # noqa: PLR0913 - as above
        self,
        files: Sequence[ObjectInfo],
        table: str,
        columns: Iterable[str],
        sql: str,
        params: Sequence[object],
        question: Question,
        extra: Sequence[str] = (),
    ) -> pa.Table:
        """The same of these files alone; `file_index` is a place among them. Raises ObjectMissing, FileLeftOut too."""

        def run(some: Sequence[ObjectInfo], text: str, own: Sequence[object]) -> pa.Table:
            return self._duck.query_all(some, f"WITH {text} {sql}", [*own, *params], question)

        return self._of(files, table, columns, extra, run)

    def in_batches(  # noqa: PLR0913 - what a query depends on
        self,
        table: str,
        span: Span,
        columns: Iterable[str],
        sql: str,
        params: Sequence[object],
        question: Question,
        take: Callable[[Iterable[pa.RecordBatch]], Answer],
    ) -> Answer:
        """What `take` makes of the rows that `ask` would give, of which only some are in memory at a time; it is
        called again when files of the table turn out gone or damaged. Raises the same.
        """
        return self.steadily(
            table,
            question,
            lambda: self.in_batches_of(self.files(table, span, question), table, columns, sql, params, question, take),
        )

    def in_batches_of(  # noqa: PLR0913 - as above
        self,
        files: Sequence[ObjectInfo],
        table: str,
        columns: Iterable[str],
        sql: str,
        params: Sequence[object],
        question: Question,
        take: Callable[[Iterable[pa.RecordBatch]], Answer],
        extra: Sequence[str] = (),
    ) -> Answer:
        """The same of these files alone; `extra` as in `ask`. Raises ObjectMissing, FileLeftOut too."""

        def run(some: Sequence[ObjectInfo], text: str, own: Sequence[object]) -> Answer:
            return self._duck.in_batches(some, f"WITH {text} {sql}", [*own, *params], question, take)

        return self._of(files, table, columns, extra, run)

    def _of(
        self,
        files: Sequence[ObjectInfo],
        table: str,
        columns: Iterable[str],
        extra: Sequence[str],
        run: Callable[[Sequence[ObjectInfo], str, Sequence[object]], Answer],
    ) -> Answer:
        """`run` takes files, the SQL of `lines`, and its parameters. Raises FileLeftOut."""
        names = list(dict.fromkeys(columns))

        def query(some: Sequence[ObjectInfo]) -> Answer:
            return run(some, *self._lines(table, some, names, extra))

        try:
            return query(files)
        except Unreadable as error:
            good = [one for one in files if self._is_readable(one, query)]
            if len(good) == len(files):
                raise
            raise FileLeftOut(str(error)) from error

    def _is_readable(self, found: ObjectInfo, query: Callable[[Sequence[ObjectInfo]], object]) -> bool:
        """Whether the file alone can be asked; left out when not."""
        try:
            query([found])
        except Unreadable as error:
            self._leave_out(found, error)
            return False
        return True

    def steadily(self, table: str, question: Question, do: Callable[[], Answer]) -> Answer:
        """What `do` comes to; again when files of the table turn out gone or damaged. Raises LakeRestless."""
        for _ in range(_TRIES):
            try:
                return do()
            except FileLeftOut:
                continue
            except ObjectMissing:  # expired, merged or erased since it was listed
                question.errors.clear()
                self.list_again(table)
        raise LakeRestless(f"files of {table} were replaced {_TRIES} times while they were read: try again")

    def rows(
        self, table: str, numbers: Mapping[str, Sequence[int]], question: Question, without: Collection[str] = ()
    ) -> "RowsAt":
        """Whole rows by `filename` and `file_row_number`, in any order; columns of `without` are null. Of each file
        only the row groups that have some are read, so files are asked one by one. Raises Unreadable when one was left
        out now, ObjectMissing, TooMuch.
        """
        left_out = ", ".join(f"'{name}'" for name in without)
        selected = f"COLUMNS(lambda name: name NOT IN ({left_out}))" if without else "*"

        def read(name: str) -> pa.Table:
            sql = f"""SELECT {selected} FROM read_parquet(?, hive_partitioning = false, file_row_number = true)
                WHERE file_row_number IN ({", ".join(str(int(number)) for number in numbers[name])})"""
            try:
                return self._duck.query(found_of(name), sql, (), question)
            except Unreadable as error:
                self._leave_out(found_of(name), error)
                raise

        parts = list(in_parallel(read, numbers))
        places = [(name, number) for name, part in parts for number in part["file_row_number"].to_pylist()]
        tables = [declared_columns(part, table) for _, part in parts]
        return RowsAt(places, pa.concat_tables(tables) if tables else arrow_schema(table).empty_table())

    def list_again(self, table: str) -> None:
        """The list of files is no longer good: one of them has gone."""
        self._listings[table].until = -1.0

    def _lines(
        self, table: str, files: Sequence[ObjectInfo], names: Sequence[str], extra: Sequence[str]
    ) -> tuple[str, list[object]]:
        key = REVISED.get(table)
        newer = [one for one in files if self._replaces(table, one)]
        if key is None or not newer:
            return f"lines AS ({_relation(table, files, names, extra)})", _names(files)
        columns = list(dict.fromkeys([*names, *key, "revision"]))
        same = " AND ".join(f'newer."{name}" IS NOT DISTINCT FROM older."{name}"' for name in key)
        keys = ", ".join(f'"{name}"' for name in key)
        return (
            f"""newer AS (SELECT {keys}, max(revision) AS revision FROM ({_relation(table, newer, [*key, "revision"])})
            WHERE revision > 0 GROUP BY ALL),
            lines AS (SELECT older.* FROM ({_relation(table, files, columns, extra)}) older
            ANTI JOIN newer ON {same} AND newer.revision > older.revision)""",
            [*_names(newer), *_names(files)],
        )

    def _replaces(self, table: str, found: ObjectInfo) -> bool:
        if table not in REVISED or found.key.endswith(FIRST_REVISIONS + TABLE_ENDING):
            return False
        bounds = self._bounds.get(name_of(found))
        return bounds is None or bounds.has_revisions

    def _listed(self, table: str) -> list[ObjectInfo]:
        listing = self._listings[table]
        with listing.lock:
            began = self._now()
            if not began <= listing.until <= began + max(60.0, self._seconds):
                listing.files = visible_files(self._store, [table])[table]
                took = self._now() - began
                listing.until = began + took + max(self._seconds, _LISTING_SHARE * took)
                self._forget_gone(table, listing.files)
            return listing.files

    def _forget_gone(self, table: str, files: Iterable[ObjectInfo]) -> None:
        there = {name_of(one) for one in files}
        folder = f"/tables/{table}/"
        for name in [name for name in list(self._bounds) if folder in name and name not in there]:
            self._bounds.pop(name, None)

    def _learn(self, table: str, files: Sequence[ObjectInfo], question: Question) -> None:
        """Look into the files that are not known yet."""
        unknown = [one for one in files if name_of(one) not in self._bounds]

        def look(found: ObjectInfo) -> None:
            try:
                self._bounds[name_of(found)] = bounds_of(self._blocks, found, table, question)
            except NotOfTable as error:
                self._leave_out(found, error)
            except ObjectMissing:
                return  # the query finds out

        for _ in in_parallel(look, unknown):
            pass

    def _leave_out(self, found: ObjectInfo, error: Exception) -> None:
        if self._bounds.get(name_of(found), EVERYTHING) is not None:
            self._bounds[name_of(found)] = None
            self.counts.unreadable += 1
            _log.error("left out: %s: %s", found.key, error)


def _relation(table: str, files: Sequence[ObjectInfo], names: Sequence[str], extra: Sequence[str] = ()) -> str:
    """Columns of files as they are declared. The first half has no rows: it gives names and types."""
    types = {field.name: _SQL_TYPES[field.type] for field in TABLES[table].fields}
    declared = [f'CAST(NULL AS {types[name]}) AS "{name}"' for name in names]
    declared += [f"CAST(NULL AS {_EXTRA[name]}) AS {name}" for name in extra]
    empty = f"SELECT {', '.join(declared)} WHERE false"
    if not files:
        return empty
    wanted = ", ".join(f'"{name}"' for name in (*names, *extra))
    # Of a file's hundred columns only these are planned; `app_id` is in every file, as one at least has to be.
    some = ", ".join(f"'{name}'" for name in dict.fromkeys(["app_id", *names]))
    selected = ", ".join((f"COLUMNS(lambda name: name IN ({some}))", *extra))
    read = f"SELECT {selected} FROM read_parquet(?, union_by_name = true, hive_partitioning = false)"
    return f"SELECT {wanted} FROM (({empty}) UNION ALL BY NAME {read})"


_EXTRA = {"filename": "VARCHAR", "file_row_number": "BIGINT", "file_index": "BIGINT"}


def _names(files: Sequence[ObjectInfo]) -> list[object]:
    return [[name_of(one) for one in files]] if files else []
