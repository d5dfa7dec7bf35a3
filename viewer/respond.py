"""Answers on their way out: JSON, compressed as the caller accepts it, and byte ranges of blobs."""

import gzip
import re
from collections.abc import Iterator

import msgspec
import zstandard
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from schemas.units import KIB, MIB
from sinks.store import ObjectStore

_COMPRESSED_FROM_BYTES = 1 * KIB
_GZIP_LEVEL = 5
_ZSTD_LEVEL = 3
_READ_BYTES = 4 * MIB
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def json(request: Request, content: object, status: int = 200) -> Response:
    """The content as JSON."""
    body = msgspec.json.encode(content)
    headers = {"Vary": "Accept-Encoding"}
    if len(body) >= _COMPRESSED_FROM_BYTES:
        accepted = _accepted(request.headers.get("accept-encoding", ""))
        if "zstd" in accepted:
            body, headers["Content-Encoding"] = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body), "zstd"
        elif "gzip" in accepted:
            body, headers["Content-Encoding"] = gzip.compress(body, _GZIP_LEVEL), "gzip"
    return Response(body, status, headers, "application/json")


def _accepted(header: str) -> set[str]:
    accepted = set()
    for one in header.split(","):
        name, _, parameters = one.partition(";")
        if parameters.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}:
            accepted.add(name.strip().lower())
    return accepted


def blob(request: Request, store: ObjectStore, key: str, tag: str) -> Response:
    """A blob, or the range of it that was asked for. `tag` changes when the blob does."""
    size = store.size(key)
    headers = {"Accept-Ranges": "bytes", "ETag": f'"{tag}"', "Content-Disposition": "attachment"}
    wanted = request.headers.get("range")
    condition = request.headers.get("if-range")
    span = _span(wanted, size) if wanted and condition in (None, headers["ETag"]) else (0, size)
    if span is None:
        return Response(b"", 416, {"Content-Range": f"bytes */{size}"} | headers)
    start, end = span
    headers["Content-Length"] = str(end - start)
    if (start, end) != (0, size):
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    content = iter(()) if request.method == "HEAD" else _parts(store, key, start, end)
    status = 206 if "Content-Range" in headers else 200
    return StreamingResponse(content, status, headers, "application/zstd")


def _span(header: str, size: int) -> tuple[int, int] | None:
    """Start and end of a single range; None when it lies outside. What is no single range is not heeded (RFC 9110)."""
    found = _RANGE.fullmatch(header.strip().replace(" ", ""))
    if not found or found.groups() == ("", ""):
        return 0, size
    first, last = found.groups()
    if len(first) > 19 or len(last) > 19:
        return None
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    if last and first and int(last) < int(first):
        return 0, size
    return (start, end) if start < end else None


def _parts(store: ObjectStore, key: str, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        part = store.read_range(key, start, min(_READ_BYTES, end - start))
        if not part:
            raise OSError(f"{key!r} ended early")
        yield part
        start += len(part)
