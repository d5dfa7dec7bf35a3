"""Things that are worth a line in the log, but not every time."""

import time
from collections.abc import Hashable

_AGAIN_SECONDS = 60.0


class Seldom:
    """Says once a minute, for each subject, that it may be said again."""

    def __init__(self) -> None:
        self._said_at: dict[Hashable, float] = {}

    def may(self, subject: Hashable) -> bool:
        """Whether a minute has passed since the last yes. `subject`: one of few."""
        now = time.monotonic()
        if now - self._said_at.get(subject, -_AGAIN_SECONDS) < _AGAIN_SECONDS:
            return False
        self._said_at[subject] = now
        return True
