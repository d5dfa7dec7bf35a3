"""Beside the engine: a line about the job's state every minute, and the end of a process whose engine stands still."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flows.logs import LOGGER
from flows.metrics import JobMetrics
from flows.seldom import Seldom
from flows.settings import HttpSettings, RunSettings
from flows.stopping import stop_requested

_LOOK_SECONDS = 1.0
_STOP_SECONDS = 30.0  # after a stop was asked for, so long without progress is the end
_FAILED = 1

_log = logging.getLogger(LOGGER)


@contextmanager
def watched(metrics: JobMetrics, run: RunSettings, http: HttpSettings) -> Iterator[None]:
    """While the block lasts, log the state of the job, and end the process when it makes no progress.

    Once a minute a warning names partitions that have been waited for in vain for `http.ready_seconds`.

    Progress is a look at the input or a call to the store. The engine itself parks until a time of the wall clock, so a
    clock that is set back stops it for as long; nothing but a new process helps then. Time is counted in looks of this
    thread, so a process that was suspended has not stood still.
    """
    ended = threading.Event()
    thread = threading.Thread(
        target=_watch, args=(metrics, run, http.ready_seconds, ended), name="job-watch", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _watch(metrics: JobMetrics, run: RunSettings, ready_seconds: float, ended: threading.Event) -> None:
    seldom = Seldom()
    signs, still, since_status = metrics.signs_of_life(), 0.0, 0.0
    while not ended.wait(_LOOK_SECONDS):
        now = metrics.signs_of_life()
        still = 0.0 if now != signs or not metrics.readers else still + _LOOK_SECONDS
        signs = now
        limit = min(run.watchdog_seconds, _STOP_SECONDS) if stop_requested() else run.watchdog_seconds
        if still >= limit:
            _log.critical(
                "run.watchdog_seconds: no look at the input and no call to the store for %.0f s: the engine stands "
                "still, as after a clock that was set back. This process ends; nothing is lost, start it again", still,
            )  # fmt: skip
            logging.shutdown()
            os._exit(_FAILED)
        waits = metrics.waits(ready_seconds)
        if waits and seldom.may("waits"):
            _log.warning(
                "nothing comes of %s, though it is not read to its end or nobody answers for it; until then sessions "
                "stay open: has it a leader?",
                ", ".join(
                    f"topic {topic} partition {number} ({waited:.0f} s)" for (topic, number), waited in waits.items()
                ),
            )
        since_status += _LOOK_SECONDS
        if run.status_seconds and since_status >= run.status_seconds:
            since_status = 0.0
            _log.info("%s", metrics.status())
