"""Rows of one session in the line tables: the files of its days side by side, and of each what a look-up needs.

What is kept is bounded, and a pool of threads is the only place where files are read, so that what is in use at once
does not grow with the number of questions.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

import msgspec
import pyarrow as pa

from lake.block_files import Question, TooMuch, name_of
from lake.blocks import BlockCache
from lake.day_files import DayFiles
from lake.parquet_duck import ParquetDuck, Unreadable
from lake.read_limits import ReadLimits
from lake.table_scan import TableScan
from schemas.items import LINE_TABLE
from schemas.tables import arrow_schema
from sinks.parallel import in_parallel
from sinks.store import ObjectInfo, ObjectMissing, ObjectStore
from sinks.swap import LakeRestless
from sinks.tables import declared_columns

TABLES = (*LINE_TABLE.values(), "replay_segments")
_TRIES = 10  # a folder is compacted once a day
_FIND = "SELECT * FROM read_parquet(?, hive_partitioning = false) WHERE app_id = ? AND session_id = ?"
_log = logging.getLogger("replaylake.serve")


class ReadCounts(msgspec.Struct):
    """Since the start. `unreadable`: files that were left out; `refused`: questions that would have taken too much."""

    unreadable: int = 0
    refused: int = 0


class LineTables:
    """For any thread. `now`: seconds; what is known of a day is looked at again after `seconds`."""

    def __init__(self, store: ObjectStore, limits: ReadLimits, now: Callable[[], float], seconds: float) -> None:
        self.blocks = BlockCache(store, limits.cache_bytes)
        self.counts = ReadCounts()
        self._limits = limits
        self._days = DayFiles(store, TABLES, now, seconds)
        self._duck = ParquetDuck(self.blocks, limits.memory_bytes, is_look_up=True)
        self._scan_duck = ParquetDuck(self.blocks, limits.scan_memory_bytes, limits.scan_threads)
        self.scan = TableScan(store, self.blocks, self._scan_duck, now, seconds)
        self._pool = ThreadPoolExecutor(limits.at_once, "replaylake-lines")
        self._unreadable: set[str] = set()

    def session(  # noqa: PLR0913 - what a look-up depends on
        self,
        tables: Sequence[str],
        days: Iterable[str],
        app_id: str,
        session_id: str,
        news: int,
        is_wanted: Callable[[str], bool],
    ) -> dict[str, pa.Table]:
        """Rows of a session by table, each row once, with the columns of today's schema.

        `days`: in whose folders they lie; `is_wanted`: whether the file of a key can have any; `news`: see `DayFiles`.
        Raises LakeRestless, TooMuch.
        """
        days = list(days)
        for _ in range(_TRIES):
            listed = [files for _, files in in_parallel(lambda day: self._days.of(day, news), days)]
            files = {table: [one for day in listed for one in day[table] if is_wanted(one.key)] for table in tables}
            try:
                return self._read(files, app_id, session_id)
            except TooMuch:
                self.counts.refused += 1
                raise
            except ObjectMissing:  # expired, merged or erased since it was listed
                for day in days:
                    self._days.forget(day)
        raise LakeRestless(f"files of {', '.join(days)} were replaced {_TRIES} times while they were read: try again")

    def close(self) -> None:
        """End what is being read."""
        self._pool.shutdown(cancel_futures=True)
        self._duck.close()
        self._scan_duck.close()

    def _read(self, files: Mapping[str, Sequence[ObjectInfo]], app_id: str, session_id: str) -> dict[str, pa.Table]:
        question = Question(self._limits.question_bytes)
        reading: dict[Future[pa.Table], str] = {
            self._pool.submit(self._find, question, table, one, (app_id, session_id)): table
            for table, found in files.items()
            for one in found
        }
        done, late = wait(reading, self._limits.question_seconds, FIRST_EXCEPTION)
        question.end()
        for one in late:
            one.cancel()
        for one in done:
            one.result()
        if late:
            raise TooMuch(f"not read within {self._limits.question_seconds:g} s: try again later")
        found = {table: [one.result() for one, name in reading.items() if name == table] for table in files}
        return {table: pa.concat_tables(parts) for table, parts in found.items() if parts}

    def _find(self, question: Question, table: str, found: ObjectInfo, session: tuple[str, str]) -> pa.Table:
        try:
            return declared_columns(self._duck.query(found, _FIND, session, question), table)
        except (Unreadable, pa.ArrowException) as error:  # it has other types than ours
            self._leave_out(found, error)
            return arrow_schema(table).empty_table()

    def _leave_out(self, found: ObjectInfo, error: Exception) -> None:
        """A file that is not one of ours, or damaged, costs what it holds and nothing else."""
        if name_of(found) not in self._unreadable:
            self._unreadable.add(name_of(found))
            self.counts.unreadable += 1
            _log.error("%s is left out: %s", found.key, error)
