"""Keeps the index up with the lake, whatever happens: the newest files first, a look in between, never an end.

A look lists the lake; what is new is then taken a few files at a time, and when the next look is due in the middle of
that, it comes first. So new sessions are seen within seconds also while a large lake is read for the first time.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

import duckdb

from schemas.errors import ReplayLakeError, TryAgain
from viewer.answers import Standing
from viewer.questions import Busy
from viewer.session_index import SessionIndex

_CLEAN_AGAIN_SECONDS = 15.0  # after questions have left no moment for it; to ask for one stops them for a moment
# A look at a large lake is followed by a rest of so many times its length. But it may be slow only because of questions
# beside it, and new sessions are to be seen within seconds then too.
_REST_TIMES, _REST_SECONDS_MAX = 4, 2.0
_log = logging.getLogger("replaylake.serve")


class NotReady(TryAgain):
    """The lake could not be read yet; the message says why."""


class Follower:
    """One loop over one index. `changed()` is called, in another thread, when the index has. `now`: seconds."""

    def __init__(
        self,
        index: SessionIndex,
        refresh_seconds: float,
        now: Callable[[], float],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._index = index
        self._refresh_seconds = refresh_seconds
        self._now = now
        self._changed = changed
        self._told_version = index.version
        self._telling: asyncio.Task[None] | None = None
        self._read_at = now()
        self._look_due = 0.0  # by the loop's clock
        self._clean_due = 0.0
        self._looked = asyncio.Event()
        self._trouble = ""
        self.looks: Counter[str] = Counter()  # by outcome, `ok` or `failed`

    async def run(self) -> None:
        """Follow until cancelled. Nothing else ends it: it is the only one who would tell."""
        while True:
            try:
                more = await self._step()
                self._trouble = ""
            except ReplayLakeError as error:
                more = self._failed(str(error))
                _log.warning("cannot read the lake: %s", error)
            except (duckdb.FatalException, duckdb.InternalException) as error:
                more = self._failed(f"the index is damaged: {_line(error)}")
                _log.exception("the index is damaged and made anew")
                await asyncio.to_thread(self._renew)
            except Exception as error:  # noqa: BLE001 - supervised: told in log, health and metric, and tried again
                more = self._failed(f"{type(error).__name__}: {_line(error)}")
                _log.exception("the index cannot follow the lake")
            self._looked.set()
            await asyncio.sleep(0 if more else max(0.0, self._look_due - _clock()))

    async def ready(self) -> None:
        """Wait until there is something to answer from. Raises NotReady when the lake cannot be read."""
        await self._looked.wait()
        if self._index.version == 0 and self._trouble:
            raise NotReady(f"cannot read the lake: {self._trouble}")

    @property
    def is_ready(self) -> bool:
        return self._looked.is_set() and not self._trouble

    def standing(self) -> Standing:
        read, listed = self._index.progress
        left_out = {reason.value: count for reason, count in sorted(self._index.left_out.items())}
        status = "failing" if not self.is_ready else "ok" if self._index.is_whole else "catching up"
        return Standing(
            status=status, files_listed=listed, files_read=read, files_left_out=left_out, trouble=self._trouble
        )

    def age_seconds(self) -> float:
        """Since the lake was last listed; at first, since the start."""
        return self._now() - self._read_at

    async def _step(self) -> bool:
        """A look, if it is due, and the next few files, or some cleaning; whether more is waiting."""
        began = _clock()
        if began >= self._look_due:
            await asyncio.to_thread(self._index.look)
            self._read_at = self._now()
            ended = _clock()
            rest = min(_REST_TIMES * (ended - began), _REST_SECONDS_MAX)
            self._look_due = max(began + self._refresh_seconds, ended + rest)
            self.looks["ok"] += 1
        more = await asyncio.to_thread(self._index.take) or await self._clean()
        if self._index.version != self._told_version and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell(self._index.version))
        return more

    async def _tell(self, version: int) -> None:
        """Beside the loop: it may have to wait for questions. What fails is tried again after the next step."""
        try:
            await asyncio.to_thread(self._changed)
            self._told_version = version
        except Busy:
            return
        except Exception:  # noqa: BLE001 - as in `run`
            _log.exception("a change of the index was not passed on")

    async def _clean(self) -> bool:
        """Some cleaning, if it is due; whether there is more of it to be done at once."""
        if _clock() < self._clean_due:
            return False
        try:
            return await asyncio.to_thread(self._index.clean)
        except Busy:
            self._clean_due = _clock() + _CLEAN_AGAIN_SECONDS
            return False

    def _failed(self, trouble: str) -> bool:
        self._trouble = trouble
        self.looks["failed"] += 1
        self._look_due = _clock() + self._refresh_seconds
        return False

    def _renew(self) -> None:
        try:
            self._index.renew()
        except Exception:  # noqa: BLE001 - the next look tells, and tries again
            _log.exception("the index could not be made anew")


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:300]
