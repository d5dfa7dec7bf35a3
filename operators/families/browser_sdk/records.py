"""Records of one view, as Guance and Datadog segments hold them, turned into rrweb events."""

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from operators.families.browser_sdk.trees import TreeConverter
from operators.rrweb import event as rrweb_event
from operators.rrweb.event import EventType, Source
from operators.rrweb.json_shape import (
    ShapeError,
    integer_of,
    kind_name,
    object_of,
    text_of,
    time_of,
)
from operators.rrweb.track import Event, JsonObject

_CHANGE_FORMAT = 1
_CUSTOM_TAGS = {6: "focus", 7: "view_end", 8: "visual_viewport", 9: "frustration"}
_TREE_SOURCES = range(9)  # what Guance and Datadog number like rrweb; their 9 is a pointer, rrweb's a canvas


class Changes(Protocol):
    """The decoder of a view's Change records, for SDKs that write a page as tables of changes."""

    def lose_context(self) -> None:
        """A segment of the view is missing before the next record."""

    def snapshot(self, changes: object, timestamp: int, page_url: str) -> list[Event]:
        """The events of a page that is written anew. Raises ShapeError."""

    def change(self, changes: object, timestamp: int) -> list[Event]:
        """The events of what has changed. Raises ShapeError."""


class ViewConverter:
    """Converts the records of one view, in the order of their segments."""

    def __init__(self, skipped: Counter[str], changes: Changes | None) -> None:
        self._skipped = skipped
        self._tree = TreeConverter()
        self._changes = changes
        self._page_url = ""
        self._last_change_ms = 0

    def lose_context(self) -> None:
        """A segment of the view is missing before the next record."""
        if self._changes is not None:
            self._changes.lose_context()

    def convert(self, record: object) -> Iterator[Event]:
        """The record as events, none if it cannot be used (counted)."""
        try:
            yield from self._events(object_of(record))
        except ShapeError as fault:
            self._skipped[fault.reason] += 1

    def _events(self, record: JsonObject) -> list[Event]:
        timestamp = time_of(record)
        match record.get("type"):
            case EventType.FULL_SNAPSHOT if self._changes is not None and record.get("format") == _CHANGE_FORMAT:
                return self._changes.snapshot(record.get("data"), self._in_order(timestamp), self._page_url)
            case EventType.FULL_SNAPSHOT:
                return self._tree.snapshot(object_of(record.get("data")), self._in_order(timestamp), self._page_url)
            case EventType.INCREMENTAL:
                return self._incremental(object_of(record.get("data")), timestamp)
            case EventType.META:
                data = object_of(record.get("data"))
                self._page_url = text_of(data.get("href", ""))
                return [{"type": EventType.META.value, "timestamp": timestamp, "data": data}]
            case 12 if self._changes is not None:
                return self._changes.change(record.get("data"), self._in_order(timestamp))
            case int(kind) if kind in _CUSTOM_TAGS:
                payload = object_of(record.get("data") or {})
                return [rrweb_event.custom(timestamp, _CUSTOM_TAGS[kind], payload)]
            case other:
                raise ShapeError(kind_name("record_type", other))

    def _incremental(self, data: JsonObject, timestamp: int) -> list[Event]:
        source = data.get("source")
        if source not in _TREE_SOURCES:
            raise ShapeError(kind_name("source", source))
        if source == Source.MUTATION:
            return self._tree.mutation(data, self._in_order(timestamp))
        if source == Source.INPUT:
            data = {**data, "text": data.get("text", ""), "isChecked": data.get("isChecked") is True}
            integer_of(data.get("id"))
        return [rrweb_event.incremental(timestamp, data)]

    def _in_order(self, timestamp: int) -> int:
        """Changes of the page build on each other: sorting by time must not exchange two of them."""
        self._last_change_ms = max(timestamp, self._last_change_ms)
        return self._last_change_ms
