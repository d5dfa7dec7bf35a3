"""A recording that attacks whoever watches it, as a capture file: scripts, handlers, addresses that call out."""

import base64
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SESSION = "hostile-<img src=x onerror=window.top.pwned=1>"
APP = "phc_hostile"
START_MS = 1_795_230_000_000
SECONDS = 20
RUN = "window.top.pwned=(window.top.pwned||0)+1"


def write_capture(path: Path, evil: str) -> None:
    """Write the capture; everything in it that can call out calls `evil`, an origin."""
    bodies = [*_lines(evil), _batch(_events(evil))]
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for number, body in enumerate(bodies):
            file.write(json.dumps(_request(number, json.dumps(body).encode())) + "\n")


def _request(number: int, body: bytes) -> dict[str, Any]:
    at_ms = START_MS + SECONDS * 1000 + number
    return {
        "seq": number, "t_ms": at_ms, "t_end_ms": at_ms, "method": "POST", "path": "/s/?ver=1", "http": "1.1",
        "raw_headers": ["content-type", "text/plain"], "body_b64": base64.b64encode(body).decode(),
        "body_len": len(body), "resp_status": 200, "resp_delay_ms": 0,
    }  # fmt: skip


def _lines(evil: str) -> list[dict[str, Any]]:
    """RUM events whose every text is markup or an address that would run."""
    common = {
        "token": APP, "$session_id": SESSION, "$window_id": "w", "distinct_id": f"</script><script>{RUN}</script>",
        "$lib": "web", "$lib_version": "1", "$current_url": f"javascript:{RUN}", "$referrer": f"javascript:{RUN}",
        "title": f"</title><script>{RUN}</script>", "$browser": f"<img src={evil}/b onerror={RUN}>",
        "$set": {"name": f"<svg onload={RUN}>"}, "custom_field": f"<iframe srcdoc='<script>{RUN}</script>'>",
        "$pageview_id": "v1",
    }  # fmt: skip
    shared = {"distinct_id": common["distinct_id"], "api_key": APP}
    return [
        {"event": name, "uuid": f"0-{place}", "timestamp": _iso(place), "properties": {**common, **own}, **shared}
        for place, (name, own) in enumerate(
            [
                ("$pageview", {}),
                ("$autocapture", {"$event_type": "click", "$el_text": f"<a href=javascript:{RUN}>x</a>"}),
                ("$exception", {"$exception_message": f"<img src={evil}/e onerror={RUN}>", "$exception_type": "<b>"}),
            ]
        )
    ]


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(START_MS / 1000 + seconds, UTC).isoformat()


def _batch(events: list[dict[str, Any]]) -> dict[str, Any]:
    properties = {"$session_id": SESSION, "$window_id": "w", "distinct_id": "d", "$lib": "web", "$lib_version": "1"}
    return {"event": "$snapshot", "api_key": APP, "properties": properties | {"$snapshot_data": events}}


def _events(evil: str) -> list[dict[str, Any]]:
    page = _Page()
    body = page.element("body", {"onload": RUN, "background": f"{evil}/background"}, *_attacks(page, evil))
    document = {"type": 0, "id": 1, "childNodes": [page.element("html", {}, _head(page, evil), body)]}
    host = body["id"]
    return [
        _event(0, 4, {"href": f"javascript:{RUN}", "width": 800, "height": 600}),
        _event(1, 2, {"node": document, "initialOffset": {"top": 0, "left": 0}}),
        _mutation(500, adds=[{"parentId": host, "nextId": None, "node": node} for node in _attacks(page, evil)]),
        _mutation(
            800,
            attributes=[
                {
                    "id": page.image,
                    "attributes": {"src": f"{evil}/changed", "onerror": RUN},
                },
                {"id": page.link, "attributes": {"href": f"javascript:{RUN}", "style": f"background:url({evil}/st)"}},
                {"id": page.frame, "attributes": {"src": f"{evil}/frame", "srcdoc": f"<script>{RUN}</script>"}},
                {"id": page.sheet, "attributes": {"rel": "stylesheet", "href": f"{evil}/changed.css"}},
            ],
        ),
        _event(900, 3, {"source": 8, "id": page.style, "adds": [{"rule": f"p{{background:url({evil}/rule)}}"}]}),
        _event(950, 3, {"source": 10, "family": "evil", "fontSource": f"url({evil}/font)", "buffer": False}),
        *(_event(1000 + 500 * n, 3, _mouse(n)) for n in range(2 * (SECONDS - 1))),
    ]


def _mouse(number: int) -> dict[str, Any]:
    return {"source": 1, "positions": [{"x": number * 5, "y": 100, "id": 1, "timeOffset": 0}]}


def _event(offset_ms: int, kind: int, data: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "timestamp": START_MS + offset_ms, "data": data}


def _mutation(offset_ms: int, **parts: list[dict[str, Any]]) -> dict[str, Any]:
    data = {"source": 0, "texts": [], "attributes": [], "removes": [], "adds": []}
    return _event(offset_ms, 3, data | parts)


def _head(page: "_Page", evil: str) -> dict[str, Any]:
    css = f"@import '{evil}/import.css'; @font-face{{font-family:evil;src:url({evil}/face)}} body{{font-family:evil;"
    css += f"background:url('{evil}/css')}} p{{background-image:image-set('{evil}/set' 1x)}}"
    style = page.element("style", {"_cssText": css})
    page.style = style["id"]
    sheet = page.element("link", {"rel": "stylesheet", "href": f"{evil}/sheet.css"})
    page.sheet = sheet["id"]
    return page.element(
        "head",
        {},
        page.element("title", {}, page.text(f"</title><script>{RUN}</script>")),
        page.element("base", {"href": f"{evil}/base/"}),
        page.element("meta", {"http-equiv": "refresh", "content": f"0;url={evil}/refresh"}),
        page.element("link", {"rel": "prefetch", "href": f"{evil}/prefetch"}),
        page.element("link", {"rel": "dns-prefetch", "href": evil}),
        page.element("link", {"rel": "preconnect", "href": evil}),
        page.element("link", {"rel": "icon", "href": f"{evil}/icon"}),
        page.element("script", {"src": f"{evil}/script.js"}),
        page.element("script", {}, page.text(RUN)),
        sheet,
        style,
    )


def _attacks(page: "_Page", evil: str) -> list[dict[str, Any]]:
    image = page.element("img", {"src": f"{evil}/image", "onerror": RUN, "onload": RUN})
    link = page.element("a", {"href": f"javascript:{RUN}", "onclick": RUN, "ping": f"{evil}/ping"}, page.text("a link"))
    frame = page.element("iframe", {"src": f"javascript:{RUN}", "srcdoc": f"<script>{RUN}</script>"})
    page.image, page.link, page.frame = image["id"], link["id"], frame["id"]
    return [
        page.element("p", {"style": f"background-image:url({evil}/style)"}, page.text("seen by the watcher")),
        image,
        link,
        frame,
        page.element("iframe", {"src": f"{evil}/iframe"}),
        page.element("img", {"srcset": f"{evil}/srcset 1x"}),
        page.element("picture", {}, page.element("source", {"srcset": f"{evil}/source"}), page.element("img", {})),
        page.element("video", {"src": f"{evil}/video", "poster": f"{evil}/poster", "autoplay": ""}),
        page.element("audio", {"src": f"{evil}/audio", "autoplay": ""}),
        page.element("object", {"data": f"{evil}/object"}),
        page.element("embed", {"src": f"{evil}/embed"}),
        page.element("input", {"type": "image", "src": f"{evil}/input"}),
        page.element("details", {"open": "", "ontoggle": RUN}, page.text("x")),
        page.element("input", {"autofocus": "", "onfocus": RUN}),
        page.element("script", {}, page.text(RUN)),
        page.element("noscript", {}, page.element("img", {"src": f"{evil}/noscript"})),
        page.element(
            "form", {"action": f"{evil}/form", "method": "post"}, page.element("button", {"formaction": f"{evil}/f"})
        ),
        page.vector("image", {"xlink:href": f"{evil}/svg", "href": f"{evil}/svg2"}),
        page.vector("use", {"href": f"{evil}/use#x"}),
        page.vector("rect", {"fill": f"url({evil}/fill#f)", "width": "10", "height": "10", "onload": RUN}),
        page.vector("animate", {"onbegin": RUN, "attributeName": "x", "dur": "1s"}),
    ]


class _Page:
    """Nodes with ids of their own; remembers those that the recording changes later."""

    image = link = frame = style = sheet = 0

    def __init__(self) -> None:
        self._last = 1

    def element(self, tag: str, attributes: dict[str, Any], *children: dict[str, Any]) -> dict[str, Any]:
        return self._node({"type": 2, "tagName": tag, "attributes": attributes, "childNodes": list(children)})

    def vector(self, tag: str, attributes: dict[str, Any]) -> dict[str, Any]:
        inner = self._node({"type": 2, "tagName": tag, "attributes": attributes, "childNodes": [], "isSVG": True})
        return self._node({"type": 2, "tagName": "svg", "attributes": {}, "childNodes": [inner], "isSVG": True})

    def text(self, content: str) -> dict[str, Any]:
        return self._node({"type": 3, "textContent": content})

    def _node(self, node: dict[str, Any]) -> dict[str, Any]:
        self._last += 1
        return node | {"id": self._last}
