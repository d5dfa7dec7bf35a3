"""Visits in the words of the SDKs, as capture files: requests of lines and of segments, late, doubled, disordered."""

import base64
import gzip
import json
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.oracle.visits import Event, Visit

_VITALS = ("largest_contentful_paint", "interaction_to_next_paint", "cumulative_layout_shift")
_POSTHOG_CLICKS = {"rage_click": "$rageclick", "dead_click": "$dead_click"}
_FLUSH_MS = 25_000  # an SDK holds a line back so long at most
_USERS = (("u-1", "Ann Example", "ann@example.test"), ("u-2", 'Bo "B" \\ Example', "bo@example.test"))
Json = dict[str, Any]


class Request(NamedTuple):
    received_ms: int
    path: str
    headers: list[str]
    body: bytes


def write_captures(path: Path, visits: Iterator[Visit], seed: int) -> int:
    """Write a capture file; the number of lines and segments in it."""
    requests: list[Request] = []
    count = 0
    for visit in visits:
        dice = random.Random(seed * 7_919 + visit.number)
        for event in visit.events:
            if event.kind == "segment" and (not visit.has_replay or event.more["skipped"]):
                continue
            count += 1
            request = _request(visit, event, event.sent_ms - visit.offset_ms + int(dice.uniform(0, _FLUSH_MS)), dice)
            requests += [request, request._replace(received_ms=request.received_ms + 3000)][
                : 1 + (dice.random() < 0.03)
            ]
    requests.sort()
    with gzip.open(path, "wt", compresslevel=1, encoding="utf-8") as file:
        for number, request in enumerate(requests):
            line = {
                "seq": number,
                "t_ms": request.received_ms,
                "method": "POST",
                "path": request.path,
                "raw_headers": request.headers,
                "body_b64": base64.b64encode(request.body).decode(),
            }
            file.write(json.dumps(line) + "\n")
    return count


def _request(visit: Visit, event: Event, received_ms: int, dice: random.Random) -> Request:
    if visit.dialect == "posthog":
        message = _posthog_snapshot(visit, event) if event.kind == "segment" else _posthog(visit, event)
        path = "/s/" if event.kind == "segment" else "/e/"
        return Request(received_ms, path, [], gzip.compress(json.dumps([message]).encode(), 1, mtime=0))
    family = visit.dialect.partition("-")[0]
    if event.kind == "segment":
        boundary = f"form{dice.randrange(10**9)}"
        path = "/api/v2/replay" if family == "datadog" else "/v1/write/rum/replay"
        body = _form(_segment_parts(visit, event, family), boundary)
        return Request(received_ms, path, ["content-type", f"multipart/form-data; boundary={boundary}"], body)
    if family == "datadog":
        return Request(received_ms, "/api/v2/rum?ddsource=browser", [], json.dumps(_datadog(visit, event)).encode())
    row = _guance(visit, event)
    text = json.dumps([row]) if visit.dialect == "guance-json" else _line_protocol(row)
    body, path = text.encode(), "/v1/write/rum?precision=ms"
    if dice.random() < 0.2:
        return Request(received_ms, path + "&encoding=deflate", [], zlib.compress(body, 1))
    return Request(received_ms, path, [], body)


def _ids(visit: Visit, event: Event) -> tuple[str, str, str, str]:
    """Application, session, view, and the event's own."""
    own = f"{event.kind}-{visit.number}-{event.at_ms}-{event.sent_ms}"
    return f"app-{visit.number % 5}", f"session-{visit.number:06d}", f"view-{visit.number}-{event.view}", own


def _guance(visit: Visit, event: Event) -> Json:
    app_id, session_id, view_id, own_id = _ids(visit, event)
    more = event.more
    tags: Json = {"app_id": app_id, "session_id": session_id, "view_id": view_id, "session_type": "user"}
    tags |= {
        "sdk_name": "df_web_rum_sdk",
        "sdk_version": "3.2.27",
        "env": "prod",
        "service": "a, b=c",
        "source": "browser",
    }
    tags |= {
        "view_url": f"https://s.example{event.url}",
        "view_host": "s.example",
        "view_path": event.url.partition("?")[0],
    }
    tags |= {"is_signin": "F", "userid": f"anonymous-{visit.number}", "browser": "Chrome", "screen_size": "1280*800"}
    if event.view:  # signed in on the second page
        tags |= dict(zip(("userid", "user_name", "user_email"), _USERS[visit.number % 2], strict=True), is_signin="T")
        tags["view_referrer"] = "https://s.example/before"
    fields: Json = {"view_url_query": json.dumps({"q": event.url[-3:]}), "drift": 0}
    if event.kind == "view":
        names = ("view_error_count", "view_resource_count", "view_action_count", "view_long_task_count")
        fields |= {"time_spent": event.span_ns, "is_active": True} | dict(zip(names, _counts(event), strict=True))
        fields |= dict(zip(_VITALS, _vitals(event), strict=False))
        if "segments" in more:
            fields["session_replay_stats"] = json.dumps({"segments_count": more["segments"], "records_count": 1})
        if more.get("ends"):
            fields["session_is_active"] = False
    elif event.kind == "error":
        error_type, message, stack = _error(event)
        tags |= {"error_id": own_id, "error_type": error_type, "error_source": "source"}
        fields |= {"error_message": message, "error_stack": stack}
    elif event.kind == "action":
        tags["action_type"] = "custom" if more["is_custom"] else "click"
        fields |= {"action_id": own_id, "action_frustration_types": json.dumps(more["frustrations"])}
        fields |= {"duration": event.span_ns} if event.span_ns else {}
    else:
        fields["duration"] = event.span_ns
        tags |= {f"{event.kind}_id": own_id} if more.get("has_id", True) else {"resource_method": own_id}
    return {
        "measurement": event.kind,
        "tags": tags,
        "fields": {k: v for k, v in fields.items() if v != ""},
        "time": event.at_ms,
    }


def _line_protocol(row: Json) -> str:
    def tag(text: str) -> str:
        return text.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")

    def field(value: object) -> str:
        if isinstance(value, str):
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return json.dumps(value)

    tags = "".join(
        f",{tag(name)}={tag(value).replace(chr(92) * 2, chr(92))}" for name, value in row["tags"].items() if value
    )
    fields = ",".join(f"{name}={field(value)}" for name, value in row["fields"].items())
    return f"{row['measurement']}{tags} {fields} {row['time']}"


def _datadog(visit: Visit, event: Event) -> Json:
    app_id, session_id, view_id, own_id = _ids(visit, event)
    view: Json = {
        "id": view_id,
        "url": f"https://s.example:8080{event.url}",
        "referrer": "https://s.example/before" * event.view,
    }
    found: Json = {
        "type": event.kind,
        "date": event.at_ms,
        "application": {"id": app_id},
        "session": {"id": session_id, "type": "user"},
        "view": view,
        "service": "shop",
        "source": "browser",
        "usr": {"anonymous_id": f"anonymous-{visit.number}"},
        "device": {"time_zone": "UTC"},
        "ddtags": "sdk_version:7.16.2,env:prod,service:shop",
        "_dd": {"sdk_name": "rum", "document_version": event.more.get("sent")},
    }
    if event.view:
        found["usr"] |= dict(zip(("id", "name", "email"), _USERS[visit.number % 2], strict=True))
    if event.kind == "view":
        view |= {"time_spent": event.span_ns}
        names = ("error", "resource", "action", "long_task")
        view |= {name: {"count": count} for name, count in zip(names, _counts(event), strict=True)}
        view |= dict(zip(_VITALS, _vitals(event), strict=False))
        if "segments" in event.more:
            found["_dd"]["replay_stats"] = {"segments_count": event.more["segments"], "records_count": 1}
        if event.more.get("ends"):
            found["session"]["is_active"] = False
    elif event.kind == "error":
        error_type, message, stack = _error(event)
        found["error"] = {"id": own_id, "type": error_type, "message": message, "stack": stack, "source": "source"}
    elif event.kind == "action":
        found["action"] = {"id": own_id, "type": "custom" if event.more["is_custom"] else "click"}
        found["action"] |= {"frustration": {"type": event.more["frustrations"]}}
        found["action"] |= {"loading_time": event.span_ns} if event.span_ns else {}
    else:
        found[event.kind] = {"id": own_id, "duration": event.span_ns}
    return found


def _posthog(visit: Visit, event: Event) -> Json:
    app_id, session_id, view_id, own_id = _ids(visit, event)
    properties: Json = {
        "token": app_id,
        "$session_id": session_id,
        "$pageview_id": view_id,
        "$current_url": f"https://s.example{event.url}",
        "$time": event.sent_ms / 1000 if event.kind == "view" else event.at_ms / 1000,
        "$lib": "web",
        "$lib_version": "1.300.0",
        "distinct_id": f"d-{visit.number}",
        "$is_identified": event.view > 0,
        "$browser": "Chrome",
        "$browser_version": 156,
        "$referrer": "https://s.example/before" if event.view else "$direct",
    }
    name = {"action": "$autocapture", "error": "$exception", "resource": "loaded", "long_task": "$identify"}.get(
        event.kind, ""
    )
    if event.kind == "view":
        name = "$pageleave" if event.more["sent"] else "$pageview"
        if event.more["sent"]:
            properties |= {"$prev_pageview_id": view_id, "$prev_pageview_duration": event.span_ns / 1_000_000_000}
        names = ("$web_vitals_LCP_value", "$web_vitals_INP_value", "$web_vitals_CLS_value")
        lcp, inp, cls = _vitals(event) or (None, None, None)
        if lcp is not None:
            properties |= dict(zip(names, (lcp / 1_000_000, inp / 1_000_000, cls), strict=True))
    elif event.kind == "action":
        properties |= {"$event_type": "click", "$el_text": "Buy"}
        name = next(iter(_POSTHOG_CLICKS[one] for one in event.more["frustrations"] if one in _POSTHOG_CLICKS), name)
    elif event.kind == "error":
        properties |= dict(
            zip(("$exception_type", "$exception_message", "$exception_stack_trace_raw"), _error(event), strict=True)
        )
    traits = {"name": f"Name {visit.number}", "email": f"{visit.number}@example.test"}
    return {"uuid": own_id, "event": name, "properties": properties} | ({"$set": traits} if name == "$identify" else {})


def _records(event: Event) -> list[Json]:
    times = [event.at_ms, event.at_ms + event.span_ns // 1_000_000]
    kinds: list[Json] = [{"type": 4, "data": {"href": "https://s.example/"}}]
    kinds += [{"type": 2, "data": {"node": {}}}] if event.more["has_snapshot"] else []
    kinds += [{"type": 3, "data": {"source": source}} for source in (0, 1 + event.at_ms % 7)]
    kinds += [{"type": 12, "data": [[event.at_ms % 3 * 6, 1]]}, {"type": 9, "data": {}}] if event.at_ms % 2 else []
    return [one | {"timestamp": times[number % 2]} for number, one in enumerate(kinds)]


def _segment_parts(visit: Visit, event: Event, family: str) -> dict[str, bytes]:
    app_id, session_id, view_id, _ = _ids(visit, event)
    index = event.at_ms // 1000 % 5
    header: Json = {"start": event.at_ms, "end": event.at_ms + event.span_ns // 1_000_000, "creation_reason": "init"}
    header |= {"records_count": len(_records(event)), "has_full_snapshot": event.more["has_snapshot"]}
    header |= {"index_in_view": index, "source": "browser"}
    ids = {
        "application" if family == "datadog" else "app": {"id": app_id},
        "session": {"id": session_id},
        "view": {"id": view_id},
    }
    inner = {"records": _records(event), **header, **ids} | (
        {} if family == "datadog" else {"sdk": {"name": "df_web_rum_sdk", "version": "3.2.27"}}
    )
    parts = {"segment": zlib.compress(json.dumps(inner).encode() + b"\n", 1)}
    if family == "datadog":
        return parts | {"event": json.dumps({**header, **ids}).encode()}
    flat = header | {
        "app_id": app_id,
        "session_id": session_id,
        "view_id": view_id,
        "sdk_name": "df_web_rum_sdk",
        "sdk_version": "3.2.27",
    }
    return parts | {
        name: (value if isinstance(value, str) else json.dumps(value)).encode() for name, value in flat.items()
    }


def _posthog_snapshot(visit: Visit, event: Event) -> Json:
    app_id, session_id, _, own_id = _ids(visit, event)
    properties = {
        "token": app_id,
        "$session_id": session_id,
        "$window_id": "w",
        "$lib": "web",
        "$lib_version": "1.300.0",
    }
    return {"uuid": own_id, "event": "$snapshot", "properties": properties | {"$snapshot_data": _records(event)}}


def _form(parts: dict[str, bytes], boundary: str) -> bytes:
    body = b""
    for name, value in parts.items():
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"
    return body + f"--{boundary}--\r\n".encode()


def _counts(event: Event) -> list[int]:
    counts: list[int] = event.more["counts"]
    return counts


def _vitals(event: Event) -> tuple[Any, ...]:
    vitals: tuple[Any, ...] = event.more.get("vitals", ())
    return vitals


def _error(event: Event) -> tuple[str, str, str]:
    error: tuple[str, str, str] = event.more["error"]
    return error
