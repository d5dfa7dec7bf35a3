"""What it costs to begin: CPU of commands with next to nothing to do, most of it imports."""

import os
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from bench.intake_process import cpu_seconds
from bench.job import Job
from bench.options import Options
from bench.results import Figure, figure
from bench.serving import checkouts, interpreter
from bench.spent import REPOSITORY
from bench.templates import SAMPLES
from bench.topic import Topic
from flows.demo.servers import start_broker
from schemas.units import MS_PER_SECOND

ABOUT = (
    "CPU of commands that have next to nothing to do: the version, the help, the settings, one recording put into a "
    "new lake, the sessions of that lake; and of `replaylake run` on an empty topic until it is ready, which is after "
    "its first epoch. All of Python is compiled before, as in an installed wheel. Beside it Python alone. "
    "`BENCH_BESIDE` names another checkout, measured in turn."
)
_CAPTURE = SAMPLES / "guance" / "gc-charts.jsonl.gz"
_BASE = "Python alone"
_PARTITIONS = 4
_SETTINGS = {"REPLAYLAKE_RUN__EPOCH_SECONDS": "1", "REPLAYLAKE_LOG__LEVEL": "warning"}


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Milliseconds of CPU, user and system, by command."""
    found: dict[str, list[float]] = defaultdict(list)
    with start_broker() as broker:
        broker.create_topic("start", _PARTITIONS)
        topic = Topic(broker.bootstrap, "start", [0] * _PARTITIONS)
        with tempfile.TemporaryDirectory(prefix="replaylake-bench-") as compiled:
            for number in range(options.rounds + 1):
                spent = [(_BASE, _cpu_ms(["-c", "pass"], REPOSITORY, compiled))]
                for name, checkout in checkouts().items():
                    spent += [(f"{side}{name}", spent_ms) for side, spent_ms in _round(checkout, topic, compiled)]
                if number:  # the first round compiles
                    for side, spent_ms in spent:
                        found[side].append(spent_ms)
    return {}, [figure("CPU", "ms", _BASE, found)]


def _round(checkout: Path, topic: Topic, compiled: str) -> Iterator[tuple[str, float]]:
    with tempfile.TemporaryDirectory(prefix="replaylake-bench-") as folder:
        lake = ["--lake", str(Path(folder) / "lake")]
        for command in (["--version"], ["--help"], ["config"], ["backfill", str(_CAPTURE), *lake], ["sessions", *lake]):
            shown = {"backfill": "backfill of one recording"}.get(command[0], command[0])
            yield shown, _cpu_ms(["-m", "flows.cli", *command], checkout, compiled)
        settings = _SETTINGS | _compiling(checkout, compiled)
        with Job(topic, Path(folder) / "job", settings, checkout=checkout) as job:
            job.wait(job.is_ready, 120)
            yield "run, until ready", cpu_seconds(job.process_id) * MS_PER_SECOND


def _cpu_ms(arguments: list[str], checkout: Path, compiled: str) -> float:
    environment = os.environ | {"PYTHONPATH": str(checkout)} | _compiling(checkout, compiled)
    command = [interpreter(checkout), *arguments]
    process = subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return (used.ru_utime + used.ru_stime) * MS_PER_SECOND


def _compiling(checkout: Path, compiled: str) -> dict[str, str]:
    """Python keeps what it compiles of a checkout in a folder apart, whatever the environment says."""
    return {"PYTHONPYCACHEPREFIX": f"{compiled}/{checkout.name}", "PYTHONDONTWRITEBYTECODE": ""}
