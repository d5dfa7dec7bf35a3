"""The recorded entries of one browser window in one order, whatever segments brought them.

Equal entries of one segment are as many things; those of two segments are the same, sent again. Only a click is one in
any case: nobody clicks twice in a millisecond, but rrweb tells one in a shadow tree twice.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from operators.wire.unusable import identity
from schemas.items import Item, Kind
from schemas.recorded import Click, Entry, Recorded, decode_recorded

Wanted = TypeVar("Wanted", bound=msgspec.Struct)
_encode = msgspec.msgpack.Encoder().encode


class Segment(NamedTuple):
    """A segment and what it tells."""

    item: Item
    recorded: Recorded

    @property
    def browser_window(self) -> str:
        assert self.item.segment is not None
        return self.item.segment.view_id


class Seen(NamedTuple):
    """An entry, the segment that brought it first, and a number that tells it from equal ones of that segment."""

    entry: Entry
    item: Item
    number: int
    received_ms: int  # earliest copy

    def ident(self, kind: Kind) -> int:
        """Names the entry in its session, the same for every copy."""
        assert self.item.segment is not None
        return identity(kind, "recorded", self.item.segment.view_id, _encode(self.entry), str(self.number))


class BrowserWindow:
    """Its segments and entries, in order of time."""

    def __init__(self, name: str, segments: Iterable[Segment]) -> None:
        self.name = name
        self.segments = sorted(segments, key=lambda one: (one.item.begin_us, one.item.ident))
        self.entries = _in_order(self.segments)
        self.end_us = max(one.item.end_us for one in self.segments)

    def of(self, kind: type[Wanted]) -> list[tuple[Wanted, Seen]]:
        """The entries of a kind."""
        return [(one.entry, one) for one in self.entries if isinstance(one.entry, kind)]


def browser_windows(items: Iterable[Item]) -> list[BrowserWindow]:
    """Those of which segments tell something, by name."""
    found = [item for item in items if item.scan is not None]
    if not any(item.scan.recorded for item in found if item.scan):  # most families
        return []
    windows: dict[str, list[Segment]] = {}
    for item in found:
        if item.scan is not None:
            one = Segment(item, decode_recorded(item.scan.recorded))
            windows.setdefault(one.browser_window, []).append(one)
    told = {name: own for name, own in windows.items() if any(one.recorded.entries for one in own)}
    return [BrowserWindow(name, own) for name, own in sorted(told.items())]


def omitted_count(items: Iterable[Item]) -> int:
    """Entries of these segments that were over the bounds."""
    texts = [item.scan.recorded for item in items if item.scan is not None and item.scan.recorded]
    return sum(decode_recorded(text).omitted_count for text in texts)


def _in_order(segments: Sequence[Segment]) -> list[Seen]:
    found: dict[tuple[bytes, int], tuple[tuple[int, int, int], Seen]] = {}
    for place, (item, recorded) in enumerate(segments):
        counts: Counter[bytes] = Counter()
        for position, entry in enumerate(recorded.entries):
            text = _encode(entry)
            key = text, 0 if isinstance(entry, Click) else counts[text]
            counts[text] += 1
            known = found.get(key)
            if known is None:
                found[key] = (entry.at_us, place, position), Seen(entry, item, key[1], item.received_ms)
            elif item.received_ms < known[1].received_ms:
                found[key] = known[0], known[1]._replace(received_ms=item.received_ms)
    return [seen for _, seen in sorted(found.values(), key=lambda one: one[0])]
