"""Which rows of a table a higher revision replaces, by file and position.

All revisions of a row share a day, so each day is looked at for itself; and few files can supersede anything, which
their names say. Keys are kept as hashes of 128 bits, file by file, for the days that change: 24 bytes a row.
"""

from collections.abc import Iterable, Mapping

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from schemas.keys import FIRST_REVISIONS, TABLE_ENDING, partition_value
from schemas.tables import REVISED
from sinks.parallel import in_parallel
from sinks.store import ObjectInfo, ObjectStore
from sinks.table_files import decode

_ROWS_MAX = 20_000_000  # that are remembered of a table, between runs of one process
_SEPARATOR = "\x1f"

Positions = dict[str, list[int]]  # superseded rows by key of the file, in order; files without any are left out


class _Rows(msgspec.Struct):
    """Key and revision of each row of a file, in its order. A row without its whole key has null: it stays."""

    keys: pa.Array
    revisions: pa.Array


class Superseded:
    """Of one table. Files do not change under a name, so what was read of one is remembered."""

    def __init__(self, store: ObjectStore, table: str) -> None:
        self._store = store
        self._table = table
        self._known: dict[str, _Rows] = {}

    def positions(self, files: Iterable[ObjectInfo]) -> Positions:
        """Of one day, all of whose files these are. Raises ObjectMissing when one has gone."""
        files = list(files)
        revised = [one for one in files if not one.key.endswith(FIRST_REVISIONS + TABLE_ENDING)]
        highest: dict[bytes, int] = {}
        for one in self._rows(revised).values():
            later = pc.greater(one.revisions, 0)
            pairs = zip(one.keys.filter(later).to_pylist(), one.revisions.filter(later).to_pylist(), strict=True)
            for key, revision in pairs:
                if key is not None:
                    highest[key] = max(revision, highest.get(key, 0))
        if not highest:
            return {}
        wanted = pa.array(list(highest), pa.binary(16))
        found: Positions = {}
        for name, rows in self._rows(files).items():
            suspects = pc.indices_nonzero(pc.is_in(rows.keys, value_set=wanted))
            old = [
                position
                for position, key, revision in zip(
                    suspects.to_pylist(),
                    rows.keys.take(suspects).to_pylist(),
                    rows.revisions.take(suspects).to_pylist(),
                    strict=True,
                )
                if revision < highest[key]
            ]
            if old:
                found[name] = old
        return found

    def forget(self, there: Mapping[str, object]) -> None:
        """Let go of files that are gone, and of the oldest days when it becomes too much."""
        self._known = {key: rows for key, rows in self._known.items() if key in there}
        count = 0
        for key in sorted(self._known, key=lambda key: partition_value(key, "dt") or "", reverse=True):
            count += len(self._known[key].keys)
            if count > _ROWS_MAX:
                del self._known[key]

    def _rows(self, files: list[ObjectInfo]) -> dict[str, _Rows]:
        new = [one.key for one in files if one.key not in self._known]
        self._known.update(in_parallel(self._read, new))
        return {one.key: self._known[one.key] for one in files}

    def _read(self, key: str) -> _Rows:
        content = decode(self._store.read(key), [*REVISED[self._table], "revision"], use_threads=False)
        texts = [content[name].cast(pa.string()) for name in REVISED[self._table]]
        joined = pc.binary_join_element_wise(*texts, _SEPARATOR).cast(pa.binary()).to_pylist()
        hashes = [None if one is None else xxhash.xxh3_128_digest(one) for one in joined]
        return _Rows(pa.array(hashes, pa.binary(16)), content["revision"].combine_chunks())
