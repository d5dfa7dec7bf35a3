"""The receive clock of a shard: that of its own reader, or the slowest once sessions come from any reader."""

from collections.abc import Mapping, Sequence

import msgspec


class ShardClockState(msgspec.Struct, array_like=True, frozen=True):
    """What survives a restart. `told_ms`: the clock that each reader told last."""

    clock_ms: int = 0
    is_spread: bool = False
    told_ms: Mapping[str, int] = {}


class ShardClock:
    """Of one shard. A reader that counts and was never heard holds it back.

    It never goes back by itself, but once: with the first session that comes from elsewhere, to the slowest reader. And
    a reader whose clock had run ahead of time and was put right takes it back with it.
    """

    def __init__(self, own: str, readers: Sequence[str], state: ShardClockState | None = None) -> None:
        state = state or ShardClockState()
        self._own = own
        self._readers = readers
        self.clock_ms = state.clock_ms
        self.is_spread = state.is_spread
        self._told = dict(state.told_ms)

    def state(self) -> ShardClockState:
        """To be saved."""
        return ShardClockState(self.clock_ms, self.is_spread, dict(self._told))

    def ceiling_ms(self, reader: str) -> int | None:
        """How far the clocks of the other readers let this one's arrivals move the shard; None: as far as they like."""
        if not self.is_spread:
            return None
        return min((self._told.get(other, 0) for other in self._readers if other != reader), default=None)

    @property
    def latest_ms(self) -> int:
        """The clock of the fastest reader that counts: where a bounded input has ended."""
        return max(self._told.get(one, 0) for one in self._counted())

    def hear(self, reader: str, clock_ms: int, *, is_spread: bool) -> bool:
        """A reader tells its clock; whether the shard's clock went back, which it only does to be put right."""
        self.is_spread = self.is_spread or is_spread
        is_first_look = self.is_spread and not self._has_heard_all()
        counted = self._counted()
        is_back = clock_ms < self._told.get(reader, 0) and clock_ms < self.clock_ms and reader in counted
        self._told[reader] = clock_ms
        if is_first_look:
            return self._has_heard_all() and self._join(min(self._told.values()))
        if is_back:
            self.clock_ms = clock_ms
        else:
            self.clock_ms = max(self.clock_ms, min(self._told.get(one, 0) for one in counted))
        return is_back

    def _has_heard_all(self) -> bool:
        return all(one in self._told for one in self._readers)

    def _join(self, slowest_ms: int) -> bool:
        """The shard goes over to the slowest reader; one that had nothing to read may have led it far ahead of that."""
        is_back = slowest_ms < self.clock_ms
        self.clock_ms = slowest_ms
        return is_back

    def _counted(self) -> Sequence[str]:
        return self._readers if self.is_spread else (self._own,)
