"""The topics as they are now: which partitions there are, and whether they are still the same topics."""

import logging
import threading
from collections.abc import Callable, Mapping

from flows.broker import TopicFacts
from flows.logs import LOGGER
from flows.stopping import Stopped
from schemas.errors import ReplayLakeError

_log = logging.getLogger(LOGGER)

Look = Callable[[], Mapping[str, TopicFacts]]


class Topics:
    """What the broker says of the topics, looked at again in a thread. `version` goes up when something has changed."""

    def __init__(self, facts: Mapping[str, TopicFacts], look: Look | None = None, every_seconds: float = 0.0) -> None:
        self.facts = facts
        self.version = 0
        self._doubted: Mapping[str, TopicFacts] | None = None
        self._look = look
        self._every_seconds = every_seconds
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self) -> None:
        """Begin to look again, if somebody wants that and nobody has begun."""
        if self._look is not None and self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="topics", daemon=True)
            self._thread.start()

    def refresh(self, facts: Mapping[str, TopicFacts]) -> None:
        """Take what was found. A topic that has become smaller is believed when two looks in a row say so.

        A broker that lags behind the others still tells of the partitions before some were added.
        """
        if facts == self.facts:
            self._doubted = None
        elif self._is_smaller(facts) and facts != self._doubted:
            self._doubted = facts
        else:
            self.facts, self._doubted = facts, None
            self.version += 1

    def _is_smaller(self, facts: Mapping[str, TopicFacts]) -> bool:
        return any(
            known.topic_id == facts[name].topic_id and len(facts[name].partitions) < len(known.partitions)
            for name, known in self.facts.items()
            if name in facts
        )

    def close(self) -> None:
        """Look no more."""
        self._ended.set()

    def _watch(self) -> None:
        assert self._look is not None
        while not self._ended.wait(self._every_seconds):
            try:
                self.refresh(self._look())
            except ReplayLakeError as error:
                _log.debug("topics not looked at: %s", error)  # the broker is away, and the readers know it
            except Stopped:
                return
