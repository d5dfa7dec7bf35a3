"""What is kept of a session, and the records that a shard's sessions are saved in.

A record says what changed since the one before: sessions as they are now, sessions that only grew, sessions that are
gone. All of a shard's sessions are a few records of the same kind, so that restoring is one way: apply records in
order. What is written at an epoch then goes by what arrived, not by how many sessions are open.
"""

from collections.abc import Callable, Sequence

import msgspec

from operators.windows.memos import Forgotten, SessionKey
from schemas.items import CloseReason

NEVER = 1 << 62
LONG_AGO = -NEVER


class Part(msgspec.Struct, array_like=True, gc=False):
    """Memo of a closed window."""

    part: int
    revision: int
    start_us: int
    end_us: int
    activity_received_ms: int
    marker_received_ms: int
    marker_end_us: int
    first_received_ms: int
    last_received_ms: int
    is_capped: bool
    reason: CloseReason
    late_count: int
    duplicate_count: int
    moments: bytes
    cuts: list[int]


class Session(msgspec.Struct, array_like=True, gc=False):
    """One session: moments of what is not closed yet, memos of what is."""

    pending: bytearray = msgspec.field(default_factory=bytearray)
    check_at_ms: int = NEVER  # receive clock at which windows must be looked at
    arrived_ms: int = 0  # receive clock when the last item arrived
    forget_at_ms: int = NEVER
    parts: list[Part] = msgspec.field(default_factory=list)
    first_part: int = 0  # above 0 when the parts before are forgotten
    late_before_us: int = LONG_AGO  # what began before that belongs to a forgotten part


class Grown(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A session to which items came, and nothing else happened: the new end of `Session.pending`, and its times."""

    app_id: str
    session_id: str
    moments: bytearray
    check_at_ms: int
    arrived_ms: int
    forget_at_ms: int


class Record(msgspec.Struct, array_like=True, frozen=True):
    """What changed in a shard. `whole`: those that are memos come in the order in which they closed."""

    seq: int
    ordinal: int
    clock_ms: int
    gone: Sequence[SessionKey] = ()
    whole: Sequence[tuple[SessionKey, Session]] = ()
    grown: Sequence[Grown] = ()
    forgotten: Sequence[tuple[int, Forgotten]] = ()  # by the hash of their key, oldest first


encode_record: Callable[[Record], bytes] = msgspec.msgpack.Encoder().encode
decode_record: Callable[[bytes], Record] = msgspec.msgpack.Decoder(Record).decode
