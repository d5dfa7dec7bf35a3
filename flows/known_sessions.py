"""What a job must know of the sessions that another job has closed before it took the lake over.

Without its predecessor's state it would number the parts of a session that goes on from 0 again: two rows and two
replays with one name. So it is told the next number of every session of the last days.
"""

from collections.abc import Iterable

from lake.catalog import each_file
from operators.windows.memos import SessionKey
from operators.windows.rules import WindowRules
from schemas.units import MS_PER_DAY, US_PER_MS, utc_day
from sinks.store import ObjectStore
from sinks.table_files import decode

_DAYS = 3  # a session that goes on has been heard of: it lasts four hours at most between its rows
_COLUMNS = ["app_id", "session_id", "session_part", "start", "end"]


def known_sessions(store: ObjectStore, rules: WindowRules, now_ms: int) -> Iterable[tuple[SessionKey, int, int]]:
    """Of each session (key, number of its next part, client time in us before which things belong to it)."""
    days = utc_day(now_ms - _DAYS * MS_PER_DAY), utc_day(now_ms + MS_PER_DAY)
    last: dict[SessionKey, tuple[int, int]] = {}

    def read(key: str) -> None:
        content = decode(store.read(key), _COLUMNS, use_threads=False)
        start = content["start"].cast("int64").to_pylist()
        end = content["end"].cast("int64").to_pylist()
        ids = zip(content["app_id"].to_pylist(), content["session_id"].to_pylist(), strict=True)
        for one, part, start_us, end_us in zip(ids, content["session_part"].to_pylist(), start, end, strict=True):
            over_us = min(end_us + rules.gap_ms * US_PER_MS, start_us + rules.cap_ms * US_PER_MS)
            known = last.get(one)
            if known is None or part + 1 >= known[0]:
                last[one] = part + 1, over_us

    for _ in each_file(store, "sessions", read, days):
        pass
    return [(key, next_part, over_us) for key, (next_part, over_us) in last.items()]
