"""How long every object of the lake lives: which prefixes expire after how many days, and when one object is due.

The promise: what was received on day D (UTC) under class N is gone at latest on day D + N + 2. A store counts from an
object's creation and rounds up to the next midnight UTC, so it deletes in the course of day D + N + 1.
"""

from datetime import date, timedelta

from schemas.keys import PACKS, STAGING, partition_value, replay_prefix, table_prefix
from schemas.retention import Retention
from schemas.tables import TABLES
from schemas.units import utc_day

PACK_DAYS = 2  # longer than any open session and its memo need their packs
STAGING_DAYS = 1  # what a crash left behind; what is pending is published by the next start
PROMISE_DAYS = 2  # after the class

REPLAY_TABLE = "replay_segments"  # lives as long as the blobs it points into


def expiring_prefixes(retention: Retention) -> dict[str, int]:
    """Days by prefix, for every prefix that a writer with these settings can write to, except `_job/`."""
    found = {PACKS: PACK_DAYS, STAGING: STAGING_DAYS}
    for days in retention.rum_classes():
        found |= {table_prefix(table, days): days for table in TABLES if table != REPLAY_TABLE}
    for days in retention.replay_classes():
        found |= {table_prefix(REPLAY_TABLE, days): days, replay_prefix(days): days}
    return found


def class_of(folder: str) -> int | None:
    """The days in the name of a folder or in a key (`retention=14d`), None without."""
    value = partition_value(folder, "retention")
    return int(value[:-1]) if value and value.endswith("d") and value[:-1].isdigit() else None


def due_day(key: str, modified_ms: int) -> date | None:
    """The UTC day at whose beginning an object is due to be gone; None for what never is.

    By the day in the key where there is one, because an object that was copied or made late is younger than its data.
    """
    days, day = class_of(key), partition_value(key, "dt")
    if days is not None and day is not None:
        return date.fromisoformat(day) + timedelta(days + 1)
    for prefix, lives in ((PACKS, PACK_DAYS), (STAGING, STAGING_DAYS)):
        if key.startswith(prefix):
            return date.fromisoformat(utc_day(modified_ms)) + timedelta(lives + 1)
    return None
