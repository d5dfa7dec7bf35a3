"""Batches of rrweb events: one sorted list of events per browser window (tab)."""

from collections import Counter
from collections.abc import Callable, Iterable

from operators.rrweb.batch import Batch, ViewEvents
from operators.rrweb.event import Source
from operators.rrweb.json_shape import ShapeError, list_of, number_of, object_of, time_of
from operators.rrweb.track import Event
from operators.wire.unusable import is_time_ms
from schemas.units import MS_PER_DAY

_MOVES = (Source.MOUSE_MOVE, Source.TOUCH_MOVE, Source.DRAG)


def window_views(batches: Iterable[Batch], clear: Callable[[Event], Event]) -> list[ViewEvents]:
    """Events by window. `clear`: an event as rrweb has made it, whatever its SDK has packed; raises ShapeError."""
    windows: dict[str, ViewEvents] = {}
    for batch in batches:
        window = windows.setdefault(batch.view_id, ViewEvents(batch.view_id, [], Counter()))
        window.skipped.update(batch.skipped)
        for record in batch.records:
            try:
                event = clear(object_of(record))
                window.events.append({**event, "timestamp": time_of(event)})
            except ShapeError as fault:
                window.skipped[fault.reason] += 1
    return [one._replace(events=_steady(sorted(one.events, key=_timestamp))) for one in windows.values()]


def _steady(events: list[Event]) -> list[Event]:
    """The events with their mouse moves dated anew; not the last one, whose end is the end of the recording."""
    return sorted([_moves_from_first(event) for event in events[:-1]] + events[-1:], key=_timestamp)


def _timestamp(event: Event) -> int:
    return int(event["timestamp"])


def _moves_from_first(event: Event) -> Event:
    """Date a batch of mouse moves at its first position, where rrweb dates it at the end and counts back.

    The instants stay the same. But a player stopped after such a batch believes that it has shown nothing since its
    first position, and on the next seek applies the page's changes in between a second time.
    """
    data = event.get("data")
    if not isinstance(data, dict) or data.get("source") not in _MOVES or not data.get("positions"):
        return event
    try:
        positions = [object_of(position) for position in list_of(data["positions"])]
        offsets = [int(number_of(position.get("timeOffset"))) for position in positions]
    except ShapeError:
        return event  # not fit to be played; it is counted at the gate
    first = offsets[0]
    if abs(first) >= MS_PER_DAY or not is_time_ms(event["timestamp"] + first):
        return event  # no mouse moves for so long
    moved = [{**position, "timeOffset": offset - first} for position, offset in zip(positions, offsets, strict=True)]
    return {**event, "timestamp": event["timestamp"] + first, "data": {**data, "positions": moved}}
