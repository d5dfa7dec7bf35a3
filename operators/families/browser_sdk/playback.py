"""Segments of Guance and Datadog as rrweb events: each view by itself, in the order of its segments."""

from collections import Counter
from collections.abc import Callable, Iterable

from operators.families.browser_sdk.records import Changes, ViewConverter
from operators.rrweb.batch import Batch, ViewEvents
from operators.rrweb.json_shape import Skip
from operators.rrweb.track import Event
from schemas.items import NOT_NUMBERED

NewChanges = Callable[[Counter[str]], Changes]


def views_of(batches: Iterable[Batch], new_changes: NewChanges | None) -> list[ViewEvents]:
    """Events by view. `new_changes`: makes the decoder of a view's Change records, where the SDK has such."""
    views: dict[str, ViewEvents] = {}
    converters: dict[str, ViewConverter] = {}
    next_index: dict[str, int] = {}
    for batch in batches:
        view = views.setdefault(batch.view_id, ViewEvents(batch.view_id, [], Counter()))
        if batch.view_id not in converters:
            changes = new_changes(view.skipped) if new_changes is not None else None
            converters[batch.view_id] = ViewConverter(view.skipped, changes)
        converter = converters[batch.view_id]
        index = batch.index_in_view
        if index != NOT_NUMBERED:
            missing = index - next_index.get(batch.view_id, index)
            if missing:
                converter.lose_context()
            view.skipped[Skip.MISSING_SEGMENT] += max(0, missing)
            next_index[batch.view_id] = index + 1
        view.skipped.update(batch.skipped)
        for record in batch.records:
            view.events.extend(converter.convert(record))
    for view in views.values():
        view.events.sort(key=_timestamp)
    return list(views.values())


def _timestamp(event: Event) -> int:
    return int(event["timestamp"])
