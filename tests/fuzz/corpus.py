"""The messages that everything begins with: those of the sample recordings, small ones first."""

from pathlib import Path

import msgspec

from flows.captures import CaptureCounts, read_captures
from operators.wire.message import Message

_SAMPLES = Path(__file__).parent.parent.parent / "samples"
_LARGEST_BYTES = 200_000  # mutation works as well on small ones, and faster
_Stored = tuple[str | None, dict[str, bytes], bytes, int]


def real_messages() -> list[Message]:
    """One of each length, so that a thousand alike do not crowd out the rest."""
    paths = sorted(_SAMPLES.glob("*/*.jsonl.gz"))
    found = {
        (captured.message.type, len(captured.message.value)): captured.message
        for captured in read_captures(paths, CaptureCounts())
        if len(captured.message.value) < _LARGEST_BYTES
    }
    return sorted(found.values(), key=lambda message: len(message.value))


def stored(message: Message) -> bytes:
    return msgspec.msgpack.encode((message.type, message.headers, message.value, message.received_ms))


def restored(content: bytes) -> Message | None:
    try:
        return Message(*msgspec.msgpack.decode(content, type=_Stored))
    except msgspec.MsgspecError:
        return None
