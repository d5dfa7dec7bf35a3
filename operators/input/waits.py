"""Partitions that are waited for in vain: behind, and nothing of them comes, or nobody answers for them.

Times are seconds of a clock that only goes forward. What holds back a reader's clock without being lag shows here.
"""

from operators.input.receive_clock import Input


class Waits:
    """Of one reader. `seconds` may be called from any thread."""

    def __init__(self) -> None:
        self._behind: dict[Input, float] = {}  # since when neither a message nor the end has come
        self._unanswered: dict[Input, tuple[float, float]] = {}  # the first question without an answer, the last one

    def expect(self, place: Input, now: float) -> None:
        """There is something to come of it: a message, or its end."""
        self._behind.setdefault(place, now)

    def came(self, place: Input, now: float) -> None:
        """A message has come, and there may be more."""
        self._behind[place] = now

    def ended(self, place: Input) -> None:
        """It is read to its end, or is not read any more."""
        self._behind.pop(place, None)
        self._unanswered.pop(place, None)

    def unanswered(self, place: Input, now: float) -> None:
        """Nobody says how far it reaches."""
        self._unanswered[place] = self._unanswered.get(place, (now, now))[0], now

    def answered(self, place: Input) -> None:
        """Somebody does, or nobody needs to know it now."""
        self._unanswered.pop(place, None)

    def pause(self, seconds: float) -> None:
        """For so long nobody looked, so nothing could come: it does not count."""
        self._behind = {place: since + seconds for place, since in self._behind.items()}

    def seconds(self, now: float) -> dict[Input, float]:
        """How long each partition has been waited for."""
        found = {place: last - first for place, (first, last) in list(self._unanswered.items())}
        for place, since in list(self._behind.items()):
            found[place] = max(found.get(place, 0.0), now - since)
        return found
