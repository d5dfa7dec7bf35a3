"""Numbers in steps, counted by what they belong to: three of four of them, and how many do not exceed a bound."""

import numpy as np
from numpy.typing import NDArray

COUNTED_STEPS = 8_192  # each has a count; of the few numbers beyond, each is kept
UNKNOWN = -1

Integers = NDArray[np.integer]


class Steps:
    """Steps of many rows, to be counted by several codes."""

    def __init__(self, steps: Integers) -> None:
        is_counted = (steps >= 0) & (steps < COUNTED_STEPS)
        is_beyond = steps >= COUNTED_STEPS
        self.counted_rows = slice(None) if is_counted.all() else is_counted
        self.beyond_rows = np.flatnonzero(is_beyond)
        self.counted = steps[self.counted_rows]
        self.beyond = steps[self.beyond_rows]


class StepCounts:
    """How many rows have which code and which step. Codes are below `codes`; the bounds are below COUNTED_STEPS."""

    def __init__(self, codes: int) -> None:
        self._counts = np.zeros((codes, COUNTED_STEPS), np.int64)
        self._beyond: list[tuple[Integers, Integers]] = []  # codes and steps

    def add(self, codes: Integers, steps: Steps) -> None:
        """A code and a step of each row; unknown steps count for nothing."""
        places = codes[steps.counted_rows] * np.int64(COUNTED_STEPS) + steps.counted
        if len(steps.beyond):
            self._beyond.append((codes[steps.beyond_rows], steps.beyond))
        self._counts += np.bincount(places, minlength=self._counts.size).reshape(self._counts.shape)

    def count(self, code: int | None = None) -> int:
        """Rows of a code, or of all, whose step is known."""
        return int(self._of(code).sum()) + len(self._rest(code))

    def up_to(self, bound: int, code: int | None = None) -> int:
        """Those of them whose step does not exceed a bound."""
        return int(self._of(code)[: bound + 1].sum())

    def p75(self, code: int | None = None) -> int | None:
        """The least step that three of four do not exceed."""
        counts, rest = self._of(code), self._rest(code)
        counted = int(counts.sum())
        rank = -(-(counted + len(rest)) * 3 // 4)
        if not rank:
            return None
        if rank <= counted:
            return int(np.searchsorted(np.cumsum(counts), rank))
        return int(np.sort(rest)[rank - counted - 1])

    def _of(self, code: int | None) -> NDArray[np.int64]:
        counts: NDArray[np.int64] = self._counts.sum(axis=0) if code is None else self._counts[code]
        return counts

    def _rest(self, code: int | None) -> Integers:
        found = [steps if code is None else steps[codes == code] for codes, steps in self._beyond]
        return np.concatenate(found) if found else np.empty(0, np.int64)
