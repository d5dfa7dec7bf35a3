"""The step that decodes, and stops the job when it is not the input that is wrong."""

import time
from collections import Counter

from flows.broker import SourceError
from operators.arrivals import DecodedPoll, Poll, decode_poll
from operators.decode import Limits
from operators.quarantine_share import QuarantineShare, ShareLimits
from schemas.units import MS_PER_SECOND


class Decode:
    """Decodes polls. Raises SourceError when more than a share of the messages would go to the quarantine.

    Nothing of such an epoch is committed: the messages stay on the broker, for the release that can read them.
    """

    def __init__(self, limits: Limits, share: ShareLimits) -> None:
        self._limits = limits
        self._share = QuarantineShare(share)

    def __call__(self, poll: Poll) -> DecodedPoll:
        decoded = decode_poll(poll, self._limits)
        if poll.messages:
            used = {(one.topic, one.partition, one.offset) for one in decoded.arrivals} if decoded.refused else set()
            reasons = {(one.topic, one.partition, one.offset): str(one.rejected.reason) for one in decoded.refused}
            first = {place: reason for place, reason in reasons.items() if place not in used}
            now_ms = int(time.monotonic() * MS_PER_SECOND)
            complaint = self._share.note(len(poll.messages), Counter(first.values()), now_ms)
            if complaint is not None:
                raise SourceError(
                    f"limits.quarantine_share: {complaint}. Nothing of them is stored, they are still on the broker. "
                    "If they are to go to the quarantine, raise the limit (1.0 switches it off)"
                )
        return decoded
