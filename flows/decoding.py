"""The step that decodes, and stops the job when it is not the input that is wrong."""

import time
from collections import Counter
from pathlib import Path

from flows.broker import SourceError
from operators.arrivals import DecodedPoll, Poll, decode_poll
from operators.client.request import Clients
from operators.input.quarantine_share import QuarantineShare, ShareLimits
from operators.wire.unusable import Limits
from schemas.units import MS_PER_SECOND


class Decode:
    """Decodes polls. Raises SourceError when more than a share of the messages would go to the quarantine.

    Nothing of such an epoch is committed: the messages stay on the broker, for the release that can read them.

    `mark`: a file that tells the next start of it; None for a job without state.
    """

    def __init__(self, limits: Limits, share: ShareLimits, clients: Clients, mark: Path | None = None) -> None:
        self._limits = limits
        self._clients = clients
        self._mark = mark
        wary_until_ms = _now_ms() + share.window_ms if _is_young(mark, share.window_ms) else 0
        self._share = QuarantineShare(share, wary_until_ms)

    def __call__(self, poll: Poll) -> DecodedPoll:
        decoded = decode_poll(poll, self._limits, self._clients)
        if poll.messages:
            used = {(one.topic, one.partition, one.offset) for one in decoded.arrivals} if decoded.refused else set()
            reasons = {(one.topic, one.partition, one.offset): str(one.rejected.reason) for one in decoded.refused}
            first = {place: reason for place, reason in reasons.items() if place not in used}
            complaint = self._share.note(len(poll.messages), Counter(first.values()), _now_ms())
            if complaint is not None:
                if self._mark is not None:
                    self._mark.touch()
                raise SourceError(
                    f"limits.quarantine_share: {complaint}. Nothing of them is stored, they are still on the broker. "
                    "If they are to go to the quarantine, raise the limit (1.0 switches it off)"
                )
        return decoded


def _now_ms() -> int:
    return int(time.monotonic() * MS_PER_SECOND)


def _is_young(mark: Path | None, age_ms: int) -> bool:
    try:
        return mark is not None and time.time() - mark.stat().st_mtime < age_ms / MS_PER_SECOND
    except FileNotFoundError:
        return False
