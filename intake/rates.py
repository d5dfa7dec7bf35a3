"""Token buckets, one a key, of as many keys as memory is given for."""

from collections import OrderedDict
from collections.abc import Callable


class Buckets:
    """At most `rate` a second for each key, and `burst` at once. A rate of 0 is no limit.

    The key that was quiet for longest is forgotten for a new one, and would begin with a full bucket.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float], keys: int) -> None:
        self._rate, self._burst = rate, max(burst, 1.0)
        self._clock = clock
        self._keys = keys
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens left, at which time

    def take(self, key: str) -> float:
        """Take a token: 0, or the seconds until there will be one."""
        if not self._rate:
            return 0.0
        now = self._clock()
        left, at = self._levels.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        wait = 0.0 if left >= 1 else (1 - left) / self._rate
        self._levels[key] = (left - (not wait), now)
        if len(self._levels) > self._keys:
            self._levels.popitem(last=False)
        return wait
