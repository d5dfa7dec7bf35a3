"""Numbers and builders of rrweb events; Guance's and Datadog's tree records share them up to source 8."""

from collections.abc import Iterable, Sequence
from enum import IntEnum

from operators.rrweb.track import Event, JsonObject


class EventType(IntEnum):
    """What an event is."""

    DOM_CONTENT_LOADED = 0
    LOAD = 1
    FULL_SNAPSHOT = 2
    INCREMENTAL = 3
    META = 4
    CUSTOM = 5
    PLUGIN = 6


class Source(IntEnum):
    """What an incremental event tells."""

    MUTATION = 0
    MOUSE_MOVE = 1
    MOUSE_INTERACTION = 2
    SCROLL = 3
    VIEWPORT_RESIZE = 4
    INPUT = 5
    TOUCH_MOVE = 6
    MEDIA_INTERACTION = 7
    STYLE_SHEET_RULE = 8
    CANVAS_MUTATION = 9
    FONT = 10
    LOG = 11
    DRAG = 12
    STYLE_DECLARATION = 13
    SELECTION = 14
    ADOPTED_STYLE_SHEET = 15
    CUSTOM_ELEMENT = 16


def incremental(timestamp: int, data: JsonObject) -> Event:
    return {"type": EventType.INCREMENTAL.value, "timestamp": timestamp, "data": data}


def full_snapshot(timestamp: int, node: JsonObject, initial_offset: JsonObject) -> Event:
    data = {"node": node, "initialOffset": initial_offset}
    return {"type": EventType.FULL_SNAPSHOT.value, "timestamp": timestamp, "data": data}


def custom(timestamp: int, tag: str, payload: JsonObject) -> Event:
    return {"type": EventType.CUSTOM.value, "timestamp": timestamp, "data": {"tag": tag, "payload": payload}}


def adopt(timestamp: int, host_id: int, sheets: Iterable[tuple[int, Sequence[str]]]) -> Event:
    """The event by which a document or shadow root takes constructed style sheets, given as (id, rules)."""
    styles = [
        {"styleId": style_id, "rules": [{"rule": rule, "index": index} for index, rule in enumerate(rules)]}
        for style_id, rules in sheets
    ]
    style_ids = [style["styleId"] for style in styles]
    data = {"source": Source.ADOPTED_STYLE_SHEET.value, "id": host_id, "styleIds": style_ids, "styles": styles}
    return incremental(timestamp, data)
