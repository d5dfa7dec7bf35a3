"""Stored replay segments of a session turned into tracks that rrweb-player plays.

Views (or rrweb windows, which are tabs) that overlap in time go to different tracks; those that follow one another
share one, and each track plays alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from replay.json_shape import parse
from replay.playable import Playable
from replay.rrweb_batches import window_events
from replay.rrweb_event import EventType
from replay.track import ConversionError, Event, JsonObject, Track
from replay.view_records import ViewConverter
from schemas.items import Family

_SEAM_MS = 1_000  # the last records of a view may come this late after the next has begun in the same tab


class _View(NamedTuple):
    """One view's events before the gate, sorted by time; never empty."""

    view_id: str
    events: list[Event]

    @property
    def start_ms(self) -> int:
        return int(self.events[0]["timestamp"])

    @property
    def end_ms(self) -> int:
        return int(self.events[-1]["timestamp"])


class Spanned(Protocol):
    """Something that lasts from one time to another, epoch ms."""

    @property
    def start_ms(self) -> int: ...

    @property
    def end_ms(self) -> int: ...


Lasting = TypeVar("Lasting", bound=Spanned)


def to_rrweb(family: Family, segments: Sequence[bytes]) -> list[Track]:
    """Convert one session window's native segments.

    `segments` are inflated JSON, one segment each as the SDK made it, ordered by view start, view, index.
    Tracks are ordered by their start. What cannot be converted is left out and counted in `Track.skipped`;
    raises ConversionError when a segment is no segment of `family` at all.
    """
    views, skipped = _converted(family, segments)
    found = [[view] for view in views] if family is Family.RRWEB else lanes(views)
    return [_track(number, lane, skipped) for number, lane in enumerate(found)]


def one_track(family: Family, segments: Sequence[bytes]) -> Track:
    """The same for segments that are known to be of one track."""
    views, skipped = _converted(family, segments)
    return _track(0, views, skipped) if views else Track(0, [], 0, 0, [], {})


def lanes(views: Sequence[Lasting]) -> list[list[Lasting]]:
    """Give each view, in order of start, to the lane that ended last before it, which most likely is its tab."""
    found: list[list[Lasting]] = []
    for view in views:
        free = [lane for lane in found if lane[-1].end_ms <= view.start_ms + _SEAM_MS]
        if free:
            max(free, key=lambda lane: lane[-1].end_ms).append(view)
        else:
            found.append([view])
    return found


def _converted(family: Family, segments: Sequence[bytes]) -> tuple[list[_View], defaultdict[str, Counter[str]]]:
    """Views with their events by start, and what was skipped of each."""
    objects = [_segment(index, raw) for index, raw in enumerate(segments)]
    skipped: defaultdict[str, Counter[str]] = defaultdict(Counter)
    if family is Family.RRWEB:
        windows = window_events(objects, skipped)
        return _by_start(_View(window_id, events) for window_id, events in windows.items()), skipped
    return _by_start(_views(objects, skipped)), skipped


def _segment(index: int, raw: bytes) -> JsonObject:
    segment = parse(raw)
    if not isinstance(segment, dict):
        raise ConversionError(f"segment {index} is no JSON object")
    return segment


def _by_start(views: Iterable[_View]) -> list[_View]:
    return sorted((view for view in views if view.events), key=lambda view: (view.start_ms, view.view_id))


def _views(segments: Iterable[JsonObject], skipped: defaultdict[str, Counter[str]]) -> list[_View]:
    converters: dict[str, ViewConverter] = {}
    events: defaultdict[str, list[Event]] = defaultdict(list)
    next_index: dict[str, int] = {}
    for segment in segments:
        view_id = _view_id(segment)
        converter = converters.setdefault(view_id, ViewConverter(skipped[view_id]))
        index = segment.get("index_in_view")
        if isinstance(index, int):
            if index != next_index.get(view_id, index):
                converter.lose_context()
            next_index[view_id] = index + 1
        for record in _records(segment):
            events[view_id].extend(converter.convert(record))
    return [_View(view_id, sorted(found, key=_timestamp)) for view_id, found in events.items()]


def _view_id(segment: JsonObject) -> str:
    view = segment.get("view")
    view_id = view.get("id") if isinstance(view, dict) else None
    if not isinstance(view_id, str):
        raise ConversionError("a segment names no view")
    return view_id


def _records(segment: JsonObject) -> list[object]:
    records = segment.get("records")
    if not isinstance(records, list):
        raise ConversionError("a segment has no list of records")
    return records


def _timestamp(event: Event) -> int:
    return int(event["timestamp"])


def _track(number: int, lane: Sequence[_View], skipped: defaultdict[str, Counter[str]]) -> Track:
    reasons: Counter[str] = Counter()
    gate = Playable(reasons)
    events: list[Event] = []
    for index, view in enumerate(lane):
        reasons.update(skipped[view.view_id])
        gate.leave_page()
        limit_ms = lane[index + 1].start_ms if index + 1 < len(lane) else view.end_ms
        events.extend(admitted for event in view.events if (admitted := gate.admit(_not_after(event, limit_ms))))
    if not any(event["type"] == EventType.FULL_SNAPSHOT for event in events):
        events = []  # nothing to draw on
    end_ms = max(view.end_ms for view in lane)
    return Track(
        number,
        [view.view_id for view in lane],
        lane[0].start_ms,
        end_ms,
        events,
        {str(reason): n for reason, n in reasons.items()},
    )


def _not_after(event: Event, limit_ms: int) -> Event:
    """Keep a late record of a view before the next view of its track, whose page it does not belong to."""
    return event if _timestamp(event) <= limit_ms else {**event, "timestamp": limit_ms}
