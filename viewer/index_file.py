"""The DuckDB database in which the index of sessions lies, in a folder of one process.

It outlives the process and is never needed: what it holds can be read from the lake again. So it is taken up only when
it is of the same lake, layout, table and DuckDB, opens without an error, and holds of each file the rows that it says
it holds. Else it is made anew.

    lock              held by the process that uses the folder
    sessions.duckdb   the database, and its log beside it
    spill/            what questions put on disk
"""

import fcntl
import logging
import os
import shutil
from pathlib import Path
from typing import IO

import duckdb

from schemas.errors import MustAct
from schemas.tables import TABLES
from schemas.units import MIB
from viewer.options import IndexLimits

_LAYOUT = 1  # goes up whenever the tables below change
_DATABASE = "sessions.duckdb"
_OWN = (_DATABASE, f"{_DATABASE}.wal", "spill")
LEAST_BYTES = 96 * MIB  # of serve.memory_bytes: with less a row group of all columns cannot be written
# Nearly every row has another value: a dictionary of these is as large, and a row of it takes ten times as long to get.
_PLAIN = {
    *("session_id", "userid", "ip", "session_first_view_id", "session_last_view_id"),
    *("session_first_view_url", "session_last_view_url"),
}
_SQL_TYPES = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "timestamp": "BIGINT",  # epoch us
    "map<string,string>": "MAP(VARCHAR, VARCHAR)",
}
_log = logging.getLogger("replaylake.serve")


class IndexFolder:
    """The folder, held by this process until it is closed. Raises MustAct when another one holds it."""

    def __init__(self, path: Path, lake: str, limits: IndexLimits) -> None:
        if limits.memory_bytes < LEAST_BYTES:
            raise MustAct(
                f"serve.memory_bytes is {limits.memory_bytes}: the index of sessions needs at least {LEAST_BYTES}"
            )
        self._path = path
        self._made_of = repr((lake, _LAYOUT, TABLES["sessions"].version, _columns(), duckdb.__version__))
        self._limits = limits
        self._lock = _locked(path)

    def open(self) -> duckdb.DuckDBPyConnection:
        """The database, as it was left or new."""
        try:
            connection = self._connect()
            trouble = self._trouble(connection)
        except duckdb.Error as error:
            connection, trouble = None, str(error).splitlines()[0]
        if trouble is None and connection is not None:
            return connection
        if connection is not None:
            connection.close()
        if trouble:
            _log.warning("the index in %s is made anew: %s", self._path, trouble)
        return self.renew()

    def renew(self) -> duckdb.DuckDBPyConnection:
        """A new database in place of what is there, which is closed."""
        for name in _OWN:
            shutil.rmtree(self._path / name, ignore_errors=True)
            (self._path / name).unlink(missing_ok=True)
        connection = self._connect()
        connection.execute(f"""
            CREATE TABLE made_of (text VARCHAR);
            CREATE TABLE unclean (is_new BOOLEAN);
            CREATE TABLE files (file_no INTEGER, key VARCHAR, size BIGINT, modified_ms BIGINT, row_count BIGINT,
                is_newer BOOLEAN);
            CREATE TABLE superseded (day INTEGER, id UBIGINT, app_id VARCHAR, session_id VARCHAR, session_part BIGINT,
                revision BIGINT, file_no INTEGER);
            CREATE TABLE sessions ({_columns()}, day INTEGER, id UBIGINT, file_no INTEGER,
                search_text VARCHAR USING COMPRESSION uncompressed);
            CREATE VIEW known AS
                SELECT app_id, session_id, session_part, revision, file_no, id FROM sessions
                UNION ALL SELECT app_id, session_id, session_part, revision, file_no, id FROM superseded;
        """)
        connection.execute("INSERT INTO made_of VALUES (?)", [self._made_of])
        return connection

    def close(self) -> None:
        """Let another process have the folder."""
        self._lock.close()

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(
            self._path / _DATABASE,
            config={
                "memory_limit": f"{self._limits.memory_bytes}B",
                "threads": self._limits.threads or os.cpu_count() or 1,
                "temp_directory": str(self._path / "spill"),
                "preserve_insertion_order": "false",
            },
        )
        return connection.execute("SET enable_external_access = false")

    def _trouble(self, connection: duckdb.DuckDBPyConnection) -> str | None:
        """Why it cannot be taken up: a word, or "" where there was nothing; None when it can."""
        if not connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'made_of'").fetchall():
            return ""
        if connection.execute("SELECT text FROM made_of").fetchall() != [(self._made_of,)]:
            return "it is of another lake or release"
        wrong = connection.execute("""
            SELECT count(*) FROM (SELECT file_no, count(*) AS row_count FROM known GROUP BY file_no) AS found
            FULL JOIN (FROM files WHERE row_count > 0) AS files USING (file_no)
            WHERE found.row_count IS DISTINCT FROM files.row_count AND files.row_count IS NOT NULL
        """).fetchone()
        return None if wrong == (0,) else "its rows are not those of its files"


def _columns() -> str:
    return ", ".join(
        f'"{field.name}" {_SQL_TYPES[field.type]}{" USING COMPRESSION uncompressed" if field.name in _PLAIN else ""}'
        for field in TABLES["sessions"].fields
    )


def _locked(path: Path) -> IO[bytes]:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (path / "lock").open("ab")
    except OSError as error:
        raise MustAct(f"serve.index_dir: {error.strerror}: {path}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise MustAct(
            f"serve.index_dir: {path} is used by another process; each replica has a folder of its own"
        ) from error
    return lock
