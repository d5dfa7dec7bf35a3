"""What a person should know of a converted recording: what is missing from it, and why it may look empty."""

from collections import Counter
from collections.abc import Mapping, Sequence

from operators.rrweb.canvas import is_canvas_change
from operators.rrweb.event import EventType, Source
from operators.rrweb.json_shape import Skip
from operators.rrweb.node import MAX_TREE_DEPTH
from operators.rrweb.track import Event

_WIDTH, _HEIGHT = 1280, 720  # of a recording that never says
_EXPLAINED = {
    Skip.BEFORE_SNAPSHOT: "{} records came before any full snapshot and cannot be drawn",
    Skip.DANGLING: "{} changes refer to parts of the page that were not received",
    Skip.LOST_CONTEXT: "{} changes follow a lost segment and cannot be read until the next full snapshot",
    Skip.MISSING_SEGMENT: "{} segments were never received",
    Skip.UNREADABLE: "{} segments cannot be read",
    Skip.TOO_DEEP: f"{{}} parts of the page are nested deeper than {MAX_TREE_DEPTH} levels and are left out",
    Skip.TOO_LARGE: "{} records inflate to more than a recording may hold",
    Skip.IMAGE_CONTENT: "{} images are stored elsewhere and are not shown",
    Skip.NO_SIZE: f"the size of the page was not recorded; {_WIDTH} x {_HEIGHT} is assumed where nothing tells it",
}
_CANVAS = "{} changes of a canvas: a player shows them only if it is told to draw canvases"
_NOTHING = "no full snapshot was received: there is nothing to show"
_OTHERS = "{} records are malformed or of a kind that players do not know"


def explained(reason: str, count: int) -> str:
    """A sentence for one reason of what was left out."""
    return _EXPLAINED[Skip(reason)].format(count) if reason in set(_EXPLAINED) else f"{_OTHERS.format(count)}: {reason}"


def notes_of(skipped: Mapping[str, int], events: Sequence[Event]) -> list[str]:
    """One sentence each, for a track."""
    notes = [] if events else [_NOTHING]
    notes += [text.format(skipped[reason]) for reason, text in _EXPLAINED.items() if skipped.get(reason)]
    others = sum(count for reason, count in skipped.items() if reason not in set(_EXPLAINED))
    if others:
        notes.append(_OTHERS.format(others))
    canvas = sum(map(is_canvas_change, events))
    if canvas:
        notes.append(_CANVAS.format(canvas))
    return notes


def with_size(events: list[Event], reasons: Counter[str]) -> list[Event]:
    """The events with a Meta record before the first full snapshot: without one, a player has no size and is blank."""
    for number, event in enumerate(events):
        if event["type"] == EventType.META:
            return events
        if event["type"] == EventType.FULL_SNAPSHOT:
            reasons[Skip.NO_SIZE] += 1
            return [*events[:number], _meta(event["timestamp"], events), *events[number:]]
    return events


def _meta(timestamp: int, events: Sequence[Event]) -> Event:
    """With the size that is told first, later in the recording."""
    data: dict[str, object] = {"href": "", "width": _WIDTH, "height": _HEIGHT}
    for event in events:
        told = event["data"] if event["type"] in (EventType.META, EventType.INCREMENTAL) else {}
        if event["type"] == EventType.META or told.get("source") == Source.VIEWPORT_RESIZE:
            data |= {name: told[name] for name in ("href", "width", "height") if name in told}
            break
    return {"type": EventType.META.value, "timestamp": timestamp, "data": data}
