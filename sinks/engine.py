"""The adapter to Bytewax: sessions and writer of each partition behind the engine's two-phase protocol.

It holds no rule. Both are one part of the engine's output: a poll then never leaves the process that read it.

The engine lets no item of the next epoch in before an epoch's state is durable; so the first batch of an epoch is the
sign that the last one is committed, and may be published.
"""

import gc
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from operators.arrivals import DecodedPoll
from operators.sessions import SessionTracker
from sinks.lake import LakeWriter, Refusal
from sinks.session_journal import JournalPlace, SessionJournal

_STATE_VERSION = 2  # 1 held the sessions themselves

TrackerBuilder = Callable[[Iterable[bytes]], SessionTracker]  # what its journal has
WriterBuilder = Callable[[str, str, bytes], LakeWriter]  # (partition, incarnation, state)


class Stopwatch(msgspec.Struct, frozen=True):
    """Where the times of the two phases go. `now`: a clock in seconds."""

    now: Callable[[], float]
    staged: Callable[[float], None]
    published: Callable[[float], None]


class _State(msgspec.Struct, array_like=True):
    """What a partition needs after a restart."""

    version: int
    sessions: JournalPlace
    lake: bytes


class _StateVersion(msgspec.Struct, array_like=True):
    version: int


class LakeSink(FixedPartitionedSink[DecodedPoll, bytes]):
    """All partitions of the lake's input.

    `journals`: folder for the state of sessions; None: nothing has to survive the process. `publish_early` False:
    nothing is visible before `publish_all`.
    """

    def __init__(  # noqa: PLR0913 - what a partition is made of
        self,
        partitions: list[str],
        build_tracker: TrackerBuilder,
        build_writer: WriterBuilder,
        journals: Path | None,
        stopwatch: Stopwatch,
        *,
        publish_early: bool,
    ) -> None:
        self._partitions = partitions
        self._journals = journals
        self._build_tracker = build_tracker
        self._build_writer = build_writer
        self._stopwatch = stopwatch
        self._publish_early = publish_early
        self._incarnation = secrets.token_hex(4)
        self.writers: dict[str, LakeWriter] = {}

    def list_parts(self) -> list[str]:
        return self._partitions

    def part_fn(self, item_key: str) -> int:
        return self._partitions.index(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> "LakePartition":
        state = _restored(resume_state)
        writer = self._build_writer(for_part, self._incarnation, state.lake)
        self.writers[for_part] = writer
        journal = SessionJournal(self._journals, for_part, state.sessions) if self._journals else None
        with _no_garbage():
            tracker = self._build_tracker(journal.records() if journal else ())
        return LakePartition(tracker, journal, writer, self._stopwatch, publish_early=self._publish_early)

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


class LakePartition(StatefulSinkPartition[DecodedPoll, bytes]):
    """One partition as the engine drives it."""

    def __init__(
        self,
        tracker: SessionTracker,
        journal: SessionJournal | None,
        writer: LakeWriter,
        stopwatch: Stopwatch,
        *,
        publish_early: bool,
    ) -> None:
        self._tracker = tracker
        self._journal = journal
        self._writer = writer
        self._stopwatch = stopwatch
        self._publish_early = publish_early
        self._is_new_epoch = False

    def write_batch(self, values: list[DecodedPoll]) -> None:
        if self._is_new_epoch:
            self._begin_epoch()
        self._is_new_epoch = False
        for poll in values:
            self._writer.refuse(_refusals(poll))
            self._writer.skip(poll.skipped)
            self._writer.take(self._tracker.apply(poll.seq, poll.clock_ms, poll.arrivals))
            if poll.is_last:
                self._writer.take(self._tracker.drain())
        if self._journal is None:
            self._tracker.discard_changes()

    def _begin_epoch(self) -> None:
        """The engine lets in a batch of a new epoch, so it has committed the one before."""
        if self._journal is not None:
            self._journal.drop_old()
        if not self._publish_early:
            return
        if self._writer.has_pending:
            begin = self._stopwatch.now()
            self._writer.publish()
            self._stopwatch.published(self._stopwatch.now() - begin)
        self._writer.hear()

    def snapshot(self) -> bytes:
        self._is_new_epoch = True
        begin = self._stopwatch.now()
        lake = self._writer.stage()
        place = self._journal.save(self._tracker) if self._journal is not None else JournalPlace()
        self._stopwatch.staged(self._stopwatch.now() - begin)
        return msgspec.msgpack.encode(_State(_STATE_VERSION, place, lake))


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
        return _State(_STATE_VERSION, JournalPlace(), b"")
    version = msgspec.msgpack.decode(state, type=_StateVersion).version
    if version != _STATE_VERSION:
        raise ValueError(f"partition state has version {version}, this release reads {_STATE_VERSION}")
    return msgspec.msgpack.decode(state, type=_State)


def _refusals(poll: DecodedPoll) -> Iterator[Refusal]:
    number = int(poll.partition) if poll.partition.isdigit() else 0
    for one in poll.refused:
        yield Refusal(one.topic, number, one.offset, one.received_ms, one.rejected)
