"""How many rows a message has, found without the decoders: none of them may vanish."""

import json
from collections.abc import Sequence

import msgspec

from operators.families.family import Result
from operators.families.guance.line_protocol import parse_rows
from operators.wire.inflate import inflate
from operators.wire.message import Message, without_coding
from operators.wire.unusable import Limits, Unusable
from operators.wire.utf8_rows import body_text
from schemas.items import Rejected

_ENVELOPES = 6  # in each other
_NDJSON, _ARRAYS = "datadog.rum", ("guance.rum", "rrweb")


def check_rows_sent(message: Message, results: Sequence[Result], limits: Limits) -> None:
    """Raises AssertionError when the results are not as many as the rows, unless the message was refused whole."""
    first = results[0]
    if isinstance(first, Rejected) and first.raw == message.value:
        return
    try:
        body = inflate(without_coding(message, limits).value, limits.inflated_bytes)
    except Unusable:
        return
    start = body.lstrip()[:1]
    if message.type == _NDJSON:
        assert len(results) == sum(bool(line.strip()) for line in body.split(b"\n"))
    elif message.type in _ARRAYS and start == b"[":
        levels = _ENVELOPES if message.type == "rrweb" else 0
        assert len(results) == (_array_length(body, levels) or len(results))
    elif message.type == "guance.rum" and start != b"{":
        assert len(results) == _protocol_rows(body_text(body), limits.line_bytes)


def _array_length(body: bytes, levels: int) -> int | None:
    """None for a damaged array: how many rows it holds is anyone's guess. `levels`: of arrays in it that are read."""
    try:
        elements = [bytes(one) for one in msgspec.json.decode(body, type=list[msgspec.Raw])]
    except (msgspec.DecodeError, RecursionError):  # half of a surrogate pair, which the decoders take; NaN is damage
        try:
            values = json.loads(body.decode(errors="replace"), parse_constant=int)
        except (ValueError, RecursionError):
            return None
        elements = [json.dumps(one).encode() for one in values]
    rows = [_array_length(one, levels - 1) if levels and one.lstrip()[:1] == b"[" else 1 for one in elements]
    return None if None in rows else sum(one or 0 for one in rows)


def _protocol_rows(text: str, row_length: int) -> int:
    """The rows of a text; between and around them there are only line ends."""
    position = count = 0
    for source, _ in parse_rows(text, row_length):
        found = text.index(source, position)
        assert not text[position:found].strip("\r\n"), "text that is in no row"
        position, count = found + len(source), count + 1
    assert not text[position:].strip("\r\n"), "text that is in no row"
    return count
