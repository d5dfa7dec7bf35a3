"""The short form of `make torture`: whatever breaks, the lake is the one of a calm run, row by row, byte by byte."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from schemas.metrics import CLOCK_CORRECTIONS, ERASED, JOB_METRICS, REPLACED_STAMPS, SKIPPED, TOMBSTONES, exposed_name
from tests.conftest import apache_kafka_libs
from tests.torture.neighbours import Servers
from tests.torture.scenarios import Stage, broker_restarts, kills, stops, store_away, store_faulty

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
KILLS = 10
PARTITIONS = 4
RATE = 40.0  # messages a second: enough for sessions to close all the time


Start = Callable[..., Servers]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the servers of a test; they stop with it."""
    with ExitStack() as stack:

        def begin(kind: str = "tansu", *, keeps_log: bool = False) -> Servers:
            kafka = apache_kafka_libs() if kind == "apache-kafka" else None
            servers = Servers(tmp_path, kafka, keeps_log=keeps_log)
            stack.callback(servers.stop)
            servers.broker.server.create_topic("rum", PARTITIONS)
            return servers

        yield begin


@pytest.fixture
def stage(start: Start, samples: Path, tmp_path: Path) -> Stage:
    return _stage(start(), samples, tmp_path)


def test_kill_9_changes_nothing(stage: Stage) -> None:
    """At random moments of start, epoch, snapshot and publish."""
    kills(stage, KILLS, print)


def test_kill_9_in_a_cluster_and_a_rescale_change_nothing(stage: Stage) -> None:
    """A random process of 1, 3, then 2."""
    kills(stage, 3, print, shapes=(1, 3, 2))


def test_a_store_that_is_away_is_waited_for(start: Start, samples: Path, tmp_path: Path) -> None:
    servers = start()
    store_away(_stage(servers, samples, tmp_path), servers.store, 6, print)


def test_a_store_that_fails_at_random_changes_nothing_and_every_metric_moves(stage: Stage) -> None:
    """Late, doubled and broken input is in the traffic, so no panel of the dashboard may stay at zero."""
    highest = store_faulty(stage, 12, print)
    zero = [metric for metric in JOB_METRICS if not highest.get(exposed_name(metric))]
    # tests/unit/flows/test_topic_source.py has these; SKIPPED: test_odd_guance.py
    odd_input = [TOMBSTONES, REPLACED_STAMPS, CLOCK_CORRECTIONS]
    assert zero == [*odd_input, SKIPPED, ERASED], "which needs an erasure: tests/integration/test_erase.py"


@pytest.mark.parametrize("kind", ["tansu", "apache-kafka"])
def test_a_broker_that_restarts_changes_nothing(kind: str, start: Start, samples: Path, tmp_path: Path) -> None:
    servers = start(kind, keeps_log=True)
    broker_restarts(_stage(servers, samples, tmp_path), servers.broker, 1, 5, print)


@pytest.mark.parametrize("processes", [1, 3])
def test_sigterm_under_load_leaves_nothing_for_the_next_start(stage: Stage, processes: int) -> None:
    stops(stage, 2, print, processes=processes)


def _stage(servers: Servers, samples: Path, folder: Path) -> Stage:
    captures = sorted(samples.glob("*/*.jsonl.gz"))
    return Stage(servers.broker.server, servers.store.server, captures, folder, RATE, seed=time.time_ns())
