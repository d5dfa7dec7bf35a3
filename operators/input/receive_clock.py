"""The receive clock of one reader, as a rule: message stamps, ends of partitions and the wall clock in, times out.

Windows close by it, so it may not run ahead of what is still unread, and nothing that a message or a machine claims may
push it where it cannot come back from. Values in, decisions out: nothing here looks at a clock.
"""

from collections.abc import Collection
from enum import StrEnum

import msgspec

from schemas.units import MS_PER_MINUTE, MS_PER_SECOND

Input = tuple[str, int]  # topic and partition


class ClockRules(msgspec.Struct, frozen=True):
    """What of a stamp or a clock is believed. All in ms."""

    ahead_ms: int = MS_PER_MINUTE  # a stamp further ahead of the wall clock cannot be; not above the allowed lateness
    earliest_ms: int = 946_684_800_000  # 2000-01-01: nothing was received before; seconds taken for ms are of 1970
    margin_ms: int = 5 * MS_PER_SECOND  # a reader that waits for input stays so far behind the wall clock
    outage_hold_ms: int = MS_PER_MINUTE  # after the broker was away, senders may hold back what is older


class StampFault(StrEnum):
    """Why the stamp of a message was not believed."""

    MISSING = "missing"
    TOO_OLD = "too_old"
    AHEAD = "ahead"


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """When a message counts as received, epoch ms, and what was wrong with what it said."""

    received_ms: int
    fault: StampFault | None


class ReceiveClock:
    """The smallest of the running maxima of its inputs' stamps, so that a backlog in one holds back closing.

    An input that is read to its end does not count; when all are, the wall clock leads. `clock_ms` and `heads`, the
    running maximum of each input, survive a restart.
    """

    def __init__(self, rules: ClockRules, clock_ms: int = 0) -> None:
        self._rules = rules
        self.clock_ms = clock_ms
        self.heads: dict[Input, int] = {}
        self._ended: set[Input] = set()
        self._outage_ms: int | None = None

    def add(self, place: Input, head_ms: int = 0) -> None:
        """An input is read from now on."""
        self.heads[place] = head_ms

    def remove(self, place: Input) -> None:
        """An input is read no more."""
        self.heads.pop(place, None)
        self._ended.discard(place)

    def stamp(self, place: Input, stamp_ms: int, wall_ms: int) -> Stamp:
        """Take the stamp of an input's next message; what cannot be does not move the clock.

        Such a message counts as received when the clock stands, so that a second reading of the log says the same; the
        wall clock counts where there is none yet.
        """
        self._ended.discard(place)
        rules = self._rules
        if not rules.earliest_ms <= stamp_ms <= wall_ms + rules.ahead_ms:
            return Stamp(max(self.clock_ms, self.heads[place]) or wall_ms, self._fault(stamp_ms))
        if stamp_ms > self.heads[place]:
            self.heads[place] = stamp_ms
            self._advance()
        return Stamp(stamp_ms, None)

    def end(self, place: Input) -> None:
        """An input is read to its end."""
        self._ended.add(place)

    def is_at_end(self) -> bool:
        """Whether all inputs are read to their ends."""
        return len(self._ended) == len(self.heads)

    def may_follow(self, wall_ms: int) -> bool:
        """Whether the wall clock may lead, if nothing is left to read: not while the broker is away, nor soon after."""
        since_ms = None if self._outage_ms is None else wall_ms - self._outage_ms
        return self.is_at_end() and (since_ms is None or not 0 <= since_ms < self._rules.outage_hold_ms)

    def follow(self, wall_ms: int) -> None:
        """Nothing is left to read: let the wall clock lead."""
        self.clock_ms = max(self.clock_ms, wall_ms - self._rules.margin_ms, *self.heads.values())

    def outage(self, wall_ms: int) -> None:
        """The broker is away."""
        self._outage_ms = wall_ms

    def put_right(self, wall_ms: int) -> bool:
        """Come back to the wall clock from a time that has not come yet: a clock had been wrong. Whether it did."""
        if max(self.clock_ms, *self.heads.values(), 0) <= wall_ms + self._rules.ahead_ms:
            return False
        self.clock_ms = min(self.clock_ms, wall_ms)
        self.heads = {place: min(head_ms, wall_ms) for place, head_ms in self.heads.items()}
        return True

    def _fault(self, stamp_ms: int) -> StampFault:
        if stamp_ms < 0:
            return StampFault.MISSING
        return StampFault.TOO_OLD if stamp_ms < self._rules.earliest_ms else StampFault.AHEAD

    def _advance(self) -> None:
        busy: Collection[int] = self.heads.values()
        if self._ended:
            busy = [head for place, head in self.heads.items() if place not in self._ended]
        self.clock_ms = max(self.clock_ms, min(busy) if busy else 0)


class WallClock:
    """The wall clock as far as it can be believed: one that jumps is followed when it has stayed for a while.

    `uptime_ms` in both is of a clock that only goes forward, through a sleep of the machine too.
    """

    def __init__(self, jump_ms: int = 2 * MS_PER_MINUTE, believed_after_ms: int = 5 * MS_PER_MINUTE) -> None:
        self._jump_ms = jump_ms
        self._believed_after_ms = believed_after_ms
        self._offset_ms: int | None = None
        self._jumped: tuple[int, int] | None = None  # the new offset, and the uptime at which it was seen first

    @property
    def is_jumped(self) -> bool:
        """Whether the wall clock is not believed now."""
        return self._jumped is not None

    def read(self, wall_ms: int, uptime_ms: int) -> int:
        """The time to go by, epoch ms."""
        offset_ms = wall_ms - uptime_ms
        if self._offset_ms is None or abs(offset_ms - self._offset_ms) <= self._jump_ms:
            self._offset_ms, self._jumped = offset_ms, None
        elif self._jumped is None or abs(offset_ms - self._jumped[0]) > self._jump_ms:
            self._jumped = offset_ms, uptime_ms
        elif uptime_ms - self._jumped[1] >= self._believed_after_ms:
            self._offset_ms, self._jumped = offset_ms, None
        return uptime_ms + self._offset_ms
