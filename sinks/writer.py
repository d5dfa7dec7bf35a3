"""The two-phase writer of one shard: takes items and closed windows in, puts packs, tables and blobs into the lake.

Phase one, at the end of an epoch (`stage`): everything the epoch made is stored in one staged bundle, and the returned
state lists what is to be published. Phase two, when that state is known to be durable (`publish`): the bundle's objects
are put under their final names. A crash at any point leads to the same lake: before the state is durable nothing was
visible and the epoch runs again; after it, `publish` runs again and overwrites its own objects with the same bytes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain

import msgspec

from operators.assemble import Assembled, assemble
from operators.replay.cut import CutLimits
from operators.windows.tracker import Activation, Arrival, CloseOrder
from schemas.items import Rejected
from schemas.keys import replay_key, staging_key
from schemas.pack import PackEntry
from schemas.retention import HELD_DAYS, Retention
from schemas.units import MIB, MS_PER_DAY, US_PER_MS, utc_day
from sinks.epoch_output import EpochOutput
from sinks.erasure_orders import ErasureOrders
from sinks.fence import Fence
from sinks.notices import NoticeBoard
from sinks.pack_buffer import PackBuffer, PackedEpoch
from sinks.packs import PackStore
from sinks.publisher import Publisher, StagedBundle
from sinks.store import ObjectStore
from sinks.tables import Row

STATE_VERSION = 3  # until 2 it did not say which epoch it was of


class ShardPlace(msgspec.Struct, frozen=True):
    """Where the output of a shard goes.

    `incarnation`: new for every process, a part of the names of packs and bundles. `fence`: asked before anything
    becomes visible, stops a writer that was replaced; None: there cannot be another.
    """

    store: ObjectStore
    packs: PackStore
    shard: str
    incarnation: str
    fence: Fence | None = None


class LakeLimits(msgspec.Struct, frozen=True):
    """When the writer empties its buffers before the end of an epoch. Bytes are of bodies as received."""

    pack_bytes: int = 32 * MIB  # what waits takes twice that; an epoch of 10 s has it from 1,700 lines a second on
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
    """What survives a restart. `seq`: of the epoch; `pending`: staged and not known to be published."""

    version: int
    seq: int
    packs: list[PackedEpoch]
    pending: list[StagedBundle]


class LakeWriter:
    """One per shard. Not thread-safe; every method may block on the store.

    `state`: what the last `stage` returned; empty for the first epoch. `board`: where people order erasures and holds;
    a writer with a fence tells the commands that it has read them.
    """

    def __init__(
        self,
        place: ShardPlace,
        retention: Retention,
        limits: LakeLimits,
        state: bytes = b"",
        board: NoticeBoard | None = None,
    ) -> None:
        restored = _restored(state)
        self._place = place
        self._retention = retention
        self._limits = limits
        self.counts = LakeCounts()
        self._seq = self._staged_seq = restored.seq
        self._bundles = 0  # staged in this epoch
        self._clock_ms = 0
        self._buffer = PackBuffer(place.packs, place.shard, place.incarnation, restored.packs)
        self._output = EpochOutput(self.counts.rows)
        self._publisher = Publisher(place.store, place.fence, restored.pending)
        self._orders = ErasureOrders(board, (place.shard, place.incarnation) if place.fence else None)
        self._publisher.take_over(self._seq)
        self.publish()
        self.hear()

    @property
    def shard(self) -> str:
        """Its name."""
        return self._place.shard

    @property
    def seq(self) -> int:
        """The epoch that the last items were of; -1 before the first."""
        return self._seq

    @property
    def has_pending(self) -> bool:
        """Whether something is staged and not yet visible."""
        return bool(self._publisher.pending)

    def publish(self) -> None:
        """Phase two: make visible what earlier epochs staged. Only call when the last state is durable."""
        self._publisher.publish(self._staged_seq)

    def hear(self) -> bool:
        """Look at the board; whether there is something new on it.

        Only call when everything made before is published: at the beginning of an epoch.
        """
        if not self._orders.refresh():
            return False
        self._place.packs.erase(self._orders.erased_sessions)
        self._orders.acknowledge()
        return True

    @property
    def erased_sessions(self) -> frozenset[int]:
        """`key_hash` of the sessions of which nothing may stay, not even in the state."""
        return self._orders.forgotten_sessions

    def kept(self, arrivals: list[Arrival]) -> list[Arrival]:
        """Without what is of an erased session, which must not come into the state again."""
        if not self._orders.erase_anything:
            return arrivals
        kept = [one for one in arrivals if not self._is_erased(one)]
        self.counts.erased += len(arrivals) - len(kept)
        return kept

    def take(self, output: Activation) -> None:
        """Keep the items that came of a poll and write the windows that it closes."""
        self._enter(output.seq, output.clock_ms)
        items = output.items
        if self._orders.erase_anything:
            items = [one for one in items if not self._is_erased(one)]
            self.counts.erased += len(output.items) - len(items)
        self._buffer.take(items)
        self.counts.items += len(items)
        for order in output.orders:
            self._write(order)
        if self._buffer.waiting_bytes > self._limits.pack_bytes:
            self._flush_pack()
        if self._output.row_count > self._limits.rows or self._output.held_bytes > self._limits.blob_bytes:
            self._flush_output()

    def refuse(self, refusals: Iterable[Refusal]) -> None:
        """Put input that cannot be used into the quarantine, but for what is known to be of an erased session."""
        for refusal in refusals:
            app_id, session_id, received_ms = refusal.app_id, refusal.session_id, refusal.received_ms
            if app_id is not None and session_id is not None and self._orders.erases(app_id, session_id, received_ms):
                self.counts.erased += 1
                continue
            reason = str(refusal.rejected.reason)
            self.counts.quarantined[reason] = self.counts.quarantined.get(reason, 0) + 1
            row: Row = {
                "topic": refusal.topic,
                "partition": refusal.partition,
                "offset": refusal.offset,
                "received_at": received_ms * US_PER_MS,
                "reason": reason,
                "detail": refusal.rejected.detail,
                "raw": refusal.rejected.raw,
            }
            if app_id is not None:
                row |= {"app_id": app_id, "session_id": session_id}
            days = self._retention.rum_days(app_id or "")
            day = utc_day(received_ms)
            self._output.add_rows("quarantine", days, day, [row], raw_bytes=len(refusal.rejected.raw))

    def skip(self, skipped: Mapping[str, int]) -> None:
        """Count what is understood and not kept."""
        for reason, count in skipped.items():
            self.counts.skipped[reason] = self.counts.skipped.get(reason, 0) + count

    def stage(self) -> bytes:
        """Phase one: store everything the epoch made; the state to commit."""
        self._flush_pack()
        self._flush_output()
        self._publisher.end_epoch()
        self._buffer.forget(self._clock_ms, self._limits.pack_age_ms)
        self._staged_seq = self._seq
        return msgspec.msgpack.encode(_State(STATE_VERSION, self._seq, self._buffer.packed(), self._publisher.pending))

    def discard(self) -> None:
        """Delete what is staged and not published, and every pack: as if nothing had been read."""
        self._publisher.discard()
        self.delete_packs()

    def delete_packs(self) -> None:
        """Delete every pack. Only when no session is open and no window will be revised."""
        self._place.store.delete(self._buffer.names)
        self._buffer.forget_all()

    def _enter(self, seq: int, clock_ms: int) -> None:
        if seq != self._seq:
            if not self._buffer.is_empty:
                raise RuntimeError(f"epoch {seq} of {self.shard} began before epoch {self._seq} was staged")
            self._seq, self._bundles = seq, 0
        self._clock_ms = max(self._clock_ms, clock_ms)

    def _write(self, order: CloseOrder) -> None:
        if self._orders.erases(order.app_id, order.session_id, order.received_start_ms):
            self.counts.erased += 1
            return
        rum_days, replay_days = self._days(order)
        day = utc_day(order.received_start_ms)
        done = assemble(
            order,
            self._buffer.entries(order, self._seq),
            lambda revision: replay_key(replay_days, day, order.app_id, order.session_id, order.part, revision),
            self._limits.cut,
            self._output.blob_bytes,
        )
        rows = chain([done.session], (line.row for line in done.lines))
        if self._orders.erases_user(order.app_id, order.session_id, rows, order.received_start_ms):
            self.counts.erased += 1
            self._buffer.erase(order.app_id, order.session_id)
            return
        self._output.add_rows("sessions", rum_days, day, [done.session])
        lines: defaultdict[tuple[str, int], list[Row]] = defaultdict(list)
        for line in done.lines:
            lines[line.table, line.received_ms // MS_PER_DAY].append(line.row)
        for (table, day_number), found in lines.items():
            self._output.add_rows(table, rum_days, utc_day(day_number * MS_PER_DAY), found)
        if done.segments:
            self._output.add_rows("replay_segments", replay_days, day, done.segments)
        self._output.add_replay(done)
        self._count(order)
        self.refuse(_refusals(done))

    def _is_erased(self, one: Arrival | PackEntry) -> bool:
        return self._orders.erases(one.item.app_id, one.item.session_id, one.item.received_ms)

    def _days(self, order: CloseOrder) -> tuple[int, int]:
        """Classes of the window's rows and of its replay."""
        if self._orders.holds(order.app_id, order.session_id):
            return HELD_DAYS, HELD_DAYS
        return self._retention.rum_days(order.app_id), self._retention.replay_days(order.app_id)

    def _count(self, order: CloseOrder) -> None:
        if order.revision:
            self.counts.revisions += 1
        else:
            self.counts.windows[order.reason] = self.counts.windows.get(order.reason, 0) + 1

    def _flush_pack(self) -> None:
        self.counts.pack_bytes += self._buffer.flush(self._seq, self._clock_ms)

    def _flush_output(self) -> None:
        objects, replay_bytes = self._output.take(f"{self.shard}-{self._seq:010d}")
        self.counts.replay_bytes += replay_bytes
        if objects:
            self._publisher.stage(staging_key(self.shard, self._seq, self._bundles, self._place.incarnation), objects)
            self._bundles += 1


def _restored(state: bytes) -> _State:
    if not state:
        return _State(STATE_VERSION, -1, [], [])
    restored = msgspec.msgpack.decode(state, type=_State)
    if restored.version != STATE_VERSION:
        raise ValueError(f"lake state has version {restored.version}, this release reads version {STATE_VERSION}")
    return restored


def _refusals(done: Assembled) -> Iterable[Refusal]:
    for refused in done.refused:
        entry, item = refused.entry, refused.entry.item
        rejected = Rejected(refused.reason, refused.detail, item.body)
        yield Refusal(
            entry.topic, entry.partition, entry.offset, item.received_ms, rejected, item.app_id, item.session_id
        )
