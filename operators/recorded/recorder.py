"""Takes up what a segment's records tell, within bounds: what is over one is counted, a text that is cut says so.

A whole number of more than 64 bits is over one: neither packs nor columns have a place for it.
"""

import msgspec

from schemas.recorded import Console, Entry, Focus, Load, LongTask, Recorded, Request, encode_recorded
from schemas.units import KIB, MS_PER_SECOND

ENTRIES_MAX = 2_000  # of one segment, which lasts some seconds
TEXT_BYTES_MAX = 256 * KIB  # of all texts of one segment
TEXT_MAX = 8_192  # characters of one text
_INT_MAX = 2**63 - 1
_SHORT = (Load, Focus, LongTask)  # have no text


class Recorder:
    """Of one segment. Entries come in the order of the records."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._text_bytes = 0
        self._omitted_count = 0
        self._reactions: dict[int, tuple[int, int]] = {}  # by second: first and last, epoch ms

    def add(self, entry: Entry) -> None:
        """Keep an entry, or count it."""
        size = 0
        values = msgspec.structs.astuple(entry)
        if not all(-_INT_MAX <= value <= _INT_MAX for value in values if type(value) is int):
            self._omitted_count += 1
            return
        if not isinstance(entry, _SHORT):
            texts = [value for value in values if isinstance(value, str)]
            if max(map(len, texts), default=0) > TEXT_MAX:
                entry = _within(entry)
                texts = [value for value in msgspec.structs.astuple(entry) if isinstance(value, str)]
            size = sum([len(text) if text.isascii() else len(text.encode("utf-8", "replace")) for text in texts])
        if len(self._entries) >= ENTRIES_MAX or self._text_bytes + size > TEXT_BYTES_MAX:
            self._omitted_count += 1
            return
        self._text_bytes += size
        self._entries.append(entry)

    def omit(self) -> None:
        """Count an entry that nothing can be made of."""
        self._omitted_count += 1

    def react(self, at_ms: int) -> None:
        """The page changed: how often in a second does not matter, only since when and until when."""
        second = at_ms // MS_PER_SECOND
        known = self._reactions.get(second)
        if known is None:
            self._reactions[second] = at_ms, at_ms
        elif not known[0] <= at_ms <= known[1]:
            self._reactions[second] = min(known[0], at_ms), max(known[1], at_ms)

    def encoded(self) -> bytes:
        """As `SegmentScan.recorded` has it."""
        kept = sorted(self._reactions)
        if len(kept) > ENTRIES_MAX:  # seconds of half an hour: a broken clock
            self._omitted_count += len(kept) - ENTRIES_MAX
            kept = kept[:ENTRIES_MAX]
        reactions = sorted({at_ms for second in kept for at_ms in self._reactions[second]})
        return encode_recorded(Recorded(self._entries, reactions, self._omitted_count))


def _within(entry: Entry) -> Entry:
    """With texts of at most `TEXT_MAX` characters."""
    members = msgspec.structs.asdict(entry)
    cut: dict[str, object] = {name: value[:TEXT_MAX] for name, value in members.items() if isinstance(value, str)}
    if isinstance(entry, Console):
        cut["is_cut"] = True
    elif isinstance(entry, Request):
        cut["url_length"] = len(entry.url)
    return msgspec.structs.replace(entry, **cut)
