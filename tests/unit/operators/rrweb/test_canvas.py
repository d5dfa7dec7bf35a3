"""Which changes of a canvas hold its whole picture."""

from typing import Any

import pytest

from lake.notes import NoteKind, track_notes
from operators.rrweb.canvas import is_canvas_change, is_picture
from operators.rrweb.event import EventType, Source
from operators.rrweb.track import Track

BLOB = {"rr_type": "Blob", "type": "image/webp", "data": [{"rr_type": "ArrayBuffer", "base64": "UklGRg=="}]}
BITMAP = {"rr_type": "ImageBitmap", "args": [BLOB]}
CLEAR = {"property": "clearRect", "args": [0, 0, 160, 80]}
PICTURE = [CLEAR, {"property": "drawImage", "args": [BITMAP, 0, 0, 160, 80]}]


def change(commands: object) -> dict[str, Any]:
    data = {"source": int(Source.CANVAS_MUTATION), "id": 4, "type": 0, "commands": commands}
    return {"type": int(EventType.INCREMENTAL), "timestamp": 1, "data": data}


def test_a_bitmap_that_is_drawn_is_a_picture() -> None:
    assert is_canvas_change(change(PICTURE))
    assert is_picture(change(PICTURE))


@pytest.mark.parametrize(
    "commands",
    [
        pytest.param(None, id="none"),
        pytest.param([], id="empty"),
        pytest.param([CLEAR], id="cleared"),
        pytest.param([{"property": "fillRect", "args": [0, 0, 1, 1]}], id="a call of a script"),
        pytest.param(
            [{"property": "drawImage", "args": [{"rr_type": "HTMLImageElement", "src": "/a.png"}]}], id="address"
        ),
        pytest.param([{"property": "drawImage", "args": [{**BITMAP, "args": []}]}], id="no blob"),
        pytest.param([{"property": "drawImage", "args": [{**BITMAP, "args": [{**BLOB, "data": "x"}]}]}], id="no bytes"),
        pytest.param(["drawImage", 7, None], id="odd members"),
    ],
)
def test_anything_else_is_none(commands: object) -> None:
    assert not is_picture(change(commands))


def test_only_what_is_not_shown_is_told() -> None:
    calls = change([{"property": "fillRect", "args": [0, 0, 1, 1]}])
    track = Track(0, [], 1, 1, [change(PICTURE), calls, calls], {}, [])
    assert [(note.kind, note.count) for note in track_notes(track)] == [(NoteKind.CANVAS, 2)]
