"""Web vitals of many views: three of four values, and shares of ratings, of all and by values of some columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
import pyarrow as pa

from schemas.units import NS_PER_MS
from viewer.line_copy import steps_sql
from viewer.step_counts import Integers, StepCounts, Steps

_ROWS_AT_ONCE = 500_000
_OTHERS = 0  # the code of all values that are not shown

Place = tuple[str, str, object]  # a vital, a column, and a value of it; of all views: "" and None


class Vital(msgspec.Struct, frozen=True):
    """A web vital: its column, how many of its units are one step, and its bounds of good and poor in steps.

    A value counts for the step that it does not exceed, so a bound is met exactly.
    """

    name: str
    column: str
    unit: str
    step: float
    good: int
    poor: int

    def value(self, steps: int) -> float:
        return steps if self.unit == "ms" else steps * self.step

    def said(self, rating: str) -> dict[str, list[str]]:
        """The filter of a rating."""
        good, poor = (f"{bound * self.step:.15g}" for bound in (self.good, self.poor))
        return {
            "good": {"between": [f"{self.column}:0,{good}"]},
            "middle": {"gt": [f"{self.column}:{good}"], "between": [f"{self.column}:0,{poor}"]},
            "poor": {"gt": [f"{self.column}:{poor}"]},
        }[rating]


VITALS = (
    Vital("lcp", "largest_contentful_paint", "ms", NS_PER_MS, 2500, 4000),
    Vital("inp", "interaction_to_next_paint", "ms", NS_PER_MS, 200, 500),
    Vital("cls", "cumulative_layout_shift", "ratio", 0.001, 100, 250),
)


class VitalCounts(msgspec.Struct, frozen=True):
    """Views that have the vital by rating, and the step that three of four of these do not exceed."""

    p75: int | None
    good: int
    middle: int
    poor: int


class VitalTally:
    """Views, counted by the values of some columns that are told apart."""

    def __init__(self, shown: Mapping[str, Sequence[str | None]]) -> None:
        self.shown = shown
        self._counts = {
            (vital.name, name): StepCounts(1 + len(values)) for vital in VITALS for name, values in shown.items()
        }

    def code(self, column: str, value: str | None) -> int:
        """Of a value among the shown ones."""
        values = self.shown[column]
        return values.index(value) + 1 if value in values else _OTHERS

    def add(self, codes: Mapping[str, Integers], steps: Mapping[str, Integers]) -> None:
        """Of each view its code by column, and its steps by vital."""
        for vital in VITALS:
            counted = Steps(steps[vital.name])
            for name in self.shown:
                self._counts[vital.name, name].add(codes[name], counted)

    def found(self) -> dict[Place, VitalCounts]:
        """What is told of them."""
        found: dict[Place, VitalCounts] = {}
        for vital in VITALS:
            for name, values in self.shown.items():
                counts = self._counts[vital.name, name]
                found[vital.name, "", None] = _told(vital, counts)  # the same of every column
                found |= {(vital.name, name, one): _told(vital, counts, self.code(name, one)) for one in values}
        return found

    @property
    def sql(self) -> str:
        """Columns of a query whose rows `add_rows` takes: codes, then steps. `params`: of these columns."""
        codes = (
            f"CASE WHEN {name} IS NULL THEN {self.code(name, None)} "
            f"ELSE coalesce(list_position(?::VARCHAR[], {name}), {_OTHERS}) END::INTEGER AS {name}"
            for name in self.shown
        )
        return ", ".join((*codes, *(f"{steps_sql(vital.column, vital.step)} AS {vital.name}" for vital in VITALS)))

    @property
    def params(self) -> list[object]:
        return [list(values) for values in self.shown.values()]

    def add_rows(self, batches: Iterable[pa.RecordBatch]) -> None:
        """All rows of the query."""
        for rows in _together(batches):
            self.add(
                {name: rows[name].to_numpy() for name in self.shown},
                {vital.name: rows[vital.name].to_numpy() for vital in VITALS},
            )


def _told(vital: Vital, counts: StepCounts, code: int | None = None) -> VitalCounts:
    good, fair = (counts.up_to(bound, code) for bound in (vital.good, vital.poor))
    return VitalCounts(counts.p75(code), good, fair - good, counts.count(code) - fair)


def _together(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Batches are as small as row groups."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(one.num_rows for one in waiting) >= _ROWS_AT_ONCE:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)
