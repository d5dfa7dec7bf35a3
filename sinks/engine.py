"""The adapter to Bytewax: one `LakeWriter` per partition behind the engine's two-phase protocol.

The engine lets no item of the next epoch in before an epoch's state is durable; so the first batch of an epoch is the
sign that the last one is committed, and may be published.
"""

import secrets
from collections.abc import Callable

import msgspec
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from operators.sessions import ShardOutput
from sinks.lake import LakeWriter, Refusal

LakeInput = ShardOutput | list[Refusal]
WriterBuilder = Callable[[str, str, bytes], LakeWriter]  # (partition, incarnation, state)


class Stopwatch(msgspec.Struct, frozen=True):
    """Where the times of the two phases go. `now`: a clock in seconds."""

    now: Callable[[], float]
    staged: Callable[[float], None]
    published: Callable[[float], None]


class LakeSink(FixedPartitionedSink[LakeInput, bytes]):
    """All partitions of the lake's input. `publish_early` False: nothing is visible before `publish_all`."""

    def __init__(
        self, partitions: list[str], build_writer: WriterBuilder, stopwatch: Stopwatch, *, publish_early: bool
    ) -> None:
        self._partitions = partitions
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
        writer = self._build_writer(for_part, self._incarnation, resume_state or b"")
        self.writers[for_part] = writer
        return LakePartition(writer, self._stopwatch, publish_early=self._publish_early)

    def publish_all(self) -> None:
        """Publish what is pending, after a run that ended well with its last epoch committed."""
        for writer in self.writers.values():
            writer.publish()

    def delete_packs(self) -> None:
        """After a bounded run that is published: nothing will read its packs again."""
        for writer in self.writers.values():
            writer.delete_packs()


class LakePartition(StatefulSinkPartition[LakeInput, bytes]):
    """One partition's writer as the engine drives it."""

    def __init__(self, writer: LakeWriter, stopwatch: Stopwatch, *, publish_early: bool) -> None:
        self._writer = writer
        self._stopwatch = stopwatch
        self._publish_early = publish_early
        self._is_new_epoch = False

    def write_batch(self, values: list[LakeInput]) -> None:
        if self._is_new_epoch and self._publish_early:
            self._begin_epoch()
        self._is_new_epoch = False
        for value in values:
            if isinstance(value, ShardOutput):
                self._writer.take(value)
            else:
                self._writer.refuse(value)

    def _begin_epoch(self) -> None:
        """The engine lets in a batch of a new epoch, so it has committed the one before."""
        if self._writer.has_pending:
            begin = self._stopwatch.now()
            self._writer.publish()
            self._stopwatch.published(self._stopwatch.now() - begin)
        self._writer.hear()

    def snapshot(self) -> bytes:
        self._is_new_epoch = True
        begin = self._stopwatch.now()
        state = self._writer.stage()
        self._stopwatch.staged(self._stopwatch.now() - begin)
        return state
