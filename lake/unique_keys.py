"""Is every key of a table there once? By a hash of 64 bits a row, so that a large table fits into memory.

Two keys of one hash would be taken for one: at 100 million rows that happens once in 3,700 lakes, and the message names
files that can be looked at.
"""

from array import array
from bisect import bisect_right

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from schemas.tables import REVISED, TABLES

_SEPARATOR = "\x1f"


def key_hashes(content: pa.Table, table: str) -> "array[int]":
    """One a row that has its whole key; none of a table whose revisions are checked row by row.

    Nor one a segment without a number (0, -1): SDKs that number none may send two that begin in one millisecond. Those
    are held against the bytes of their blob, as all are.
    """
    columns = () if table in REVISED else TABLES[table].key
    if not columns:
        return array("Q")
    if "index_in_view" in columns:
        content = content.filter(pc.greater(content["index_in_view"], 0))
    texts = [content[name].cast(pa.string()) for name in columns]
    joined = pc.binary_join_element_wise(*texts, _SEPARATOR).drop_null()
    return array("Q", (xxhash.xxh3_64_intdigest(text) for text in joined.cast(pa.binary()).to_pylist()))


class UniqueKeys:
    """The keys of one table, file by file."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._hashes: array[int] = array("Q")
        self._ends: list[int] = []
        self._files: list[str] = []

    def add(self, file: str, hashes: "array[int]") -> None:
        self._hashes.extend(hashes)
        self._ends.append(len(self._hashes))
        self._files.append(file)

    def problems(self) -> list[str]:
        """A line where a key is there more than once."""
        hashes = pa.array(memoryview(self._hashes), pa.uint64())
        if pc.count_distinct(hashes).as_py() == len(hashes):
            return []
        counts = hashes.value_counts()
        repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
        places = pc.indices_nonzero(pc.is_in(hashes, value_set=repeated)).to_pylist()
        names = sorted({self._file(place) for place in places})
        key = ", ".join(TABLES[self._table].key)
        return [f"{self._table}: {len(repeated)} keys ({key}) are there more than once, in {', '.join(names[:4])}"]

    def _file(self, place: int) -> str:
        return self._files[bisect_right(self._ends, place)]
