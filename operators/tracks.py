"""Stored replay segments of a session turned into tracks that rrweb-player plays.

Views (or rrweb windows, which are tabs) that overlap in time go to different tracks; those that follow one another
share one, and each track plays alone.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, TypeVar

import msgspec

from operators.families.family import Family
from operators.rrweb.batch import Batch, ViewEvents, read_batch
from operators.rrweb.conversion_notes import notes_of, with_size
from operators.rrweb.event import EventType
from operators.rrweb.gate import Playable
from operators.rrweb.json_shape import Skip
from operators.rrweb.track import ConversionError, Event, Track

_SEAM_MS = 1_000  # the last records of a view may come this late after the next has begun in the same tab
_TAB = "tab.id"  # where the name of the tab is among the attributes without a column


class Spanned(Protocol):
    """A view, or part of one, that lasts from one time to another, epoch ms."""

    @property
    def view_id(self) -> str: ...

    @property
    def start_ms(self) -> int: ...

    @property
    def end_ms(self) -> int: ...


Lasting = TypeVar("Lasting", bound=Spanned)


def to_rrweb(family: Family, segments: Sequence[bytes], tabs: Mapping[str, str] = MappingProxyType({})) -> list[Track]:
    """Convert one session window's native segments.

    `segments` are inflated JSON, one segment each as the SDK made it, ordered by view start, view, index; `tabs`: from
    `tabs_of`. Tracks are ordered by their start. What cannot be converted is left out and counted in `Track.skipped`,
    and `Track.notes` tells a person what is missing; raises ConversionError when no segment can be read at all.
    """
    views, unreadable = _converted(family, segments)
    found = [[view] for view in views] if not family.recording.names_views else lanes(views, tabs)
    tracks = [_track(number, lane) for number, lane in enumerate(found)]
    if unreadable and tracks:
        tracks[0] = _with_unreadable(tracks[0], unreadable)
    return tracks


def one_track(family: Family, segments: Sequence[bytes], *, is_start: bool = True) -> Track:
    """The same for segments that are known to be of one track. `is_start`: with its first, else the size of the page is
    known from what came before.
    """
    views, unreadable = _converted(family, segments)
    track = _track(0, views, is_start=is_start) if views else Track(0, [], 0, 0, [], {}, notes_of({}, []))
    return _with_unreadable(track, unreadable) if unreadable else track


def tabs_of(views: Iterable[Mapping[str, object]]) -> dict[str, str]:
    """From rows of `views` the tab in which each was shown, where the SDK names it (`Family.names_tabs`)."""
    found: dict[str, str] = {}
    for row in views:
        custom = row.get("custom")
        pairs = custom if isinstance(custom, dict) else dict(custom) if isinstance(custom, list) else {}
        if _TAB in pairs:
            found[str(row.get("view_id"))] = str(pairs[_TAB])
    return found


def lanes(views: Sequence[Lasting], tabs: Mapping[str, str] = MappingProxyType({})) -> list[list[Lasting]]:
    """The views of each tab. Where the tab of a view is not known: in order of start, to the lane that ended last
    before it, which most likely is its tab.
    """
    found: list[list[Lasting]] = []
    by_tab: dict[str, list[Lasting]] = {}
    for view in views:
        tab = tabs.get(view.view_id)
        lane = by_tab.get(tab) if tab is not None else _free_lane(found, view, by_tab)
        if lane is None:
            lane = []
            found.append(lane)
            if tab is not None:
                by_tab[tab] = lane
        lane.append(view)
    return found


def _free_lane(
    found: Iterable[list[Lasting]], view: Lasting, by_tab: Mapping[str, list[Lasting]]
) -> list[Lasting] | None:
    taken = [id(lane) for lane in by_tab.values()]
    free = [lane for lane in found if id(lane) not in taken and lane[-1].end_ms <= view.start_ms + _SEAM_MS]
    return max(free, key=lambda lane: lane[-1].end_ms, default=None)


def _converted(family: Family, segments: Sequence[bytes]) -> tuple[list[ViewEvents], int]:
    """Views with their events, by start; and how many segments could not be read."""
    batches: list[Batch] = []
    faults: list[str] = []
    for raw in segments:
        try:
            batches.append(read_batch(raw, family.recording))
        except ConversionError as fault:
            faults.append(str(fault))
    if segments and not batches:
        raise ConversionError(faults[0])
    views = family.to_views(batches)
    return sorted((view for view in views if view.events), key=lambda view: (view.start_ms, view.view_id)), len(faults)


def _timestamp(event: Event) -> int:
    return int(event["timestamp"])


def _track(number: int, lane: Sequence[ViewEvents], *, is_start: bool = True) -> Track:
    reasons: Counter[str] = Counter()
    gate = Playable(reasons)
    events: list[Event] = []
    for index, view in enumerate(lane):
        reasons.update(view.skipped)
        gate.leave_page()
        limit_ms = lane[index + 1].start_ms if index + 1 < len(lane) else view.end_ms
        events.extend(admitted for event in view.events if (admitted := gate.admit(_not_after(event, limit_ms))))
    is_drawn = any(event["type"] == EventType.FULL_SNAPSHOT for event in events)
    if not is_drawn:
        events = []  # nothing to draw on
    elif is_start:
        events = with_size(events, reasons)
    skipped = {str(reason): n for reason, n in reasons.items() if n}
    end_ms = max(view.end_ms for view in lane)
    return Track(
        track_id=number,
        view_ids=[view.view_id for view in lane],
        start_ms=lane[0].start_ms,
        end_ms=end_ms,
        events=events,
        skipped=skipped,
        notes=notes_of(skipped, events),
    )


def _with_unreadable(track: Track, count: int) -> Track:
    skipped = {**track.skipped, str(Skip.UNREADABLE): count}
    return msgspec.structs.replace(track, skipped=skipped, notes=notes_of(skipped, track.events))


def _not_after(event: Event, limit_ms: int) -> Event:
    """Keep a late record of a view before the next view of its track, whose page it does not belong to."""
    return event if _timestamp(event) <= limit_ms else {**event, "timestamp": limit_ms}
