"""The intake under load beside a bare echo on the same server, after kill -9, and while the broker is away."""

import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import msgspec

from bench.http_load import load, raw_request
from bench.intake_process import IntakeProcess, cpu_seconds
from bench.options import Options
from bench.results import Figure, figure
from bench.senders import Sender, action_id
from bench.templates import SAMPLES
from bench.topic import read_back
from flows.captures import recorded_requests
from flows.demo.servers import Broker, start_broker, start_s3
from flows.server_process import free_ports, listens

ABOUT = (
    "`replaylake intake`, one process, fed over loopback with requests that a browser with the Guance SDK has sent: "
    "batches of RUM lines (about 10 kB) and replay segments (multipart, about 10 kB). Every request is answered when "
    "the broker (Tansu, in memory) has confirmed it. Beside it an ASGI application on the same server (uvicorn, "
    "uvloop, httptools) that reads the body and answers. CPU is that of the server's process with all its threads, "
    "not of broker and load tool. Then: what was acknowledged before `kill -9` and is not in the topic; and a broker "
    "(Tansu on SeaweedFS) that is stopped for a while and started again, with senders that retry as SDKs do."
)
_CONNECTIONS = 16
_PACED_PER_SECOND = 100
_ECHO, _INTAKE = "bare echo", "intake"
_KINDS = {"RUM batches": "/v1/write/rum", "replay segments": "/v1/write/rum/replay"}


class _Run(msgspec.Struct):
    """One side under load."""

    per_cpu_second: float
    per_second: float
    p50_ms: float
    p99_ms: float


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """`--full`: longer, twenty kills, and half a minute without a broker."""
    seconds, kills, away = options.size(4, 8), options.size(3, 20), options.size(10, 30)
    runs: dict[str, list[_Run]] = defaultdict(list)
    for _ in range(options.rounds):
        for kind, path in _KINDS.items():
            requests = _requests(path)
            for side, serving in ((_ECHO, _echo), (_INTAKE, _intake)):
                with serving() as (port, process_id):
                    runs[f"{side}, {kind}"].append(_under_load(port, process_id, requests, seconds))
    lost = [_after_kill() for _ in range(kills)]
    without = _broker_away(away)
    base = f"{_ECHO}, RUM batches"
    parameters: dict[str, str | float] = {
        "connections": _CONNECTIONS,
        "seconds a run": seconds,
        "paced requests a second": _PACED_PER_SECOND,
        "kills": kills,
        "seconds without broker": away,
    }
    return parameters, [
        figure("requests per CPU second", "requests/s", base, _of(runs, lambda run: run.per_cpu_second)),
        figure("requests a second, each as fast as answered", "requests/s", base, _of(runs, lambda r: r.per_second)),
        figure("p50, paced", "ms", "", _of(runs, lambda run: run.p50_ms), "From when a request was due."),
        figure("p99, paced", "ms", "", _of(runs, lambda run: run.p99_ms)),
        figure("kill -9, of every kill", "requests", "", _columns(lost)),
        figure("broker away", "", "", _columns([without])),
    ]


def _of(runs: dict[str, list[_Run]], what: Callable[[_Run], float]) -> dict[str, list[float]]:
    return {side: [what(run) for run in found] for side, found in runs.items()}


def _columns(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _requests(path: str) -> list[bytes]:
    found = recorded_requests(SAMPLES / "guance" / "gc-shop.jsonl.gz")
    return [raw_request(one) for one in found if one.method == "POST" and one.path.partition("?")[0] == path]


def _under_load(port: int, process_id: int, requests: list[bytes], seconds: float) -> _Run:
    load(port, requests, connections=_CONNECTIONS, seconds=1)  # connections, caches, the producer's first batch
    before = cpu_seconds(process_id)
    found = load(port, requests, connections=_CONNECTIONS, seconds=seconds)
    spent = cpu_seconds(process_id) - before
    paced = load(port, requests, connections=_CONNECTIONS, seconds=seconds, per_second=_PACED_PER_SECOND)
    for one in (found, paced):
        if one.statuses.keys() != {200}:
            raise RuntimeError(f"answers {dict(one.statuses)}")
    answered = len(found.seconds)
    return _Run(answered / spent, answered / found.lasted, paced.quantile_ms(0.5), paced.quantile_ms(0.99))


@contextmanager
def _echo() -> Iterator[tuple[int, int]]:
    [port] = free_ports(1)
    process = subprocess.Popen([sys.executable, "-m", "bench.sides.echo", str(port)], env=os.environ)
    try:
        while not listens(port):
            if process.poll() is not None:
                raise RuntimeError("the echo ended")
            time.sleep(0.05)
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


@contextmanager
def _intake() -> Iterator[tuple[int, int]]:
    with _running(start_broker()) as intake:
        yield intake.port, intake.process.pid


@contextmanager
def _running(broker: AbstractContextManager[Broker]) -> Iterator[IntakeProcess]:
    with tempfile.TemporaryDirectory(prefix="replaylake-bench-") as folder, broker as running:
        running.create_topic("intake", 4)
        with IntakeProcess(running.bootstrap, "intake", Path(folder)) as intake:
            yield intake


def _after_kill() -> dict[str, float]:
    """What senders know after a kill in the middle of their work, and what the topic has."""
    with start_broker() as broker, tempfile.TemporaryDirectory(prefix="replaylake-bench-") as folder:
        broker.create_topic("intake", 4)
        with IntakeProcess(broker.bootstrap, "intake", Path(folder)) as intake:
            with Sender(intake.port) as sender:
                sender.wait_acknowledged(500)
                intake.kill()
            stored = {action_id(message.value()) for message in read_back(broker.bootstrap, "intake")}
    return {
        "acknowledged": len(sender.acknowledged),
        "acknowledged and not in Kafka": len(sender.acknowledged - stored),
        "begun and never answered": len(sender.sent - sender.acknowledged),
    }


def _broker_away(seconds: float) -> dict[str, float]:
    """Senders that retry until they hear yes, through an outage."""
    with (
        start_s3(buckets=["broker"]) as s3,
        tempfile.TemporaryDirectory(prefix="replaylake-bench-") as folder,
        ExitStack() as first,
    ):
        broker = first.enter_context(start_broker(s3))
        broker.create_topic("intake", 4)
        with (
            IntakeProcess(broker.bootstrap, "intake", Path(folder)) as intake,
            Sender(intake.port, per_second=50, again=True) as sender,
        ):
            sender.wait_acknowledged(50)
            first.close()
            time.sleep(seconds)
            with start_broker(s3, broker):
                back_at = time.monotonic()
                sender.wait_acknowledged(1)
                again_seconds = time.monotonic() - back_at
                sender.wait_acknowledged(50)
                sender.finish()
                stored = {action_id(message.value()) for message in read_back(broker.bootstrap, "intake")}
    return {
        "lines sent": len(sender.sent),
        "answers 503": sender.statuses[503],
        "other answers than 200 and 503": sum(sender.statuses.values()) - sender.statuses[503] - sender.statuses[200],
        "lines acknowledged": len(sender.acknowledged),
        "lines not in Kafka": len(sender.sent - stored),
        "seconds from the broker's return to the first yes": round(again_seconds, 2),
    }
