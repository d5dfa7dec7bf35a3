"""The lines of a window's views as one row a view, in its final state.

An SDK sends a view many times: all of it each time, so that the newest counts, or only what changed since the line
before, or parts, of which each adds to those before. Notes add to their view.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from operators.rows.values import LineRow, Row, keep
from operators.wire.unusable import identity
from schemas.items import Item, Kind
from schemas.units import NS_PER_US

_ADDRESS = {f"view_{part}" for part in ("url", "host", "path", "path_group", "url_query", "referrer", "name")}
_COUNTERS = ("view_error_count", "view_resource_count", "view_action_count", "view_long_task_count")


class ViewRules(NamedTuple):
    """How an SDK's lines of a view become one row.

    `in_parts`: each adds to those before. `merged`: the row from the bodies of all, oldest first, where some say only
    what changed (`LineRow.is_difference`); None for an SDK that sends no such. Raises ValueError. `are_sampled`: there
    are pages without a view line, which only the recording knows; what names a view without a row, by the id of its
    trace, is of the page that was open.
    """

    in_parts: bool
    merged: Callable[[Iterable[bytes]], Row] | None = None
    are_sampled: bool = False


class ViewLine(NamedTuple):
    """One line, what it says, and the rules of its SDK."""

    item: Item
    line: LineRow
    rules: ViewRules

    @property
    def view_id(self) -> str:
        return str(self.line.row.get("view_id") or "")


class FinalView(NamedTuple):
    """A view's row; of its newest line the item, with the view's start and first receipt; identities of all lines."""

    item: Item
    row: Row
    idents: frozenset[int]


def final_views(lines: Iterable[ViewLine], notes: Iterable[ViewLine], window_start_us: int) -> list[FinalView]:
    """Every view of a window once."""
    lines = list(lines)
    views = [_final(view_id, own, window_start_us) for view_id, own in _by_view(lines).items()]
    by_id: dict[object, Row] = {view.row.get("view_id"): view.row for view in views}
    _add_time_spent(lines, by_id)
    for note in sorted(notes, key=note_order):
        view = by_id.get(note.view_id)
        if view is not None:
            add_note(note, view)
    return views


def note_order(note: ViewLine) -> tuple[int, int]:
    return note.item.begin_us, note.item.ident


def _by_view(lines: Sequence[ViewLine]) -> dict[str, list[ViewLine]]:
    """The lines of each view. One that has no id gets one: no two pages are the same because both lack something."""
    found: dict[str, list[ViewLine]] = {}
    nameless: dict[str, list[ViewLine]] = {}  # those in parts, by browser window
    for one in lines:
        if one.view_id:
            found.setdefault(one.view_id, []).append(one)
        elif one.rules.in_parts:
            nameless.setdefault(browser_window_of(one.line.row), []).append(one)
        else:  # an update repeats the start and the address of its view
            place = str(one.item.begin_us), str(one.line.row.get("view_url"))
            found.setdefault(_made_id(*place), []).append(one)
    for parts in nameless.values():
        view_id = ""
        for one in sorted(parts, key=lambda one: (one.item.begin_us, not one.line.is_start, one.item.ident)):
            if one.line.is_start or not view_id:
                view_id = _made_id(str(one.item.ident))
            found.setdefault(view_id, []).append(one)
    return found


def browser_window_of(row: Row) -> str:
    """The browser window that a line of PostHog names; empty for any other."""
    return _custom(row).get("properties.$window_id", "")


def _made_id(*parts: str) -> str:
    return f"{identity(Kind.VIEW, 'no id', *parts):016x}"


def _final(view_id: str, lines: Sequence[ViewLine], window_start_us: int) -> FinalView:
    ordered = sorted(lines, key=_age) if len(lines) > 1 else lines
    item, line, rules = ordered[-1]
    row = line.row
    start_us = item.begin_us
    if rules.in_parts:
        row = _merged(ordered)
        start_us = _start_us(ordered, window_start_us)
        row["time"] = start_us
    elif rules.merged is not None and any(one.line.is_difference for one in ordered):
        row = rules.merged(one.item.body for one in ordered)
    row["view_id"] = view_id
    first_ms = min(one.item.received_ms for one in lines)
    client = item.client or next((one.item.client for one in reversed(ordered) if one.item.client is not None), None)
    newest = msgspec.structs.replace(item, begin_us=start_us, received_ms=first_ms, client=client)
    return FinalView(newest, row, frozenset(one.item.ident for one in lines))


def _merged(ordered: Iterable[ViewLine]) -> Row:
    merged: Row = {}
    custom: dict[str, str] = {}
    for _, line, _ in ordered:
        custom |= _custom(line.row)
        # The address is the one the view began with: a single-page app has moved on when it is left.
        merged |= {name: value for name, value in line.row.items() if not (name in merged and name in _ADDRESS)}
    return {**merged, "custom": custom} if custom else merged


def _start_us(parts: Iterable[ViewLine], window_start_us: int) -> int:
    """When the page was opened; of one that was open before the window began, when that did."""
    parts = list(parts)
    starts = [one.item.begin_us for one in parts if one.line.is_start]
    if starts:
        return min(starts)
    claims = (one.line.row.get("time") for one in parts)
    return max(window_start_us, min([claim for claim in claims if isinstance(claim, int)], default=window_start_us))


def _add_time_spent(lines: Iterable[ViewLine], views: Mapping[object, Row]) -> None:
    """How long a page in parts was open is said when it is left: by a leave, or by the page view that followed it.

    Of one that was opened before the window began, what lies in the window counts.
    """
    lines = [one for one in lines if one.rules.in_parts]
    begun = {one.line.row.get("view_id") for one in lines if one.line.is_start}
    longest: dict[object, int] = {}
    for item, line, _ in lines:
        view_id, spent_ns = line.left or (line.row.get("view_id"), line.row.get("time_spent"))
        if view_id not in views or not isinstance(spent_ns, int):
            continue
        start_us = views[view_id].get("time")
        if view_id not in begun and isinstance(start_us, int):
            spent_ns = min(spent_ns, max(0, item.end_us - start_us) * NS_PER_US)
        longest[view_id] = max(spent_ns, longest.get(view_id, 0))
    for left_id, longest_ns in longest.items():
        views[left_id]["time_spent"] = longest_ns


def add_note(note: ViewLine, view: Row) -> None:
    """What a note says of a view."""
    for name, value in note.line.adds.items():
        known = view.get(name)
        is_less = isinstance(known, int | float) and isinstance(value, int | float) and known >= value
        if not is_less:
            view[name] = value
    said = _custom(note.line.row)
    if not said:
        return
    custom = dict(_custom(view))
    for name, value in said.items():
        if custom.get(name) != value:
            keep(custom, name, value)
    view["custom"] = custom


def _custom(row: Row) -> dict[str, str]:
    custom = row.get("custom")
    return custom if isinstance(custom, dict) else {}


def _age(one: ViewLine) -> tuple[int, int, int, bytes]:
    row = one.line.row
    version = row.get("document_version")
    counted = sum(value for name in _COUNTERS if isinstance(value := row.get(name), int))
    return one.item.end_us, version if isinstance(version, int) else 0, counted, one.item.body
