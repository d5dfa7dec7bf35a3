"""Sessions that are still going on: what packs hold of those that somebody looks at, kept up to date while they do."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Lock

import msgspec

from lake.catalog import Row
from lake.open_packs import OpenPacks, PackLimits, Trail
from lake.open_session import OpenSession, OpenWindow
from operators.windows.rules import Window, WindowRules
from schemas.items import Item
from schemas.keys import pack_folder
from schemas.notices import Notices
from schemas.units import MIB, MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE, MS_PER_SECOND, US_PER_MS
from sinks.notices import NoticeBoard
from sinks.store import ObjectStore
from viewer.live_list import LiveList

_SESSIONS_MAX = 256
_SESSIONS_BYTES = 256 * MIB  # of bodies of lines
_REOPENS_MS = MS_PER_DAY  # after so long without anything an SDK has begun a session with another id
_BEHIND_MS = MS_PER_HOUR  # the job may be so late
_PUBLISH_MS = MS_PER_MINUTE  # from the due close until the row is seen here


class Opened(msgspec.Struct, frozen=True):
    """The windows of a session that are not in the tables yet. `is_live`: the session may go on."""

    windows: Sequence[OpenWindow] = ()
    is_live: bool = False


class _Watched(msgspec.Struct):
    """A session that somebody looks at. `found`: as of `version`."""

    trail: Trail
    session: OpenSession
    lock: Lock = msgspec.field(default_factory=Lock)
    version: object = None
    found: list[OpenWindow] = []


class Live:
    """Answers for any thread. `now`: seconds; `rules`: those of the job."""

    def __init__(self, store: ObjectStore, now: Callable[[], float], rules: WindowRules) -> None:
        self._now = now
        self._rules = rules
        wait_ms = rules.gap_ms + rules.lateness_ms + rules.settle_ms
        self._packs = OpenPacks(
            store, now, PackLimits(rules.cap_ms + wait_ms + _BEHIND_MS, wait_ms + _PUBLISH_MS, 2 * wait_ms)
        )
        self._board = NoticeBoard(store, now)
        self.list = LiveList(self._packs, now, self._look_at_notices)
        self._watched: OrderedDict[tuple[str, str], _Watched] = OrderedDict()
        self._lock = Lock()
        self._board_lock = Lock()

    def opened(
        self, app_id: str, session_id: str, closed: Sequence[Row], partition: Callable[[], str] = lambda: ""
    ) -> Opened:
        """What is open of a session. `closed`: its rows in the tables, first part first; `partition`: if they tell."""
        now_ms = self._now() * MS_PER_SECOND
        if closed and now_ms - max(_number(row["received_end"]) for row in closed) > _REOPENS_MS:
            return Opened()
        notices = self._look_at_notices()
        with self._lock:
            fresh = _Watched(Trail(app_id, session_id), OpenSession(app_id, session_id))
            watched = self._watched.setdefault((app_id, session_id), fresh)
        with watched.lock:
            if closed and not watched.trail.folder and (known := partition()):
                watched.trail.folder = pack_folder(known)
            for block in self._packs.new_blocks(watched.trail):
                watched.session.add(block)
            version = watched.session.count, [_frozen(row) for row in closed], self._board.names
            if watched.version != version:
                watched.found = self._windows(watched.session, closed, notices, (app_id, session_id))
                watched.version = version
            found = watched.found
        is_wanted = watched.session.count and (found or not notices.erase_anything)
        self._keep((app_id, session_id), watched if is_wanted else None)
        waits_ms = self._rules.lateness_ms + self._rules.settle_ms + _PUBLISH_MS
        return Opened(found, any(window.due_ms + waits_ms > now_ms for window in found))

    @property
    def watched_count(self) -> int:
        """Sessions that are kept at hand."""
        return len(self._watched)

    def watches(self, app_id: str, session_id: str) -> bool:
        """Whether somebody looks at it while it is open."""
        return (app_id, session_id) in self._watched

    def _look_at_notices(self) -> Notices:
        with self._board_lock:
            return self._board.look()

    def _windows(
        self, session: OpenSession, closed: Iterable[Row], notices: Notices, ids: tuple[str, str]
    ) -> list[OpenWindow]:
        def keep(item: Item) -> bool:
            return not notices.erases(*ids, item.received_ms)

        found = session.windows(map(_frozen, closed), self._rules, keep)
        return [window for window in found if not _is_of_erased_user(window, notices)]

    def _keep(self, key: tuple[str, str], watched: _Watched | None) -> None:
        """The one looked at last; None: forget what was never there, or was erased."""
        with self._lock:
            self._watched.pop(key, None)
            if watched is not None:
                self._watched[key] = watched
            while len(self._watched) > 1 and (
                len(self._watched) > _SESSIONS_MAX
                or sum(one.session.size_bytes for one in self._watched.values()) > _SESSIONS_BYTES
            ):
                self._watched.popitem(last=False)


def _is_of_erased_user(window: OpenWindow, notices: Notices) -> bool:
    order = window.order
    return notices.erases_user(order.app_id, order.session_id, _every_row(window), order.received_start_ms)


def _every_row(window: OpenWindow) -> Iterator[Row]:
    session, lines = window.rows()
    yield session
    yield from (line.row for line in lines)


def _frozen(row: Row) -> Window:
    """A window of the tables as the rules take it."""
    received_ms = int(_number(row["received_end"]))
    return Window(
        part=int(_number(row["session_part"])),
        start_us=round(_number(row["start"]) * US_PER_MS),
        end_us=round(_number(row["end"]) * US_PER_MS),
        activity_received_ms=received_ms,
        first_received_ms=int(_number(row["received_start"])),
        last_received_ms=received_ms,
        is_frozen=True,
        moments=[],
    )


def _number(value: object) -> float:
    return float(str(value))
