"""What the overview counts, counted in narrow copies of lines: a value is looked at once a file, rows are numbers."""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np

from viewer.filters import Wanted
from viewer.line_copy import LineCopy, Rows
from viewer.step_counts import UNKNOWN, Integers, StepCounts, Steps
from viewer.vitals import VITALS, Place, VitalCounts, VitalTally

_FEW_GROUPS = 512
_TABLE_MAX = 1 << 20  # groups; numbers of more are sorted
Group = tuple[str | None, ...]


class Slow(msgspec.Struct, frozen=True):
    """Rows of one group, and the step that three of four of these do not exceed."""

    group: Group
    count: int
    p75: int


def by_value(copies: Iterable[LineCopy], wanted: Wanted, columns: Sequence[str]) -> dict[tuple[str, object], int]:
    """Rows by column and value; all of them by "" and None."""
    counts = Counter[tuple[str, object]]()
    for copy, rows in _wanted(copies, wanted):
        for name in columns:
            values = copy.texts(name)
            numbers = np.bincount(copy.numbers(name)[rows], minlength=len(values))
            counts.update({(name, value): int(n) for value, n in zip(values, numbers, strict=True) if n})
    every = sum(count for (name, _), count in counts.items() if name == columns[0])
    return {**counts, ("", None): every}


def tallied(
    copies: Iterable[LineCopy], wanted: Wanted, shown: Mapping[str, Sequence[str | None]]
) -> dict[Place, VitalCounts]:
    """The vitals of all views, and by the shown values of some columns."""
    counts = VitalTally(shown)
    for copy, rows in _wanted(copies, wanted):
        codes = {}
        for name in shown:
            code_of = np.array([counts.code(name, value) for value in copy.texts(name)], np.int32)
            codes[name] = code_of[copy.numbers(name)[rows]]
        counts.add(codes, {vital.name: copy.numbers(vital.column)[rows] for vital in VITALS})
    return counts.found()


def slowest(copies: Sequence[LineCopy], wanted: Wanted, group: Sequence[str], column: str, share: int) -> list[Slow]:
    """Groups of at least one in `share` rows, the slowest first. Rows count whose number and last value are known."""
    groups = _groups(copies, wanted, group, column, share)
    code_of = {one: code for code, one in enumerate(groups)}
    others, nothing = len(groups), len(groups) + 1
    counts = StepCounts(nothing + 1)
    for copy, rows in _wanted(copies, wanted):
        of, numbers = numbered(copy, rows, group)
        codes = [nothing if one[-1] is None else code_of.get(one, others) for one in of]
        counts.add(np.array(codes, np.int32)[numbers], Steps(copy.numbers(column)[rows]))
    every = counts.count() - counts.count(nothing)
    slow = [
        Slow(one, counts.count(code), p75) for one, code in code_of.items() if (p75 := counts.p75(code)) is not None
    ]
    slow = [one for one in slow if one.count * share >= every]
    return sorted(slow, key=lambda one: (-one.p75, [(value is None, value or "") for value in one.group]))


def _groups(copies: Sequence[LineCopy], wanted: Wanted, group: Sequence[str], column: str, share: int) -> list[Group]:
    """All that there may be where they are few; else those that have enough rows."""
    if all(math.prod(len(copy.texts(name)) for name in group) <= _FEW_GROUPS for copy in copies):
        few = dict.fromkeys(one for copy in copies for one in itertools.product(*map(copy.texts, group)))
        if len(few) <= _FEW_GROUPS:
            return [one for one in few if one[-1] is not None]
    counts = Counter[Group]()
    for copy, rows in _wanted(copies, wanted):
        of, numbers = numbered(copy, rows, group)
        found = np.bincount(numbers[copy.numbers(column)[rows] != UNKNOWN], minlength=len(of))
        counts.update({one: int(n) for one, n in zip(of, found, strict=True) if n and one[-1] is not None})
    return [one for one, count in counts.items() if count * share >= counts.total()]


def numbered(copy: LineCopy, rows: Rows, group: Sequence[str]) -> tuple[list[Group], Integers]:
    """Groups of a copy, and of each row the number of its group."""
    values = [copy.texts(name) for name in group]
    numbers = copy.numbers(group[0])[rows]
    for name, of in zip(group[1:], values[1:], strict=True):
        numbers = numbers * np.int64(len(of)) + copy.numbers(name)[rows]
    if math.prod(map(len, values)) <= _FEW_GROUPS:
        return list(itertools.product(*values)), numbers
    there, numbers = _renumbered(numbers, math.prod(map(len, values)))
    places = zip(*np.unravel_index(there, [len(of) for of in values]), strict=True)
    return [tuple(of[int(place)] for of, place in zip(values, some, strict=True)) for some in places], numbers


def _renumbered(numbers: Integers, bound: int) -> tuple[Integers, Integers]:
    """Which numbers below a bound there are, and of each the place among these."""
    if bound > _TABLE_MAX:
        there, places = np.unique(numbers, return_inverse=True)
        return there, places
    is_there = np.zeros(bound, bool)
    is_there[numbers] = True
    there = np.flatnonzero(is_there)
    place_of = np.empty(bound, np.int64)
    place_of[there] = np.arange(len(there))
    return there, place_of[numbers]


def _wanted(copies: Iterable[LineCopy], wanted: Wanted) -> Iterator[tuple[LineCopy, Rows]]:
    for copy in copies:
        yield copy, copy.rows(wanted)
