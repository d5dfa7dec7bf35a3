"""Units of time and size, and the only places where they meet.

Client times are epoch **microseconds** (`_us`), receive times epoch **milliseconds** (`_ms`), durations in tables
nanoseconds (`_ns`). SDKs send epoch milliseconds and nanosecond durations; they are converted once, in decode.
"""

from datetime import date, timedelta
from functools import lru_cache

MS_PER_SECOND = 1_000
MS_PER_MINUTE = 60 * MS_PER_SECOND
MS_PER_HOUR = 60 * MS_PER_MINUTE
MS_PER_DAY = 24 * MS_PER_HOUR
US_PER_MS = 1_000
US_PER_SECOND = 1_000_000
NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_SECOND = 1_000_000_000

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


def utc_day(epoch_ms: int) -> str:
    """The UTC day of an epoch time in ms, as `YYYY-MM-DD`."""
    return _day(epoch_ms // MS_PER_DAY)


@lru_cache(4096)
def _day(number: int) -> str:
    return (date(1970, 1, 1) + timedelta(number)).isoformat()
