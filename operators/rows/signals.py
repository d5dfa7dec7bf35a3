"""Signals: what a person wants to read out of a window at once, per view and per session.

Every definition is in docs/signals.md. All are functions of the window's rows, which are a function of the set of
items, so that batches and copies cannot matter.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from operators.replay.index import MIN_IDLE_MS
from schemas.units import NS_PER_MS, NS_PER_US, US_PER_MS

Row = dict[str, object]

SLOW_RESOURCE_NS = 1000 * NS_PER_MS  # a second: up to that, a person's thought is not interrupted by waiting
ANY_VIEW = ""  # inputs of a replay that does not say which view was recorded

_FRUSTRATIONS = {"rage_click_count": "rage_click", "dead_click_count": "dead_click", "error_click_count": "error_click"}
_VITALS = {
    "lcp": "largest_contentful_paint",
    "inp": "interaction_to_next_paint",
    "cls": "cumulative_layout_shift",
}
_PAGE_MADE = "custom"  # type of an action that the page reports by itself


class Window(NamedTuple):
    """First and last activity of a window: client clock, epoch us."""

    start_us: int
    end_us: int


class Activity(NamedTuple):
    """Last interaction in epoch us, None if there was none. Active and idle time add up, in whole milliseconds."""

    last_us: int | None
    active_ns: int
    idle_ns: int


def activity(window: Window, inputs_ms: Iterable[int]) -> Activity:
    """How a stretch of time divides by what the visitor did in it: pauses of more than a minute are idle."""
    start_ms, end_ms = window.start_us // US_PER_MS, window.end_us // US_PER_MS
    inside = sorted({time_ms for time_ms in inputs_ms if start_ms <= time_ms <= end_ms})
    pauses_ms = (later - earlier for earlier, later in pairwise([start_ms, *inside, end_ms]))
    idle_ms = sum(pause_ms for pause_ms in pauses_ms if pause_ms > MIN_IDLE_MS)
    last_us = inside[-1] * US_PER_MS if inside else None
    return Activity(last_us, (end_ms - start_ms - idle_ms) * NS_PER_MS, idle_ms * NS_PER_MS)


def action_times_ms(actions: Iterable[Row]) -> set[int]:
    """When the visitor did something: what a page reports by itself, a heartbeat for example, is not his doing."""
    return {_number(action.get("time")) // US_PER_MS for action in actions if action.get("action_type") != _PAGE_MADE}


def frustrations(actions: Iterable[Row]) -> dict[str, int]:
    """How many of the actions were a rage click, a dead click, an error click; one action can be several."""
    counts = dict.fromkeys(_FRUSTRATIONS, 0)
    for action in actions:
        types = action.get("action_frustration_types")
        if isinstance(types, str) and types != "[]":
            for column, name in _FRUSTRATIONS.items():
                counts[column] += f'"{name}"' in types
    return counts


def is_slow(resource: Row) -> bool:
    """Whether a resource took longer than `SLOW_RESOURCE_NS`."""
    duration = resource.get("duration")
    return isinstance(duration, int) and duration > SLOW_RESOURCE_NS


def in_order(views: Iterable[Row]) -> list[Row]:
    """Views by their start, those of one moment by id."""
    return sorted(views, key=lambda view: (_number(view.get("time")), str(view.get("view_id"))))


def session_signals(tables: Mapping[str, Sequence[Row]]) -> Row:
    """Columns of `sessions` from the window's rows by table; views in order."""
    views, actions = tables["views"], tables["actions"]
    clicks = frustrations(actions)
    row: Row = {**clicks, "frustration_count": sum(clicks.values())}
    row["slow_resource_count"] = sum(resource.get("is_slow") is True for resource in tables["resources"])
    row["error_group_count"] = len({error.get("error_fingerprint") for error in tables["errors"]})
    if views:
        row["is_bounce"] = len(views) == 1 and all(action.get("action_type") == _PAGE_MADE for action in actions)
    for name, column in _VITALS.items():
        values = sorted(value for view in views if isinstance(value := view.get(column), int | float))
        if values:
            row[f"{name}_worst"] = values[-1]
            row[f"{name}_p75"] = values[(3 * len(values) + 3) // 4 - 1]  # the nearest rank: a value that was measured
    return row


def view_signals(window: Window, tables: Mapping[str, Sequence[Row]], inputs_ms: Mapping[str, Sequence[int]]) -> None:
    """Put the signals of each view into its row. `inputs_ms`: the visitor's doings seen in the replay, by view."""
    views = tables["views"]
    actions = _by_view(tables["actions"])
    slow_counts = Counter(row.get("view_id") for row in tables["resources"] if row.get("is_slow") is True)
    paths = [None, *(view.get("view_path") for view in views), None]
    for index, view in enumerate(views):
        view_id = view.get("view_id")
        mine = actions.get(view_id, [])
        view["view_index"] = index
        view["is_entry"] = index == 0
        view["is_exit"] = index == len(views) - 1
        view["previous_view_path"], view["next_view_path"] = paths[index], paths[index + 2]
        view["slow_resource_count"] = slow_counts[view_id]
        view.update(frustrations(mine))
        done_ms = action_times_ms(mine)
        done_ms.update(inputs_ms.get(str(view_id), ()), inputs_ms.get(ANY_VIEW, ()))
        _add_activity(view, window, done_ms)


def _add_activity(view: Row, window: Window, done_ms: Iterable[int]) -> None:
    """A view that does not say how long it was has no active time; its last interaction may be up to the window's end.

    It counts inside of its window only: after a sleep, its SDK claims all of it.
    """
    spent = view.get("time_spent")
    start_us = min(max(_number(view.get("time")), window.start_us), window.end_us)
    end_us = window.end_us
    if isinstance(spent, int):
        end_us = min(max(_number(view.get("time")) + spent // NS_PER_US, start_us), window.end_us)
    found = activity(Window(start_us, end_us), done_ms)
    if found.last_us is not None:
        view["last_interaction_at"] = found.last_us
    if isinstance(spent, int):
        view["active_time"], view["idle_time"] = found.active_ns, found.idle_ns


def _by_view(rows: Iterable[Row]) -> dict[object, list[Row]]:
    found: dict[object, list[Row]] = {}
    for row in rows:
        found.setdefault(row.get("view_id"), []).append(row)
    return found


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
