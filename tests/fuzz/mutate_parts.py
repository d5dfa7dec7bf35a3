"""Changes to a multipart body as a form: its parts, what is in them, its boundary; or its parts as headers."""

import random
import re
from collections.abc import Callable

import msgspec

from operators.wire.message import Message

Change = Callable[[bytes], bytes]

_NAME = re.compile(rb'name="([^"]*)"')
_END = b"\r\n"
_BOUNDARIES = (b"", b"--", b"x" * 71, b"\xff", b'"', b"a b")


def is_form(message: Message) -> bool:
    return message.value.startswith(b"--") and _END in message.value


def with_parts(message: Message, change: Change, chance: random.Random) -> Message:
    """A form with one part, or the form itself, changed. `change` is done to a part's content."""
    boundary, _, _ = message.value.partition(_END)
    parts = message.value.split(boundary)[1:-1]
    if not parts:
        return msgspec.structs.replace(message, value=change(message.value))
    at = 0 if chance.random() < 0.4 else chance.randrange(len(parts))  # the segment is first
    match chance.randrange(12):
        case 0:
            del parts[at]
        case 1:
            parts.insert(chance.randrange(len(parts)), parts[at])
        case 2:
            return _as_headers(message, parts, chance)
        case 3:
            return msgspec.structs.replace(message, value=message.value.replace(boundary, chance.choice(_BOUNDARIES)))
        case 4:
            head, gap, content = parts[at].partition(_END * 2)
            parts[at] = change(head) + gap + content
        case _:
            head, gap, content = parts[at].partition(_END * 2)
            parts[at] = head + gap + change(content.removesuffix(_END)) + _END
    return msgspec.structs.replace(message, value=b"".join(boundary + part for part in parts) + boundary + b"--\r\n")


def _as_headers(message: Message, parts: list[bytes], chance: random.Random) -> Message:
    """As a proxy would hand it on: the fields as headers, the segment as the value; sometimes without the fields."""
    headers: dict[str, bytes] = {}
    value = b""
    for part in parts:
        head, _, content = part.partition(_END * 2)
        found = _NAME.search(head)
        name = found[1].decode(errors="replace") if found else ""
        if name == "segment":
            value = content.removesuffix(_END)
        else:
            headers[name] = content.removesuffix(_END)
    kind = chance.choice((message.type, message.type, None))
    return Message(kind, headers if chance.random() < 0.7 else {}, value, message.received_ms)
