"""How a new shard begins: it closes nothing before every reader has read something.

Where partitions were added before the job began, the new ones are read by readers that see only sessions of their own
shard, while another reader still has the beginnings of the same sessions. Which it is shows in the first things that
are read; until then a shard cannot know whether it may follow its own reader alone.
"""

from collections.abc import Collection, Sequence

import msgspec

from operators.shards import ShardBatch


class Opening:
    """Holds batches of one shard, in their order. `unheard`: readers that must say something first."""

    def __init__(self, unheard: Collection[str]) -> None:
        self._unheard = set(unheard)
        self._held: list[ShardBatch] = []

    @property
    def is_over(self) -> bool:
        """Whether batches pass."""
        return not self._unheard

    def passing(self, batches: Sequence[ShardBatch]) -> Sequence[ShardBatch]:
        """What may be taken now: everything, once all have spoken or a session is seen to come from elsewhere."""
        if self.is_over:
            return batches
        self._held += batches
        self._unheard -= {batch.reader for batch in batches if batch.has_read}
        is_spread = any(batch.is_spread for batch in batches)
        if self._unheard and not is_spread:
            return []
        self._unheard.clear()
        held = self.held()
        return [msgspec.structs.replace(batch, is_spread=True) for batch in held] if is_spread else held

    def give_up(self) -> None:
        """Somebody is silent for too long: wait no more."""
        self._unheard.clear()

    def held(self) -> list[ShardBatch]:
        """Everything that is held, which it is no more."""
        held, self._held = self._held, []
        return held
