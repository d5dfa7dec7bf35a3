"""The adapter to Bytewax: clock, sessions and writer of each shard behind the engine's two-phase protocol.

It holds no rule. All of a shard are one part of the engine's output, so its batches pass through one place.

The engine lets no item of the next epoch in before an epoch's state is durable; so the first batch of an epoch is the
sign that the last one is committed, and may be published.
"""

import gc
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from operators.input.shard_clock import ShardClock, ShardClockState
from operators.opening import Opening
from operators.shards import ShardBatch, Spread
from operators.windows.tracker import SessionTracker
from sinks.session_journal import JournalPlace, SessionJournal
from sinks.writer import LakeWriter, Refusal

_PATIENCE_SECONDS = 30.0  # so long a new shard waits for readers that have not read anything
_STATE_VERSION = 3  # 2 was of a partition and had no clock, 1 held the sessions themselves

TrackerBuilder = Callable[[str, Iterable[bytes] | None], SessionTracker]  # (shard, its journal; None before the first)
WriterBuilder = Callable[[str, str, bytes], LakeWriter]  # (shard, incarnation, state)


class Stopwatch(msgspec.Struct, frozen=True):
    """Where the times of the two phases go. `now`: a clock in seconds."""

    now: Callable[[], float]
    staged: Callable[[float], None]
    published: Callable[[float], None]


class _State(msgspec.Struct, array_like=True):
    """What a shard needs after a restart."""

    version: int
    sessions: JournalPlace
    lake: bytes
    clock: ShardClockState


class _StateVersion(msgspec.Struct, array_like=True):
    version: int


class LakeSink(FixedPartitionedSink[ShardBatch, bytes]):
    """All shards of the lake. The readers have the same names.

    `spread`: whether sessions come from any reader, shared with the readers of this process. `journals`: folder for the
    state of sessions; None: nothing has to survive the process. `is_bounded`: the input ends, and nothing is visible
    before `publish_all`.
    """

    def __init__(  # noqa: PLR0913 - what a shard is made of
        self,
        shards: list[str],
        spread: Spread,
        build_tracker: TrackerBuilder,
        build_writer: WriterBuilder,
        journals: Path | None,
        stopwatch: Stopwatch,
        *,
        is_bounded: bool,
    ) -> None:
        self._shards = shards
        self._spread = spread
        self._journals = journals
        self._build_tracker = build_tracker
        self._build_writer = build_writer
        self._stopwatch = stopwatch
        self._is_bounded = is_bounded
        self._incarnation = secrets.token_hex(4)
        self.writers: dict[str, LakeWriter] = {}

    def list_parts(self) -> list[str]:
        return self._shards

    def part_fn(self, item_key: str) -> int:
        return self._shards.index(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> "LakeShard":
        state = _restored(resume_state)
        writer = self._build_writer(for_part, self._incarnation, state.lake)
        self.writers[for_part] = writer
        journal = SessionJournal(self._journals, for_part, state.sessions) if self._journals else None
        with _no_garbage():
            tracker = self._build_tracker(for_part, journal.records() if journal and state.sessions.name else None)
        clock = ShardClock(for_part, self._shards, state.clock)
        ends = set(self._shards) if self._is_bounded else None
        return LakeShard(clock, tracker, journal, writer, self._spread, self._stopwatch, self._shards, ends)

    def publish_all(self) -> None:
        """Publish what is pending, after a run that ended well with its last epoch committed."""
        for writer in self.writers.values():
            writer.publish()

    def discard(self) -> None:
        """Delete what was staged, after a bounded run that did not read its input to the end."""
        for writer in self.writers.values():
            writer.discard()

    def delete_packs(self) -> None:
        """After a bounded run that is published: nothing will read its packs again."""
        for writer in self.writers.values():
            writer.delete_packs()


class LakeShard(StatefulSinkPartition[ShardBatch, bytes]):
    """One shard as the engine drives it. `unended`: readers of a bounded input that have more; None: it has no end."""

    def __init__(  # noqa: PLR0913 - what a shard is made of
        self,
        clock: ShardClock,
        tracker: SessionTracker,
        journal: SessionJournal | None,
        writer: LakeWriter,
        spread: Spread,
        stopwatch: Stopwatch,
        readers: Sequence[str],
        unended: set[str] | None,
    ) -> None:
        self._clock = clock
        self._tracker = tracker
        self._journal = journal
        self._writer = writer
        self._spread = spread
        self._stopwatch = stopwatch
        self._unended = unended
        self._opening = Opening(set() if clock.is_spread or clock.has_heard_all() else set(readers))
        self._began = stopwatch.now()
        self._seq = writer.seq + 1
        self._is_new_epoch = False
        if clock.is_spread:
            spread.turn_on()
        self._forget_erased()

    def write_batch(self, values: list[ShardBatch]) -> None:
        if self._is_new_epoch:
            self._begin_epoch()
        self._is_new_epoch = False
        for batch in self._opening.passing(values):
            self._take(batch)
        if self._journal is None:
            self._tracker.discard_changes()

    def _take(self, batch: ShardBatch) -> None:
        if batch.is_spread:
            self._spread.turn_on()
        if self._clock.hear(batch.reader, batch.clock_ms, is_spread=batch.is_spread):
            self._tracker.set_back(self._clock.clock_ms)
        self._writer.refuse(_refusals(batch))
        self._writer.skip(batch.skipped)
        arrivals = self._writer.kept(batch.arrivals)
        ceiling_ms = self._clock.ceiling_ms(batch.reader)
        self._writer.take(self._tracker.apply(self._seq, self._clock.clock_ms, arrivals, ceiling_ms))
        if batch.is_last and self._unended is not None:
            self._unended.discard(batch.reader)
            if not self._unended:
                self._writer.take(self._tracker.drain(self._clock.latest_ms))

    def _keep_held(self, now: float) -> None:
        """The epoch ends while batches wait: what they brought goes into the state, and closes nothing."""
        if now - self._began > _PATIENCE_SECONDS:
            self._opening.give_up()
        for batch in self._opening.held():
            if self._opening.is_over:
                self._take(batch)
                continue
            self._writer.refuse(_refusals(batch))
            self._writer.skip(batch.skipped)
            now_ms = self._clock.clock_ms
            self._writer.take(self._tracker.apply(self._seq, now_ms, self._writer.kept(batch.arrivals), now_ms))

    def _begin_epoch(self) -> None:
        """The engine lets in a batch of a new epoch, so it has committed the one before."""
        if self._journal is not None:
            self._journal.drop_old()
        if self._unended is not None:
            return
        if self._writer.has_pending:
            begin = self._stopwatch.now()
            self._writer.publish()
            self._stopwatch.published(self._stopwatch.now() - begin)
        if self._writer.hear():
            self._forget_erased()

    def _forget_erased(self) -> None:
        """Nothing of erased sessions stays in the state, nor in its file once the next epoch is committed."""
        if self._tracker.erase(self._writer.erased_sessions) and self._journal is not None:
            self._journal.begin_anew()

    def snapshot(self) -> bytes:
        self._is_new_epoch = True
        begin = self._stopwatch.now()
        if not self._opening.is_over:
            self._keep_held(begin)
        lake = self._writer.stage()
        self._seq += 1
        place = self._journal.save(self._tracker) if self._journal is not None else JournalPlace()
        self._stopwatch.staged(self._stopwatch.now() - begin)
        return msgspec.msgpack.encode(_State(_STATE_VERSION, place, lake, self._clock.state()))


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Nothing that is restored is garbage; looking for some takes as long as restoring a million sessions."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _restored(state: bytes | None) -> _State:
    if not state:
        return _State(_STATE_VERSION, JournalPlace(), b"", ShardClockState())
    version = msgspec.msgpack.decode(state, type=_StateVersion).version
    if version != _STATE_VERSION:
        raise ValueError(f"shard state has version {version}, this release reads {_STATE_VERSION}")
    return msgspec.msgpack.decode(state, type=_State)


def _refusals(batch: ShardBatch) -> Iterator[Refusal]:
    for one in batch.refused:
        rejected = one.rejected
        yield Refusal(
            one.topic, one.partition, one.offset, one.received_ms, rejected, rejected.app_id, rejected.session_id
        )
