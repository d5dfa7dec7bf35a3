"""Rows of one session from the line and segment tables, reading as few files as the names of the files allow.

A writer names its files after partition and epoch, and writes a window's lines, segments and session row in one
epoch. So while every revision of a session is found in such files, its rows are in files of the same partition and
epoch. Files with other names (merged ones) are read whenever their day fits.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from lake.catalog import Row, latest_views
from lake.open_session import OpenWindow
from schemas.items import LINE_TABLE
from schemas.keys import FIRST_REVISIONS, TABLE_ENDING, TABLES
from schemas.tables import TABLES as DECLARED
from schemas.units import MS_PER_DAY
from sinks.parallel import in_parallel
from sinks.store import ObjectMissing, ObjectStore
from sinks.swap import LakeRestless, visible_below
from sinks.table_files import decode
from sinks.tables import as_declared, declared_columns
from viewer.explorer import milliseconds
from viewer.session_index import OF_SESSION, SessionIndex

TIMELINE = tuple(LINE_TABLE.values())
_TIMES = {
    field.name
    for table in (*TIMELINE, "replay_segments", "sessions")
    for field in DECLARED[table].fields
    if field.type == "timestamp"
}
_WRITERS_NAME = re.compile(rf"(.+-\d{{10}})-[0-9a-f]{{12}}(?:{FIRST_REVISIONS})?{re.escape(TABLE_ENDING)}")
_TRIES = 10  # a folder is compacted once a day


class SessionRows:
    """Finds and reads them."""

    def __init__(self, store: ObjectStore, index: SessionIndex) -> None:
        self._store = store
        self._index = index

    def timeline(
        self, app_id: str, session_id: str, windows: Iterable[Row], opened: Iterable[OpenWindow], part: int | None
    ) -> dict[str, list[Row]]:
        """Every line of a session (or of one window), by table, in order of time; a view once.

        `windows`: those in the tables, `opened`: those that are not.
        """
        windows = [row for row in windows if part in (None, row["session_part"])]
        lines = [line for window in opened if part in (None, window.order.part) for line in window.rows()[1]]
        found: dict[str, list[Row]] = {}
        for table in TIMELINE:
            rows = [row for row in self.rows(table, app_id, session_id, windows) if part in (None, row["session_part"])]
            rows = latest_views(rows) if table == "views" else rows
            rows += as_json(as_declared(table, [line.row for line in lines if line.table == table]))
            found[table] = sorted(rows, key=lambda row: float(str(row["time"])))
        return found

    def rows(self, table: str, app_id: str, session_id: str, windows: Iterable[Row]) -> list[Row]:
        """Rows of the session in a table; times as epoch ms."""
        windows = list(windows)
        for _ in range(_TRIES if windows else 0):
            keys = self._keys(table, app_id, session_id, windows)
            try:
                found = list(in_parallel(lambda key: self._read(key, table, app_id, session_id), keys))
            except ObjectMissing:
                continue  # expired or merged since it was listed
            return [row for _, content in found for row in content]
        if not windows:
            return []
        raise LakeRestless(f"files of {table} were replaced {_TRIES} times while they were read: try again")

    def partition(self, app_id: str, session_id: str) -> str:
        """The partition whose writer has written the session; "" when the names of its files do not tell."""
        for _, _, key in self._files(app_id, session_id):
            name = _WRITERS_NAME.fullmatch(str(key).rpartition("/")[2])
            if name is not None:
                return name[1].rpartition("-")[0]
        return ""

    def _read(self, key: str, table: str, app_id: str, session_id: str) -> list[Row]:
        wanted = [("app_id", "=", app_id), ("session_id", "=", session_id)]
        content = decode(self._store.read(key), where=wanted)
        return as_json(declared_columns(content, table))

    def _keys(self, table: str, app_id: str, session_id: str, windows: Iterable[Row]) -> list[str]:
        epochs = self._epochs(app_id, session_id)
        keys = []
        for found in visible_below(self._store, table, self._folders(table, windows)):
            name = _WRITERS_NAME.fullmatch(found.key.rpartition("/")[2])
            if epochs is None or name is None or name[1] in epochs:
                keys.append(found.key)
        return keys

    def _folders(self, table: str, windows: Iterable[Row]) -> list[str]:
        days = sorted({day for row in windows for day in _days(row)})
        classes = self._store.folders(f"{TABLES}{table}/")
        return [f"{TABLES}{table}/{retention}/dt={day}/" for retention in classes for day in days]

    def _files(self, app_id: str, session_id: str) -> list[tuple[object, ...]]:
        """Part, revision and file of every row of the session."""
        return self._index.ask(
            f"SELECT session_part, revision, key FROM known JOIN files USING (file_no) WHERE {OF_SESSION}",
            [app_id, session_id, app_id, session_id],
        )

    def _epochs(self, app_id: str, session_id: str) -> set[str] | None:
        """Partition and epoch of every file that can hold the session; None when that cannot be told."""
        found = self._files(app_id, session_id)
        names = [_WRITERS_NAME.fullmatch(str(key).rpartition("/")[2]) for _, _, key in found]
        revisions = {(int(str(part)), int(str(revision))) for part, revision, _ in found}
        last = {part: max(r for p, r in revisions if p == part) for part, _ in revisions}
        whole = all((part, number) in revisions for part, top in last.items() for number in range(top + 1))
        return {name[1] for name in names if name} if whole and all(names) else None


def _days(window: Row) -> Iterator[str]:
    """UTC days on which something of the window was received."""
    first, last = (float(str(window[name])) // MS_PER_DAY for name in ("received_start", "received_end"))
    for number in range(int(first), int(last) + 1):
        yield (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number)).date().isoformat()


def as_json(content: pa.Table) -> list[Row]:
    """Rows as the API shows them."""
    for place, field in enumerate(content.schema):
        if pa.types.is_timestamp(field.type):
            content = content.set_column(place, field.name, content[field.name].cast(pa.int64()))
    return [_as_json(row) for row in content.to_pylist()]


def _as_json(row: Row) -> Row:
    shown = {
        name: milliseconds(value) if name in _TIMES and isinstance(value, int) else value for name, value in row.items()
    }
    if isinstance(shown.get("custom"), list):
        shown["custom"] = dict(shown["custom"])  # type: ignore[call-overload]  # pairs of a map
    return shown
