"""The same lines as different SDKs send them: what a form's lines are made of, and how many make a request.

A template is a recorded line with holes for ids and times; what is filled in is the same for every form.
"""

import gzip
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from flows.captures import CaptureCounts, read_captures
from operators.decode import decode
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item, Kind

SAMPLES = Path(__file__).parent.parent / "samples"
LINE_KINDS = (Kind.VIEW, Kind.ACTION, Kind.ERROR, Kind.RESOURCE, Kind.LONG_TASK)
JSON = "JSON"
_OWN_ID = {Kind.ERROR: "error_id", Kind.RESOURCE: "resource_id", Kind.LONG_TASK: "long_task_id"}
_NUMBERS = re.compile(rb'"%\((?:time|spent)\)d"|"%\(seconds\)\.3f"')
_LINES_A_BATCH = 10
# `\s` of JavaScript, and what else the SDK escapes in a tag; of a real line only the space is ever there.
_ESCAPED = re.compile(r'[\s\ufeff=,"]')


class Form(msgspec.Struct, frozen=True):
    """How an SDK sends lines. `join`: lines as one request's body; `coding`: of that, said in a header."""

    capture: str
    template: Callable[[Kind, dict[str, Any]], bytes]
    join: Callable[[Sequence[bytes]], bytes]
    lines: int = _LINES_A_BATCH  # a request, at most
    coding: str = ""


def _guance(kind: Kind, line: dict[str, Any]) -> dict[str, Any]:
    tags, fields = line["tags"], line["fields"]
    tags |= {"app_id": "%(app)b", "session_id": "%(session)b", "view_id": "%(view)b", "userid": "%(user)b"}
    line["time"] = "%(time)d"
    if kind is Kind.VIEW:
        fields["time_spent"] = "%(spent)d"
    elif kind is Kind.ACTION:
        fields["action_id"] = "%(line)b"
    else:
        tags[_OWN_ID[kind]] = "%(line)b"
    return line


def _guance_json(kind: Kind, line: dict[str, Any]) -> bytes:
    return _with_holes(msgspec.json.encode(_guance(kind, line)))


def _line_protocol(kind: Kind, line: dict[str, Any]) -> bytes:
    """As datakit-js writes it: tests/property/sdk_writer.py has its functions word for word."""
    _guance(kind, line)
    tags = ",".join(f"{_key(name)}={_key(value)}" for name, value in line["tags"].items() if value)
    fields = ",".join(f"{_key(name)}={_field(value)}" for name, value in line["fields"].items())
    return _with_holes(f"{line['measurement']},{tags} {fields} ".encode() + b'"%(time)d"')


def _key(text: str) -> str:
    return _ESCAPED.sub(lambda found: f"\\{found[0]}", text)


def _field(value: object) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return msgspec.json.encode(value).decode()


def _datadog(kind: Kind, event: dict[str, Any]) -> bytes:
    event["application"]["id"], event["session"]["id"] = "%(app)b", "%(session)b"
    event["view"]["id"], event["date"] = "%(view)b", "%(time)d"
    event.setdefault("usr", {})["id"] = "%(user)b"
    if kind is Kind.VIEW:
        event["view"]["time_spent"] = event["_dd"]["document_version"] = "%(spent)d"  # both only grow
    else:
        event[event["type"]]["id"] = "%(line)b"
    return _with_holes(msgspec.json.encode(event))


def _posthog(_kind: Kind, event: dict[str, Any]) -> bytes:
    event["uuid"], event["timestamp"] = "%(line)b", "%(iso)b"
    event["properties"] |= {
        "token": "%(app)b", "$session_id": "%(session)b", "$pageview_id": "%(view)b", "distinct_id": "%(user)b",
        "$time": "%(seconds).3f",
    }  # fmt: skip
    return _with_holes(msgspec.json.encode(event))


def _with_holes(text: bytes) -> bytes:
    """What was a percent sign stays one, and holes for numbers lose their quotes."""
    text = re.sub(rb"%(?!\((?:app|session|view|line|user|iso|time|spent|seconds)\))", b"%%", text)
    return _NUMBERS.sub(lambda found: found[0].strip(b'"'), text)


def _deflated(lines: Sequence[bytes]) -> bytes:
    return zlib.compress(b"\n".join(lines))


def _gzipped(lines: Sequence[bytes]) -> bytes:
    return gzip.compress(b"[%b]" % b",".join(lines), mtime=0)


FORMS: Mapping[str, Form] = {
    JSON: Form("guance/gc-spa-json", _guance_json, lambda lines: lines[0], lines=1),
    "line protocol": Form("guance/gc-spa-json", _line_protocol, b"\n".join),
    "Datadog": Form("datadog/dd-shop", _datadog, b"\n".join),
    "Datadog, deflated": Form("datadog/dd-shop", _datadog, _deflated, coding="deflate"),
    "PostHog": Form("rrweb/ph-shop", _posthog, _gzipped),
}


class Recorded(msgspec.Struct, frozen=True):
    """What a capture gives to a form. `headers`: of a message; a lone JSON line has none."""

    type: bytes
    headers: dict[str, bytes]
    templates: Mapping[Kind, list[bytes]]


@cache
def recorded(name: str) -> Recorded:
    """Every line of one real session, by kind; for a kind that an SDK has not, one of its actions."""
    form = FORMS[name]
    found: dict[Kind, list[bytes]] = {kind: [] for kind in LINE_KINDS}
    last: Message | None = None
    for captured in read_captures([SAMPLES / f"{form.capture}.jsonl.gz"], CaptureCounts()):
        for item in decode(captured.message, Limits()):
            if isinstance(item, Item) and item.kind in found:
                last = captured.message
                kind = Kind(item.kind)
                found[kind].append(form.template(kind, msgspec.json.decode(item.body)))
    if last is None:
        raise RuntimeError(f"{form.capture} has no lines")
    headers = {} if form.lines == 1 else last.headers
    coding = {"content-encoding": form.coding.encode()} if form.coding else {}
    templates = {kind: made or found[Kind.ACTION] for kind, made in found.items()}
    return Recorded((last.type or "").encode(), {**headers, **coding}, templates)
