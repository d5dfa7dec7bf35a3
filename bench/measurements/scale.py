"""More processes, more partitions, more sessions, more apps: what each costs."""

import tempfile
import time
from collections import defaultdict
from pathlib import Path

import msgspec

from bench.job import LOOK_SECONDS, Job, Metrics
from bench.options import Options
from bench.results import Figure, figure
from bench.spent import run_side
from bench.topic import Topic, fill
from bench.traffic import Load, traffic
from flows.demo.servers import Broker, start_broker

ABOUT = (
    "First `replaylake run --processes N`, a cluster on one machine, reading the same topic of 8 partitions until "
    "every session is closed, with epochs of the usual length; this machine has two cores, and the broker takes its "
    "share of them. Then the whole flow in one process: CPU per line as partitions, sessions and apps become more. "
    "Sessions become more in two ways: four times as many of 80 lines each, and as many lines in ten times the "
    "sessions, which then have 8 lines each to share the cost of their row."
)
_PARTITIONS = 8
_SETTINGS = {
    "REPLAYLAKE_RUN__CLOCK_MARGIN_SECONDS": "0",
    "REPLAYLAKE_LOG__LEVEL": "warning",
}
_BASE = "1 process"


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Lines per second of wall time by processes; microseconds of CPU per line by everything else."""
    load = Load(sessions=options.size(500, 4_000), lines_per_session=80, hours=2, late_final_share=0, seed=options.seed)
    with start_broker() as broker:
        large = msgspec.structs.replace(load, sessions=3 * load.sessions)
        speed, cpu, lines = _clusters(broker, large, options.rounds)
        growth = _growth(broker, load, options.rounds)
    parameters: dict[str, str | float] = {
        "lines, clusters": lines,
        "sessions, growth": load.sessions,
        "seed": load.seed,
    }
    return parameters, [
        figure(
            f"clusters over {_PARTITIONS} partitions, from the first message to all closed", "lines/s", _BASE, speed
        ),
        figure("CPU of all processes together, imports and waiting included", "us/line", _BASE, cpu),
        figure("one process, more of everything", "us of CPU/line", _FIRST, growth),
    ]


def _clusters(broker: Broker, load: Load, rounds: int) -> tuple[dict[str, list[float]], dict[str, list[float]], int]:
    broker.create_topic("clusters", _PARTITIONS)
    topic = fill(broker.bootstrap, "clusters", _PARTITIONS, traffic(load))
    speed: dict[str, list[float]] = defaultdict(list)
    cpu: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for processes in (1, 2, 4):
            seconds, cpu_seconds = _cluster(topic, processes)
            side = _BASE if processes == 1 else f"{processes} processes"
            speed[side].append(topic.messages / seconds)
            cpu[side].append(cpu_seconds * 1e6 / topic.messages)
    return speed, cpu, topic.messages


def _cluster(topic: Topic, processes: int) -> tuple[float, float]:
    """Seconds from the first message until every session is closed (all lie in the past), and CPU seconds."""
    with (
        tempfile.TemporaryDirectory(prefix="replaylake-bench-") as folder,
        Job(topic, Path(folder), _SETTINGS, processes) as job,
    ):
        job.wait(lambda: (job.metrics() or {}).get("replaylake_messages_total"), 60)
        began = time.monotonic()
        job.wait(lambda: _is_through(job.metrics() or {}, topic.messages), 600, LOOK_SECONDS)
        seconds = time.monotonic() - began
        cpu_seconds = (job.metrics() or {})["process_cpu_seconds_total"]
        job.stop()
    return seconds, cpu_seconds


def _is_through(found: Metrics, messages: int) -> bool:
    return found.get("replaylake_messages_total", 0) >= messages and found.get("replaylake_open_sessions") == 0


_FIRST = "1 partition"


def _growth(broker: Broker, load: Load, rounds: int) -> dict[str, list[float]]:
    """One thing is varied at a time."""
    many = msgspec.structs.replace
    sides = {
        _FIRST: (load, 1),
        "4 partitions": (load, 4),
        "16 partitions": (load, 16),
        "4 times the sessions and lines": (many(load, sessions=load.sessions * 4), 1),
        "10 times the sessions, as many lines": (many(load, sessions=load.sessions * 10, lines_per_session=8), 1),
        "1 app": (many(load, apps=1), 1),
        "300 apps": (many(load, apps=300), 1),
    }
    topics = {}
    for number, (side, (varied, partitions)) in enumerate(sides.items()):
        broker.create_topic(f"growth-{number}", partitions)
        topics[side] = fill(broker.bootstrap, f"growth-{number}", partitions, traffic(varied))
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for side, topic in topics.items():
            spent = run_side("flow", {"topic": msgspec.to_builtins(topic)})
            found[side].append(spent.cpu_seconds * 1e6 / topic.messages)
    return found
