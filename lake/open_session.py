"""A session that is not closed yet, from its blocks in packs: its windows as they would be if they closed now.

The same functions that split and write windows for good (`operators.windows.rules`, `operators.assemble`) work here, on
what has been received so far. Windows that are in the tables already take up what is theirs, as they do in the job;
what remains is open. Bodies of lines are kept, those of segments are read again from their pack when they are played.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
import zstandard

from lake.open_packs import Block
from operators.assemble import LineRecord, assemble_open
from operators.chunks import Piece, Place
from operators.families.registry import family_of
from operators.recorded.elements import brings_elements
from operators.replay.cut import CutReplay, ReplayWindow, uncut
from operators.replay.order import Kept, settled
from operators.replay.scan import replay_segment
from operators.windows.rules import Window, WindowRules, close_reason, distinct, due_ms, split
from operators.windows.tracker import CloseOrder, moment, pack_moments
from schemas.blob import BlobIndex
from schemas.items import Item
from schemas.pack import PackEntry, decode_block
from schemas.units import MIB

Row = dict[str, object]
_NAMES_BYTES_MAX = 8 * MIB  # of a session, compressed; what is clicked beyond has its name once the session is closed


class OpenWindow(msgspec.Struct, frozen=True):
    """One window that is not in the tables. `due_ms`: receive time at which its close becomes due as things stand."""

    order: CloseOrder
    due_ms: int
    entries: Mapping[tuple[int, int], PackEntry]
    bodies: Mapping[tuple[int, int], bytes]  # of segments that say what elements are called, compressed
    replay: CutReplay
    pieces: list[Piece]

    @property
    def index(self) -> BlobIndex | None:
        """What the index of its blob would say; None without a replay."""
        return self.replay.index

    def rows(self) -> tuple[Row, list[LineRecord]]:
        """Its session row and its lines."""
        entries = {**self.entries}
        for place, body in self.bodies.items():
            item = msgspec.structs.replace(entries[place].item, body=zstandard.decompress(body))
            entries[place] = msgspec.structs.replace(entries[place], item=item)
        return assemble_open(self.order, entries, self.replay)


class OpenSession:
    """Collects what was received of one session. Of one thread at a time."""

    def __init__(self, app_id: str, session_id: str) -> None:
        self._app_id = app_id
        self._session_id = session_id
        self._entries: list[PackEntry] = []
        self._known: set[tuple[str, int, int]] = set()
        self._segments: dict[int, Kept] = {}  # by place in `_entries`
        self._bodies: dict[int, bytes] = {}
        self._places: dict[int, Place] = {}
        self._names_bytes = 0
        self.size_bytes = 0  # of the bodies that are kept

    @property
    def count(self) -> int:
        """Goes up with everything that comes."""
        return len(self._entries)

    def add(self, block: Block) -> None:
        """Take the session's own entries of a block; an epoch that ran twice has left them twice."""
        for line, entry in enumerate(block.entries):
            item = entry.item
            origin = entry.topic, entry.offset, item.ident
            if (item.app_id, item.session_id) != (self._app_id, self._session_id) or origin in self._known:
                continue
            self._known.add(origin)
            place = Place(block.key, block.offset, block.length, line)
            kept = entry if item.segment is None else self._take_segment(entry, place)
            self.size_bytes += len(kept.item.body)
            self._entries.append(kept)

    def windows(
        self, closed: Iterable[Window], rules: WindowRules, keep: Callable[[Item], bool] = lambda _: True
    ) -> list[OpenWindow]:
        """The open ones, by part. `closed`: those in the tables, frozen; `keep`: what may be shown."""
        moments = [moment(e.item, 0, number) for number, e in enumerate(self._entries) if keep(e.item)]
        found = split(distinct(moments), list(closed), rules)
        return [self._open(window, rules) for window in found if not window.is_frozen]

    def _take_segment(self, entry: PackEntry, place: Place) -> PackEntry:
        """The entry without its body, which is kept compressed where names of elements are in it."""
        number = len(self._entries)
        if self._names_bytes < _NAMES_BYTES_MAX and brings_elements(entry.item):
            self._bodies[number] = zstandard.compress(entry.item.body, level=1)
            self._names_bytes += len(self._bodies[number])
            self.size_bytes += len(self._bodies[number])
        bare = msgspec.structs.replace(entry.item, body=b"")
        self._segments[number], self._places[number] = (
            Kept(number, replay_segment(bare, family_of(bare.family).recording)),
            place,
        )
        return msgspec.structs.replace(entry, item=bare)

    def _open(self, window: Window, rules: WindowRules) -> OpenWindow:
        numbers = sorted(one.ordinal for one in window.moments)
        usable = sorted((self._segments[n] for n in numbers if n in self._segments), key=_by_start)
        kept = settled(one for one in usable if one.segment.recording is usable[0].segment.recording)
        segments = ReplayWindow(self._app_id, self._session_id, window.part, tuple(one.segment for one in usable))
        order = CloseOrder(
            app_id=self._app_id,
            session_id=self._session_id,
            part=window.part,
            revision=0,
            start_us=window.start_us,
            end_us=window.end_us,
            received_start_ms=window.first_received_ms,
            received_end_ms=window.last_received_ms,
            reason=close_reason(window, drained=False, rules=rules),
            late_count=0,
            duplicate_count=len(window.moments) - window.distinct_count,
            moments=b"",
            cuts=[],
            new_moments=pack_moments(sorted(window.moments)),
        )
        return OpenWindow(
            order=order,
            due_ms=due_ms(window, rules),
            entries={(0, n): self._entries[n] for n in numbers},
            bodies={(0, n): self._bodies[n] for n in numbers if n in self._bodies},
            replay=uncut(segments, kept),
            pieces=self._pieces(kept),
        )

    def _pieces(self, kept: Sequence[Kept]) -> list[Piece]:
        return [
            Piece(
                view_id=one.segment.meta.view_id,
                index_in_view=one.segment.meta.index_in_view,
                start_ms=one.segment.meta.start_ms,
                end_ms=one.segment.meta.end_ms,
                raw_bytes=one.segment.meta.raw_bytes,
                has_full_snapshot=one.has_full_snapshot,
                place=self._places[one.position],
            )
            for one in kept
        ]


def block_segments(block: bytes) -> tuple[bytes, ...]:
    """The segments of a block by their place in it; a line is empty. Raises PackFormatError."""
    return tuple(_inflated(entry.item) for entry in decode_block(block))


def _inflated(item: Item) -> bytes:
    return b"" if item.segment is None else replay_segment(item, family_of(item.family).recording).inflated()


def _by_start(one: Kept) -> tuple[int, str, int]:
    meta = one.segment.meta
    return meta.start_ms, meta.view_id, meta.index_in_view
