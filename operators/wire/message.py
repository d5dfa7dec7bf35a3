"""A message of the topic: what an SDK's request was, with the headers that say how to read it."""

import msgspec

from operators.wire.inflate import inflate, undo
from operators.wire.unusable import Limits

DECISION = "decision"  # header: JSON array of the only app and session that the message may be of


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One message as it came. Header names are lower case; `type` is the header of that name, taken out."""

    type: str | None
    headers: dict[str, bytes]
    value: bytes
    received_ms: int


def without_coding(message: Message, limits: Limits) -> Message:
    """The message without the encoding that its header `content-encoding` names. Raises Unusable.

    What an SDK compresses by itself no header names: that is seen by its first bytes, behind this.
    """
    coding = message.headers.get("content-encoding")
    if coding is None:
        return message
    headers = {name: value for name, value in message.headers.items() if name != "content-encoding"}
    value = undo(message.value, coding.decode("latin-1"), limits.inflated_bytes)
    return msgspec.structs.replace(message, headers=headers, value=value)


def inflated(message: Message, limits: Limits) -> bytes:
    """The value without what the SDK has compressed. Raises Unusable."""
    return inflate(message.value, limits.inflated_bytes)
