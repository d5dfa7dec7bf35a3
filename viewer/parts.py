"""The parts of the service, put together: what a route asks. `now`: seconds."""

import asyncio
import logging
from collections.abc import Callable
from typing import Literal

import msgspec

from lake.catalog import Row
from schemas.errors import ReplayLakeError, TryAgain
from schemas.keys import FOLDERS
from sinks.store import ObjectStore
from sinks.tables import as_declared
from viewer import explorer
from viewer.access import Access
from viewer.audit import Audit
from viewer.live import Live, Opened
from viewer.options import ServeOptions
from viewer.player import Player
from viewer.session_index import SessionIndex
from viewer.session_rows import SessionRows, as_json

_REST_TIMES = 4  # a look at a large lake is followed by a rest of so many times its length
_log = logging.getLogger("replaylake.serve")


class Missing(Exception):
    """There is no such thing."""


class NotReady(TryAgain):
    """The lake could not be read yet; the message says why."""


class Found(msgspec.Struct, frozen=True):
    """A session. `closed`: its windows in the tables, first part first; `opened`: what packs have beyond these."""

    app_id: str
    session_id: str
    closed: list[Row]
    opened: Opened

    def windows(self) -> list[Row]:
        """Rows of all windows; of an open one as if it closed now, without a reason why."""
        rows = [{**window.rows()[0], "close_reason": None} for window in self.opened.windows]
        return self.closed + as_json(as_declared("sessions", rows))


class Viewer:
    """Everything that answers."""

    def __init__(
        self, store: ObjectStore, access: Access, audit: Audit, options: ServeOptions, now: Callable[[], float]
    ) -> None:
        self.store, self.access, self.audit, self.options = store, access, audit, options
        self.index = SessionIndex(store, options.scratch, options.index)
        self.rows = SessionRows(store, self.index)
        self.live = Live(store, now, options.rules)
        self.player = Player(store, self.rows)
        self._now = now
        self._read_at = now()
        self._looked = asyncio.Event()
        self._trouble = ""

    async def follow(self) -> None:
        """Keep up with the lake until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                await asyncio.to_thread(self.index.refresh)
                self._trouble = ""
                self._read_at = self._now()
            except ReplayLakeError as error:
                self._trouble = str(error)
                _log.warning("cannot read the lake: %s", error)
            self._looked.set()
            await asyncio.sleep(max(self.options.refresh_seconds, _REST_TIMES * (clock() - began)))

    async def ready(self) -> None:
        """Wait for the first look at the lake. Raises NotReady when that fails."""
        await self._looked.wait()
        if self.index.version == 0 and self._trouble:
            raise NotReady(f"cannot read the lake: {self._trouble}")

    @property
    def is_ready(self) -> bool:
        return self._looked.is_set() and not self._trouble

    def age_seconds(self) -> float:
        """Since the lake was last read; at first, since the start."""
        return self._now() - self._read_at

    def session(self, app_id: str, session_id: str) -> Found:
        """What there is of a session, in the tables and beyond. Raises Missing."""
        closed = explorer.window_rows(self.index, app_id, session_id)
        opened = self.live.opened(app_id, session_id, closed, lambda: self.rows.partition(app_id, session_id))
        if not closed and not opened.windows:
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
        self.index.close()
