"""In which windows rows of a table fulfil conditions, by the table's files.

What was found is kept by file: files never change, so a file that is new costs itself alone, and a list, its facets and
its histogram share the rest. Where revisions may replace a row, what a file has also depends on these (`Part`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from lake.block_files import TooMuch
from lake.table_scan import FileLeftOut, Part
from schemas.units import MIB
from sinks.store import ObjectInfo, ObjectMissing, StoreError
from sinks.swap import LakeRestless
from viewer.filters import Condition
from viewer.line_copies import LineCopies
from viewer.line_copy import LineCopy
from viewer.line_explorer import AskLines
from viewer.listed import WINDOW_HASH
from viewer.shared_cache import SharedCache

_KEPT_BYTES = 64 * MIB
_ENTRY_BYTES = 500  # of a file in which nothing was found
_BATCH_BYTES = 256 * MIB  # of files; what was found in a batch is kept, should there be no time for the next one
_BATCH_FILES = 1_000

_NOTHING = pa.array([], pa.uint64())
_WINDOW = ("app_id", "session_id", "session_part")
_What = tuple[str, str, str]  # a table, a condition and its parameters
InCopy = Callable[[LineCopy], pa.Array]


class Looked(msgspec.Struct, frozen=True):
    """The windows of each condition (column `window_hash`), and why not all files were looked into."""

    windows: list[pa.Table]
    trouble: Exception | None

    @property
    def nbytes(self) -> int:
        return sum(one.nbytes for one in self.windows)


class FoundWindows:
    """For any thread."""

    def __init__(self, copies: LineCopies) -> None:
        self._copies = copies
        self._kept = SharedCache[tuple[_What, Part], pa.Array](_KEPT_BYTES, lambda one: one.nbytes + _ENTRY_BYTES)
        self._looking = SharedCache[tuple[tuple[_What, ...], frozenset[Part]], Looked](0, lambda _: 1)

    def look(  # noqa: PLR0913 - what is found depends on it
        self,
        ask: AskLines,
        among: Condition,
        conditions: Sequence[Condition],
        columns: Sequence[str],
        limit_bytes: int,
        in_copy: Sequence[InCopy] = (),
    ) -> Looked:
        """The windows with a row that fulfils a condition, for each of these, `among` certain rows.

        `columns`: those that all these name; `in_copy`: what else gives the windows of each condition, among these
        rows. Once more than the limit is found, the rest is not looked into.
        """
        search = _Search(ask, among, conditions, [*columns, *_WINDOW], limit_bytes, in_copy)
        try:
            return ask.steadily(lambda: self._look(search))
        except (TooMuch, LakeRestless, StoreError) as trouble:
            return Looked([_table([]) for _ in conditions], trouble)

    def _look(self, search: "_Search") -> Looked:
        parts = search.ask.parts()
        return self._looking.get((search.whats, frozenset(parts)), lambda: self._in_all(search, parts))

    def _in_all(self, search: "_Search", parts: Mapping[Part, ObjectInfo]) -> Looked:
        known = {(what, part): self._kept.kept((what, part)) for what in search.whats for part in parts}
        lacking = {part: one for part, one in parts.items() if any(known[what, part] is None for what in search.whats)}
        trouble: Exception | None = None
        size = sum(one.nbytes for one in known.values() if one is not None)
        try:
            for found in self._lacking(search, lacking, parts):
                if size > search.limit_bytes:
                    trouble = TooMuch("it happened in too many sessions: ask for fewer days, or for something rarer")
                    break
                for what, part, windows in found:
                    known[what, part] = windows
                    size += windows.nbytes
                    self._kept.keep((what, part), windows)
        except (FileLeftOut, ObjectMissing):
            raise
        except (TooMuch, StoreError) as error:
            trouble = error
        return Looked([_table(known[what, part] for part in parts) for what in search.whats], trouble)

    def _lacking(
        self, search: "_Search", lacking: Mapping[Part, ObjectInfo], parts: Mapping[Part, ObjectInfo]
    ) -> Iterator[Iterator[tuple[_What, Part, pa.Array]]]:
        """What is found in files that were not looked into: those with a copy one by one, then others in batches."""
        others = dict(lacking)
        for part in lacking if search.in_copy else ():
            copy = self._copies.of(search.ask.table, part)
            if copy is not None:
                del others[part]
                yield ((what, part, find(copy)) for what, find in zip(search.whats, search.in_copy, strict=True))
        for batch in _batches(others):
            yield search.found(batch, parts)


class _Search(msgspec.Struct, frozen=True):
    """What is looked for in one question."""

    ask: AskLines
    among: Condition
    conditions: Sequence[Condition]
    columns: Sequence[str]
    limit_bytes: int
    in_copy: Sequence[InCopy]

    @property
    def whats(self) -> tuple[_What, ...]:
        both = [self.among.also(one.sql, *one.params) for one in self.conditions]
        return tuple((self.ask.table, one.sql, repr(one.params)) for one in both)

    def found(self, batch: Sequence[Part], parts: Mapping[Part, ObjectInfo]) -> Iterator[tuple[_What, Part, pa.Array]]:
        """The windows of each condition in each file of the batch."""
        places = {part[0]: place for place, part in enumerate(batch)}
        replacing = {name for _, names in batch for name in names if name not in places}
        files = [parts[part] for part in batch] + [one for (name, _), one in parts.items() if name in replacing]
        flags = [f"c{number}" for number in range(len(self.conditions))]
        rows = self.ask.of_files(
            files,
            f""", checked AS NOT MATERIALIZED (SELECT file_index, {WINDOW_HASH} AS window_hash,
                {", ".join(f"({one.sql}) AS {flag}" for one, flag in zip(self.conditions, flags, strict=True))}
                FROM lines WHERE {self.among.sql})
            SELECT file_index, window_hash, {", ".join(f"bool_or({flag}) AS {flag}" for flag in flags)}
            FROM checked WHERE {" OR ".join(flags)} GROUP BY ALL ORDER BY file_index""",
            [*(value for one in self.conditions for value in one.params), *self.among.params],
            self.columns,
        )
        for flag, what in zip(flags, self.whats, strict=True):
            held = rows.filter(rows[flag])
            by_place = _by_place(held["file_index"].combine_chunks(), held["window_hash"].combine_chunks())
            for place, part in enumerate(batch):
                yield what, part, by_place.get(place, _NOTHING)


def _by_place(places: pa.Array, windows: pa.Array) -> dict[int, pa.Array]:
    """The windows of each place; places are sorted."""
    runs = pc.run_end_encode(places)
    ends = runs.run_ends.to_pylist()
    begins = [0, *ends][:-1]
    return {
        place: windows.slice(begin, end - begin)
        for place, begin, end in zip(runs.values.to_pylist(), begins, ends, strict=True)
    }


def _batches(parts: Mapping[Part, ObjectInfo]) -> Iterator[list[Part]]:
    batch: list[Part] = []
    size = 0
    for part, one in parts.items():
        if batch and (size + one.size > _BATCH_BYTES or len(batch) == _BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(part)
        size += one.size
    if batch:
        yield batch


def _table(windows: Iterable[pa.Array | None]) -> pa.Table:
    return pa.table({"window_hash": pa.chunked_array([one for one in windows if one], pa.uint64())})
