"""Lines of capture files as flat attributes, parsed by a few lines of code that the project does not use."""

import base64
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

_POSTHOG_VIEWS = {"$pageview", "$pageleave", "$web_vitals"}


class WireLine(NamedTuple):
    """`attributes`: of Guance tags and fields; of the others the object as it is. `own`: (session, kind, id)."""

    family: str
    kind: str
    own: tuple[str, str, str]
    span: float  # how far a state of a view reaches
    attributes: dict[str, Any]
    time_us: int


def wire_lines(captures: Iterable[Path]) -> Iterator[WireLine]:
    """Every line received, copies included."""
    for capture in captures:
        with gzip.open(capture, "rt", encoding="utf-8") as requests:
            for request in map(json.loads, requests):
                route = request["path"].partition("?")[0]
                if request["method"] == "POST" and route in ("/v1/write/rum", "/api/v2/rum", "/e/"):
                    body = base64.b64decode(request["body_b64"])
                    compressed = body[:2] == b"\x1f\x8b" or body[:1] == b"\x78"
                    text = (zlib.decompress(body, 47) if compressed else body).decode()
                    yield from {"/v1/write/rum": _guance, "/api/v2/rum": _datadog, "/e/": _posthog}[route](text)


def _guance(text: str) -> Iterator[WireLine]:
    rows = json.loads(text) if text[:1] == "[" else _protocol_rows(text)
    for row in rows:
        kind, all_of_it = row["measurement"], row["fields"] | row["tags"]
        own = all_of_it["session_id"], kind, all_of_it[f"{kind}_id"]
        yield WireLine("guance", kind, own, all_of_it.get("time_spent", 0), all_of_it, round(row["time"] * 1000))


def _datadog(text: str) -> Iterator[WireLine]:
    for line in filter(None, text.split("\n")):
        event = json.loads(line)
        kind = event["type"]
        span = event["view"].get("time_spent", 0) + event["_dd"].get("document_version", 0) / 1000
        own = event["session"]["id"], kind, event[kind]["id"]
        yield WireLine("datadog", kind, own, span, event, event["date"] * 1000)


def _posthog(text: str) -> Iterator[WireLine]:
    events = json.loads(text)
    for event in events if isinstance(events, list) else [events]:
        properties, name = event["properties"], event["event"]
        time_us = round(properties["$time"] * 1_000_000)
        if "timestamp" in event:
            time_us = round(datetime.fromisoformat(event["timestamp"]).timestamp() * 1_000_000)
        if name in _POSTHOG_VIEWS:
            view_id = properties.get("$prev_pageview_id") if name == "$pageleave" else None
            own = properties["$session_id"], "view", view_id or properties["$pageview_id"]
            yield WireLine("posthog", "view", own, time_us, event, time_us)
        else:
            kind = "error" if name == "$exception" else "action"
            yield WireLine("posthog", kind, (properties["$session_id"], kind, event["uuid"]), 0, event, time_us)


def _protocol_rows(text: str) -> Iterator[dict[str, Any]]:
    """Line protocol, a character at a time."""
    position = 0
    while position < len(text):
        parts: list[list[str]] = [[""], [""], [""]]  # head, fields, time; each cut at its commas
        place, quoted = 0, False
        while position < len(text):
            char = text[position]
            if char == "\\":
                parts[place][-1] += text[position : position + 2]
                position += 2
                continue
            position += 1
            if char == '"' and place == 1:
                quoted = not quoted
            if char == "\n" and not quoted:
                break
            if char == " " and not quoted:
                place += 1
            elif char == "," and not quoted:
                parts[place].append("")
            else:
                parts[place][-1] += char
        if parts[0][0]:
            (measurement, *tags), fields, (time,) = parts
            yield {
                "measurement": measurement,
                "tags": {_plain(k): _plain(v) for k, v in map(_pair, tags)},
                "fields": {_plain(k): _value(v) for k, v in map(_pair, fields)},
                "time": float(time),
            }


def _pair(text: str) -> tuple[str, str]:
    position = 0
    while text[position] != "=":
        position += 2 if text[position] == "\\" else 1
    return text[:position], text[position + 1 :]


def _plain(text: str) -> str:
    for escaped in ",= ":
        text = text.replace("\\" + escaped, escaped)
    return text


def _value(text: str) -> object:
    if text.startswith('"'):
        return text[1:-1].replace("\\\\", "\0").replace('\\"', '"').replace("\0", "\\")
    return {"true": True, "false": False}[text] if text in ("true", "false") else float(text)
