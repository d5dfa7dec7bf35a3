"""The sessions of the lake in a local DuckDB: of each window the row with the highest revision, ready to be asked.

Parquet files never change but by an order to erase, so a file is read once, when it is first listed or has changed,
through the lake's own store; DuckDB itself can reach no file and no network. The copy lives in memory, compressed, and
beyond its limit in a scratch folder; it is made anew at every start and follows the lake while it is open.

    files     (file_no, key)                             what was read
    known     (app_id, session_id, session_part, revision, file_no)   every row of these files
    sessions  (declared columns, file_no, search_text)   the highest revision of each window

Timestamps are kept as integers, epoch us. What free text looks into is not compressed: it is read whole each time.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from schemas.keys import partition_value
from schemas.tables import TABLES as DECLARED
from sinks.parallel import in_parallel
from sinks.store import ObjectInfo, ObjectMissing, ObjectStore
from sinks.swap import visible_files
from sinks.table_files import decode
from sinks.tables import declared_columns
from viewer.options import IndexLimits

Params = Sequence[object]

COLUMNS = {field.name: field for field in DECLARED["sessions"].fields}
_KEY = "app_id, session_id, session_part"
_SAME = "s.app_id = b.app_id AND s.session_id = b.session_id AND s.session_part = b.session_part"
_VALUES = ", ".join(
    f'epoch_us("{name}")' if field.type == "timestamp" else f'"{name}"' for name, field in COLUMNS.items()
)
_SEARCHED = ", ".join(
    (
        *("session_id", "userid", "user_name", "user_email", "ip", "session_first_view_url"),
        "nullif(session_last_view_url, session_first_view_url)",
        *("session_referrer", "browser", "browser_version", "os", "os_version", "device"),
        *("country", "province", "city", "isp", "env", "service", "version"),
    )
)
_SQL_TYPES = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "timestamp": "BIGINT",
    "map<string,string>": "MAP(VARCHAR, VARCHAR)",
}
_BATCH_ROWS = 122_880  # a row group of DuckDB


class SessionIndex:
    """The copy. `refresh` in one thread, `ask` in any."""

    def __init__(self, store: ObjectStore, scratch: Path, limits: IndexLimits) -> None:
        self._store = store
        self._connection = duckdb.connect(
            config={
                "memory_limit": f"{limits.memory_bytes}B",
                "threads": limits.threads or os.cpu_count() or 1,
                "temp_directory": str(scratch),
            }
        )
        self._local = threading.local()
        self._refreshing = threading.Lock()
        self._files: dict[str, tuple[int, int, int]] = {}  # key → (size, modified_ms, file_no)
        self._left: list[int] = []  # numbers of files that are gone or changed, and still to be forgotten
        self._next_file = 0
        self.version = 0  # goes up with every change
        self.changes = 0  # goes up before a change is seen
        columns = ", ".join(f'"{name}" {_SQL_TYPES[field.type]}' for name, field in COLUMNS.items())
        self._connection.execute(f"""
            ATTACH ':memory:' AS copy (COMPRESS);
            USE copy;
            CREATE TABLE files (file_no INTEGER, key VARCHAR);
            CREATE TABLE known
                (app_id VARCHAR, session_id VARCHAR, session_part BIGINT, revision BIGINT, file_no INTEGER);
            CREATE TABLE sessions ({columns}, file_no INTEGER, search_text VARCHAR USING COMPRESSION uncompressed);
            SET enable_external_access = false;
        """)

    def ask(self, sql: str, params: Params = ()) -> list[tuple[object, ...]]:
        """Rows of one query, on a snapshot of its own."""
        cursor = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = self._connection.cursor().execute("USE copy")
        rows: list[tuple[object, ...]] = cursor.execute(sql, list(params)).fetchall()
        return rows

    def refresh(self) -> bool:
        """Follow the lake; whether something has changed. After a StoreError the next one goes on."""
        with self._refreshing:
            before = self.version
            listed = {found.key: found for found in self._list()}
            for key, (size, modified_ms, file_no) in list(self._files.items()):
                if _differs(listed.get(key), size, modified_ms):
                    del self._files[key]
                    self._left.append(file_no)
            self._take([found for key, found in sorted(listed.items(), key=_by_day) if key not in self._files])
            self._drop()
            return self.version > before

    def close(self) -> None:
        """Let go of the copy."""
        self._connection.close()

    def _list(self) -> Iterator[ObjectInfo]:
        return iter(visible_files(self._store, ["sessions"])["sessions"])

    @contextmanager
    def _change(self) -> Iterator[None]:
        """All of it or nothing, for who asks meanwhile and when it fails."""
        self.changes += 1
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        self.version += 1

    def _take(self, found: Sequence[ObjectInfo]) -> None:
        batch: list[tuple[ObjectInfo, pa.Table]] = []
        for info, content in in_parallel(self._read, found):
            if content is not None:  # else it has expired since it was listed
                batch.append((info, content))
            if sum(one.num_rows for _, one in batch) >= _BATCH_ROWS:
                self._take_batch(batch)
                batch = []
        if batch:
            self._take_batch(batch)

    def _take_batch(self, batch: Sequence[tuple[ObjectInfo, pa.Table]]) -> None:
        taken = {info.key: (info.size, info.modified_ms, self._next_file + n) for n, (info, _) in enumerate(batch)}
        self._next_file += len(batch)
        numbered = [
            content.append_column("file_no", pa.repeat(pa.scalar(taken[info.key][2], pa.int32()), content.num_rows))
            for info, content in batch
        ]
        with self._change():
            self._connection.executemany(
                "INSERT INTO files VALUES (?, ?)", [[file_no, key] for key, (_, _, file_no) in taken.items()]
            )
            self._merge(pa.concat_tables(numbered))
        self._files |= taken

    def _read(self, info: ObjectInfo) -> pa.Table | None:
        try:
            return declared_columns(decode(self._store.read(info.key)), "sessions")
        except ObjectMissing:
            return None

    def _merge(self, batch: pa.Table) -> None:
        numbers = pa.array(range(batch.num_rows), pa.int64())
        self._connection.register("batch", batch.append_column("n", numbers))
        self._connection.execute(f"""
            INSERT INTO known SELECT {_KEY}, revision, file_no FROM batch;
            CREATE OR REPLACE TEMP TABLE best AS
                SELECT n, {_KEY}, revision FROM batch
                QUALIFY row_number() OVER (PARTITION BY {_KEY} ORDER BY revision DESC, file_no DESC) = 1;
            DELETE FROM best b USING sessions s WHERE {_SAME} AND s.revision > b.revision;
            DELETE FROM sessions s USING best b WHERE {_SAME};
            INSERT INTO sessions SELECT {_VALUES}, file_no, lower(concat_ws(chr(10), {_SEARCHED}))
                FROM batch SEMI JOIN best USING (n);
            DROP TABLE best;
        """)
        self._connection.unregister("batch")

    def _drop(self) -> None:
        """Rows of files that are gone. A window whose best row was there falls back to what other files have."""
        if not self._left:
            return
        with self._change():
            self._forget(self._left)
        self._left = []
        again = self.ask(f"SELECT DISTINCT key FROM known ANTI JOIN sessions USING ({_KEY}) JOIN files USING (file_no)")
        keys = {str(key) for (key,) in again}
        if keys:
            self._left = [self._files.pop(key)[2] for key in keys]
            self._take([found for found in self._list() if found.key in keys])
            self._drop()

    def _forget(self, file_nos: Sequence[int]) -> None:
        for table in ("known", "sessions", "files"):
            self._connection.execute(
                f"DELETE FROM {table} WHERE file_no IN (SELECT unnest(?::INTEGER[]))", [list(file_nos)]
            )


def _differs(found: ObjectInfo | None, size: int, modified_ms: int) -> bool:
    return found is None or (found.size, found.modified_ms) != (size, modified_ms)


def _by_day(item: tuple[str, ObjectInfo]) -> tuple[str, str]:
    return partition_value(item[0], "dt") or "", item[0]
