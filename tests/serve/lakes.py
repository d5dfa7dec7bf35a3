"""Small lakes of made-up session rows."""

from collections.abc import Iterable, Mapping

from schemas.keys import table_key
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
