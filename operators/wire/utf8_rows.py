"""Rows of a body that is to be UTF-8: a byte that is not costs its row, never the rows around it."""

import re

from operators.wire.unusable import Unusable
from schemas.items import RejectReason

_BAD_BYTE = re.compile("[\udc80-\udcff]")


def checked_utf8(row: bytes) -> bytes:
    """The row. Raises Unusable where it is not UTF-8."""
    if not row.isascii():
        try:
            row.decode()
        except UnicodeDecodeError as error:
            raise Unusable(RejectReason.INVALID_UTF8, str(error)) from None
    return row


def body_text(body: bytes) -> tuple[str, bool]:
    """(body as text to find rows in, whether it is UTF-8 throughout). A bad byte stands in it as half a surrogate."""
    try:
        return body.decode(), True
    except UnicodeDecodeError:
        return body.decode(errors="surrogateescape"), False


def row_bytes(row: str) -> bytes:
    """A row of such a text as it came."""
    return row.encode(errors="surrogateescape")


def has_bad_byte(row: str) -> bool:
    """Whether a row of such a text has a byte that is not UTF-8."""
    return not row.isascii() and _BAD_BYTE.search(row) is not None
