"""Rows of one session from the line and segment tables, reading as few files as the names of the files allow.

A writer names its files after partition and epoch, and writes a window's lines, segments and session row in one
epoch. So while every revision of a session is found in such files, its rows are in files of the same partition and
epoch. Files with other names (merged ones) are read whenever their day fits.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from lake.catalog import Row, latest_views
from lake.line_tables import LineTables
from lake.open_session import OpenWindow
from schemas.items import LINE_TABLE
from schemas.keys import FIRST_REVISIONS, TABLE_ENDING
from schemas.session_columns import COUNTED
from schemas.tables import TABLES as DECLARED
from schemas.units import MS_PER_DAY
from sinks.tables import as_declared
from viewer.explorer import milliseconds
from viewer.session_index import OF_SESSION, SessionIndex

TIMELINE = tuple(LINE_TABLE.values())
_COUNTS = COUNTED | {"replay_segments": "replay_segment_count"}
_TIMES = {
    field.name
    for table in (*TIMELINE, "replay_segments", "sessions")
    for field in DECLARED[table].fields
    if field.type == "timestamp"
}
_WRITERS_NAME = re.compile(rf"(.+-\d{{10}})-[0-9a-f]{{12}}(?:{FIRST_REVISIONS})?{re.escape(TABLE_ENDING)}")


class SessionRows:
    """Finds and reads them."""

    def __init__(self, tables: LineTables, index: SessionIndex) -> None:
        self._tables = tables
        self._index = index

    def timeline(
        self, app_id: str, session_id: str, windows: Iterable[Row], opened: Iterable[OpenWindow], part: int | None
    ) -> dict[str, list[Row]]:
        """Every line of a session (or of one window), by table, in order of time; a view once.

        `windows`: those in the tables, `opened`: those that are not.
        """
        windows = [row for row in windows if part in (None, row["session_part"])]
        lines = [line for window in opened if part in (None, window.order.part) for line in window.rows()[1]]
        found = self.rows(TIMELINE, app_id, session_id, windows)
        for table, read in found.items():
            rows = [row for row in read if part in (None, row["session_part"])]
            rows = latest_views(rows) if table == "views" else rows
            rows += as_json(as_declared(table, [line.row for line in lines if line.table == table]))
            found[table] = sorted(rows, key=lambda row: float(str(row["time"])))
        return found

    def rows(self, tables: Sequence[str], app_id: str, session_id: str, windows: Iterable[Row]) -> dict[str, list[Row]]:
        """Rows of the session by table; times as epoch ms. Raises LakeRestless, TooMuch.

        A table of which the windows count no rows is not looked into.
        """
        windows = list(windows)
        some = [table for table in tables if any(row[_COUNTS[table]] != 0 for row in windows)]
        days = sorted({day for row in windows for day in _days(row)})
        epochs = self._epochs(app_id, session_id)
        news = self._index.changes  # after the windows were read
        read = self._tables.session(some, days, app_id, session_id, news, lambda key: _may_hold(key, epochs))
        return {table: as_json(read[table]) if table in read else [] for table in tables}

    def partition(self, app_id: str, session_id: str) -> str:
        """The partition whose writer has written the session; "" when the names of its files do not tell."""
        for _, _, key in self._files(app_id, session_id):
            name = _WRITERS_NAME.fullmatch(str(key).rpartition("/")[2])
            if name is not None:
                return name[1].rpartition("-")[0]
        return ""

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


def _may_hold(key: str, epochs: set[str] | None) -> bool:
    """Whether a file can have rows of a session that was written in these epochs."""
    name = _WRITERS_NAME.fullmatch(key.rpartition("/")[2])
    return epochs is None or name is None or name[1] in epochs


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
