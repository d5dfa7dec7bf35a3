"""Makes the narrow copies of lines, beside the questions: after a change of the index, the newest day first."""

import asyncio
import logging

from schemas.errors import ReplayLakeError
from viewer.line_copies import LineCopies
from viewer.session_index import SessionIndex

_AGAIN_SECONDS = 60.0  # a look lists the folders of all lines
_FIRST_SECONDS = 1.0
_log = logging.getLogger("replaylake.serve")


class Copier:
    """One loop over the copies of a lake, whose index says when there is something new."""

    def __init__(self, copies: LineCopies, index: SessionIndex) -> None:
        self._copies = copies
        self._index = index
        self._looked_version = -1
        self._has_looked = False

    @property
    def missing(self) -> int | None:
        """How many are still to be made; None: that is not known yet."""
        return self._copies.missing if self._has_looked else None

    async def run(self) -> None:
        """Copy until cancelled. What fails is told, and tried again later: without a copy a file is asked itself."""
        while True:
            try:
                await self._step()
            except (ReplayLakeError, OSError) as error:
                _log.warning("lines are not copied now: %s", error)
            except Exception:  # noqa: BLE001 - supervised: nobody waits for it
                _log.exception("lines are not copied now")
            await asyncio.sleep(_AGAIN_SECONDS if self._has_looked else _FIRST_SECONDS)

    async def _step(self) -> None:
        version = self._index.version
        if self._index.is_whole and version != self._looked_version:
            await asyncio.to_thread(self._copies.look)
            self._looked_version, self._has_looked = version, True
        while self._has_looked and await asyncio.to_thread(self._copies.make):
            pass
