"""Batches of rrweb events, plain or as PostHog `$snapshot` messages: one sorted list of events per window (tab)."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from replay.json_shape import ShapeError, list_of, number_of, object_of, time_of
from replay.posthog_cv import CvDecoder
from replay.rrweb_event import Source
from replay.track import ConversionError, Event, JsonObject

_MOVES = (Source.MOUSE_MOVE, Source.TOUCH_MOVE, Source.DRAG)


def window_events(batches: Iterable[JsonObject], skipped: defaultdict[str, Counter[str]]) -> dict[str, list[Event]]:
    """Events by window id, sorted by time, everything in the clear."""
    decoder = CvDecoder()
    windows: defaultdict[str, list[Event]] = defaultdict(list)
    for batch in batches:
        window_id, records = _content(batch)
        for record in records:
            try:
                event = decoder.decode(object_of(record))
                windows[window_id].append({**event, "timestamp": time_of(event)})
            except ShapeError as fault:
                skipped[window_id][fault.reason] += 1
    return {window_id: _steady(sorted(events, key=time_of)) for window_id, events in windows.items()}


def _content(batch: JsonObject) -> tuple[str, list[object]]:
    properties = batch.get("properties")
    if isinstance(properties, dict):
        window_id, records = properties.get("$window_id"), properties.get("$snapshot_data")
    else:
        window_id, records = batch.get("window_id"), batch.get("events")
    if not isinstance(records, list):
        raise ConversionError("a batch has no list of events")
    return window_id if isinstance(window_id, str) else "", records


def _steady(events: list[Event]) -> list[Event]:
    """The events with their mouse moves dated anew; not the last one, whose end is the end of the recording."""
    return sorted([_moves_from_first(event) for event in events[:-1]] + events[-1:], key=time_of)


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
    first = max(offsets[0], -time_of(event))
    moved = [{**position, "timeOffset": offset - first} for position, offset in zip(positions, offsets, strict=True)]
    return {**event, "timestamp": time_of(event) + first, "data": {**data, "positions": moved}}
