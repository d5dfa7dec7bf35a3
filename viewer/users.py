"""Users of many sessions, told apart by 64-bit hashes: all of them, and those with each value of some columns.

DuckDB keeps a set of users of each value. Here each user gets a number once, and a value has a flag of each number.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_FLAGS_MAX = 1 << 26  # of a column; beyond, pairs of value and user are sorted, which takes eight bytes a session

Numbers = NDArray[np.integer]


def users_by_value(batches: Iterable[pa.RecordBatch], columns: Sequence[str]) -> dict[tuple[str, object], int]:
    """How many there are by column and value, and in all by "" and None. `number` is the user's; values are hashes."""
    users = [pa.array([], pa.uint64())]
    values: dict[str, list[Numbers]] = {name: [np.empty(0, np.uint8)] for name in columns}
    codes: dict[str, dict[int, int]] = defaultdict(dict)
    for batch in batches:
        users.append(batch["number"])
        for name in columns:
            values[name].append(_coded(batch[name].dictionary_encode(), codes[name]))
    told = pa.concat_arrays(users).dictionary_encode()
    users_in_all = len(told.dictionary)
    found: dict[tuple[str, object], int] = {("", None): users_in_all}
    numbers = told.indices.to_numpy()
    for name in columns:
        counts = _distinct(np.concatenate(values[name]), len(codes[name]), numbers, users_in_all)
        found |= {(name, value): int(count) for value, count in zip(codes[name], counts, strict=True)}
    return found


def _coded(values: pa.DictionaryArray, codes: dict[int, int]) -> Numbers:
    """Of each row the code of its value, in few bytes; new values get the next ones."""
    own = [codes.setdefault(value, len(codes)) for value in values.dictionary.to_pylist()]
    numbers: Numbers = np.array(own, np.min_scalar_type(len(codes)))[values.indices.to_numpy()]
    return numbers


def _distinct(values: Numbers, value_count: int, users: Numbers, user_count: int) -> Numbers:
    """By value, how many users have it."""
    pairs = values.astype(np.int64) * user_count + users
    if value_count * user_count <= _FLAGS_MAX:
        is_there = np.zeros(value_count * user_count, bool)
        is_there[pairs] = True
        counts: Numbers = np.count_nonzero(is_there.reshape(value_count, user_count), axis=1)
        return counts
    pairs.sort()
    first = np.flatnonzero(np.diff(pairs, prepend=-1))
    return np.bincount(pairs[first] // user_count, minlength=value_count)
