"""Where a session splits: the window rules as one fold over a session's distinct moments, in order of their instant.

A *moment* is what the rules need to know of an item (times, identity, flags) and where its body rests (`seq`,
`ordinal`). A *window* is one emitted session part. Nothing here looks at a clock: windows are split by the client's
times alone, so the result is a function of the set of moments. When a window may close is decided by `close_at_ms`,
on the receive clock.
"""

from collections.abc import Iterable, Sequence
from operator import sub
from typing import NamedTuple

import msgspec

from operators.native import Leaf
from schemas.items import CloseReason
from schemas.units import MS_PER_HOUR, MS_PER_MINUTE, MS_PER_SECOND, US_PER_MS

OPENS = 1  # may open a window (rule 4)
ENDS = 2  # end marker: no activity (rule 6)
SEGMENT = 4  # its instant is its start, not its end (rule 3)


class WindowRules(msgspec.Struct, frozen=True):
    """The limits of a window. Client-clock limits and receive-clock limits, all in ms."""

    gap_ms: int = 15 * MS_PER_MINUTE  # inactivity that ends a window
    cap_ms: int = 4 * MS_PER_HOUR  # a window is shorter than this
    lateness_ms: int = MS_PER_MINUTE  # receive time a due close still waits for disorder
    end_grace_ms: int = MS_PER_MINUTE  # after an end marker, instead of the gap
    settle_ms: int = 10 * MS_PER_SECOND  # quiet receive time after an arrival far behind the clock


class Moment(NamedTuple):
    """One received copy of an item, without its body. Client times in us, receive time in ms."""

    begin_us: int
    end_us: int
    received_ms: int
    ident: int
    seq: int
    ordinal: int
    flags: int


class Window(msgspec.Struct):
    """One window while it is folded. `moments` holds every copy, duplicates included."""

    part: int
    start_us: int
    end_us: int
    activity_received_ms: int
    marker_received_ms: int = -1
    marker_end_us: int = -1
    first_received_ms: int = 0
    last_received_ms: int = 0
    is_capped: bool = False
    is_frozen: bool = False  # was emitted before; only takes up what comes late
    moments: list[Moment] = []
    distinct_count: int = 0

    def over_us(self, rules: WindowRules) -> int:
        """The client time from which on something may open the next window."""
        return min(self.end_us + rules.gap_ms * US_PER_MS, self.cap_us(rules))

    def cap_us(self, rules: WindowRules) -> int:
        """The client time that this window must end before."""
        return self.start_us + rules.cap_ms * US_PER_MS


class Distinct(NamedTuple):
    """All copies of one item, as one: earliest begin and receipt, latest end."""

    begin_us: int
    end_us: int
    received_ms: int
    flags: int
    ident: int
    copies: tuple[Moment, ...]

    @property
    def instant_us(self) -> int:
        return self.begin_us if self.flags & SEGMENT else self.end_us


def distinct(moments: Iterable[Moment]) -> list[Distinct]:
    """Fold the copies of each item (same `ident`), in no particular order."""
    groups: dict[int, list[Moment]] = {}
    for moment in moments:
        groups.setdefault(moment.ident, []).append(moment)
    return [_merge(copies) for copies in groups.values()]


def split(items: Iterable[Distinct], frozen: Sequence[Window], rules: WindowRules, first_part: int = 0) -> list[Window]:
    """Fold distinct items into windows: `frozen` ones first (by part, as emitted), then the new ones.

    Order of `items` does not matter. Frozen windows are changed in place where an item is late for them. `first_part`:
    number of the first window when none is frozen; above 0 when earlier ones are forgotten.
    """
    windows = list(frozen)
    markers = []
    for item in sorted(items, key=_fold_order):
        if item.flags & ENDS:
            markers.append(item)
        elif not windows or (item.flags & OPENS and item.begin_us >= windows[-1].over_us(rules)):
            windows.append(_open(item, windows[-1] if windows else None, rules, first_part))
        else:
            _join(windows, _owner(windows, item.begin_us, rules), item, rules)
    for item in markers:
        if not windows:  # nothing else of this session ever came: the marker's view is all there is to show
            windows.append(_open(item._replace(end_us=item.begin_us), None, rules, first_part))
        else:
            _mark(windows[_owner(windows, item.begin_us, rules)], item)
    return windows


def due_ms(window: Window, rules: WindowRules) -> int:
    """Receive time at which the close of a window becomes due (rules 6 and 8)."""
    due = window.activity_received_ms + rules.gap_ms
    if _is_ended(window, rules):
        due = min(due, max(window.marker_received_ms, window.activity_received_ms) + rules.end_grace_ms)
    return due


def plain_window(moments: Iterable[tuple[int, ...]], rules: WindowRules, part: int = 0) -> Window | None:
    """What `split` makes of the usual session, found without folding: one window, here without its moments.

    None when only `split` can tell. Moments (at least one; plain tuples, because a session that goes on is looked at
    often) are plainly one window when no instant is the gap or more after the one before, everything lies inside one
    cap, nothing marks an end, and no two copies of an item differ.
    """
    begins, ends, receipts, idents, _, _, flags = zip(*moments, strict=True)
    kinds = set(flags)
    known = set(idents)
    if any(kind & ENDS for kind in kinds) or len(set(zip(idents, begins, ends, flags, strict=True))) != len(known):
        return None
    instants, active = ends, ends
    if any(kind & SEGMENT for kind in kinds):
        lines_and_segments = list(zip(begins, ends, flags, strict=True))
        instants = tuple(begin if kind & SEGMENT else end for begin, end, kind in lines_and_segments)
        active = tuple(_activity_end(*one, rules) for one in lines_and_segments)
    ordered = sorted(instants)
    if max(map(sub, ordered[1:], ordered), default=0) >= rules.gap_ms * US_PER_MS:
        return None
    start_us = min(begins)
    if max(ends) - start_us >= rules.cap_ms * US_PER_MS:
        return None
    last_ms = max(receipts)
    if len(known) < len(idents):  # of copies, the one received first counts
        latest_first = sorted(zip(receipts, idents, strict=True), reverse=True)
        last_ms = max({ident: received_ms for received_ms, ident in latest_first}.values())
    return Window(
        part=part,
        start_us=start_us,
        end_us=max(active),
        activity_received_ms=last_ms,
        first_received_ms=min(receipts),
        last_received_ms=last_ms,
        distinct_count=len(known),
    )


def plain_window_fast(leaf: Leaf, packed: bytearray, rules: WindowRules, part: int = 0) -> Window | None:
    """The same by the compiled leaf, from moments as the tracker packs them."""
    found = leaf.module.plain_window(packed, rules.gap_ms, rules.cap_ms)
    if found is None:
        return None
    start_us, end_us, last_ms, first_ms, distinct_count = found
    return Window(
        part=part,
        start_us=start_us,
        end_us=end_us,
        activity_received_ms=last_ms,
        first_received_ms=first_ms,
        last_received_ms=last_ms,
        distinct_count=distinct_count,
    )


def close_reason(window: Window, *, drained: bool, rules: WindowRules) -> CloseReason:
    """Why the window ended. `drained`: the input ended before the close was due."""
    if _is_ended(window, rules):
        return CloseReason.ENDED
    if window.is_capped:
        return CloseReason.MAX_DURATION
    return CloseReason.DRAINED if drained else CloseReason.INACTIVITY


def _merge(copies: list[Moment]) -> Distinct:
    first = copies[0]
    if len(copies) == 1:
        return Distinct(first.begin_us, first.end_us, first.received_ms, first.flags, first.ident, (first,))
    return Distinct(
        min(m.begin_us for m in copies),
        max(m.end_us for m in copies),
        min(m.received_ms for m in copies),
        max(m.flags for m in copies),
        first.ident,
        tuple(sorted(copies)),
    )


def _fold_order(item: Distinct) -> tuple[int, bool, int, int]:
    # At one instant what may open a window goes first, so that its company lands in the same window.
    return item.instant_us, not item.flags & OPENS, item.begin_us, item.ident


def _open(item: Distinct, previous: Window | None, rules: WindowRules, first_part: int) -> Window:
    if previous is not None and item.begin_us < previous.end_us + rules.gap_ms * US_PER_MS:
        previous.is_capped = True
    window = Window(
        part=previous.part + 1 if previous is not None else first_part,
        start_us=item.begin_us,
        end_us=item.begin_us,
        activity_received_ms=item.received_ms,
        first_received_ms=item.received_ms,
        last_received_ms=item.received_ms,
        moments=[],
    )
    _extend(window, _activity_end(item.begin_us, item.end_us, item.flags, rules), None, rules)
    _take(window, item)
    return window


def _owner(windows: list[Window], begin_us: int, rules: WindowRules) -> int:
    """Index of the window that something which began at `begin_us` belongs to."""
    index = len(windows) - 1
    while index > 0 and begin_us < min(windows[index - 1].over_us(rules), windows[index].start_us):
        index -= 1
    return index


def _join(windows: list[Window], index: int, item: Distinct, rules: WindowRules) -> None:
    window = windows[index]
    following = windows[index + 1] if index + 1 < len(windows) else None
    window.start_us = min(window.start_us, item.begin_us)
    if item.instant_us < window.end_us + rules.gap_ms * US_PER_MS:
        window.activity_received_ms = max(window.activity_received_ms, item.received_ms)
        _extend(window, _activity_end(item.begin_us, item.end_us, item.flags, rules), following, rules)
    else:  # tail (rule 4): stored and counted, the end not moved
        _extend(window, window.end_us, following, rules)
    _take(window, item)


def _mark(window: Window, item: Distinct) -> None:
    if window.marker_received_ms < 0 or item.end_us < window.marker_end_us:
        window.marker_end_us = item.end_us
    window.marker_received_ms = max(window.marker_received_ms, item.received_ms)
    _take(window, item)


def _take(window: Window, item: Distinct) -> None:
    window.first_received_ms = min(window.first_received_ms, item.received_ms)
    window.last_received_ms = max(window.last_received_ms, item.received_ms)
    window.moments.extend(item.copies)
    window.distinct_count += 1


def _activity_end(begin_us: int, end_us: int, flags: int, rules: WindowRules) -> int:
    if flags & SEGMENT and end_us - begin_us >= rules.gap_ms * US_PER_MS:
        return begin_us
    return end_us


def _extend(window: Window, end_us: int, following: Window | None, rules: WindowRules) -> None:
    end_us = max(window.end_us, end_us)
    if end_us >= window.cap_us(rules):
        window.is_capped = True
        end_us = window.cap_us(rules) - 1
    if following is not None:
        end_us = min(end_us, max(window.end_us, following.start_us - 1))
    window.end_us = max(end_us, window.start_us)


def _is_ended(window: Window, rules: WindowRules) -> bool:
    # A marker that claims to be later than the gap is the SDK waking up: the window had ended by inactivity.
    return window.marker_received_ms >= 0 and window.marker_end_us < window.end_us + rules.gap_ms * US_PER_MS
