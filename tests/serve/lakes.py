"""Small lakes of made-up session rows, and packs of sessions that are not closed."""

from collections.abc import Iterable, Mapping, Sequence

from operators.decode import decode
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item
from schemas.keys import pack_key, table_key
from schemas.pack import PackEntry, encode_pack
from schemas.units import US_PER_MS
from sinks.store import ObjectStore
from sinks.tables import encode_rows
from tests.required_columns import required

DAY = "2026-11-20"
START_MS = 1_795_132_800_000


def session(**given: object) -> dict[str, object]:
    """A row of the sessions table; what is not given is usual."""
    start_us = START_MS * US_PER_MS
    times = dict.fromkeys(("start", "end", "received_start", "received_end"), start_us)
    return {
        **required("sessions"), "app_id": "shop", "session_id": "s", "session_part": 0, "revision": 0, **times,
        **given,
    }  # fmt: skip


def write_sessions(store: ObjectStore, name: str, rows: Iterable[Mapping[str, object]], days: int = 14) -> str:
    """One file of the sessions table; its key."""
    key = table_key("sessions", days, DAY, name)
    store.put({key: encode_rows("sessions", [session(**row) for row in rows])})
    return key


def items_of(message: Message) -> list[Item]:
    """What a message holds; it is a good one."""
    items = decode(message, Limits())
    assert all(isinstance(item, Item) for item in items)
    return [item for item in items if isinstance(item, Item)]


def pack_of(seq: int, messages: Sequence[Message]) -> tuple[str, bytes]:
    """Key and content of the pack that a job writes when these come in one epoch."""
    sessions: dict[tuple[str, str], list[PackEntry]] = {}
    for offset, message in enumerate(messages):
        for item in items_of(message):
            own = sessions.setdefault((item.app_id, item.session_id), [])
            own.append(PackEntry(len(own), "rum", seq * 1_000_000 + offset, item))
    return pack_key("0000", seq, 0, "test"), encode_pack(sessions)[0]
