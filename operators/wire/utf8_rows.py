"""Rows of a body that is to be UTF-8: a byte that is not costs its row, never the rows around it."""

from operators.wire.unusable import Unusable
from schemas.items import RejectReason


def checked_utf8(row: bytes) -> bytes:
    """The row. Raises Unusable where it is not UTF-8."""
    if not row.isascii():
        try:
            row.decode()
        except UnicodeDecodeError as error:
            raise Unusable(RejectReason.INVALID_UTF8, str(error)) from None
    return row


def body_text(body: bytes) -> str:
    """A body as text to find rows in. A byte that is not UTF-8 stands in it as half a surrogate."""
    return body.decode(errors="surrogateescape")


def row_bytes(row: str) -> bytes:
    """A row of such a text as it came."""
    return row.encode(errors="surrogateescape")
