"""Segments of Sentry as rrweb events: one list for each replay, over all pages of its tab."""

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from operators.families.sentry.records import CUSTOM, record_in_ms
from operators.rrweb.batch import Batch, ViewEvents
from operators.rrweb.json_shape import Skip
from operators.rrweb.track import Event
from operators.rrweb.windows import window_views
from schemas.items import NOT_NUMBERED


def replay_views(batches: Iterable[Batch]) -> list[ViewEvents]:
    """Events by replay. `batches`: in the order of their numbers."""
    return window_views(_in_ms(batches), _as_it_is)


def _as_it_is(event: Event) -> Event:
    return event


def _in_ms(batches: Iterable[Batch]) -> Iterator[Batch]:
    next_number: dict[str, int] = {}
    for batch in batches:
        skipped = Counter(batch.skipped)
        number = batch.index_in_view
        if number != NOT_NUMBERED:
            skipped[Skip.MISSING_SEGMENT] += max(0, number - next_number.get(batch.view_id, number))
            next_number[batch.view_id] = number + 1
        records = [record_in_ms(record) if isinstance(record, dict) else record for record in batch.records]
        yield msgspec.structs.replace(batch, records=_not_before(records), skipped=skipped)


def _not_before(records: list[object]) -> list[object]:
    """What the SDK tells of the past, dated at the segment's first record: else playing would begin before its picture.

    The payload says when it was.
    """
    first = min((at for one in records if (at := _time(one)) and not _is_custom(one)), default=None)
    if first is None:
        return records
    return [_at_least(one, first) for one in records]


def _at_least(record: object, first_ms: float) -> object:
    is_early = isinstance(record, dict) and _is_custom(record) and (_time(record) or first_ms) < first_ms
    return {**record, "timestamp": first_ms} if is_early and isinstance(record, dict) else record


def _is_custom(record: object) -> bool:
    return isinstance(record, dict) and record.get("type") == CUSTOM


def _time(record: object) -> float | None:
    at = record.get("timestamp") if isinstance(record, dict) else None
    return at if isinstance(at, int | float) and not isinstance(at, bool) else None
