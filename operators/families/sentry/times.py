"""Times of Sentry's SDKs: epoch seconds with a fraction, in recordings also epoch ms, in some places ISO texts."""

from datetime import UTC, datetime, timedelta

from operators.wire.unusable import Unusable, is_time_ms
from schemas.items import RejectReason
from schemas.units import MS_PER_SECOND, US_PER_MS, US_PER_SECOND

_SECONDS_MAX = 9_999_999_999  # `timestampToMs` of the SDK's replay, 7 to 11: what is larger is ms
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(stamp: float) -> float:
    """A stamp of a recording in ms. Most are ms; those of performance spans and some breadcrumbs are seconds.

    Source: `timestampToMs`, `createPerformanceSpans` and `addBreadcrumbEvent` of `@sentry/replay`.
    """
    return stamp if stamp > _SECONDS_MAX else stamp * MS_PER_SECOND


def stamp_us(value: object) -> int | None:
    """A time of an event or span, in us; None for what is no time."""
    if isinstance(value, str):
        return _iso_us(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not is_time_ms(to_ms(value)):
        return None
    return round(value * (US_PER_MS if value > _SECONDS_MAX else US_PER_SECOND))


def needed_us(name: str, value: object) -> int:
    """The same for a time that places an item. Raises Unusable."""
    found = stamp_us(value)
    if found is None:
        raise Unusable(RejectReason.INVALID_TIME, f"{name} is {value!r:.40}")
    return found


def _iso_us(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    found = (moment - _EPOCH) // timedelta(microseconds=1)
    return found if is_time_ms(found / US_PER_MS) else None
