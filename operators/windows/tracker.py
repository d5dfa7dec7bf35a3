"""The state of a shard's open sessions: takes decoded items and the receive clock, says which windows close.

State holds times, identities and references, never a body: bodies rest in packs, and `Moment.seq`/`ordinal` say where.
A window closes once, then stays as a *memo*, so that what comes late finds its window and leads to a new revision of
it. Memos end by age and by memory, oldest first; of a forgotten session a few bytes remain, so that what comes
even later gets a part number of its own and never the number of a row that is already in the lake.
"""

import heapq
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain, islice, starmap
from typing import cast

import msgspec

from operators.native import LEAF
from operators.windows.memos import ClosedSessions, Forgotten, MemoLimits, SessionKey
from operators.windows.rules import (
    ENDS,
    OPENS,
    SEGMENT,
    Distinct,
    Moment,
    Window,
    WindowRules,
    close_reason,
    distinct,
    due_ms,
    plain_window,
    plain_window_fast,
    split,
)
from operators.windows.state import (
    LONG_AGO,
    NEVER,
    Grown,
    Part,
    Record,
    Session,
    decode_record,
    encode_record,
)
from schemas.items import CloseReason, Item, Kind
from schemas.pack import PackEntry, key_hash
from schemas.units import MS_PER_DAY

_MOMENT = struct.Struct("<qqqQIIB")
_PLACE = struct.Struct("<24xQIIx")  # of a moment: identity, seq, ordinal
_REFERENCE = struct.Struct("<32xIIx")  # seq, ordinal
_SEGMENT = int(Kind.SEGMENT)  # comparing with an IntEnum takes longer
_MEMO_OVERHEAD_BYTES = 400  # what a memo costs beside its moments, about
_SEAL_MS = MS_PER_DAY  # an earlier part of a session that goes on is not revised after this receive time
_RECORD_SESSIONS = 2048  # so that saving everything takes little memory
_CHANGED = -1  # more than grown since it was saved


class CloseOrder(msgspec.Struct, frozen=True, array_like=True):
    """One window to be written: the spec of a `sessions` row and the references of everything in it.

    `moments`: packed moments of every copy that earlier revisions hold, `cuts` the byte length of that after each of
    them; `new_moments`: those of this revision.
    """

    app_id: str
    session_id: str
    part: int
    revision: int
    start_us: int
    end_us: int
    received_start_ms: int
    received_end_ms: int
    reason: CloseReason
    late_count: int
    duplicate_count: int
    moments: bytes
    cuts: list[int]
    new_moments: bytes


class Activation(msgspec.Struct, frozen=True, array_like=True):
    """What came of one poll: items to keep (with their ordinal), windows to write."""

    seq: int
    clock_ms: int
    items: list[PackEntry]
    orders: list[CloseOrder]


class Arrival(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An item as it arrived: where it came from, and the receive clock at that point of the log."""

    clock_ms: int
    topic: str
    partition: int
    offset: int
    item: Item


class SessionTracker:
    """Open sessions and memos of one shard. Deterministic: no clock, no randomness, no dependence on batch cuts."""

    def __init__(self, rules: WindowRules, limits: MemoLimits | None = None, saved: Iterable[bytes] = ()) -> None:
        self._rules = rules
        self._limits = limits or MemoLimits()
        self._seq = -1
        self._ordinal = 0
        self._clock_ms = 0
        self._sessions: dict[SessionKey, Session] = {}
        self._closed = ClosedSessions(self._limits)
        self._agenda: list[tuple[int, SessionKey]] = []
        self._saved: dict[SessionKey, int] = {}  # what changed: how much of `pending` the records have, or _CHANGED
        self.duplicate_count = 0  # since this tracker was built, as the next one
        self.late_count = 0
        self._restore(saved)

    @property
    def open_count(self) -> int:
        """Sessions with something that is not written yet."""
        return len(self._sessions) - len(self._closed)

    @property
    def memo_count(self) -> int:
        """Closed sessions that can still be revised."""
        return len(self._closed)

    @property
    def memo_bytes(self) -> int:
        """About what they take."""
        return self._closed.size_bytes

    def apply(self, seq: int, clock_ms: int, arrivals: Iterable[Arrival], ceiling_ms: int | None = None) -> Activation:
        """Take arrivals in log order, then move to `clock_ms`. `seq` numbers the epoch: packs are named by it.

        `ceiling_ms`: their clocks count no further than this, because others may still bring what is older.
        """
        ceiling_ms = NEVER if ceiling_ms is None else ceiling_ms
        if seq != self._seq:
            self._seq, self._ordinal = seq, 0
        items: list[PackEntry] = []
        orders: list[CloseOrder] = []
        agenda, now_ms = self._agenda, self._clock_ms
        for arrival in arrivals:
            # What is due before this item closes before it, so that batches make no difference.
            at_ms, item = arrival.clock_ms, arrival.item
            if not now_ms <= at_ms <= ceiling_ms:
                at_ms = max(min(at_ms, ceiling_ms), now_ms)
            if agenda and agenda[0][0] < at_ms:
                orders.extend(self._sweep(at_ms))
            self._receive(item, at_ms)
            items.append(PackEntry(self._ordinal, arrival.topic, arrival.offset, item, arrival.partition))
            self._ordinal += 1
        self._clock_ms = max(self._clock_ms, clock_ms)
        orders.extend(self._sweep(self._clock_ms))
        return Activation(seq, self._clock_ms, items, orders)

    def set_back(self, clock_ms: int) -> None:
        """The receive clock had run ahead of time and is put right: what arrived meanwhile arrived now."""
        self._clock_ms = clock_ms
        for key, session in self._sessions.items():
            if session.pending and session.arrived_ms > clock_ms:
                self._saved.setdefault(key, len(session.pending))
                session.arrived_ms = clock_ms
                self._schedule(key, session, min(session.check_at_ms, clock_ms))

    def erase(self, hashes: AbstractSet[int]) -> bool:
        """Forget sessions (by `key_hash`) as if they had never come; whether there were any."""
        gone = [key for key in self._sessions if key_hash(*key) in hashes] if hashes else []
        for key in gone:
            del self._sessions[key]
            self._saved.pop(key, None)
            if key in self._closed:
                self._closed.remove(key)
        return bool(gone)

    def seed(self, known: Iterable[tuple[SessionKey, int, int]]) -> None:
        """Sessions that an earlier job has closed, as (key, next part number, end of what belongs to them in us)."""
        for key, next_part, over_us in known:
            self._closed.forget(key, Forgotten(next_part, over_us))

    def drain(self, clock_ms: int = 0) -> Activation:
        """The input has ended for good, at `clock_ms`: close everything."""
        self._clock_ms = max(self._clock_ms, clock_ms)
        orders: list[CloseOrder] = []
        for key in sorted(key for key, session in self._sessions.items() if session.pending):
            session = self._sessions[key]
            orders.extend(self._review(key, session, self._plain_window(session), self._clock_ms, drain=True))
        return Activation(self._seq, self._clock_ms, [], orders)

    def everything(self) -> Iterator[bytes]:
        """All state as records, oldest memo last; `SessionTracker(rules, limits, records)` continues from them."""
        self._saved.clear()
        keys = chain((key for key in self._sessions if key not in self._closed), self._closed)
        yield self._record(forgotten=self._closed.forgotten())
        while some := [(key, self._sessions[key]) for key in islice(keys, _RECORD_SESSIONS)]:
            yield self._record(whole=some)

    def changes(self) -> bytes:
        """What changed since the last call of this or of `everything`, as a record to be applied after those."""
        gone, whole, grown = [], [], []
        for key, saved in self._saved.items():
            session = self._sessions.get(key)
            if session is None:
                gone.append(key)
            elif saved == _CHANGED:
                whole.append((key, session))
            else:
                times = session.check_at_ms, session.arrived_ms, session.forget_at_ms
                grown.append(Grown(*key, session.pending[saved:], *times))
        self._saved.clear()
        return self._record(gone, whole, grown, self._closed.newly_forgotten())

    def discard_changes(self) -> None:
        """Nobody will save them: as after `changes`, without a record."""
        self._saved.clear()
        self._closed.newly_forgotten()

    def _record(
        self,
        gone: Sequence[SessionKey] = (),
        whole: Sequence[tuple[SessionKey, Session]] = (),
        grown: Sequence[Grown] = (),
        forgotten: Sequence[tuple[int, Forgotten]] = (),
    ) -> bytes:
        return encode_record(Record(self._seq, self._ordinal, self._clock_ms, gone, whole, grown, forgotten))

    def _restore(self, records: Iterable[bytes]) -> None:
        for record in map(decode_record, records):
            self._apply_record(record)
        self._agenda = [(min(s.check_at_ms, s.forget_at_ms), key) for key, s in self._sessions.items()]
        heapq.heapify(self._agenda)

    def _apply_record(self, record: Record) -> None:
        self._seq, self._ordinal, self._clock_ms = record.seq, record.ordinal, record.clock_ms
        sessions, closed = self._sessions, self._closed
        for key in record.gone:
            if sessions.pop(key, None) is not None and key in closed:
                closed.remove(key)
        for (app_id, session_id), session in record.whole:
            key = sys.intern(app_id), session_id
            if key in closed:
                closed.remove(key)
            sessions[key] = session
            if not session.pending:
                closed.add(key, _memo_bytes(session))
        for one in record.grown:
            key = one.app_id, one.session_id
            session = sessions[key]
            if not session.pending and key in closed:
                closed.remove(key)
            session.pending += one.moments
            session.check_at_ms, session.arrived_ms = one.check_at_ms, one.arrived_ms
            session.forget_at_ms = one.forget_at_ms
        closed.restore(record.forgotten)

    def _receive(self, item: Item, arrival_ms: int) -> None:
        key = (item.app_id, item.session_id)
        session = self._sessions.get(key)
        if session is None:
            key = sys.intern(item.app_id), item.session_id
            session = self._sessions[key] = Session()
            self._saved[key] = _CHANGED
            left = self._closed.left_of(key)
            if left is not None:
                session.first_part, session.late_before_us = left.next_part, left.over_us
        else:
            self._saved.setdefault(key, len(session.pending))
            if not session.pending:
                self._closed.remove(key)
        begin_us, received_ms = item.begin_us, item.received_ms
        session.pending += _MOMENT.pack(
            begin_us, item.end_us, received_ms, item.ident, self._seq, self._ordinal, _flags(item)
        )
        session.arrived_ms = max(session.arrived_ms, arrival_ms)
        session.forget_at_ms = NEVER
        rules, parts = self._rules, session.parts
        if parts and (not item.opens or begin_us < _frozen(parts[-1]).over_us(rules)):
            check_at_ms = session.arrived_ms + rules.settle_ms  # late: look again once it has been quiet
        else:
            check_at_ms = received_ms + rules.lateness_ms + (rules.end_grace_ms if item.ends else rules.gap_ms)
        if check_at_ms < session.check_at_ms:
            self._schedule(key, session, check_at_ms)

    def _schedule(self, key: SessionKey, session: Session, at_ms: int) -> None:
        if at_ms != session.check_at_ms:
            self._saved.setdefault(key, len(session.pending))
            session.check_at_ms = at_ms
            heapq.heappush(self._agenda, (min(at_ms, session.forget_at_ms), key))

    def _sweep(self, clock_ms: int) -> Iterator[CloseOrder]:
        while self._agenda and self._agenda[0][0] < clock_ms:
            _, key = heapq.heappop(self._agenda)
            session = self._sessions.get(key)
            if session is None:
                continue
            if session.check_at_ms < clock_ms:
                plain = self._plain_window(session)
                if plain is None or not self._is_early(key, session, plain, clock_ms):
                    yield from self._review(key, session, plain, clock_ms, drain=False)
            elif session.forget_at_ms < clock_ms:
                self._forget(key)

    def _remember(self, key: SessionKey, session: Session) -> None:
        """A session with nothing pending becomes a memo; the oldest ones go when memory is short."""
        self._closed.add(key, _memo_bytes(session))
        for oldest in self._closed.surplus():
            self._forget(oldest)

    def _forget(self, key: SessionKey) -> None:
        last = self._sessions.pop(key).parts[-1]
        self._saved[key] = _CHANGED
        self._closed.remove(key)
        self._closed.forget(key, Forgotten(last.part + 1, _frozen(last).over_us(self._rules)))

    def _plain_window(self, session: Session) -> Window | None:
        """All that is pending without its moments, where it is plainly the first window of a session."""
        if session.parts or not session.pending:
            return None
        if LEAF is None:
            return plain_window(_MOMENT.iter_unpack(session.pending), self._rules, session.first_part)
        return plain_window_fast(LEAF, session.pending, self._rules, session.first_part)

    def _is_early(self, key: SessionKey, session: Session, window: Window, clock_ms: int) -> bool:
        """Whether the only window is not due: the usual look at a session that goes on."""
        at_ms = max(due_ms(window, self._rules) + self._rules.lateness_ms, session.arrived_ms + self._rules.settle_ms)
        if clock_ms > at_ms:
            return False
        self._schedule(key, session, at_ms)
        return True

    def _review(
        self, key: SessionKey, session: Session, plain: Window | None, clock_ms: int, *, drain: bool
    ) -> Iterator[CloseOrder]:
        """Write the windows of what is pending whose time has come; keep the rest. `plain`: the only one, if known."""
        rules, due = self._rules, min(session.check_at_ms, clock_ms)
        while len(session.parts) > 1 and session.parts[0].last_received_ms < clock_ms - _SEAL_MS:
            del session.parts[0]
        if plain is None:
            windows = self._split(session)
        else:
            if session.late_before_us == LONG_AGO:  # only sorted and counted: plain tuples will do
                plain.moments = cast("list[Moment]", list(_MOMENT.iter_unpack(session.pending)))
            else:
                plain.moments = unpack_moments(session.pending)
            windows = [plain]
        settled_ms = session.arrived_ms + rules.settle_ms
        waiting: list[Window] = []
        next_check, held_ms = NEVER, LONG_AGO
        for window in windows:
            if window.is_frozen and not window.moments:
                continue
            at_ms = settled_ms
            if not window.is_frozen:  # parts close in their order, also where a late item keeps an earlier one open
                at_ms = held_ms = max(due_ms(window, rules) + rules.lateness_ms, settled_ms, held_ms)
            elif any(moment.begin_us >= window.over_us(rules) for moment in window.moments):
                # It opens nothing itself, but belongs to the next window if what opens that is still on its way.
                at_ms = max(session.arrived_ms + rules.lateness_ms, settled_ms)
            if clock_ms > at_ms or drain:
                yield self._close(key, session, window, drained=drain and clock_ms <= at_ms)
            else:
                waiting.append(window)
                next_check = min(next_check, at_ms)
        session.pending = bytearray().join(pack_moments(window.moments) for window in waiting)
        session.forget_at_ms = NEVER if waiting else due + self._limits.age_ms
        session.check_at_ms = next_check
        heapq.heappush(self._agenda, (min(next_check, session.forget_at_ms), key))
        self._saved.pop(key, None)
        self._saved[key] = _CHANGED  # last, so that memos are saved in the order in which they closed
        if not waiting:
            self._remember(key, session)

    def _split(self, session: Session) -> list[Window]:
        """The windows of what is pending, those closed before among them."""
        known = {m.ident: part for part in session.parts for m in unpack_moments(part.moments)}
        fresh: list[Distinct] = []
        for item in distinct(unpack_moments(session.pending)):
            part = known.get(item.ident)
            if part is None:
                fresh.append(item)
            else:  # a copy of what was written: counted with the next revision, if there is one
                part.duplicate_count += len(item.copies)
                self.duplicate_count += len(item.copies)
        return split(fresh, [_frozen(part) for part in session.parts], self._rules, session.first_part)

    def _close(self, key: SessionKey, session: Session, window: Window, *, drained: bool) -> CloseOrder:
        new = pack_moments(sorted(window.moments))
        duplicates = len(window.moments) - window.distinct_count
        if window.is_frozen:
            part = session.parts[window.part - session.parts[0].part]
            before, part.moments = part.moments, part.moments + new
            cuts = list(part.cuts)
            part.revision += 1
            part.late_count += window.distinct_count
            self.late_count += window.distinct_count
        else:
            before, cuts = b"", []
            part = Part(
                part=window.part,
                revision=0,
                start_us=0,
                end_us=0,
                activity_received_ms=0,
                marker_received_ms=0,
                marker_end_us=0,
                first_received_ms=0,
                last_received_ms=0,
                is_capped=False,
                reason=close_reason(window, drained=drained, rules=self._rules),
                late_count=_late_count(window, session.late_before_us),
                duplicate_count=0,
                moments=new,
                cuts=[],
            )
            session.parts.append(part)
            self.late_count += part.late_count
        self.duplicate_count += duplicates
        part.cuts.append(len(part.moments))
        part.duplicate_count += duplicates
        _remember(part, window)
        return CloseOrder(
            app_id=key[0],
            session_id=key[1],
            part=part.part,
            revision=part.revision,
            start_us=part.start_us,
            end_us=part.end_us,
            received_start_ms=part.first_received_ms,
            received_end_ms=part.last_received_ms,
            reason=part.reason,
            late_count=part.late_count,
            duplicate_count=part.duplicate_count,
            moments=before,
            cuts=cuts,
            new_moments=new,
        )


def pack_moments(moments: Iterable[Moment]) -> bytes:
    """Moments as a `CloseOrder` holds them."""
    return b"".join(starmap(_MOMENT.pack, moments))


def unpack_moments(packed: bytes | bytearray) -> list[Moment]:
    """The moments of a `CloseOrder`."""
    return list(map(Moment._make, _MOMENT.iter_unpack(packed)))


def places(packed: bytes) -> list[tuple[int, int, int]]:
    """(identity, seq, ordinal) of moments as a `CloseOrder` holds them."""
    return list(_PLACE.iter_unpack(packed))


def references(packed: bytes) -> list[tuple[int, int]]:
    """(seq, ordinal) of moments as a `CloseOrder` holds them."""
    return list(_REFERENCE.iter_unpack(packed))


def moment(item: Item, seq: int, ordinal: int) -> Moment:
    """What the window rules need to know of an item."""
    return Moment(item.begin_us, item.end_us, item.received_ms, item.ident, seq, ordinal, _flags(item))


def _flags(item: Item) -> int:
    return (OPENS if item.opens else 0) | (ENDS if item.ends else 0) | (SEGMENT if item.kind == _SEGMENT else 0)


_SHARED = (
    "start_us",
    "end_us",
    "activity_received_ms",
    "marker_received_ms",
    "marker_end_us",
    "first_received_ms",
    "last_received_ms",
    "is_capped",
)


def _memo_bytes(session: Session) -> int:
    return _MEMO_OVERHEAD_BYTES + sum(len(part.moments) for part in session.parts)


def _late_count(window: Window, before_us: int) -> int:
    if before_us == LONG_AGO:
        return 0
    return sum(1 for item in distinct(window.moments) if item.begin_us < before_us)


def _frozen(part: Part) -> Window:
    return Window(part=part.part, is_frozen=True, moments=[], **{name: getattr(part, name) for name in _SHARED})


def _remember(part: Part, window: Window) -> None:
    for name in _SHARED:
        setattr(part, name, getattr(window, name))
