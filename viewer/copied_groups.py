"""Groups of errors, counted in narrow copies of lines."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from viewer.copied_counts import numbered
from viewer.filters import Wanted
from viewer.line_copy import NO_TIME_US, USER, WINDOW, LineCopy, Rows
from viewer.step_counts import Integers

GROUP = ("app_id", "error_fingerprint")
_DISTINCT = {"sessions": WINDOW, "users": USER}  # columns of a copy
_NO_FIRST_US = 2**63 - 1

Group = tuple[str, str | None]
Numbers = dict[str, Any]  # of a group, by name


class _Piece(NamedTuple):
    """Wanted rows of a copy, and of each the code of its group."""

    copy: LineCopy
    rows: Rows
    codes: Integers

    def numbers(self, column: str) -> Integers:
        return self.copy.numbers(column)[self.rows]


class CopiedGroups:
    """Errors that a filter wants."""

    def __init__(self, copies: Iterable[LineCopy], wanted: Wanted) -> None:
        self._code_of: dict[Group, int] = {}
        self._pieces: list[_Piece] = []
        for copy in copies:
            rows = copy.rows(wanted)
            of, numbers = numbered(copy, rows, GROUP)
            codes = [self._code_of.setdefault((str(app), own), len(self._code_of)) for app, own in of]
            self._pieces.append(_Piece(copy, rows, np.array(codes, np.int32)[numbers]))

    def page(self, sort: str, limit: int, *, is_descending: bool) -> tuple[list[Numbers], int]:
        """The first groups in the order of a number, with their numbers, and how many there are."""
        count = np.zeros(len(self._code_of), np.int64)
        first = np.full(len(count), _NO_FIRST_US)
        last = np.full(len(count), NO_TIME_US)
        for piece in self._pieces:
            times = piece.numbers("time")
            count += np.bincount(piece.codes, minlength=len(count))
            np.maximum.at(last, piece.codes, times)
            np.minimum.at(first, piece.codes, np.where(times == NO_TIME_US, _NO_FIRST_US, times))
        numbers = zip(count.tolist(), first.tolist(), last.tolist(), strict=True)
        found = [
            {
                "app_id": app_id,
                "error_fingerprint": own,
                "count": of,
                "first_ms": None if begin == _NO_FIRST_US else begin,
                "last_ms": None if end == NO_TIME_US else end,
            }
            for (app_id, own), (of, begin, end) in zip(self._code_of, numbers, strict=True)
            if of
        ]
        sign = -1 if is_descending else 1
        found.sort(
            key=lambda row: (
                row[sort] is None,
                sign * (row[sort] or 0),
                row["app_id"],
                row["error_fingerprint"] is None,
                row["error_fingerprint"] or "",
            )
        )
        shown = found[:limit]
        self._add_distinct(shown)
        return shown, len(found)

    def values(self, groups: Sequence[Group], column: str) -> list[Counter[str | None]]:
        """Of each of some groups its rows by value."""
        counts = [Counter[str | None]() for _ in groups]
        for piece, rows, places in self._of(groups):
            values = piece.copy.texts(column)
            numbers = places * np.int64(len(values)) + piece.numbers(column)[rows]
            there = np.bincount(numbers, minlength=len(groups) * len(values)).reshape(len(groups), len(values))
            for place, number in zip(*np.nonzero(there), strict=True):
                counts[place][values[number]] += int(there[place, number])
        return counts

    def trend(self, groups: Sequence[Group], first_us: int, step_us: int, steps: int) -> list[list[int]]:
        """Of each of some groups its rows by step of time; what is before the first or without a time is in it."""
        counts = np.zeros(len(groups) * steps, np.int64)
        for piece, rows, places in self._of(groups):
            times = piece.numbers("time")[rows]
            since = times.astype(np.uint64) - np.uint64(first_us % 2**64)  # right also where it takes all 64 bits
            passed = np.minimum(np.where(times < first_us, 0, since // np.uint64(step_us)), steps - 1).astype(np.int64)
            counts += np.bincount(places * np.int64(steps) + passed, minlength=len(counts))
        return [[int(one) for one in own] for own in counts.reshape(len(groups), steps)]

    def _add_distinct(self, found: Sequence[Numbers]) -> None:
        hashes: dict[str, list[list[Integers]]] = {name: [[] for _ in found] for name in _DISTINCT}
        for piece, rows, places in self._of([(row["app_id"], row["error_fingerprint"]) for row in found]):
            for name, column in _DISTINCT.items():
                numbers, values = piece.numbers(column)[rows], piece.copy.hashes(column)
                for place in range(len(found)):
                    is_there = np.zeros(len(values) + 1, bool)  # the last: not known
                    is_there[numbers[places == place]] = True
                    hashes[name][place].append(values[is_there[:-1]])
        for name, of in hashes.items():
            for row, own in zip(found, of, strict=True):
                row[name] = len(np.unique(np.concatenate(own)))

    def _of(self, groups: Sequence[Group]) -> Iterable[tuple[_Piece, Integers, Integers]]:
        """Rows of some groups: their places among the wanted ones of a copy, and those of their groups."""
        place_of: Mapping[Group, int] = {group: place for place, group in enumerate(groups)}
        places = np.array([place_of.get(group, -1) for group in self._code_of], np.int32)
        for piece in self._pieces:
            own = places[piece.codes]
            rows = np.flatnonzero(own >= 0)
            yield piece, rows, own[rows]
