"""Which sessions of a traffic have something later than the allowed lateness: only those may differ between lakes.

The rules themselves say it: windows that close by the clock of one log, the fastest there can be, are held against
windows of the same items that stay open until everything has come.
"""

from collections.abc import Mapping

import msgspec

from operators.decode import decode
from operators.windows.memos import MemoLimits
from operators.windows.rules import WindowRules
from operators.windows.tracker import Arrival, CloseOrder, SessionTracker
from operators.wire.unusable import Limits
from schemas.items import Item
from tests.torture.routes import Sent

_ALL = MemoLimits(size_bytes=1 << 40)  # no session is forgotten for want of memory
_NEVER_MS = 1 << 50
_Row = tuple[object, ...]


class Lateness:
    """Hears of all messages in the order of their sending.

    `ahead_ms`: how far the clock of a job may be ahead of a message that is on its way to the broker. The wait after
    an arrival far behind the clock is left out: it is a kindness, and no promise.
    """

    def __init__(self, rules: WindowRules, ahead_ms: int = 0) -> None:
        strict = msgspec.structs.replace(rules, lateness_ms=rules.lateness_ms - ahead_ms, settle_ms=0)
        self._closing, self._patient = SessionTracker(strict, _ALL), SessionTracker(strict, _ALL)
        self._rows: dict[str, dict[int, _Row]] = {}
        self._clock_ms = 0
        self._count = 0

    def hear(self, sent: Sent) -> None:
        """The next message, stamped as it says."""
        self._count += 1
        self._clock_ms = max(self._clock_ms, sent.stamp_ms)
        message = msgspec.structs.replace(sent.message, received_ms=sent.stamp_ms)
        items = [item for item in decode(message, Limits()) if isinstance(item, Item)]
        for tracker, clock_ms in ((self._closing, self._clock_ms), (self._patient, 0)):
            arrivals = [Arrival(clock_ms, "", 0, self._count, item) for item in items]
            for order in tracker.apply(self._count, clock_ms, arrivals).orders:
                self._rows.setdefault(order.session_id, {})[order.part] = _row(order)

    def late(self) -> frozenset[str]:
        """Of all that was heard."""
        rows = {name: dict(parts) for name, parts in self._rows.items()}
        for order in self._closing.apply(self._count + 1, _NEVER_MS, []).orders:
            rows.setdefault(order.session_id, {})[order.part] = _row(order)
        right: dict[str, dict[int, _Row]] = {}
        for order in self._patient.drain().orders:
            right.setdefault(order.session_id, {})[order.part] = _row(order)
        return _unlike(rows, right)


def _row(order: CloseOrder) -> _Row:
    times = order.start_us, order.end_us, order.received_start_ms, order.received_end_ms
    return *times, order.revision, order.duplicate_count, order.new_moments


def _unlike(one: Mapping[str, object], other: Mapping[str, object]) -> frozenset[str]:
    return frozenset(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
