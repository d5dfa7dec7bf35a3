"""Which sessions are going on: those that were heard of in the last two minutes, from the newest packs."""

from collections.abc import Callable, Iterable
from threading import Lock

import msgspec

from lake.catalog import Row
from lake.open_packs import OpenPacks
from operators.client.columns import fill
from operators.families.registry import line_row
from schemas.items import Client, Item, Kind
from schemas.notices import Notices
from schemas.units import MIB, MS_PER_MINUTE, MS_PER_SECOND

_HEARD_MS = 2 * MS_PER_MINUTE
_PACKS_BYTES = 16 * MIB  # read for one look
_LOOK_SECONDS = 5.0
# What every line says of its visitor, and of the page that it happened on.
_SHOWN = ("view_url", "userid", "user_name", "browser", "os", "device", "country")


class _Seen(msgspec.Struct):
    """What the newest packs hold of a session. `line`: the newest that is one; `client`: of the newest that has one."""

    received_ms: int = 0
    has_replay: bool = False
    line: Item | None = None
    client: Client | None = None
    client_ms: int = 0


class LiveList:
    """The list, for any thread. `now`: seconds; `look_at_notices`: what may not be shown."""

    def __init__(self, packs: OpenPacks, now: Callable[[], float], look_at_notices: Callable[[], Notices]) -> None:
        self._packs = packs
        self._now = now
        self._look_at_notices = look_at_notices
        self._looked_at = 0.0
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._is_whole = True
        self._lock = Lock()

    def sessions(self, apps: frozenset[str] | None, limit: int) -> tuple[list[Row], bool]:
        """Those of some apps (None: all), heard of last first; and whether that is every one."""
        with self._lock:
            if self._now() - self._looked_at > _LOOK_SECONDS:
                self._look()
                self._looked_at = self._now()
            mine = {key: seen for key, seen in self._seen.items() if apps is None or key[0] in apps}
            is_whole = self._is_whole
        notices = self._look_at_notices()
        mine = {key: seen for key, seen in mine.items() if not notices.erases(*key, seen.received_ms)}
        newest = sorted(mine.items(), key=lambda one: (-one[1].received_ms, one[0]))
        rows = [(seen, _row(*key, seen)) for key, seen in newest[:limit]]
        shown = [row for seen, row in rows if not notices.erases_user(*_ids(row), [row], seen.received_ms)]
        return shown, is_whole and len(newest) <= limit

    def _look(self) -> None:
        blocks, self._is_whole = self._packs.newest(_HEARD_MS, _PACKS_BYTES)
        since_ms = self._now() * MS_PER_SECOND - _HEARD_MS
        self._seen = {}
        for item in (entry.item for block in blocks for entry in block.entries):
            seen = self._seen.setdefault((item.app_id, item.session_id), _Seen())
            seen.received_ms = max(seen.received_ms, item.received_ms)
            seen.has_replay = seen.has_replay or item.kind == Kind.SEGMENT
            if item.kind != Kind.SEGMENT and (seen.line is None or item.received_ms >= seen.line.received_ms):
                seen.line = item
            if item.client is not None and item.received_ms >= seen.client_ms:
                seen.client, seen.client_ms = item.client, item.received_ms
        self._seen = {key: seen for key, seen in self._seen.items() if seen.received_ms >= since_ms}


def _ids(row: Row) -> tuple[str, str]:
    return str(row["app_id"]), str(row["session_id"])


def _row(app_id: str, session_id: str, seen: _Seen) -> Row:
    line = _line(seen.line)
    if seen.client is not None:
        fill(line, seen.client)
    known: Iterable[tuple[str, object]] = ((name, line.get(name)) for name in _SHOWN)
    ids: Row = {"app_id": app_id, "session_id": session_id}
    return ids | {"received_ms": seen.received_ms, "has_replay": seen.has_replay} | dict(known)


def _line(item: Item | None) -> Row:
    try:
        return {} if item is None else dict(line_row(item.family, item.body).row)
    except ValueError:
        return {}  # it goes into quarantine when its window closes
