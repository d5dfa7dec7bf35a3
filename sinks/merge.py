"""Many files of a table into one, sorted as the table declares, in memory that does not grow with the files.

Sorted runs of bounded size go to a work folder; then all runs are read side by side, a row group at a time. Rows that a
higher revision among the files replaces are left out.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import MustAct
from schemas.tables import REVISED, TABLES, arrow_schema
from schemas.units import MIB
from sinks.table_files import decode, table_writer
from sinks.tables import declared_columns

_ROW_GROUPS = 64  # of a large file; a reader of one session reads few of them, and their description all the time
_ROW_GROUP_ROWS = (20_000, 100_000)  # but no fewer and no more rows than that
_RUN_BYTES = 192 * MIB  # as Arrow has it in memory
_BATCH_ROWS = 8_192  # of a run that are in memory at a time

Columns = Any  # a pyarrow.Table; pyarrow has no types


class UnknownColumns(MustAct):
    """A file was written by a later release: merging it would lose what this one does not know."""


class Merged(msgspec.Struct, frozen=True):
    """The new file. `rows`: in it; `superseded`: left out; `is_first`: all are of revision 0."""

    content: bytes
    rows: int
    superseded: int
    is_first: bool


def merge(table: str, files: Iterable[bytes], work: Path, run_bytes: int = _RUN_BYTES) -> Merged:
    """One file out of many. `work`: an empty folder. Raises UnknownColumns."""
    newest = _Newest(table)
    runs = [_Run(work / str(number), run, table) for number, run in enumerate(_runs(table, files, newest, run_bytes))]
    sink = io.BytesIO()
    rows = superseded = 0
    group_rows = row_group_rows(sum(run.keys.num_rows for run in runs))
    with table_writer(sink, arrow_schema(table), table, bloom_rows=group_rows) as writer:
        for group in _row_groups(table, runs, newest, group_rows):
            superseded += group.superseded
            rows += group.rows.num_rows
            if group.rows.num_rows:
                writer.write_table(group.rows, row_group_size=group_rows)
    return Merged(sink.getvalue(), rows, superseded, newest.is_empty)


def row_group_rows(rows: int) -> int:
    """How many of a file's rows go into a row group."""
    least, most = _ROW_GROUP_ROWS
    return min(most, max(least, -(-rows // _ROW_GROUPS)))


def _runs(table: str, files: Iterable[bytes], newest: "_Newest", run_bytes: int) -> Iterator[Columns]:
    waiting: list[Columns] = []
    waiting_bytes = 0
    for content in files:
        read = decode(content, use_threads=False)
        unknown = set(read.column_names).difference(arrow_schema(table).names)
        if unknown:
            raise UnknownColumns(f"a file of {table} has columns that this release does not know: {sorted(unknown)}")
        rows = declared_columns(read, table)
        newest.note(rows)
        waiting.append(rows)
        waiting_bytes += rows.nbytes
        if waiting_bytes >= run_bytes:
            yield _sorted(table, waiting)
            waiting, waiting_bytes = [], 0
    if waiting:
        yield _sorted(table, waiting)


def _sorted(table: str, parts: Sequence[Columns]) -> Columns:
    return pa.concat_tables(parts).combine_chunks().sort_by([(name, "ascending") for name in TABLES[table].sort_by])


class _Group(msgspec.Struct):
    rows: Columns
    superseded: int


def _row_groups(table: str, runs: "list[_Run]", newest: "_Newest", group_rows: int) -> Iterator[_Group]:
    """The rows of all runs in order. Which run a row of the order is from is enough to know: a run is sorted itself."""
    keys = pa.concat_tables(run.keys for run in runs).combine_chunks()
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in TABLES[table].sort_by])
    numbers = (pa.repeat(pa.scalar(number, pa.int32()), run.keys.num_rows) for number, run in enumerate(runs))
    sources = pa.concat_arrays(numbers).take(order)
    for start in range(0, len(order), group_rows):
        counts = sources.slice(start, group_rows).value_counts()
        parts = [runs[one["values"].as_py()].take(one["counts"].as_py()) for one in counts]
        rows = _sorted(table, parts)
        kept = newest.keep(rows)
        yield _Group(kept, rows.num_rows - kept.num_rows)


class _Run:
    """A sorted run, on disk. `keys`: the columns that it is sorted by."""

    def __init__(self, path: Path, rows: Columns, table: str) -> None:
        self.keys = rows.select(list(TABLES[table].sort_by))
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, rows.schema, options=options) as stream:
            stream.write_table(rows, max_chunksize=_BATCH_ROWS)
        self._batches = _batches(path)
        self._left = rows.slice(0, 0)

    def take(self, count: int) -> Columns:
        """The next `count` rows."""
        parts, have = [self._left], self._left.num_rows
        while have < count:
            batch = next(self._batches)
            parts.append(batch)
            have += batch.num_rows
        rows = pa.concat_tables(parts)
        self._left = rows.slice(count)
        return rows.slice(0, count)


def _batches(path: Path) -> Iterator[Columns]:
    with pa.OSFile(str(path), "rb") as file:
        for batch in pa.ipc.open_stream(file):
            yield pa.Table.from_batches([batch])
    path.unlink()


class _Newest:
    """The highest revision of what was revised at all, which is little."""

    def __init__(self, table: str) -> None:
        self._same = REVISED.get(table)
        self._highest: dict[tuple[object, ...], int] = {}

    @property
    def is_empty(self) -> bool:
        """Whether this table has revisions and none of its rows is one."""
        return self._same is not None and not self._highest

    def note(self, rows: Columns) -> None:
        if self._same is None:
            return
        for key, revision in self._keys(rows.filter(pc.greater(rows["revision"], 0))):
            self._highest[key] = max(revision, self._highest.get(key, 0))

    def keep(self, rows: Columns) -> Columns:
        """The rows that no other replaces."""
        if not self._highest:
            return rows
        revised = pa.array({session_id for _, session_id, *_ in self._highest}, pa.string())
        suspects = pc.indices_nonzero(pc.is_in(rows["session_id"], value_set=revised))
        found = zip(suspects.to_pylist(), self._keys(rows.take(suspects)), strict=True)
        old = {position for position, (key, revision) in found if revision < self._highest.get(key, 0)}
        if not old:
            return rows
        return rows.filter(pa.array([position not in old for position in range(rows.num_rows)], pa.bool_()))

    def _keys(self, rows: Columns) -> Iterator[tuple[tuple[object, ...], int]]:
        assert self._same is not None
        columns = [rows[name].to_pylist() for name in (*self._same, "revision")]
        for *key, revision in zip(*columns, strict=True):
            yield tuple(key), revision
