"""What one intake process has done, as numbers; `intake/metrics.py` shows them."""

from collections import Counter
from collections.abc import Callable

from intake.preparing import Prepared
from intake.refusals import STATUS, Refusal


class Counts:
    """Counters since the start, and what is going on now. `observe_seconds`: of every answered request."""

    def __init__(self, observe_seconds: Callable[[float], None]) -> None:
        self.observe_seconds = observe_seconds
        self.requests: Counter[tuple[str, str]] = Counter()  # by type and status
        self.refused: Counter[Refusal] = Counter()  # requests
        self.left_out: Counter[Refusal] = Counter()  # messages of requests that were stored without them
        self.messages: Counter[str] = Counter()  # in Kafka, by type
        self.message_bytes = 0
        self.unreadable = 0  # of them those that the job will put into quarantine
        self.pending_bytes = 0

    def turned_away(self, reason: Refusal) -> None:
        """A request whose head never was whole."""
        self.refused[reason] += 1
        self.requests["head", str(STATUS[reason].value)] += 1

    def stored(self, kind: str, prepared: Prepared) -> None:
        """A request is in Kafka."""
        self.messages[kind] += len(prepared.keyed)
        self.message_bytes += sum(len(one.message.value) for one in prepared.keyed)
        self.unreadable += sum(not one.session_id for one in prepared.keyed)
        self.left_out.update(prepared.left_out)
