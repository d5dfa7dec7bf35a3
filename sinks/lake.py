"""The two-phase writer of one shard: takes items and closed windows in, puts packs, tables and blobs into the lake.

Phase one, at the end of an epoch (`stage`): everything the epoch made is stored in one staged bundle, and the returned
state lists what is to be published. Phase two, when that state is known to be durable (`publish`): the bundle's objects
are put under their final names. A crash at any point leads to the same lake: before the state is durable nothing was
visible and the epoch runs again; after it, `publish` runs again and overwrites its own objects with the same bytes.
Packs go up once, under names that nothing refers to until the state does.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import msgspec

from operators.assemble import Assembled, assemble, references
from operators.replay_cut import CutLimits
from operators.sessions import Activation, Arrival, CloseOrder
from schemas.bundle import decode_bundle, encode_bundle
from schemas.errors import Declined
from schemas.items import Rejected
from schemas.keys import REPLAYS, TABLES, is_style, pack_key, replay_key, staging_key, style_key, table_key
from schemas.notices import Notices
from schemas.pack import PackEntry, key_hash
from schemas.retention import HELD_DAYS, Retention
from schemas.style import encode_style
from schemas.units import MIB, MS_PER_DAY, US_PER_MS, utc_day
from sinks.fence import Fence
from sinks.notices import NoticeBoard, removed_of
from sinks.packs import PackStore
from sinks.stated_names import not_there, stated_name
from sinks.store import ObjectMissing, ObjectStore, StoreError
from sinks.tables import Row, Rows

STATE_VERSION = 3  # until 2 it did not say which epoch it was of
_KNOWN_STYLES_MAX = 10_000  # a megabyte of keys; beyond that styles are stored once more, with the same bytes
_KNOWN_BLOBS_MAX = 10_000  # the same; beyond that blobs of revised windows are made once more, to know their size
_SESSIONS = f"{TABLES}sessions/"


class NameTaken(Declined):
    """What is to be published has the name of something else; it is left as it is."""


class LostObject(StoreError):
    """A committed object is neither staged nor published: the store lost it, or something foreign deleted it."""


class _Bundle(msgspec.Struct, array_like=True):
    """A staged object, and the final keys of what is in it, as `stated_name` writes them."""

    key: str
    finals: list[str]


class LakeLimits(msgspec.Struct, frozen=True):
    """When the writer empties its buffers before the end of an epoch. Bytes are of bodies as received."""

    pack_bytes: int = 64 * MIB
    blob_bytes: int = 64 * MIB  # and of what is refused
    rows: int = 100_000
    pack_age_ms: int = 2 * MS_PER_DAY  # receive time after which nothing refers to a pack
    cut: CutLimits = CutLimits()


class Refusal(msgspec.Struct, frozen=True, array_like=True):
    """Something for the quarantine, with where it came from."""

    topic: str
    partition: int
    offset: int
    received_ms: int
    rejected: Rejected
    app_id: str | None = None
    session_id: str | None = None


class LakeCounts(msgspec.Struct):
    """What one writer has done since it was built."""

    items: int = 0
    windows: dict[str, int] = msgspec.field(default_factory=dict)  # first revisions, by close reason
    revisions: int = 0
    quarantined: dict[str, int] = msgspec.field(default_factory=dict)
    skipped: dict[str, int] = msgspec.field(default_factory=dict)  # understood and not kept, by reason
    erased: int = 0  # items and windows that were not kept, because a person had ordered so
    rows: dict[str, int] = msgspec.field(default_factory=dict)  # by table
    pack_bytes: int = 0
    replay_bytes: int = 0  # of blobs and styles


class _State(msgspec.Struct, array_like=True):
    """What survives a restart. `seq`: of the epoch; `packs`: (seq, receive clock, keys); `pending`: not published."""

    version: int
    seq: int
    packs: list[tuple[int, int, list[str]]]
    pending: list[_Bundle]


class LakeWriter:
    """One per shard. Not thread-safe; every method may block on the store.

    `fence`: asked before anything becomes visible, stops a writer that was replaced; None: no other can be meant.
    `board`: what people have ordered about the data; `answers`: whether commands wait for this writer to hear it.
    """

    def __init__(  # noqa: PLR0913 - the one place where everything meets
        self,
        store: ObjectStore,
        packs: PackStore,
        shard: str,
        retention: Retention,
        limits: LakeLimits,
        incarnation: str,
        state: bytes = b"",
        fence: Fence | None = None,
        board: NoticeBoard | None = None,
        *,
        answers: bool = False,
    ) -> None:
        self._store = store
        self._packs = packs
        self.shard = shard
        self._retention = retention
        self._limits = limits
        self._incarnation = incarnation
        self._fence = fence
        self.counts = LakeCounts()
        self._seq = self._staged_seq = -1
        self._number = 0  # of objects made in this epoch
        self._buffer: defaultdict[tuple[str, str], list[PackEntry]] = defaultdict(list)
        self._buffer_bytes = 0
        self._pack_keys: dict[int, tuple[int, list[str]]] = {}
        self._clock_ms = 0
        self._rows = Rows(added=self.counts.rows)
        self._refused_bytes = 0
        self._blobs: dict[str, bytes] = {}
        self._styles: dict[str, bytes] = {}  # text by key
        self._known_styles: set[str] = set()  # keys that this writer has staged
        self._blob_bytes: dict[str, int] = {}  # sizes of blobs that this writer has made, for late revisions
        self._staged: list[_Bundle] = []
        self._pending: list[_Bundle] = []
        self._last: dict[str, dict[str, bytes]] = {}  # the newest bundle by its key, so that it need not be read back
        self._board = board
        self._answers = answers
        self._heard: list[str] = []
        self._gone: set[int] = set()  # `key_hash` of sessions that were found to be of an erased person
        self._notices = board.look(at_once=True) if board else Notices()
        if state:
            self._restore(state)
        if self._fence is not None:
            self._fence.take(self._seq)
        self.publish()
        self.hear()

    @property
    def seq(self) -> int:
        """The epoch that the last items were of; -1 before the first."""
        return self._seq

    @property
    def has_pending(self) -> bool:
        """Whether something is staged and not yet visible."""
        return bool(self._pending)

    def publish(self) -> None:
        """Phase two: make visible what earlier epochs staged. Only call when the last state is durable."""
        if not self._pending:
            return
        if self._fence is not None:
            self._fence.note(self._staged_seq)
        for bundle in self._pending:
            styles, blobs, *tables = _in_order(self._content(bundle))
            if styles:
                self._store.put(styles)
            if blobs:
                self._create(blobs)
            for objects in filter(None, tables):
                self._store.put(objects)
        self._store.delete([bundle.key for bundle in self._pending])
        self._pending, self._last = [], {}

    def _create(self, blobs: Mapping[str, bytes]) -> None:
        """A blob's name has no hash of its content, so what another writer has put under it must stay as it is.

        Raises NameTaken.
        """
        taken = self._store.create(blobs)
        others = [key for key in sorted(taken) if self._store.read(key) != blobs[key]]  # else: an earlier try of ours
        if others:
            self._store.delete([key for key in blobs if key not in taken])
            raise NameTaken(
                f"{len(others)} replays are in {self._store.uri} already with other content, the first: {others[0]}. "
                "Somebody else wrote these sessions, as a backfill beside the job does. Nothing was overwritten; erase "
                "the session there (`replaylake erase`), then start again"
            )

    def hear(self) -> bool:
        """Look at the board; whether there is something new on it.

        Only call when everything made before is published: at the beginning of an epoch.
        """
        if self._board is None:
            return False
        self._notices = self._board.look()
        if self._board.names == self._heard:
            return False
        self._heard = self._board.names
        self._packs.erase(self._notices.erased_sessions)
        if self._answers:
            self._board.say_heard(self.shard, self._incarnation)
        return True

    @property
    def erased_sessions(self) -> frozenset[int]:
        """`key_hash` of the sessions of which nothing may stay, not even in the state."""
        return self._notices.forgotten_sessions

    def kept(self, arrivals: list[Arrival]) -> list[Arrival]:
        """Without what is of an erased session, which must not come into the state again."""
        if not self._notices.erase_anything:
            return arrivals
        kept = [
            one for one in arrivals if not self._is_erased(one.item.app_id, one.item.session_id, one.item.received_ms)
        ]
        self.counts.erased += len(arrivals) - len(kept)
        return kept

    def take(self, output: Activation) -> None:
        """Keep the items that came of a poll and write the windows that it closes."""
        self._enter(output.seq, output.clock_ms)
        items = output.items
        if self._notices.erase_anything:
            items = [
                one for one in items if not self._is_erased(one.item.app_id, one.item.session_id, one.item.received_ms)
            ]
            self.counts.erased += len(output.items) - len(items)
        buffer = self._buffer
        for entry in items:
            item = entry.item
            buffer[item.app_id, item.session_id].append(entry)
        self.counts.items += len(items)
        self._buffer_bytes += sum([entry.item.held_bytes for entry in items])
        for order in output.orders:
            self._write(order)
        if self._buffer_bytes > self._limits.pack_bytes:
            self._flush_pack()
        held = sum(map(len, self._blobs.values())) + sum(map(len, self._styles.values())) + self._refused_bytes
        if self._rows.count > self._limits.rows or held > self._limits.blob_bytes:
            self._flush_published()

    def refuse(self, refusals: Iterable[Refusal]) -> None:
        """Put input that cannot be used into the quarantine, but for what is known to be of an erased session."""
        for refusal in refusals:
            app_id, session_id = refusal.app_id, refusal.session_id
            if (
                app_id is not None
                and session_id is not None
                and self._is_erased(app_id, session_id, refusal.received_ms)
            ):
                self.counts.erased += 1
                continue
            reason = str(refusal.rejected.reason)
            self.counts.quarantined[reason] = self.counts.quarantined.get(reason, 0) + 1
            row: Row = {
                "topic": refusal.topic,
                "partition": refusal.partition,
                "offset": refusal.offset,
                "received_at": refusal.received_ms * US_PER_MS,
                "reason": reason,
                "detail": refusal.rejected.detail,
                "raw": refusal.rejected.raw,
            }
            if app_id is not None:
                row |= {"app_id": app_id, "session_id": session_id}
            days = self._retention.rum_days(app_id or "")
            self._refused_bytes += len(refusal.rejected.raw)
            self._rows.add("quarantine", days, utc_day(refusal.received_ms), row)

    def skip(self, skipped: Mapping[str, int]) -> None:
        """Count what is understood and not kept."""
        for reason, count in skipped.items():
            self.counts.skipped[reason] = self.counts.skipped.get(reason, 0) + count

    def stage(self) -> bytes:
        """Phase one: store everything the epoch made; the state to commit."""
        self._flush_pack()
        self._flush_published()
        self._pending += self._staged
        self._staged = []
        self._forget_packs()
        self._staged_seq = self._seq
        packs = [(seq, clock_ms, keys) for seq, (clock_ms, keys) in self._pack_keys.items()]
        return msgspec.msgpack.encode(_State(STATE_VERSION, self._seq, packs, self._pending))

    def discard(self) -> None:
        """Delete what is staged and not published, and every pack: as if nothing had been read."""
        self._store.delete([bundle.key for bundle in self._pending])
        self._pending = []
        self.delete_packs()

    def delete_packs(self) -> None:
        """Delete every pack. Only when no session is open and no window will be revised."""
        self._store.delete([key for _, keys in self._pack_keys.values() for key in keys])
        self._pack_keys = {}

    def _content(self, bundle: _Bundle) -> dict[str, bytes]:
        """What of a bundle is to be published. Raises LostObject for what is neither in it nor published already."""
        objects = self._last.get(bundle.key)
        if objects is not None:
            return objects
        try:
            objects = decode_bundle(self._store.read(bundle.key))
        except ObjectMissing:
            objects = {}  # an earlier process has published it, and died before its state said so
        removed = removed_of(self._store, bundle.finals)  # published by that process, and compacted or erased since
        stated = {stated_name(final): final for final in objects}
        for name in not_there(self._store, set(bundle.finals).difference(stated, objects, removed)):
            raise LostObject(f"{name!r} was committed, but neither it nor its staged bundle {bundle.key!r} is there")
        return {final: objects[final] for name, final in stated.items() if removed.isdisjoint((name, final))}

    def _restore(self, state: bytes) -> None:
        restored = msgspec.msgpack.decode(state, type=_State)
        if restored.version != STATE_VERSION:
            raise ValueError(f"lake state has version {restored.version}, this release reads version {STATE_VERSION}")
        self._pack_keys = {seq: (clock_ms, keys) for seq, clock_ms, keys in restored.packs}
        self._pending = restored.pending
        self._seq = self._staged_seq = restored.seq

    def _enter(self, seq: int, clock_ms: int) -> None:
        if seq != self._seq:
            if self._buffer:
                raise RuntimeError(f"epoch {seq} of {self.shard} began before epoch {self._seq} was staged")
            self._seq, self._number = seq, 0
        self._clock_ms = max(self._clock_ms, clock_ms)

    def _write(self, order: CloseOrder) -> None:
        if self._is_erased(order.app_id, order.session_id, order.received_start_ms):
            self.counts.erased += 1
            return
        rum_days, replay_days = self._days(order)
        day = utc_day(order.received_start_ms)
        done = assemble(
            order,
            self._entries(order),
            lambda revision: replay_key(replay_days, day, order.app_id, order.session_id, order.part, revision),
            self._limits.cut,
            self._blob_bytes,
        )
        rows = chain([done.session], (line.row for line in done.lines))
        if self._notices.erases_user(order.app_id, order.session_id, rows, order.received_start_ms):
            self._erase(order.app_id, order.session_id)
            return
        self._rows.add("sessions", rum_days, day, done.session)
        for line in done.lines:
            self._rows.add(line.table, rum_days, utc_day(line.received_ms), line.row)
        for row in done.segments:
            self._rows.add("replay_segments", replay_days, day, row)
        if done.blob:
            self._blobs[done.blob_key] = done.blob
            self._blob_bytes[done.blob_key] = len(done.blob)
            self._share(done)
        self._count(order)
        self.refuse(self._refusals(done))

    def _share(self, done: Assembled) -> None:
        """Store the styles of a blob with it, unless this writer has done so for the class and day before."""
        for digest, text in done.styles.items():
            key = style_key(done.blob_key, digest)
            if key not in self._known_styles:
                self._styles[key] = text

    def _is_erased(self, app_id: str, session_id: str, received_ms: int) -> bool:
        if self._gone and key_hash(app_id, session_id) in self._gone:
            return True
        return self._notices.erases(app_id, session_id, received_ms)

    def _erase(self, app_id: str, session_id: str) -> None:
        """Let go of a session that turned out to be of an erased person, which the command could not know."""
        self.counts.erased += 1
        gone = key_hash(app_id, session_id)
        self._gone.add(gone)
        self._buffer.pop((app_id, session_id), None)
        self._packs.erase({gone}, [key for _, keys in self._pack_keys.values() for key in keys])

    def _days(self, order: CloseOrder) -> tuple[int, int]:
        """Classes of the window's rows and of its replay."""
        if self._notices.holds(order.app_id, order.session_id):
            return HELD_DAYS, HELD_DAYS
        return self._retention.rum_days(order.app_id), self._retention.replay_days(order.app_id)

    def _refusals(self, done: Assembled) -> Iterable[Refusal]:
        for refused in done.refused:
            entry, item = refused.entry, refused.entry.item
            rejected = Rejected(refused.reason, refused.detail, item.body)
            yield Refusal(
                entry.topic, entry.partition, entry.offset, item.received_ms, rejected, item.app_id, item.session_id
            )

    def _count(self, order: CloseOrder) -> None:
        if order.revision:
            self.counts.revisions += 1
        else:
            self.counts.windows[order.reason] = self.counts.windows.get(order.reason, 0) + 1

    def _entries(self, order: CloseOrder) -> Mapping[tuple[int, int], PackEntry]:
        wanted = set(references(order))
        found: dict[tuple[int, int], PackEntry] = {}
        for seq in sorted({seq for seq, _ in wanted}):
            entries = list(self._buffer.get((order.app_id, order.session_id), ())) if seq == self._seq else []
            _, keys = self._pack_keys.get(seq, (0, []))
            entries += self._packs.read(keys, order.app_id, order.session_id)
            found |= {(seq, entry.ordinal): entry for entry in entries if (seq, entry.ordinal) in wanted}
        if len(found) != len(wanted):
            raise LostObject(f"{len(wanted) - len(found)} items of a session of shard {self.shard} are gone")
        return found

    def _flush_pack(self) -> None:
        if not self._buffer:
            return
        _, keys = self._pack_keys.setdefault(self._seq, (self._clock_ms, []))
        key = pack_key(self.shard, self._seq, len(keys), self._incarnation)
        self.counts.pack_bytes += self._packs.write(key, self._buffer)
        keys.append(key)
        self._buffer, self._buffer_bytes = defaultdict(list), 0

    def _flush_published(self) -> None:
        objects: dict[str, bytes] = {}
        for (table, days, day), content, mark in self._rows.take():
            digest = hashlib.sha256(content).hexdigest()[:12]
            objects[table_key(table, days, day, f"{self.shard}-{self._seq:010d}-{digest}{mark}")] = content
        replays = {key: encode_style(text) for key, text in self._styles.items()} | self._blobs
        self.counts.replay_bytes += sum(map(len, replays.values()))
        objects |= replays
        if len(self._known_styles) > _KNOWN_STYLES_MAX:
            self._known_styles = set()
        if len(self._blob_bytes) > _KNOWN_BLOBS_MAX:
            self._blob_bytes = {}
        self._known_styles |= self._styles.keys()
        self._blobs, self._styles, self._refused_bytes = {}, {}, 0
        if not objects:
            return
        key = staging_key(self.shard, self._seq, self._number, self._incarnation)
        self._number += 1
        self._store.put({key: encode_bundle(objects)})
        self._staged.append(_Bundle(key, list(map(stated_name, objects))))
        self._last = {key: objects}

    def _forget_packs(self) -> None:
        oldest_ms = self._clock_ms - self._limits.pack_age_ms
        self._pack_keys = {seq: pack for seq, pack in self._pack_keys.items() if pack[0] >= oldest_ms}


def _in_order(objects: Mapping[str, bytes]) -> Sequence[dict[str, bytes]]:
    """What is needed becomes visible first: styles, blobs, their index and the lines, then sessions."""
    steps: tuple[dict[str, bytes], ...] = ({}, {}, {}, {})
    for key, content in objects.items():
        steps[_step(key)][key] = content
    return steps


def _step(final: str) -> int:
    if final.startswith(REPLAYS):
        return 0 if is_style(final) else 1
    return 3 if final.startswith(_SESSIONS) else 2
