"""A lake of one big day, made by the job's own parts from the traffic of a site: 24 files a table, then compacted."""

import shutil
from datetime import date
from pathlib import Path

from bench.clones import capture_files, recordings
from bench.epochs import EpochRunner
from bench.site import Site, site_traffic
from schemas.units import MS_PER_HOUR, MS_PER_SECOND
from sinks.compact import Compacted, compact, plan
from sinks.store import LocalStore

_LINES_PER_SESSION = 80
_HOURS = 12  # the traffic of the bench begins at noon, and all of it is to be in one folder a table
_RECORDED_SHARE = 0.02


def write_day(folder: Path, lines: int, seed: int) -> Path:
    """The lake of a day with so many lines, all of one writer with 24 epochs."""
    site = Site(lines // _LINES_PER_SESSION * 24 // _HOURS, _LINES_PER_SESSION, _RECORDED_SHARE, seed=seed)
    runner = EpochRunner(folder, 1, _HOURS / 24 * MS_PER_HOUR / MS_PER_SECOND)
    for _ in runner.run(site_traffic(site, _HOURS, recordings(capture_files()))):
        pass
    shutil.rmtree(folder / "cache")
    return folder / "lake"


def compact_copy(lake: Path, copy: Path) -> Compacted:
    """A copy of the lake in which every day is compacted."""
    shutil.copytree(lake, copy)
    store = LocalStore(copy)
    today = date.min
    return compact(store, plan(store, "9999-12-31", today), "bench", today, lambda: None)
