"""All rows that the recording of a window gives, where no line tells the same. docs/recorded.md has the rules.

A pure function of the *set* of a window's segments and lines. A row that is written stays: what comes after the close
adds rows, and changes only views. So every revision is worked out with what the one before it gave, and what began a
row there begins one for ever.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from operators.recorded.actions import page_actions, visitor_actions
from operators.recorded.browser_window import BrowserWindow
from operators.recorded.derived import Derived, Known, Pages, Told, time_of
from operators.recorded.elements import RecordsOf
from operators.recorded.pages import page_views, put_time_spent, untold_views
from operators.recorded.requests import request_row, requests_once
from operators.rows.values import Row
from schemas.items import Item, Kind
from schemas.recorded import Console, LongTask, Vital
from schemas.units import US_PER_SECOND

_BESIDE = ("custom", "feedback")  # types of action lines that tell of no click and no input
_SAME_US = US_PER_SECOND  # a line and an entry that say the same, so near to each other, are of one thing


class Sources(NamedTuple):
    """What is known of a segment beside its entries. `are_sampled`: whether its SDK has pages without a view line."""

    records_of: RecordsOf
    are_sampled: Callable[[Item], bool]


def derive(
    windows: Iterable[BrowserWindow], told: Told, known: Known, window_end_us: int, sources: Sources
) -> dict[tuple[Kind, int], Derived]:
    """Rows by kind and identity. `known`: those of the revision before."""
    found = {one.key: one for window in windows for one in _rows(window, told, known, window_end_us, sources)}
    return found | {key: one for key, one in known.items() if one.kind != Kind.VIEW or key not in found}


def _rows(window: BrowserWindow, told: Told, known: Known, window_end_us: int, sources: Sources) -> Iterator[Derived]:
    told_views = told.of("views", window.name)
    is_sampled = sources.are_sampled(window.segments[0].item)
    views = page_views(window, known, window_end_us) if is_sampled or not told_views else []
    if is_sampled:
        views = untold_views(window, views, told_views, known)
    shown = sorted([*told_views, *(view.row for view in views)], key=time_of)
    if is_sampled:
        put_time_spent(shown, min(window.end_us, window_end_us))
    pages = Pages(window, shown)
    _put_vitals(window, pages)
    yield from views
    if all(row.get("action_type") in _BESIDE for row in told.of("actions", window.name)):
        yield from visitor_actions(window, pages, known, sources.records_of)
    yield from page_actions(window, pages)
    yield from _console(window, pages, told)
    yield from _resources(window, pages, told)
    yield from _long_tasks(window, pages, told)


def _put_vitals(window: BrowserWindow, pages: Pages) -> None:
    """The last measurement of each kind goes to its page, unless a line tells it."""
    for vital, _ in reversed(window.of(Vital)):
        view = pages.at(vital.at_us)
        if view is not None:
            view.setdefault(vital.column, vital.value)


def _console(window: BrowserWindow, pages: Pages, told: Told) -> Iterator[Derived]:
    lines = _Lines(told.of("console", window.name), ("level", "message"))
    for line, seen in window.of(Console):
        if not lines.take(line.at_us, line.level, line.message):
            row: Row = {"level": line.level, "message": line.message, "is_cut": line.is_cut}
            if line.stack:
                row["stack"] = line.stack
            yield pages.derived(Kind.CONSOLE, seen, row)


def _resources(window: BrowserWindow, pages: Pages, told: Told) -> Iterator[Derived]:
    lines = _Lines(told.of("resources", window.name), ("resource_url",))
    for request, seen in requests_once(window):
        if not lines.take(request.at_us, request.url):
            yield pages.derived(Kind.RESOURCE, seen, request_row(request))


def _long_tasks(window: BrowserWindow, pages: Pages, told: Told) -> Iterator[Derived]:
    lines = _Lines(told.of("long_tasks", window.name), ())
    for task, seen in window.of(LongTask):
        if not lines.take(task.at_us):
            yield pages.derived(Kind.LONG_TASK, seen, {"duration": task.duration_ns})


class _Lines:
    """Lines of one kind, each of which says the same as one entry at most."""

    def __init__(self, rows: Iterable[Row], columns: Sequence[str]) -> None:
        """`columns`: what is equal in a line and an entry that say the same."""
        self._times_us: dict[tuple[object, ...], list[int]] = {}
        for row in rows:
            at_us = row.get("time")
            if isinstance(at_us, int):
                self._times_us.setdefault(tuple(row.get(name) for name in columns), []).append(at_us)

    def take(self, at_us: int, *values: object) -> bool:
        """Whether there is such a line; it is used up then."""
        times_us = self._times_us.get(values, [])
        place = bisect_left(times_us, at_us - _SAME_US)
        if place == len(times_us) or times_us[place] > at_us + _SAME_US:
            return False
        del times_us[place]
        return True
