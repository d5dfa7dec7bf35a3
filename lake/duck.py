"""A lake as tables of DuckDB: `sessions` and `views` with the latest revision only, everything else as it is.

    with open_duck(store) as lake:
        lake.query("select app_id, count(*) from sessions where dt = '2026-11-21' group by 1")

The files are scanned through Arrow: a filter on `retention` or `dt` leaves files alone without a look at them, one on
other columns leaves row groups alone, and a column that an older file lacks is null. A query sees the files that the
last `refresh` found.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs

from schemas.engine_views import expressions
from schemas.errors import MustAct
from schemas.keys import FIRST_REVISIONS, TABLE_ENDING, partition_value
from schemas.promoted import Promoted, expression, of_table
from schemas.tables import REVISED, TABLES, arrow_schema
from schemas.units import MIB
from sinks.range_file import RangeFile
from sinks.store import ObjectInfo, ObjectMissing, ObjectStore
from sinks.swap import Days, LakeRestless, visible_files

PARTITIONS = pa.schema([("retention", pa.string()), ("dt", pa.date32())])
_WHOLE_BYTES = 1 * MIB  # one request for everything is cheaper than several for parts
_TRIES = 10


class DuckMissing(MustAct):
    """DuckDB is not installed."""


class Duck:
    """An open connection. `connection` is DuckDB's own, for everything that is not a query of the lake."""

    def __init__(
        self,
        store: ObjectStore,
        connection: Any,  # noqa: ANN401 - DuckDB is optional
        error: type[Exception],
        days: Days | None,
        promoted: Sequence[Promoted],
    ) -> None:
        self._store = store
        self._days = days
        self.connection = connection
        self.Error: type[Exception] = error
        self._files: list[StoreFiles] = []
        self.refresh()
        self._create_views(promoted)

    def refresh(self) -> None:
        """List the lake again: from now on queries see what has been published and compacted since."""
        self._files = []
        for table, files in visible_files(self._store, TABLES, self._days).items():
            reading = StoreFiles(self._store, files)
            self._files.append(reading)
            self.connection.register(f"_{table}", _dataset(reading, table, files))
            if table in REVISED:
                newer = [one for one in files if not one.key.endswith(FIRST_REVISIONS + TABLE_ENDING)]
                self.connection.register(f"_{table}_revised", _dataset(reading, table, newer))

    def query(self, sql: str, parameters: list[object] | None = None) -> pa.Table:
        """The rows of a query. When a file has gone since it was listed, the lake is listed again and the query runs
        again, so every row counts exactly once beside a compaction. Raises `self.Error`.
        """
        for _ in range(_TRIES):
            self._forget_errors()
            try:
                relation = self.connection.sql(sql, params=parameters)
                found = pa.table({}) if relation is None else relation.to_arrow_table()
            except Exception:
                if not self._errors():
                    raise
            else:
                if not self._errors():
                    return found
            for error in self._errors():
                if not isinstance(error, ObjectMissing):
                    raise error
            self.refresh()
        raise LakeRestless(f"files of {self._store.uri} went {_TRIES} times while the query ran: try again later")

    def _errors(self) -> list[Exception]:
        return [error for files in self._files for error in files.errors]

    def _forget_errors(self) -> None:
        for files in self._files:
            files.errors.clear()

    def _create_views(self, promoted: Sequence[Promoted]) -> None:
        for table in TABLES:
            rows = {table: f"from _{table}"}
            if table in REVISED:
                rows = {f"{table}_all": f"from _{table}", table: _latest(table)}
            for view, source in rows.items():
                self.connection.execute(f"create view {view} as {_shown(table, source, promoted)}")


@contextmanager
def open_duck(store: ObjectStore, days: Days | None = None, promoted: Sequence[Promoted] = ()) -> Iterator[Duck]:
    """DuckDB over a lake. `days`: only folders of these UTC days, so that older ones are not even listed in a view.
    `promoted`: keys of `custom` that the views have as columns.

    One thread at a time may use it. Raises DuckMissing.
    """
    try:
        import duckdb  # noqa: PLC0415 - optional: only who asks needs it
        import pytz  # type: ignore[import-untyped]  # noqa: F401, PLC0415 - DuckDB hands out timestamps with it
    except ImportError as error:
        raise DuckMissing("DuckDB is not installed: pip install 'replaylake[sql]'") from error
    connection = duckdb.connect()
    try:
        connection.execute("set timezone = 'UTC'")
        yield Duck(store, connection, duckdb.Error, days, promoted)
    finally:
        connection.close()


def _latest(table: str) -> str:
    """Rows that no higher revision replaces. Few files can hold one, and their names say so; a filter on the view goes
    down to the files, which it would not with a window function.
    """
    same = " and ".join(f"newer.{column} is not distinct from older.{column}" for column in REVISED[table])
    return (
        f"from _{table} older anti join "
        f"(select {', '.join(REVISED[table])}, max(revision) as revision from _{table}_revised where revision > 0 "
        f"group by all) newer on {same} and newer.revision > older.revision"
    )


def _shown(table: str, rows: str, promoted: Sequence[Promoted]) -> str:
    """Every column, and what a view has beside them."""
    own = [expression(one, "custom[{}]".format, _double) for one in of_table(TABLES[table], promoted)]
    columns = ", ".join(["*", *expressions(TABLES[table], _quoted), *own])
    return f"select {columns} {rows}"


def _double(text: str) -> str:
    return f"try_cast({text} as double)"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _dataset(reading: "StoreFiles", table: str, files: list[ObjectInfo]) -> Any:  # noqa: ANN401 - pyarrow has no types
    schema = pa.schema([*arrow_schema(table), *PARTITIONS])
    if not files:
        return schema.empty_table()
    file_system = pyarrow.fs.PyFileSystem(reading)
    read_format = ds.ParquetFileFormat(default_fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=True))
    fragments = [
        read_format.make_fragment(one.key, file_system, partition_expression=_folder(one.key), file_size=one.size)
        for one in files
    ]
    return _Files(fragments, schema, read_format, file_system)


class _Files(ds.FileSystemDataset):  # type: ignore[misc]  # pyarrow has no types
    """Files that a Python store reads. DuckDB asks it for a `scanner`, with columns and a filter."""

    def scanner(self, **asked: object) -> "_Scan":
        return _Scan(super().scanner(**asked))


class _Scan:
    """Rows of some columns. Arrow 26 holds the interpreter in `Scanner.to_reader` while it waits for a thread that is
    opening a file, for which that needs the interpreter: neither ever goes on. Taking batches lets it go.
    """

    def __init__(self, scanner: Any) -> None:  # noqa: ANN401 - pyarrow has no types
        self._scanner = scanner

    def to_reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self._scanner.projected_schema, self._scanner.to_batches())


def _folder(key: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    """What is true of every row of a file, by its folder."""
    values = {field.name: pa.scalar(partition_value(key, field.name)).cast(field.type) for field in PARTITIONS}
    return (ds.field("retention") == values["retention"]) & (ds.field("dt") == values["dt"])


class StoreFiles(pyarrow.fs.FileSystemHandler):  # type: ignore[misc]  # pyarrow has no types
    """Listed objects of a store as files that Arrow can read; a small one in one request.

    What the store raises is put into `errors`, and Arrow finds a file without content, which it refuses by itself. An
    exception of Python must not come out here: Arrow 26 writes its text down on a thread of its own, for which it waits
    for the interpreter, while `Scanner.to_reader` holds that and waits for the thread.
    """

    def __init__(self, store: ObjectStore, files: list[ObjectInfo]) -> None:
        super().__init__()
        self._store = store
        self._sizes = {one.key: one.size for one in files}
        self.errors: list[Exception] = []

    def open_input_file(self, path: str) -> Any:  # noqa: ANN401 - pyarrow has no types
        if self._sizes[path] > _WHOLE_BYTES:
            return pa.PythonFile(_Ranges(self, self._store, path, self._sizes[path]), mode="r")
        try:
            return pa.BufferReader(self._store.read(path))
        except Exception as error:  # noqa: BLE001 - it is raised by the query
            self.errors.append(error)
            return pa.BufferReader(b"")

    def get_type_name(self) -> str:
        return "lake"

    def normalize_path(self, path: str) -> str:
        return path

    open_input_stream = open_input_file

    def get_file_info(self, *_: object) -> Any:  # noqa: ANN401 - pyarrow has no types
        raise NotImplementedError("files are listed by the lake, and only read")

    get_file_info_selector = create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = get_file_info
    delete_file = move = copy_file = open_output_stream = open_append_stream = get_file_info


class _Ranges(RangeFile):
    def __init__(self, files: StoreFiles, store: ObjectStore, key: str, size: int) -> None:
        super().__init__(store, key, size)
        self._files = files

    def read(self, size: int = -1) -> bytes:
        try:
            return super().read(size)
        except Exception as error:  # noqa: BLE001 - it is raised by the query
            self._files.errors.append(error)
            return b""
