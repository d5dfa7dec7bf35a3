"""The parts of the service, put together: what a route asks. `now`: seconds."""

import logging
from collections.abc import Callable
from typing import Literal

import msgspec

from lake.catalog import Row
from lake.line_tables import LineTables
from schemas.errors import TryAgain
from schemas.keys import FOLDERS
from sinks.store import ObjectStore
from sinks.tables import as_declared
from viewer import explorer
from viewer.access import Access
from viewer.answers import Standing
from viewer.audit import Audit
from viewer.click_map import ClickMap
from viewer.copied_edge import CopiedEdge
from viewer.copier import Copier
from viewer.error_groups import ErrorGroups
from viewer.follower import Follower
from viewer.happened import Happened
from viewer.line_copies import LineCopies
from viewer.line_explorer import LineExplorer
from viewer.live import Live, Opened
from viewer.options import ServeOptions
from viewer.overview import Overview
from viewer.player import Player
from viewer.session_index import SessionIndex
from viewer.session_rows import SessionRows, as_json
from viewer.shared_cache import SharedCache
from viewer.source_maps import SourceMaps

_SESSIONS_MAX = 256  # whose windows are kept until the lake changes
_log = logging.getLogger("replaylake.serve")


class Missing(Exception):
    """There is no such thing."""


class NotThereYet(TryAgain):
    """There is no such session among those that were read so far, and not all were."""


class Found(msgspec.Struct, frozen=True):
    """A session. `closed`: its windows in the tables, first part first; `opened`: what packs have beyond these."""

    app_id: str
    session_id: str
    closed: list[Row]
    opened: Opened

    def windows(self) -> list[Row]:
        """Rows of all windows; of an open one as if it closed now, without a reason why."""
        if not self.opened.windows:
            return self.closed
        rows = [{**window.rows()[0], "close_reason": None} for window in self.opened.windows]
        return self.closed + as_json(as_declared("sessions", rows))


class Viewer:
    """Everything that answers."""

    def __init__(  # noqa: PLR0913 - what it is made of
        self,
        store: ObjectStore,
        access: Access,
        audit: Audit,
        options: ServeOptions,
        now: Callable[[], float],
        source_maps: ObjectStore | None = None,
    ) -> None:
        self.store, self.access, self.audit, self.options = store, access, audit, options
        self.index = SessionIndex(store, options.index_dir, options.index, options.questions)
        self.follower = Follower(self.index, options.refresh_seconds, now, self.forget_gone)
        self.tables = LineTables(store, options.reads, now, options.refresh_seconds)
        self.copies = LineCopies(options.index_dir / "lines", self.tables.scan, store.uri)
        edge = CopiedEdge(self.copies)
        self.lines = LineExplorer(self.tables.scan, self.index.questions, options.reads.scan_bytes, edge)
        self.copier = Copier(self.copies, self.index)
        self.happened = Happened(self.index, self.lines, self.copies)
        self.error_groups = ErrorGroups(self.lines, self.copies)
        self.click_map = ClickMap(self.lines)
        self.overview = Overview(self.index, self.lines, self.error_groups, self.copies)
        self.rows = SessionRows(self.tables, self.index)
        self.live = Live(store, now, options.rules)
        self.player = Player(store, self.rows)
        self.source_maps = SourceMaps(source_maps, now)
        self._windows = SharedCache[tuple[str, str, int], list[Row]](_SESSIONS_MAX, lambda _: 1)

    def standing(self) -> Standing:
        """How far the server is with the lake."""
        return self.follower.standing().model_copy(update={"copies_missing": self.copier.missing})

    def forget_gone(self) -> None:
        """Forget what was made of sessions that are gone from the index: erased or expired."""
        self._windows.drop(lambda _: True)
        held = self.player.owners()
        if held:
            self.player.forget(held - explorer.known_sessions(self.index, held), self.live.watches)

    def session(self, app_id: str, session_id: str) -> Found:
        """What there is of a session, in the tables and beyond. Raises Missing, NotThereYet."""
        key = app_id, session_id, self.index.version
        closed = self._windows.get(key, lambda: explorer.window_rows(self.index, app_id, session_id))
        opened = self.live.opened(app_id, session_id, closed, lambda: self.rows.partition(app_id, session_id))
        if not closed and not opened.windows:
            if not self.index.is_whole:
                raise NotThereYet("not among the sessions read so far; the older ones are still being read")
            raise Missing("no such session")
        return Found(app_id, session_id, closed, opened)

    def lake_state(self) -> Literal["none", "empty", "filled"]:
        """Whether there is a lake, and a session in it. Raises StoreError."""
        if explorer.apps(self.index, None):
            return "filled"
        return "none" if FOLDERS.isdisjoint(self.store.folders("")) else "empty"

    def refused(self, client: str) -> None:
        """Somebody tried to sign in with what is no token."""
        _log.warning("a sign-in from %s was refused: unknown token", client)

    def close(self) -> None:
        """Let go of the copy."""
        self.tables.close()
        self.index.close()
