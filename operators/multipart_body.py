"""Parts of a multipart/form-data body, by the `multipart` library."""

import io

from multipart import MultipartError, MultipartParser, parse_options_header

from operators.unusable import Unusable
from schemas.items import RejectReason

_PARTS_MAX = 64  # the richest SDK sends 17


def multipart_fields(body: bytes, content_type: str) -> dict[str, bytes]:
    """Name to content of every part. Raises Unusable."""
    try:
        media_type, options = parse_options_header(content_type)
        boundary = options.get("boundary", "")
        if media_type.lower() != "multipart/form-data" or not boundary:
            raise Unusable(RejectReason.MALFORMED_MULTIPART, f"content type {content_type[:100]!r}")
        parser = MultipartParser(
            io.BytesIO(body),
            boundary,
            part_limit=_PARTS_MAX,
            spool_limit=len(body) + 1,  # the body is in memory already: nothing goes to disk
            memory_limit=len(body) + 1,
            strict=True,
        )
        return {part.name: part.raw for part in parser}
    except (MultipartError, UnicodeError, ValueError, LookupError) as error:
        raise Unusable(RejectReason.MALFORMED_MULTIPART, str(error)[:200]) from None


def sniffed_boundary(body: bytes) -> str | None:
    """A content type made from the first line of a body that looks like multipart."""
    line, newline, _ = body[:300].partition(b"\r\n")
    if not newline or not line.startswith(b"--"):
        return None
    return f'multipart/form-data; boundary="{line[2:].decode("latin-1")}"'
