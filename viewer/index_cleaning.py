"""Deleted rows leave the database file too: DuckDB marks them, and keeps a row group as long as one row of it is left.

A pass goes through the row groups that there are at its begin, from the last one down, and writes those anew of which
rows were deleted; a group without rows is dropped by the next checkpoint. Then what is free in the file is overwritten.
Groups only move down meanwhile, so none is missed. A step is one group: the index follows the lake between two of them.

DuckDB refuses a checkpoint beside a question, so it waits for a moment without any. There may be none for a while: then
the pass goes on later.
"""

from collections.abc import Iterator

import duckdb

from viewer.questions import Bound, Busy, Questions

_GROUPS = """
    SELECT sum(count) FROM pragma_storage_info('sessions')
    WHERE column_name = 'file_no' AND segment_type = 'INTEGER' GROUP BY row_group_id ORDER BY row_group_id
"""
_SPARE_BLOCKS = 4
_NUMBER_BYTES = 8


class Cleaning:
    """One pass over the tables of the index, in the thread that changes them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, questions: Questions) -> None:
        self._connection = connection
        self._questions = questions
        self._next: int | None = None  # group; None: not begun
        self._is_superseded_clean = False
        self._is_filled = False

    def step(self) -> bool:
        """One group, or the end; whether the pass is over. Raises Busy when questions leave no moment for it."""
        if self._next is None:
            self._checkpoint()
            self._next = len(list(self._groups())) - 1
        groups = list(self._groups())
        self._next = min(self._next, len(groups) - 1)
        while self._next >= 0:
            first, end = groups[self._next]
            self._next -= 1
            if self._is_partly_deleted(first, end):
                self._write_anew(first, end)
                return False
        if not self._is_superseded_clean:
            self._connection.execute("CREATE OR REPLACE TABLE superseded AS FROM superseded")
            self._is_superseded_clean = True
        if not self._is_filled:
            self._fill()
            self._is_filled = True
        self._checkpoint("DROP TABLE filling; CHECKPOINT")
        return True

    def _checkpoint(self, then: str = "") -> None:
        with self._questions.quiet() as is_quiet:  # a group that somebody reads is not dropped
            if not is_quiet:
                raise Busy(Bound.SLOTS)
            self._connection.execute(f"CHECKPOINT; {then}")

    def _groups(self) -> Iterator[tuple[int, int]]:
        """Row numbers of each group, the end not included."""
        first = 0
        for (count,) in self._connection.execute(_GROUPS).fetchall():
            yield first, first + int(count)
            first += int(count)

    def _is_partly_deleted(self, first: int, end: int) -> bool:
        there = self._connection.execute(
            "SELECT count(*) FROM sessions WHERE rowid >= ? AND rowid < ?", [first, end]
        ).fetchone()
        assert there is not None
        return 0 < int(there[0]) < end - first

    def _write_anew(self, first: int, end: int) -> None:
        self._connection.execute(f"""
            BEGIN;
            INSERT INTO sessions FROM sessions WHERE rowid >= {first} AND rowid < {end};
            DELETE FROM sessions WHERE rowid >= {first} AND rowid < {end};
            COMMIT;
        """)

    def _fill(self) -> None:
        """Free the blocks of what is gone, and write numbers over them."""
        self._checkpoint()
        free = self._connection.execute("SELECT free_blocks, block_size FROM pragma_database_size()").fetchone()
        assert free is not None
        numbers = (free[0] + _SPARE_BLOCKS) * free[1] // _NUMBER_BYTES
        self._connection.execute(f"""
            CREATE OR REPLACE TABLE filling (number UBIGINT USING COMPRESSION uncompressed);
            INSERT INTO filling SELECT hash(range) FROM range({numbers});
        """)
