"""One long recording of pictures: a capture file with a session of plain rrweb, a segment every four seconds."""

import base64
import gzip
import json
import random
from pathlib import Path

APP, SESSION = "bench", "big-session"
START_MS = 1_795_230_000_000
SEGMENT_MS = 4_000
_PICTURES = 8  # of a segment
_PICTURE_BYTES = 34_000
_WORDS = 6_000  # of the page, of which some change from one segment to the next
_CHANGED = 50


def write_capture(path: Path, raw_bytes: int, seed: int) -> int:
    """Write the file; how many segments of together so many bytes there are. Three quarters of them are pictures."""
    dice = random.Random(seed)
    page = [f"{dice.choice('aeiou')}{dice.randrange(10_000)}" for _ in range(_WORDS)]
    written = number = 0
    with gzip.open(path, "wt", compresslevel=1) as file:
        while written < raw_bytes:
            body = json.dumps(_batch(number, page, dice), separators=(",", ":"))
            request = {
                "method": "POST",
                "path": "/s/",
                "raw_headers": ["Content-Type", "text/plain"],
                "t_ms": START_MS + (number + 1) * SEGMENT_MS,
                "body_b64": base64.b64encode(body.encode()).decode(),
            }
            file.write(json.dumps(request) + "\n")
            written, number = written + len(body), number + 1
    return number


def _batch(number: int, page: list[str], dice: random.Random) -> dict[str, object]:
    at_ms = START_MS + number * SEGMENT_MS
    for _ in range(_CHANGED):
        page[dice.randrange(_WORDS)] = f"n{dice.randrange(10_000)}"
    events: list[dict[str, object]] = [
        {"type": 4, "timestamp": at_ms, "data": {"href": "https://bench.example/", "width": 1280, "height": 720}},
        {"type": 2, "timestamp": at_ms, "data": {"node": _document(page), "initialOffset": {"left": 0, "top": 0}}},
    ]
    events += [
        {"type": 3, "timestamp": at_ms + (place + 1) * 400, "data": _picture(dice)} for place in range(_PICTURES)
    ]
    return {"app_id": APP, "session_id": SESSION, "window_id": "w", "events": events}


def _document(page: list[str]) -> dict[str, object]:
    texts = [
        {"type": 2, "tagName": "p", "attributes": {}, "id": 10 + 2 * place, "childNodes": [
            {"type": 3, "textContent": " ".join(page[place * 60 : place * 60 + 60]), "id": 11 + 2 * place},
        ]}
        for place in range(_WORDS // 60)
    ]  # fmt: skip
    image = {"type": 2, "tagName": "img", "attributes": {}, "childNodes": [], "id": 5}
    body = {"type": 2, "tagName": "body", "attributes": {}, "childNodes": [image, *texts], "id": 4}
    html = {"type": 2, "tagName": "html", "attributes": {}, "childNodes": [body], "id": 2}
    return {"type": 0, "childNodes": [html], "id": 1}


def _picture(dice: random.Random) -> dict[str, object]:
    source = "data:image/webp;base64," + base64.b64encode(dice.randbytes(_PICTURE_BYTES)).decode()
    changed = [{"id": 5, "attributes": {"src": source}}]
    return {"source": 0, "texts": [], "attributes": changed, "removes": [], "adds": []}
