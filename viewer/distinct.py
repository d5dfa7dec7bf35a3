"""How many different numbers there are among many rows, in all and with each value of some columns.

They are 64-bit hashes of users or windows. DuckDB and Arrow keep a set of them for each value; here each gets a place
once, and a value has a flag of each place.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_FLAGS_MAX = 1 << 26  # of a column; beyond, pairs of value and place are sorted, which takes eight bytes a row

Numbers = NDArray[np.integer]


def distinct_by_value(batches: Iterable[pa.RecordBatch], columns: Sequence[str]) -> dict[tuple[str, object], int]:
    """Different values of `number` by column and value, and in all by "" and None. Values are hashes too."""
    numbers = [pa.array([], pa.uint64())]
    values: dict[str, list[Numbers]] = {name: [np.empty(0, np.uint8)] for name in columns}
    codes: dict[str, dict[int, int]] = defaultdict(dict)
    for batch in batches:
        numbers.append(batch["number"])
        for name in columns:
            values[name].append(_coded(batch[name].dictionary_encode(), codes[name]))
    told = pa.concat_arrays(numbers).dictionary_encode()
    in_all = len(told.dictionary)
    found: dict[tuple[str, object], int] = {("", None): in_all}
    places = told.indices.to_numpy()
    for name in columns:
        counts = _distinct(np.concatenate(values[name]), len(codes[name]), places, in_all)
        found |= {(name, value): int(count) for value, count in zip(codes[name], counts, strict=True)}
    return found


def _coded(values: pa.DictionaryArray, codes: dict[int, int]) -> Numbers:
    """Of each row the code of its value, in few bytes; new values get the next ones."""
    own = [codes.setdefault(value, len(codes)) for value in values.dictionary.to_pylist()]
    numbers: Numbers = np.array(own, np.min_scalar_type(len(codes)))[values.indices.to_numpy()]
    return numbers


def _distinct(values: Numbers, value_count: int, places: Numbers, place_count: int) -> Numbers:
    """By value, how many places have it."""
    pairs = values.astype(np.int64) * place_count + places
    if value_count * place_count <= _FLAGS_MAX:
        is_there = np.zeros(value_count * place_count, bool)
        is_there[pairs] = True
        counts: Numbers = np.count_nonzero(is_there.reshape(value_count, place_count), axis=1)
        return counts
    pairs.sort()
    first = np.flatnonzero(np.diff(pairs, prepend=-1))
    return np.bincount(pairs[first] // place_count, minlength=value_count)
