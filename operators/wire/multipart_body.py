"""Parts of a multipart/form-data body, by the `multipart` library."""

import re
from collections.abc import Iterator

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from operators.native import LEAF
from operators.wire.unusable import Unusable
from schemas.items import RejectReason

_PARTS_MAX = 64  # the richest SDK sends 17
_USUAL_HEAD = re.compile(
    rb'\r\nContent-Disposition: form-data; name="([a-zA-Z0-9_.-]{1,100})"(?:; filename="[a-zA-Z0-9_.-]{0,200}")?'
    rb"(?:\r\nContent-Type: [a-z/-]{1,100})?\r\n\r\n"
)


def multipart_fields(body: bytes, content_type: str) -> dict[str, bytes]:
    """Name to content of every part. Raises Unusable."""
    try:
        media_type, options = parse_options_header(content_type)
        boundary = options.get("boundary", "")
        if media_type.lower() != "multipart/form-data" or not boundary:
            raise Unusable(RejectReason.MALFORMED_MULTIPART, f"content type {content_type[:100]!r}")
        found = _by_leaf(body, boundary) or _usual_fields(body, boundary)
        return found or dict(_parts(body, boundary))
    except (MultipartError, UnicodeError, ValueError, LookupError) as error:
        raise Unusable(RejectReason.MALFORMED_MULTIPART, str(error)[:200]) from None


def sniffed_boundary(body: bytes) -> str | None:
    """A content type made from the first line of a body that looks like multipart."""
    line, newline, _ = body[:300].partition(b"\r\n")
    if not newline or not line.startswith(b"--"):
        return None
    return f'multipart/form-data; boundary="{line[2:].decode("latin-1")}"'


def _by_leaf(body: bytes, boundary: str) -> dict[str, bytes] | None:
    """The same as `_usual_fields`, or None."""
    if LEAF is None:
        return None
    found: dict[str, bytes] | None = LEAF.module.form_fields(body, boundary.encode("ascii"), _PARTS_MAX)
    return found


def _usual_fields(body: bytes, boundary: str) -> dict[str, bytes] | None:
    """The form of a browser, with plain names, in one split; None for anything else, which the library takes."""
    line = b"\r\n--" + boundary.encode("ascii")
    before, *parts, end = (b"\r\n" + body).split(line)
    if before or end not in {b"--", b"--\r\n"} or not 0 < len(parts) <= _PARTS_MAX:
        return None
    fields = {}
    for part in parts:
        head = _USUAL_HEAD.match(part)
        if head is None:
            return None
        fields[head[1].decode()] = part[head.end() :]
    return fields


def _parts(body: bytes, boundary: str) -> Iterator[tuple[str, bytes]]:
    """The body is in memory, so the library's parser takes it at once, without a buffer for each part."""
    name, content = "", b""
    with PushMultipartParser(boundary, max_segment_count=_PARTS_MAX, strict=True) as parser:
        for event in parser.parse(body):
            if isinstance(event, MultipartSegment):
                name, content = event.name, b""
            elif event:
                content += event
            else:
                yield name, content
