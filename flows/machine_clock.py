"""The wall clock of this machine, as far as it can be believed."""

import logging
import time

from flows.logs import LOGGER
from operators.input.receive_clock import WallClock
from schemas.units import MS_PER_SECOND

_log = logging.getLogger(LOGGER)


class MachineClock:
    """The time to go by. A wall clock that jumps is not followed at once, see `WallClock`; the log says so."""

    def __init__(self) -> None:
        self._rule = WallClock()
        self._was_jumped = False

    @property
    def is_jumped(self) -> bool:
        """Whether the wall clock is not believed now."""
        return self._rule.is_jumped

    def now_ms(self) -> int:
        """Epoch ms."""
        wall_ms = int(time.time() * MS_PER_SECOND)
        now_ms = self._rule.read(wall_ms, int(time.clock_gettime(time.CLOCK_BOOTTIME) * MS_PER_SECOND))
        if self._rule.is_jumped != self._was_jumped:
            self._was_jumped = self._rule.is_jumped
            if self._was_jumped:
                _log.warning("this machine's clock jumped by %d s: not followed for now", (wall_ms - now_ms) // 1000)
            else:
                _log.warning("this machine's clock is followed again")
        return now_ms
