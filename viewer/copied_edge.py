"""How many rows a list has, and how far down its first page reaches, out of narrow copies of lines.

Copies know numbers in steps, so the page may reach less far than is said here, but not farther.
"""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from sinks.store import ObjectInfo
from viewer.filters import Wanted, column, condition, typed
from viewer.line_copies import LineCopies
from viewer.line_copy import COPIED, LineCopy, can_be_asked
from viewer.line_explorer import AskLines, used
from viewer.listed import Listed
from viewer.paging import Order
from viewer.step_counts import Integers

_Least = tuple[str, int]  # a column, and a number of steps that its values exceed


class CopiedEdge:
    """For any thread."""

    def __init__(self, copies: LineCopies) -> None:
        self._copies = copies

    def __call__(self, ask: AskLines, wanted: Wanted, by: Order, limit: int) -> tuple[int, int | None] | None:
        """How many rows there are, and what so many of them reach, the largest first; None: that is not known of so
        many. None instead of both when copies cannot be asked that, or are not there.
        """
        step = _step(by.of, by.column.name)
        least = [_least(by.of, pair) for pair in wanted.gt]
        others = msgspec.structs.replace(wanted, gt=())
        if step is None or not by.descending or None in least or not can_be_asked(ask.table, others):
            return None

        def counted() -> tuple[int, int | None] | None:
            split = self._copies.split(ask)
            if not split.copies:
                return None
            total, largest = _of_copies(split.copies, others, [one for one in least if one], by.column.name, limit)
            if split.count:
                there, values = _of_files(ask, split.files, split.count, wanted, by, limit)
                total, largest = total + there, np.append(largest, _steps(values, step))
            if len(largest) < limit:
                return total, None
            edge = int(np.partition(largest, -limit)[-limit])
            return total, (edge - 1) * step + 1 if edge > 0 else None

        return ask.steadily(counted)


def _steps(values: Integers, step: int) -> Integers:
    """As copies have them (`steps_sql`)."""
    steps: Integers = np.maximum(-(-values // step), 0)
    return steps


def _step(of: Listed, name: str) -> int | None:
    """How much of a column of whole numbers is a step in copies."""
    step = COPIED[of.table].steps.get(name) if of.table in COPIED else None
    return int(step) if step is not None and of.columns[name].type == "int64" else None


def _least(of: Listed, pair: str) -> _Least | None:
    """What `>` says; None where it is not of whole steps."""
    name, _, value = pair.partition(":")
    step = _step(of, name)
    number = None if step is None else typed(column(name, of), value, of)
    if step is None or not isinstance(number, int) or number < 0 or number % step:
        return None
    return name, number // step


def _of_copies(
    copies: Iterable[LineCopy], wanted: Wanted, least: Sequence[_Least], name: str, limit: int
) -> tuple[int, Integers]:
    """How many rows, and the steps of those with most."""
    total = 0
    largest: list[Integers] = [np.empty(0, np.int64)]
    for copy in copies:
        rows = copy.rows(wanted)
        found = copy.numbers(name)[rows]
        are_more = [copy.numbers(other)[rows] > steps for other, steps in least]
        if are_more:
            found = found[np.logical_and.reduce(are_more)]
        total += len(found)
        known = found[found >= 0]
        largest.append(np.partition(known, -limit)[-limit:] if len(known) > limit else known)
    return total, np.concatenate(largest)


def _of_files(  # noqa: PLR0913 - what is counted
    ask: AskLines, files: Sequence[ObjectInfo], count: int, wanted: Wanted, by: Order, limit: int
) -> tuple[int, Integers]:
    """The same of the first so many files, in units of the column."""
    where = condition(wanted, by.of).also(f"file_index < {count}")
    found = ask.of_files(
        files,
        f"SELECT count(*) AS total, max({by.column.sql}, {limit}) AS largest FROM lines WHERE {where.sql}",
        where.params,
        [*used(wanted, by.of), by.column.source],
    ).to_pylist()[0]
    return found["total"], np.array(found["largest"] or [], np.int64)
