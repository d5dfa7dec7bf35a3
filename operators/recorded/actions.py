"""Clicks, inputs and the page's own events of a recording as rows of `actions`."""

from collections.abc import Iterator

import msgspec

from operators.recorded.browser_window import BrowserWindow, Seen
from operators.recorded.click_signs import Answers, signs_of
from operators.recorded.derived import Derived, Known, Pages
from operators.recorded.elements import Elements, RecordsOf, elements_of
from operators.rows.values import Row, compact_json
from schemas.items import Kind
from schemas.recorded import Click, Custom, Focus, Input, Page, Request
from schemas.units import US_PER_MS, US_PER_SECOND

_INPUT_PAUSE_US = 10 * US_PER_SECOND  # after a longer one, typing on is another action
_CLICKED_US = 300 * US_PER_MS  # so soon after a click, a field changed by it: a check box, a choice, a form filled


def visitor_actions(window: BrowserWindow, pages: Pages, known: Known, records_of: RecordsOf) -> Iterator[Derived]:
    """What the visitor did."""
    clicks = _clicks(window, known)
    inputs = list(_first_inputs(window, known))
    elements = elements_of(_nameless(window), (one.item for one in window.segments), records_of)
    answers = _answers(window, elements)
    for (click, seen), signs in zip(clicks, signs_of([click for click, _ in clicks], answers), strict=True):
        row = _action("click", click, elements)
        if signs:
            row["action_frustration_types"] = compact_json(signs)
        place = {"node": click.node or None, "x": click.x, "y": click.y}
        row["custom"] = {name: compact_json(value) for name, value in place.items() if value is not None}
        yield pages.derived(Kind.ACTION, seen, row)
    for entry, seen in inputs:
        yield pages.derived(Kind.ACTION, seen, _action("input", entry, elements))


def _clicks(window: BrowserWindow, known: Known) -> list[tuple[Click, Seen]]:
    """Each click once: an SDK that judges clicks tells again, later, of those that went wrong.

    Its name is that of what was told of it first, or of what has been a row before.
    """
    found: list[tuple[Click, Seen]] = []
    judged: dict[tuple[int, int], int] = {}  # place of a judged click by its time and element
    for click, seen in window.of(Click):
        place = judged.get((click.at_us, click.node)) if click.is_judged else None
        if place is None:
            judged[click.at_us, click.node] = len(found)
            found.append((click, seen))
            continue
        told, first = found[place]
        signs = tuple(sorted({*told.frustrations, *click.frustrations}))
        is_known = (Kind.ACTION, seen.ident(Kind.ACTION)) in known
        found[place] = msgspec.structs.replace(told, frustrations=signs), seen if is_known else first
    return found


def page_actions(window: BrowserWindow, pages: Pages) -> Iterator[Derived]:
    """What the page reported by itself."""
    for event, seen in window.of(Custom):
        yield pages.derived(Kind.ACTION, seen, {"action_type": "custom", "action_name": event.name})


def _nameless(window: BrowserWindow) -> Iterator[int]:
    """Numbers of the elements that were clicked or typed in, where the entry does not say what they are called."""
    for one in window.entries:
        if isinstance(one.entry, Click | Input) and not one.entry.name:
            yield one.entry.node


def _action(kind: str, entry: Click | Input, elements: Elements) -> Row:
    element = elements.at(entry.node, entry.at_us)
    row: Row = {"action_type": kind}
    name = entry.name or (element.name if element else "")
    target = entry.target or (element.target if element else "")
    if name:
        row["action_name"] = name
    if target:
        row["action_target"] = compact_json({"selector": target})
    return row


def _answers(window: BrowserWindow, elements: Elements) -> Answers:
    """That a button takes the focus is no answer."""
    reactions_us = {at_ms * US_PER_MS for one in window.segments for at_ms in one.recorded.reactions_ms}
    reactions_us.update(one.entry.at_us for one in window.entries if isinstance(one.entry, Page | Request))
    focused_us: dict[int, list[int]] = {}
    for focus, _ in window.of(Focus):
        element = elements.at(focus.node, focus.at_us)
        if element is not None and element.is_button:
            continue
        focused_us.setdefault(focus.node, []).append(focus.at_us)
    return Answers(
        reactions_us=sorted(reactions_us),
        focused_us=focused_us,
        fields=frozenset(entry.node for entry, _ in window.of(Input)),
        recorded_until_us=window.end_us,
    )


def _first_inputs(window: BrowserWindow, known: Known) -> Iterator[tuple[Input, Seen]]:
    """The first change of each run on one element: nothing else was done meanwhile, and no long pause made."""
    clicked_us = typed_us = 0
    node: int | None = None
    for seen in window.entries:
        entry = seen.entry
        if isinstance(entry, Click):
            clicked_us, node = entry.at_us, None
        elif isinstance(entry, Page):
            node = None
        elif isinstance(entry, Input):
            if entry.at_us - clicked_us <= _CLICKED_US:
                continue
            goes_on = entry.node == node and entry.at_us - typed_us <= _INPUT_PAUSE_US
            node, typed_us = entry.node, entry.at_us
            if not goes_on or (Kind.ACTION, seen.ident(Kind.ACTION)) in known:
                yield entry, seen
