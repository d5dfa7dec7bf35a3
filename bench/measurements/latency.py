"""From the moment a session's close is due to the moment its row can be read."""

import tempfile
import time
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq

from bench.job import Job
from bench.options import Options
from bench.results import Figure, figure
from bench.topic import Topic
from bench.watching import Visitors, Watched
from flows.demo.servers import start_broker
from operators.windows.rules import WindowRules
from schemas.units import MS_PER_SECOND

ABOUT = (
    "`replaylake run` under steady traffic of short sessions, with a gap of 3 s and a lateness of 1 s instead of 15 "
    "min and 60 s. A close is due when the receive clock has passed the session's last line by both; its row is "
    "readable when the Parquet file has its final name, and blobs get theirs before. Between the two lie the rest of "
    "the epoch, its commit, and the first batch of the next one. Beside it recorded visits send a segment five times a "
    "second, and somebody watches them while they last, with what `replaylake serve` does for that, which looks for "
    "new packs once a second: from sending a segment until it can be played."
)
_CLOSED, _LIVE = "due to readable", "a segment of an open session, sent to readable"
_Round = tuple[int, list[float]]  # seconds of an epoch; waits in seconds, ascending
_GAP_MS, _LATENESS_MS = 3_000, 1_000
_RATE = 100  # sessions a second, of one line each
_RULES = WindowRules(gap_ms=_GAP_MS, lateness_ms=_LATENESS_MS, settle_ms=0)
_SETTINGS = {
    "REPLAYLAKE_SESSIONS__GAP_SECONDS": "3",
    "REPLAYLAKE_SESSIONS__LATENESS_SECONDS": "1",
    "REPLAYLAKE_SESSIONS__SETTLE_SECONDS": "0",
    "REPLAYLAKE_LOG__LEVEL": "warning",
}


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """p50 and p99 in epochs and in seconds."""
    rounds: dict[str, list[_Round]] = {_CLOSED: [], _LIVE: []}
    for _ in range(options.rounds):
        for epoch in (1, 5, 10) if options.full else (1, 5):
            closed, live = _waits(epoch)
            rounds[_CLOSED].append((epoch, sorted(closed)))
            rounds[_LIVE].append((epoch, sorted(live)))
    parameters: dict[str, str | float] = {"sessions a second": _RATE, "partitions": 1}
    figures = [_figure(name, unit, found) for name, found in rounds.items() for unit in ("epochs", "s")]
    return parameters, figures


def _figure(name: str, unit: str, rounds: list[_Round]) -> Figure:
    found: dict[str, list[float]] = defaultdict(list)
    for epoch, waited in rounds:
        for percentile, share in (("p50", 0.5), ("p99", 0.99)):
            seconds = waited[int(share * (len(waited) - 1))]
            found[f"{percentile}, epochs of {epoch} s"].append(seconds / epoch if unit == "epochs" else seconds)
    return figure(name, unit, "p50, epochs of 1 s", found)


def _waits(epoch_seconds: int) -> tuple[list[float], list[float]]:
    """Seconds from due to readable of every session of a run that is past its start; from sent to readable of segments
    of sessions that go on.
    """
    with start_broker() as broker, tempfile.TemporaryDirectory(prefix="replaylake-bench-") as folder:
        broker.create_topic("latency", 1)
        topic = Topic(broker.bootstrap, "latency", [0])
        settings = {**_SETTINGS, "REPLAYLAKE_RUN__EPOCH_SECONDS": str(epoch_seconds)}
        with Job(topic, Path(folder), settings) as job:
            job.wait(job.is_ready, 60)
            visitors = Visitors(broker.bootstrap, "latency", _RATE)
            watched = Watched(broker.bootstrap, "latency", Path(folder) / "lake", _RULES)
            time.sleep(max(15, 6 * epoch_seconds) + (_GAP_MS + _LATENESS_MS) / MS_PER_SECOND)
            due_at = {one: (ms + _GAP_MS + _LATENESS_MS) / MS_PER_SECOND for one, ms in visitors.sent_ms.items()}
            last_due = time.time() - 3 * epoch_seconds  # what became due later may not be readable yet
            readable_at = _readable(Path(folder) / "lake")
            visitors.stop()
            watched.stop()
            job.kill()
    known = sorted(due_at.items(), key=lambda one: one[1])
    first_due = known[0][1] + epoch_seconds  # the first epoch is not steady
    closed = [readable_at[one] - at for one, at in known if first_due <= at <= last_due]
    return closed, [seconds for sent_after, seconds in watched.waited if sent_after > epoch_seconds]


def _readable(lake: Path) -> dict[str, float]:
    """When each session's row got its final name: the file's change time, since publishing links and renames it."""
    found: dict[str, float] = {}
    for path in lake.glob("tables/sessions/*/*/*.parquet"):
        changed_at = path.stat().st_ctime
        for session_id in pq.read_table(path, columns=["session_id"])["session_id"].to_pylist():
            found[session_id] = changed_at
    return found
