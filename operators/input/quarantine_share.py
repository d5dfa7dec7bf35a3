"""When so much of the input cannot be used that the cause is not the input: a deploy gone wrong, another topic."""

from collections import Counter, deque

import msgspec

_WARY_MESSAGES = 10  # refused; after a stop so many are enough


class ShareLimits(msgspec.Struct, frozen=True):
    """The share of messages that may be refused within a window of time, once there are enough to judge by."""

    share: float = 0.5  # 1.0: all of them
    messages: int = 1000  # refused; fewer stop nothing
    window_ms: int = 10 * 60_000


class QuarantineShare:
    """Counts messages by the second. Times are of a clock that only goes forward, ms.

    `wary_until_ms`: the job was stopped by this before. A supervisor starts it again and again, and each time
    `ShareLimits.messages` would go to the quarantine, so until then far fewer are enough.
    """

    def __init__(self, limits: ShareLimits, wary_until_ms: int = 0) -> None:
        self._limits = limits
        self._wary_until_ms = wary_until_ms
        self._slices: deque[tuple[int, int, Counter[str]]] = deque()  # (begin, messages, refused by reason)

    def note(self, messages: int, refused: Counter[str], now_ms: int) -> str | None:
        """Count `messages`, of which `refused` (by reason) hold nothing that can be used; the complaint, if any."""
        begin_ms = now_ms - now_ms % 1000
        if self._slices and self._slices[-1][0] == begin_ms:
            _, before, reasons = self._slices.pop()
            messages, refused = messages + before, refused + reasons
        self._slices.append((begin_ms, messages, refused))
        while self._slices[0][0] < now_ms - self._limits.window_ms:
            self._slices.popleft()
        if not refused:
            return None
        total = sum(count for _, count, _ in self._slices)
        bad = sum((reasons for _, _, reasons in self._slices), Counter[str]())
        count = bad.total()
        enough = self._limits.messages
        if now_ms < self._wary_until_ms:
            enough = min(enough, _WARY_MESSAGES)
        if count < enough or count <= self._limits.share * total:
            return None
        reason, most = bad.most_common(1)[0]
        return f"{count} of the last {total} messages cannot be used, {most} of them for {reason!r}"
