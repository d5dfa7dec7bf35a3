"""How many rows a message has, found without the decoders: none of them may vanish."""

import json
from collections.abc import Sequence

import msgspec

from operators.decode import Limits, Message
from operators.inflate import inflate
from operators.line_protocol import parse_rows
from operators.unusable import Unusable
from schemas.items import Item, Rejected

_NDJSON, _ARRAYS = "datadog.rum", ("guance.rum", "rrweb")


def check_rows_sent(message: Message, results: Sequence[Item | Rejected], limits: Limits) -> None:
    """Raises AssertionError when the results are not as many as the rows, unless the message was refused whole."""
    first = results[0]
    if isinstance(first, Rejected) and first.raw == message.value:
        return
    try:
        body = inflate(message.value, limits.inflated_bytes)
    except Unusable:
        return
    start = body.lstrip()[:1]
    if message.type == _NDJSON:
        assert len(results) == sum(bool(line.strip()) for line in body.split(b"\n"))
    elif message.type in _ARRAYS and start == b"[":
        odd_records = sum(one.scan.unusable_count for one in results if isinstance(one, Item) and one.scan)
        assert len(results) - odd_records == _array_length(body)
    elif message.type == "guance.rum" and start != b"{":
        assert len(results) == _protocol_rows(body.decode(), limits.line_bytes)


def _array_length(body: bytes) -> int:
    try:
        return len(msgspec.json.decode(body, type=list[msgspec.Raw]))
    except msgspec.DecodeError:  # half of a surrogate pair, which the decoders take
        return len(json.loads(body.decode(errors="replace")))
    except RecursionError:
        return _count_by_brackets(body)


def _count_by_brackets(body: bytes) -> int:
    """The objects of an array, a character at a time: for what is nested too deeply for a decoder."""
    count = level = 0
    is_text = is_escaped = False
    for char in body.decode(errors="replace"):
        if is_text:
            is_text = char != '"' or is_escaped
            is_escaped = char == "\\" and not is_escaped
        elif char == '"':
            is_text = True
        elif char in "[{":
            level += 1
            count += level == 2
        elif char in "]}":
            level -= 1
    return count


def _protocol_rows(text: str, row_length: int) -> int:
    """The rows of a text; between and around them there are only line ends."""
    position = count = 0
    for source, _ in parse_rows(text, row_length):
        found = text.index(source, position)
        assert not text[position:found].strip("\r\n"), "text that is in no row"
        position, count = found + len(source), count + 1
    assert not text[position:].strip("\r\n"), "text that is in no row"
    return count
