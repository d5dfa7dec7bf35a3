"""The sessions of the lake in a local DuckDB database: of each window the row with the highest revision.

Parquet files never change but by an order to erase, so a file is read once, when it is first listed or has changed,
through the lake's own store; DuckDB itself can reach no file and no network. All revisions of a row have one `dt`, so
what comes is compared with the rows of its own days alone.

    files       (file_no, key, size, modified_ms, row_count, is_newer)   what was read; row_count: null until all is
    sessions    (declared columns, day, id, file_no, search_text)   the highest revision of each window
    superseded  (day, id, app_id, session_id, session_part, revision, file_no)   every other row of these files
    known       of both: which file has which row
    unclean     (is_new)   not empty: deleted rows may still be in the database file, new ones since the pass began

`id` is a hash of (app_id, session_id), `day` the folder's, timestamps are epoch us. `search_text` holds, in lower case
and not compressed, what free text is looked for in and has many values; columns of few values are looked into directly.
"""

import itertools
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa

from schemas.keys import partition_value
from schemas.tables import TABLES as DECLARED
from schemas.units import MIB
from sinks.parallel import in_parallel
from sinks.store import ObjectInfo, ObjectStore, StoreUnavailable
from sinks.swap import visible_files
from viewer.filters import SessionSet
from viewer.index_cleaning import Cleaning
from viewer.index_file import IndexFolder
from viewer.options import IndexLimits, QuestionLimits
from viewer.questions import Answer, Bound, Busy, Params, Questions, Slot
from viewer.session_files import SMALL_BYTES, LeftOut, Reason, content, is_newer, rows

COLUMNS = {field.name: field for field in DECLARED["sessions"].fields}
OF_SESSION = "id = hash(?, ?) AND app_id = ? AND session_id = ?"  # a condition; the hash is compared first
_KEY = "app_id, session_id, session_part"
_VALUES = ", ".join(
    f'epoch_us("{name}")' if field.type == "timestamp" else f'"{name}"' for name, field in COLUMNS.items()
)
_SEARCH_TEXT = ", ".join(
    (
        *("session_id", "userid", "user_name", "user_email", "ip", "session_referrer", "session_first_view_url"),
        "nullif(session_last_view_url, session_first_view_url)",
    )
)
_BATCH_ROWS = 40_000  # of a transaction; a second's work, so that a look that is due comes soon
_BATCH_FILES = 256
_BATCH_BYTES = 8 * MIB
_EPOCH = date(1970, 1, 1)
_log = logging.getLogger("replaylake.serve")


class _Taken(msgspec.Struct, frozen=True):
    """A file that was read."""

    file_no: int
    size: int
    modified_ms: int
    is_newer: bool

    def is_still(self, found: ObjectInfo | None) -> bool:
        return found is not None and (found.size, found.modified_ms) == (self.size, self.modified_ms)


class _Skipped(msgspec.Struct, frozen=True):
    """A file that is left out, and why."""

    found: ObjectInfo
    reason: Reason


class Ask:
    """Queries of one question to the index."""

    def __init__(self, slot: Slot, cursor: duckdb.DuckDBPyConnection) -> None:
        self._slot = slot
        self._cursor = cursor

    def __call__(self, sql: str, params: Params = ()) -> list[tuple[object, ...]]:
        """All rows. Raises Busy."""
        return self._slot.ask(self._cursor, sql, params)

    def in_batches(self, sql: str, params: Params, take: Callable[[Iterable[pa.RecordBatch]], Answer]) -> Answer:
        """What `take` makes of the rows, which come a batch at a time. Raises Busy."""
        return self._slot.in_batches(self._cursor, sql, params, take)


class SessionIndex:
    """The index. `look`, `take` and `refresh` in one thread, `ask` in any. Raises MustAct, see IndexFolder."""

    def __init__(
        self, store: ObjectStore, folder: Path, limits: IndexLimits, questions: QuestionLimits | None = None
    ) -> None:
        self._store = store
        self._folder = IndexFolder(folder, store.uri, limits)
        self.questions = Questions(questions or QuestionLimits())
        self._changing = threading.Lock()
        self.version = 0  # goes up with every change
        self.changes = 0  # goes up before a change is seen
        self.is_whole = False  # everything that was listed is taken
        self._listed: dict[str, ObjectInfo] = {}
        self._open(self._folder.open())

    def _open(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._local = threading.local()
        self._cleaning: Cleaning | None = None
        self._files: dict[str, _Taken] = {}
        self._pending: list[ObjectInfo] = []  # the next one last
        self._skipped: dict[str, _Skipped] = {}
        self._gone: dict[int, str] = {}  # numbers of files that are gone or changed, still to be forgotten; their keys
        stored = connection.execute("FROM files").fetchall()
        for file_no, key, size, modified_ms, row_count, newer in stored:
            if row_count is None:  # the process ended while it was taken
                self._gone[file_no] = key
            else:
                self._files[key] = _Taken(file_no, size, modified_ms, newer)
        self._next_file = 1 + max((file_no for file_no, *_ in stored), default=-1)
        self.version += bool(self._files)

    @property
    def left_out(self) -> Counter[Reason]:
        """Listed files that are not in the index, by reason."""
        return Counter(one.reason for one in list(self._skipped.values()))

    @property
    def newer(self) -> int:
        """Files of a later release, of which only the columns known here are taken."""
        return sum(one.is_newer for one in list(self._files.values()))

    @property
    def progress(self) -> tuple[int, int]:
        """How many of the listed files are taken, and how many are listed."""
        return len(self._files), len(self._listed)

    def ask(self, sql: str, params: Params = (), sets: Sequence[SessionSet] = ()) -> list[tuple[object, ...]]:
        """Rows of one query, which may name `sets`. Raises Busy."""
        with self.questions.slot() as slot, _named(self._cursor(), sets) as cursor:
            return slot.ask(cursor, sql, params)

    @contextmanager
    def snapshot(self, sets: Sequence[SessionSet] = ()) -> Iterator["Ask"]:
        """Ask several times in one slot; the index does not change meanwhile, row numbers neither. Raises Busy."""
        with self.questions.slot() as slot, _named(self._cursor(), sets) as cursor:
            try:
                slot.ask(cursor, "BEGIN")
                yield Ask(slot, cursor)
            finally:
                _end(cursor)

    def refresh(self) -> bool:
        """Follow the lake; whether something has changed."""
        before = self.version
        self.look()
        while self.take():
            pass
        return self.version > before

    def look(self) -> None:
        """List the lake's files, and see what is new and what is gone. Raises StoreError."""
        listed = {found.key: found for found in visible_files(self._store, ["sessions"])["sessions"]}
        with self._changing:
            self._listed = listed
            for key in [key for key, taken in self._files.items() if not taken.is_still(listed.get(key))]:
                self._gone[self._files.pop(key).file_no] = key
            self._skipped = {key: one for key, one in self._skipped.items() if listed.get(key) == one.found}
            changed = {_day(key) for key in self._gone.values()}
            waiting = (
                found
                for key, found in listed.items()
                if key not in self._files and not (key in self._skipped and not self._skipped[key].reason.may_pass)
            )
            self._pending = sorted(waiting, key=lambda one: (_day(one.key) in changed, _day(one.key), one.modified_ms))

    def take(self) -> bool:
        """Take the next few files, of the newest day first; whether there are more to be taken. Raises StoreError."""
        with self._changing:
            if self._pending:
                self._take(self._next())
                if not self._files and self.left_out.keys() == {Reason.UNREADABLE}:
                    raise StoreUnavailable("it lists files of sessions and gives none of them: the log names them")
            self._drop()
            self.is_whole = self.is_whole or not self._pending
            return bool(self._pending)

    def clean(self) -> bool:
        """Go on removing deleted rows from the database file; whether there is more to do. Raises Busy: later."""
        with self._changing:
            try:
                return self._clean()
            except Busy:
                raise
            except BaseException:
                _end(self._connection)
                self._cleaning = None
                raise

    def _clean(self) -> bool:
        if self._cleaning is None:
            if not self._connection.execute("FROM unclean").fetchall():
                return False
            self._connection.execute("UPDATE unclean SET is_new = false")
            self._cleaning = Cleaning(self._connection, self.questions)
        if self._cleaning.step():
            self._connection.execute("DELETE FROM unclean WHERE NOT is_new")
            self._cleaning = None
        return True

    def close(self) -> None:
        """Let go of the database and its folder."""
        with self._changing, self._nobody_asking():
            self._connection.close()
            self._folder.close()

    def renew(self) -> None:
        """Begin anew: the database is damaged."""
        with self._changing, self._nobody_asking():
            self._connection.close()
            self.is_whole = False
            self._open(self._folder.renew())

    @contextmanager
    def _nobody_asking(self) -> Iterator[None]:
        """A database is closed only when no question runs. Raises Busy."""
        # Again and again: an interrupt that comes before a statement has begun is lost.
        with self.questions.quiet(self.questions.end_all) as is_quiet:
            if not is_quiet:
                raise Busy(Bound.CLOSED)
            yield

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """Of its own for each thread."""
        kept: tuple[object, duckdb.DuckDBPyConnection] | None = getattr(self._local, "cursor", None)
        if kept is None or kept[0] is not self._connection:
            try:
                kept = self._local.cursor = (self._connection, self._connection.cursor())
            except duckdb.Error as error:
                raise Busy(Bound.CLOSED) from error
        return kept[1]

    def _next(self) -> list[ObjectInfo]:
        """One large file, or several small ones."""
        chosen = [self._pending.pop()]
        size = chosen[0].size
        while (
            self._pending
            and size < _BATCH_BYTES
            and self._pending[-1].size <= SMALL_BYTES
            and len(chosen) < _BATCH_FILES
        ):
            chosen.append(self._pending.pop())
            size += chosen[-1].size
        return chosen

    def _take(self, found: Sequence[ObjectInfo]) -> None:
        small = [one for one in found if one.size <= SMALL_BYTES]
        contents = {one.key: read for one, read in in_parallel(lambda one: content(self._store, one), small)}
        batch: list[_Read] = []
        for one in found:
            for read in self._read(one, contents.pop(one.key, None)):
                batch.append(read)
                if sum(waiting.rows.num_rows for waiting in batch) >= _BATCH_ROWS:
                    self._keep(batch)
                    batch = []
        if batch:
            self._keep(batch)

    def _read(self, found: ObjectInfo, small: bytes | LeftOut | None) -> Iterator["_Read"]:
        file_no, self._next_file = self._next_file, self._next_file + 1
        count = 0
        last: _Read | None = None
        try:
            if isinstance(small, LeftOut):
                raise small
            for piece in rows(self._store, found, small):
                if last is not None:
                    yield last
                last = _Read(found, file_no, piece, is_first=last is None, is_newer=is_newer(piece))
                count += piece.num_rows
        except LeftOut as error:
            self._leave_out(found, error)
            self._gone[file_no] = found.key  # pieces of it may be there
            return
        if last is not None:
            last.count = count
            yield last
            if last.is_newer:
                _log.warning("%s is of a later release: columns that this one does not know are left out", found.key)

    def _leave_out(self, found: ObjectInfo, error: LeftOut) -> None:
        known = self._skipped.get(found.key)
        if known is None or known.reason != error.reason:
            _log.warning("a file of sessions is left out (%s): %s: %s", error.reason, found.key, error)
        self._skipped[found.key] = _Skipped(found, error.reason)

    def _keep(self, batch: Sequence["_Read"]) -> None:
        """Take what was read; when DuckDB refuses it, all but the file that is to blame."""
        try:
            self._merge(batch)
        except (duckdb.OutOfMemoryException, duckdb.FatalException, duckdb.InternalException, duckdb.IOException):
            self._gone |= {read.file_no: read.found.key for read in batch}
            raise
        except duckdb.Error as error:
            if len({read.file_no for read in batch}) > 1:
                for _, own in itertools.groupby(batch, key=lambda read: read.file_no):
                    self._keep(list(own))
                return
            self._leave_out(batch[0].found, LeftOut(Reason.REFUSED, error))
            self._gone[batch[0].file_no] = batch[0].found.key
            return
        for read in batch:
            if read.count is not None and read.file_no not in self._gone:
                taken = _Taken(read.file_no, read.found.size, read.found.modified_ms, read.is_newer)
                self._files[read.found.key] = taken
                self._skipped.pop(read.found.key, None)

    @contextmanager
    def _change(self) -> Iterator[None]:
        """All of it or nothing, for who asks meanwhile and when it fails."""
        self.changes += 1
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            _end(self._connection)
            raise
        self._connection.execute("COMMIT")
        self.version += 1

    def _merge(self, batch: Sequence["_Read"]) -> None:
        tables = [read.numbered() for read in batch]
        whole = pa.concat_tables(tables)
        self._connection.register("batch", whole.append_column("n", pa.array(range(whole.num_rows), pa.int64())))
        days = ", ".join(sorted({str(_day_number(read.found.key)) for read in batch}))
        try:
            with self._change():
                self._note(batch)
                self._merge_rows(days)
        finally:
            self._connection.unregister("batch")

    def _note(self, batch: Sequence["_Read"]) -> None:
        """Which files the rows are of; one that has more of them to come is without a count."""
        first = [read for read in batch if read.is_first]
        if first:
            new = [(read.file_no, read.found.key, read.found.size, read.found.modified_ms, read.count, read.is_newer)
                   for read in first]  # fmt: skip
            self._connection.executemany("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)", new)
        for read in batch:
            if read.count is not None and not read.is_first:
                self._connection.execute("UPDATE files SET row_count = ? WHERE file_no = ?", [read.count, read.file_no])

    def _merge_rows(self, days: str) -> None:
        self._connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE coming AS
                SELECT n, day, hash(app_id, session_id) AS id, {_KEY}, revision, file_no FROM batch;
            CREATE OR REPLACE TEMP TABLE ranked AS
                SELECT *, row_number() OVER (PARTITION BY day, id, {_KEY} ORDER BY revision DESC, file_no DESC) AS place
                FROM (
                    SELECT *, NULL::BIGINT AS old FROM coming
                    UNION ALL
                    SELECT NULL, day, id, {_KEY}, revision, file_no, rowid
                    FROM (SELECT day, id, {_KEY}, revision, file_no, rowid FROM sessions WHERE day IN ({days})) AS there
                    SEMI JOIN coming USING (day, id, {_KEY})
                );
            INSERT INTO superseded SELECT day, id, {_KEY}, revision, file_no FROM ranked WHERE place > 1;
            INSERT INTO sessions
                SELECT {_VALUES}, day, hash(app_id, session_id), file_no, lower(concat_ws(chr(10), {_SEARCH_TEXT}))
                FROM batch SEMI JOIN (FROM ranked WHERE place = 1 AND n IS NOT NULL) USING (n);
        """)
        if self._connection.execute("SELECT 1 FROM ranked WHERE place > 1 AND old IS NOT NULL LIMIT 1").fetchone():
            self._connection.execute("DELETE FROM sessions WHERE rowid IN (SELECT old FROM ranked WHERE place > 1)")

    def _drop(self) -> None:
        """Rows of files that are gone. A window whose best row was there falls back to what other files have."""
        waiting = {found.key for found in self._pending}
        failing = {key for key, one in self._skipped.items() if one.reason.may_pass}
        still_due = {_day(key) for key in waiting | failing}
        ready = [
            file_no
            for file_no, key in self._gone.items()
            if (key not in waiting if key in self._listed else _day(key) not in still_due)
        ]
        if not ready:
            return
        days = ", ".join(sorted({str(_day_number(self._gone[file_no])) for file_no in ready}))
        with self._change():
            self._connection.execute("INSERT INTO unclean SELECT true WHERE true NOT IN (FROM unclean)")
            of_files = "file_no IN (SELECT unnest(?::INTEGER[]))"
            for table in ("superseded", "sessions"):
                self._connection.execute(f"DELETE FROM {table} WHERE day IN ({days}) AND {of_files}", [ready])
            self._connection.execute(f"DELETE FROM files WHERE {of_files}", [ready])
        self._gone = {file_no: key for file_no, key in self._gone.items() if file_no not in ready}
        self._fall_back(days)

    def _fall_back(self, days: str) -> None:
        again = self._connection.execute(f"""
            SELECT DISTINCT key FROM (FROM superseded WHERE day IN ({days}))
            ANTI JOIN (FROM sessions WHERE day IN ({days})) USING (day, id, {_KEY}) JOIN files USING (file_no)
        """).fetchall()
        for (key,) in again:
            taken = self._files.pop(key, None)
            if taken is not None:
                self._gone[taken.file_no] = key
                self._pending.append(self._listed[key])


class _Read(msgspec.Struct):
    """A piece of a file. `count`: rows of all its pieces, with the last one."""

    found: ObjectInfo
    file_no: int
    rows: pa.Table
    is_first: bool
    is_newer: bool
    count: int | None = None

    def numbered(self) -> pa.Table:
        """With the file's number and day; the file's own metadata is left behind."""
        rows = self.rows.replace_schema_metadata(None)
        for name, value in (("file_no", self.file_no), ("day", _day_number(self.found.key))):
            rows = rows.append_column(name, pa.repeat(pa.scalar(value, pa.int32()), rows.num_rows))
        return rows


def _end(connection: duckdb.DuckDBPyConnection) -> None:
    """Undo what is open, should there be something: a failed statement may have ended it."""
    try:
        connection.execute("ROLLBACK")
    except duckdb.Error:
        return


@contextmanager
def _named(cursor: duckdb.DuckDBPyConnection, sets: Sequence[SessionSet]) -> Iterator[duckdb.DuckDBPyConnection]:
    """The cursor, to which these sets are known by their names while the block lasts."""
    try:
        for one in sets:
            cursor.register(one.name, one.windows)
        yield cursor
    finally:
        for one in sets:
            with suppress(duckdb.Error):  # the database may have been closed meanwhile
                cursor.unregister(one.name)


def _day(key: str) -> str:
    return partition_value(key, "dt") or ""


def _day_number(key: str) -> int:
    """Days since 1970; 0 for what is no day."""
    try:
        return (date.fromisoformat(_day(key)) - _EPOCH).days
    except ValueError:
        return 0
