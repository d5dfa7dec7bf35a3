"""How long a job with many open sessions takes to be ready again after kill -9."""

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from bench.job import Job
from bench.options import Options
from bench.results import Figure, figure
from bench.templates import LINE_KINDS, Line, line_templates
from bench.topic import Topic, fill
from bench.traffic import Sent
from flows.demo.servers import start_broker
from schemas.units import MS_PER_SECOND

ABOUT = (
    "`replaylake run` of one process with that many open sessions is killed with kill -9 and started again: seconds "
    "from the start of the process until `/health/ready`, which is after the first epoch (of 1 s) that is committed. "
    "Beside it the same with no open session: Python, its imports, the engine, the broker, one epoch."
)
_LINES = 3
_PARTITIONS = 4
_SETTINGS = {"REPLAYLAKE_RUN__EPOCH_SECONDS": "1", "REPLAYLAKE_LOG__LEVEL": "warning"}


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Seconds until ready, by number of open sessions."""
    ready: dict[str, list[float]] = defaultdict(list)
    state: dict[str, list[float]] = defaultdict(list)
    for count in (0, 10_000, 100_000, *([1_000_000] if options.full else [])):
        with start_broker() as broker, tempfile.TemporaryDirectory(prefix="replaylake-bench-") as folder:
            broker.create_topic("restart", _PARTITIONS)
            topic = fill(broker.bootstrap, "restart", _PARTITIONS, _open_sessions(count), compression="zstd")
            side = f"{count:,} open sessions"
            for seconds in _restarts(topic, Path(folder), options.rounds, count):
                ready[side].append(seconds)
                files = [path for path in (Path(folder) / "recovery").rglob("*") if path.is_file()]
                state[side].append(sum(path.stat().st_size for path in files) / 1e6)
    parameters: dict[str, str | float] = {"lines a session": _LINES, "partitions": _PARTITIONS, "epoch seconds": 1}
    return parameters, [
        figure("seconds until ready after kill -9", "s", "0 open sessions", ready),
        figure("size of the recovery folder", "MB", "0 open sessions", state),
    ]


def _restarts(topic: Topic, folder: Path, rounds: int, count: int) -> Iterator[float]:
    with Job(topic, folder, _SETTINGS) as job:
        job.wait_read(topic.messages, 1800)
        _check_open(job, count)
        job.kill()
    for _ in range(rounds):
        began = time.monotonic()
        with Job(topic, folder, _SETTINGS) as job:
            job.wait(job.is_ready, 600)
            seconds = time.monotonic() - began
            _check_open(job, count)
            yield seconds


def _check_open(job: Job, count: int) -> None:
    found = (job.metrics() or {}).get("replaylake_open_sessions")
    if found != count:
        raise RuntimeError(f"{found} sessions are open, not {count}")


def _open_sessions(count: int) -> Iterator[Sent]:
    """A few lines of each, received just now."""
    now_ms = int(time.time() * MS_PER_SECOND) - 10 * MS_PER_SECOND
    template = line_templates()[LINE_KINDS[3]][0]
    for turn in range(_LINES):
        for number in range(count):
            session_id = f"00000001-0000-4000-8000-{number:012x}"
            line = Line("app-0001", session_id, f"v-{number}", f"{number}-{turn}", f"u-{number}", now_ms, 0)
            key = session_id.encode()
            yield Sent(now_ms, number, turn, key, b"guance.rum", {}, line.fill(template))
