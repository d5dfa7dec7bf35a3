"""Capture files as text tables in DuckDB: transport undone (gzip, base64, zlib, multipart), nothing understood.

Shares no code with the project. Three tables: `bodies` of lines as the SDK wrote them, `segments` of inflated replay
JSON, `messages` of rrweb and PostHog, one element each.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb

_ANY_FORMAT = 32 + zlib.MAX_WBITS  # zlib or gzip, by its header
_LINES = {"/v1/write/rum": "guance", "/api/v2/rum": "datadog"}
_REPLAY = {"/v1/write/rum/replay": "guance", "/api/v2/replay": "datadog"}
_MESSAGES = {"/s/", "/e/"}
_BATCH = 2000

Text = tuple[str, int, int, str]  # family, receive time in ms, arrival, text


def load(connection: duckdb.DuckDBPyConnection, captures: Iterable[Path]) -> None:
    """Fill the three tables from capture files."""
    tables: dict[str, list[Text]] = {"bodies": [], "segments": [], "messages": []}
    for table in tables:
        connection.execute(f"create table {table} (family text, received_ms bigint, arrival bigint, text text)")
    arrival = 0
    for capture in captures:
        for table, family, received_ms, text in _texts(capture):
            tables[table].append((family, received_ms, arrival, text))
            arrival += 1
            if len(tables[table]) >= _BATCH:
                _insert(connection, table, tables[table])
    for table, rows in tables.items():
        _insert(connection, table, rows)


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[Text]) -> None:
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        connection.execute(f"insert into {table} select unnest(?), unnest(?), unnest(?), unnest(?)", columns)
        rows.clear()


def _texts(capture: Path) -> Iterator[tuple[str, str, int, str]]:
    with gzip.open(capture, "rt", encoding="utf-8") as lines:
        for request in map(json.loads, lines):
            route = request["path"].partition("?")[0]
            if request["method"] != "POST":
                continue
            received_ms = int(request["t_ms"] + request.get("clock_offset_ms", 0))
            body = base64.b64decode(request["body_b64"])
            if route in _LINES:
                yield "bodies", _LINES[route], received_ms, _inflated(body).decode()
            elif route in _REPLAY:
                yield "segments", _REPLAY[route], received_ms, _segment(request, body)
            elif route in _MESSAGES:
                for message in _elements(_inflated(body).decode()):
                    yield "messages", "rrweb", received_ms, message


def _inflated(body: bytes) -> bytes:
    return zlib.decompress(body, _ANY_FORMAT) if body[:2] == b"\x1f\x8b" or body[:1] == b"\x78" else body


def _segment(request: dict[str, Any], body: bytes) -> str:
    names = [name.lower() for name in request["raw_headers"][::2]]
    headers = dict(zip(names, request["raw_headers"][1::2], strict=True))
    boundary = headers["content-type"].partition("boundary=")[2].strip('"')
    for part in body.split(b"--" + boundary.encode()):
        head, _, content = part.partition(b"\r\n\r\n")
        if b'name="segment"' in head:
            return zlib.decompressobj().decompress(content).decode()
    raise AssertionError("a replay request without a segment")


def _elements(text: str) -> Iterator[str]:
    """The elements of a JSON array, each exactly as it was written; or the one object."""
    if not text.startswith("["):
        yield text
        return
    decoder, position = json.JSONDecoder(), 1
    while text[position] != "]":
        _, end = decoder.raw_decode(text, position)
        yield text[position:end]
        position = end + (text[end] == ",")
