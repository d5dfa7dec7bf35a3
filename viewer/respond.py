"""Answers on their way out: JSON, compressed as the caller accepts it, and byte ranges of blobs."""

import gzip
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from csv import writer as csv_writer
from itertools import chain
from typing import Literal

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


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
Page = Mapping[str, object]  # a list of rows by its name, and `next`
Encoding = Literal["zstd", "gzip", "identity"]

# What never changes under its name needs no asking for so many seconds. Of a visitor it is a day, after which an
# erasure has reached the caches of those who watched; a style is a file of the site.
BLOB_CACHING = "private, max-age=86400, immutable"
STYLE_CACHING = "private, max-age=31536000, immutable"
ASK_AGAIN = "private, no-cache"  # kept by the caller, who is let in, and noted, each time


class Packed(msgspec.Struct, frozen=True):
    """JSON as it goes out. `tag`: of its content, whatever the encoding."""

    body: bytes
    encoding: Encoding
    tag: str


def json(request: Request, content: object, status: int = 200) -> Response:
    """The content as JSON."""
    body, encoding = compressed(msgspec.json.encode(content), encoding_for(request))
    return Response(body, status, encoded(encoding), "application/json")


def wants_csv(request: Request, chosen: str | None) -> bool:
    """Whether a list is asked for as CSV, by `format` or else by the header."""
    return chosen == "csv" if chosen else "text/csv" in _accepted(request.headers.get("accept", ""))


def csv(request: Request, name: str, columns: Sequence[str], found: Page) -> Response:
    """A list as a file for a spreadsheet, with a header; `X-Next` has the cursor of what comes behind it."""
    text = io.StringIO()
    writer = csv_writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[column]) for column in columns] for row in found[name])  # type: ignore[attr-defined]
    body, encoding = compressed(text.getvalue().encode(), encoding_for(request))
    headers = encoded(encoding) | {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    if found["next"] is not None:
        headers["X-Next"] = str(found["next"])
    return Response(body, 200, headers, "text/csv; charset=utf-8")


def _cell(value: object) -> object:
    """What a spreadsheet shows as it is: a text that it would take for a formula begins with an apostrophe."""
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return str(value).lower() if isinstance(value, bool) else value


def encoding_for(request: Request) -> Encoding:
    """How the caller wants an answer compressed."""
    accepted = _accepted(request.headers.get("accept-encoding", ""))
    return "zstd" if "zstd" in accepted else "gzip" if "gzip" in accepted else "identity"


def pack(content: object, encoding: Encoding) -> Packed:
    """The content, to be answered to many."""
    plain = msgspec.json.encode(content)
    return Packed(*compressed(plain, encoding), tag=f'W/"{hashlib.sha256(plain).hexdigest()[:32]}"')


def packed(request: Request, found: Packed) -> Response:
    """Such an answer, or 304 when the caller has it."""
    headers = {"ETag": found.tag, "Cache-Control": ASK_AGAIN, **encoded(found.encoding)}
    if _has(request, found.tag):
        headers.pop("Content-Encoding", None)
        return Response(b"", 304, headers)
    return Response(found.body, 200, headers, "application/json")


def encoded(encoding: Encoding) -> dict[str, str]:
    """Headers of an answer in that encoding."""
    return {"Vary": "Accept-Encoding"} | ({} if encoding == "identity" else {"Content-Encoding": encoding})


def compressed(plain: bytes, encoding: Encoding) -> tuple[bytes, Encoding]:
    """Bytes as wanted; what is small stays as it is."""
    if len(plain) < _COMPRESSED_FROM_BYTES:
        return plain, "identity"
    match encoding:
        case "zstd":
            return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(plain), encoding
        case "gzip":
            return gzip.compress(plain, _GZIP_LEVEL), encoding
        case _:
            return plain, encoding


def _has(request: Request, tag: str) -> bool:
    """Whether the caller has what bears this tag (RFC 9110, 13.1.2: compared weakly)."""
    held = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    return "*" in held or tag.removeprefix("W/") in held


def _accepted(header: str) -> set[str]:
    accepted = set()
    for one in header.split(","):
        name, _, parameters = one.partition(";")
        if parameters.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}:
            accepted.add(name.strip().lower())
    return accepted


def blob(request: Request, store: ObjectStore, key: str, size: int, tag: str, caching: str) -> Response:  # noqa: PLR0913 - what is answered, and how
    """A blob or style, or the range of it that was asked for; 304 when the caller has it. `tag` changes when it does.

    Raises ObjectMissing before the answer has begun.
    """
    headers = {"Accept-Ranges": "bytes", "ETag": f'"{tag}"', "Cache-Control": caching, "Vary": "Authorization"}
    if _has(request, headers["ETag"]):
        return Response(b"", 304, headers)
    headers["Content-Disposition"] = "attachment"
    wanted = request.headers.get("range")
    condition = request.headers.get("if-range")
    span = _span(wanted, size) if wanted and condition in (None, headers["ETag"]) else (0, size)
    if span is None:
        return Response(b"", 416, {"Content-Range": f"bytes */{size}"} | headers)
    start, end = span
    headers["Content-Length"] = str(end - start)
    if (start, end) != (0, size):
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    status = 206 if "Content-Range" in headers else 200
    if request.method == "HEAD":
        store.size(key)
        return Response(None, status, headers, "application/zstd")
    parts = _parts(store, key, start, end)
    first = next(parts, b"")
    return StreamingResponse(chain([first], parts), status, headers, "application/zstd")


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
