"""Small records, segments and pages of a recording, in the words of rrweb and of the Datadog SDK."""

import json
from typing import Any

from operators.decode import decode
from operators.replay.order import Kept
from operators.replay.scan import ReplaySegment
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item

NOW_MS = 1_795_230_000_000
HTML_ID = 2
Record = dict[str, Any]


def meta(at_ms: int = 0, **size: object) -> Record:
    data = {"href": "https://shop.example/", "width": 800, "height": 600, **size}
    return {"type": 4, "timestamp": NOW_MS + at_ms, "data": data}


def snapshot(at_ms: int = 0) -> Record:
    return {
        "type": 2,
        "timestamp": NOW_MS + at_ms,
        "data": {"node": json.loads(document(1)), "initialOffset": {"left": 0, "top": 0}},
    }


def moved(at_ms: int = 0) -> Record:
    """A click, which needs a page."""
    return {"type": 3, "timestamp": NOW_MS + at_ms, "data": {"source": 2, "type": 2, "id": HTML_ID, "x": 1, "y": 1}}


def document(depth: int) -> str:
    """A page as JSON: an element in an element, so many of them. Too deep to be made by a JSON writer."""
    element = '{"type":2,"tagName":"div","attributes":{},"id":%d,"childNodes":['
    opened = [element.replace("%d", str(HTML_ID + number)) for number in range(depth)]
    return '{"type":0,"id":1,"childNodes":[' + "".join(opened) + "]}" * (depth + 1)


def kept(position: int, segment: ReplaySegment) -> Kept:
    return Kept(position, segment)


def datadog_segment(records: list[Record], view_id: object = "v", **header: object) -> Item:
    """One replay segment of the Datadog SDK, decoded; `header` replaces what stands beside it."""
    ids = {"application": {"id": "a"}, "session": {"id": "s"}, "view": {"id": view_id}}
    times = [record["timestamp"] for record in records]
    sent = {
        "start": times[0], "end": times[-1], "records_count": len(records), "index_in_view": 0,
        "has_full_snapshot": any(one["type"] == 2 for one in records), "creation_reason": "init", **ids, **header,
    }  # fmt: skip
    body = {"records": records, **{name: value for name, value in sent.items() if name not in header}}
    message = Message("datadog.replay", {"event": json.dumps(sent).encode()}, json.dumps(body).encode(), NOW_MS)
    (item,) = (one for one in decode(message, Limits()) if isinstance(one, Item))
    return item
