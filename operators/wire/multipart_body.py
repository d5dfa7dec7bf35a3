"""Parts of a multipart/form-data body, by the `multipart` library."""

from collections.abc import Iterator

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from operators.wire.unusable import Unusable
from schemas.items import RejectReason

_PARTS_MAX = 64  # the richest SDK sends 17


def multipart_fields(body: bytes, content_type: str) -> dict[str, bytes]:
    """Name to content of every part. Raises Unusable."""
    try:
        media_type, options = parse_options_header(content_type)
        boundary = options.get("boundary", "")
        if media_type.lower() != "multipart/form-data" or not boundary:
            raise Unusable(RejectReason.MALFORMED_MULTIPART, f"content type {content_type[:100]!r}")
        return dict(_parts(body, boundary))
    except (MultipartError, UnicodeError, ValueError, LookupError) as error:
        raise Unusable(RejectReason.MALFORMED_MULTIPART, str(error)[:200]) from None


def sniffed_boundary(body: bytes) -> str | None:
    """A content type made from the first line of a body that looks like multipart."""
    line, newline, _ = body[:300].partition(b"\r\n")
    if not newline or not line.startswith(b"--"):
        return None
    return f'multipart/form-data; boundary="{line[2:].decode("latin-1")}"'


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
