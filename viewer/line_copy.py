"""A narrow copy of lines: of a few columns each value once, and of each row its number.

A file of the lake is made for many readers and for its size, and a question over all of its rows decodes each. A copy
lies in memory, or on disk mapped into it, as it is; what is asked of a value is asked once a value. It is one Arrow
record batch:

    window          the windows of the rows (`WINDOW_HASH`)
    user            of errors, a hash of their users
    time            client clock, epoch us
    text:COLUMN     in lower case, what free text is looked for in (`HAPPENED`)
    COLUMN          what rows are filtered and counted by; or, rounded up, how many steps a number is, -1: not known

All but times and steps are dictionaries, whose last value is null.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lake.block_files import Question
from lake.table_scan import TableScan
from schemas.units import NS_PER_MS
from sinks.store import ObjectInfo
from viewer.filters import Wanted, microseconds
from viewer.listed import HAPPENED, WINDOW_HASH
from viewer.step_counts import UNKNOWN, Integers

NO_TIME_US = 1 - 2**63
WINDOW, USER = "window", "user"
_STEPS_MAX = 2**31 - 1

Rows = NDArray[np.intp] | slice  # of a copy
BREAKDOWNS = ("version", "browser", "country", "device")
FILTERED = ("app_id", "env", "service", "os", *BREAKDOWNS)


class Copied(msgspec.Struct, frozen=True):
    """What a copy of a table has. `steps`: how much of a column is a step. `users`: whether users are told apart."""

    texts: Sequence[str] = ()
    values: Sequence[str] = ("app_id",)
    steps: Mapping[str, float] = {}
    users: bool = False


_VITAL_STEPS = {"largest_contentful_paint": NS_PER_MS, "interaction_to_next_paint": NS_PER_MS,
                "cumulative_layout_shift": 0.001}  # fmt: skip
COPIED: Mapping[str, Copied] = {
    "errors": Copied(HAPPENED["errors"], (*FILTERED, "error_type", "error_source", "error_fingerprint"), users=True),
    "console": Copied(HAPPENED["console"], ("app_id", "level")),
    "actions": Copied(HAPPENED["actions"], ("app_id", "action_name", "action_type", "view_path_group")),
    "views": Copied(HAPPENED["views"], (*FILTERED, "view_path_group"), _VITAL_STEPS | {"loading_time": NS_PER_MS}),
    "resources": Copied(
        HAPPENED["resources"],
        (
            *FILTERED,
            "view_path_group",
            "resource_url_host",
            "resource_url_path_group",
            "resource_type",
            "resource_status",
        ),
        {"duration": NS_PER_MS},
    ),
}


def can_be_asked(table: str, wanted: Wanted, columns: Sequence[str] = ()) -> bool:
    """Whether copies of a table have all that a filter names. `columns`: only these may be named."""
    others = (wanted.text.split(), wanted.gt, wanted.lt, wanted.between, wanted.happened)
    names = {pair.partition(":")[0] for pair in (*wanted.is_, *wanted.not_)}
    return not any(others) and table in COPIED and names <= set(columns or COPIED[table].values)


def steps_sql(column: str, step: float) -> str:
    """How many steps a number does not exceed; negative ones are none."""
    steps = f"least(greatest(ceil({column} / {step}), 0), {_STEPS_MAX})"
    return f"CASE WHEN {column} IS NULL THEN {UNKNOWN} ELSE {steps} END::INTEGER"


class LineCopy:
    """A copy. For any thread."""

    def __init__(self, rows: pa.RecordBatch) -> None:
        self._rows = rows

    def rows(self, wanted: Wanted) -> Rows:
        """Those that a filter wants. It may be asked that (`can_be_asked`)."""
        is_wanted = np.ones(self._rows.num_rows, bool)
        for name, flags in self._wanted_values(wanted).items():
            is_wanted &= flags[self.numbers(name)]
        times = self.numbers("time")
        if wanted.from_ms is not None:
            is_wanted &= times >= microseconds(wanted.from_ms)
        if wanted.to_ms is not None:
            is_wanted &= (times < microseconds(wanted.to_ms)) & (times != NO_TIME_US)
        return slice(None) if is_wanted.all() else np.flatnonzero(is_wanted)

    def _wanted_values(self, wanted: Wanted) -> dict[str, NDArray[np.bool_]]:
        """Of the values of some columns, whether they are wanted."""
        said: dict[str, list[NDArray[np.bool_]]] = defaultdict(list)

        def add(name: str, is_held: Callable[[str | None], bool]) -> None:
            said[name].append(np.array([is_held(value) for value in self.texts(name)], bool))

        if wanted.apps is not None:
            add("app_id", wanted.apps.__contains__)
        if wanted.app is not None:
            add("app_id", {wanted.app}.__contains__)
        either: dict[str, set[str | None]] = defaultdict(set)
        for pair in wanted.is_:
            name, _, value = pair.partition(":")
            either[name] |= {value, value or None}  # empty: also not known
        for name, values in either.items():
            add(name, values.__contains__)
        for pair in wanted.not_:
            name, _, value = pair.partition(":")
            unwanted = {value, value or None}
            said[name].append(np.array([one not in unwanted for one in self.texts(name)], bool))
        return {name: np.logical_and.reduce(flags) for name, flags in said.items()}

    def texts(self, column: str) -> list[str | None]:
        """By number."""
        return list(self.values(column).to_pylist())

    def numbers(self, column: str) -> NDArray[np.integer]:
        """Of each row the number of its value, or of steps."""
        held = self._rows[column]
        numbers: Integers = (held.indices if isinstance(held, pa.DictionaryArray) else held).to_numpy()
        return numbers

    def values(self, column: str) -> pa.Array:
        """By number."""
        return self._rows[column].dictionary

    def hashes(self, column: str) -> NDArray[np.uint64]:
        """The values of windows or users, by number; the number behind the last one is of none."""
        values = self.values(column)
        hashes: NDArray[np.uint64] = values.slice(0, len(values) - 1).to_numpy()
        return hashes

    def windows_with(self, columns: Sequence[str], word: str, apps: frozenset[str] | None) -> pa.Array:
        """Windows that have a row with the word in one of the columns, of these apps."""
        is_wanted = np.zeros(self._rows.num_rows, bool)
        for column in columns:
            has_word = _flags(pc.match_substring(self.values(f"text:{column}"), word))
            if has_word.any():
                is_wanted |= has_word[self.numbers(f"text:{column}")]
        if apps is not None:
            is_wanted &= _flags(pc.is_in(self.values("app_id"), pa.array(apps, pa.string())))[self.numbers("app_id")]
        return self.windows(np.flatnonzero(is_wanted))

    def windows(self, rows: Rows) -> pa.Array:
        """The windows of some rows, each once."""
        windows = self.values(WINDOW)
        is_found = np.zeros(len(windows), bool)
        is_found[self.numbers(WINDOW)[rows]] = True
        return windows.filter(pa.array(is_found))


def copied(scan: TableScan, table: str, files: Sequence[ObjectInfo], count: int, question: Question) -> pa.RecordBatch:
    """Of the first so many of these files, without rows that another one replaces."""
    has = COPIED[table]
    columns = {
        WINDOW: WINDOW_HASH,
        **({USER: "CASE WHEN userid IS NOT NULL THEN hash(userid) END"} if has.users else {}),
        "time": f"coalesce(epoch_us(time), {NO_TIME_US})",
        **{f"text:{name}": f"lower({name})" for name in has.texts},
        **{name: name for name in has.values},
        **{name: steps_sql(name, step) for name, step in has.steps.items()},
    }  # fmt: skip
    selected = ", ".join(f'{sql} AS "{name}"' for name, sql in columns.items())
    sql = f"SELECT {selected} FROM lines WHERE file_index < {count}"
    uses = ["app_id", "session_id", "session_part", "time", *has.texts, *has.values, *has.steps]
    uses += ["userid"] if has.users else []
    plain = {"time", *has.steps}

    def take(batches: Iterable[pa.RecordBatch]) -> dict[str, list[pa.Array]]:
        pieces = defaultdict(list)
        for batch in batches:
            for name in columns:
                pieces[name].append(batch[name] if name in plain else batch[name].dictionary_encode())
        return pieces

    pieces = scan.in_batches_of(files, table, uses, sql, (), question, take, ["file_index"])
    arrays = [
        _joined(pieces[name])
        if name in plain
        else _numbered(pieces[name], pa.uint64() if name in {WINDOW, USER} else pa.string())
        for name in columns
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _joined(pieces: Sequence[pa.Array]) -> pa.Array:
    return pa.concat_arrays(pieces) if pieces else pa.array([], pa.int64())


def _numbered(pieces: Sequence[pa.DictionaryArray], of: pa.DataType) -> pa.DictionaryArray:
    """One dictionary for all, null in it."""
    whole = pa.chunked_array(pieces, pa.dictionary(pa.int32(), of)).unify_dictionaries()
    values = whole.chunk(0).dictionary if pieces else pa.array([], of)
    small = next(one for one in (np.uint8, np.uint16, np.uint32) if len(values) <= np.iinfo(one).max)
    numbers = [chunk.indices.fill_null(len(values)).to_numpy().astype(small) for chunk in whole.chunks]
    joined = np.concatenate(numbers) if numbers else np.empty(0, small)
    return pa.DictionaryArray.from_arrays(pa.array(joined), pa.concat_arrays([values, pa.nulls(1, of)]))


def _flags(found: pa.Array) -> NDArray[np.bool_]:
    flags: NDArray[np.bool_] = pc.coalesce(found, pa.scalar(value=False)).to_numpy(zero_copy_only=False)
    return flags
