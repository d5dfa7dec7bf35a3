"""Leaders of partitions move while the job reads; nothing is lost or read twice."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.demo.servers import Broker
from lake.verify import verify
from tests.flow.mock_cluster import start_mock_cluster
from tests.torture.compare import content, differences
from tests.torture.job import JobProcess, Place
from tests.torture.routes import rum_lane
from tests.torture.traffic import Traffic

PARTITIONS = 4
MOVES = 12
CAPTURE_BYTES_MAX = 100_000  # the mock keeps 5 MiB a partition
RATE = 60.0
WAIT_SECONDS = 90.0
# A producer that looks for leaders may hold a message for long on a busy machine, and its stamp is of before.
MARGIN = {"REPLAYLAKE_RUN__CLOCK_MARGIN_SECONDS": "15"}


@pytest.mark.slow
def test_a_leader_change_changes_nothing(samples: Path, tmp_path: Path) -> None:
    captures = [path for path in sorted(samples.glob("*/*.jsonl.gz")) if path.stat().st_size < CAPTURE_BYTES_MAX]
    with start_mock_cluster() as cluster:
        cluster.create_topic("rum", PARTITIONS)
        broker = Broker(cluster.bootstrap, process_id=0)
        place = Place(broker, str(tmp_path / "lake"), tmp_path / "recovery")
        job = JobProcess(place)
        with Traffic([rum_lane(cluster.bootstrap)], captures, rate=RATE, seed=time.time_ns()) as traffic:
            for number in range(MOVES):
                time.sleep(1)
                for partition in range(PARTITIONS):
                    cluster.move_leader("rum", partition, (number + partition) % 3 + 1)
        seen = job.await_idle()
        assert job.stop()[0] == 0
        calm = Place(broker, str(tmp_path / "calm"), tmp_path / "calm-recovery", extra=MARGIN)
        calm_job = JobProcess(calm)
        calm_job.await_idle()
        assert calm_job.stop()[0] == 0
    assert seen["replaylake_messages_total"] == traffic.sent["messages"] > 0
    assert differences(content(calm.store()), content(place.store())) == []
    assert verify(place.store()).problems == []


@pytest.mark.slow
def test_a_partition_without_a_leader_makes_the_job_not_ready_by_name(samples: Path, tmp_path: Path) -> None:
    """Also one that has been read to its end: what it holds next may belong to any session, so none is closed."""
    captures = [path for path in sorted(samples.glob("*/*.jsonl.gz")) if path.stat().st_size < CAPTURE_BYTES_MAX]
    settings = {"REPLAYLAKE_HTTP__READY_SECONDS": "4", "REPLAYLAKE_RUN__OUTAGE_HOLD_SECONDS": "1"}
    with start_mock_cluster() as cluster:
        cluster.create_topic("rum", PARTITIONS)
        for partition in range(PARTITIONS):
            cluster.move_leader("rum", partition, 1 if partition == 1 else 2)
        broker = Broker(cluster.bootstrap, process_id=0)
        job = JobProcess(Place(broker, str(tmp_path / "lake"), tmp_path / "recovery", extra=settings))
        with Traffic([rum_lane(cluster.bootstrap)], captures, rate=RATE, seed=1):
            time.sleep(2)
        job.await_idle()
        assert become(lambda: ready(job), {"status": "ok"})
        cluster.set_down(1)
        assert become(lambda: ready(job), {"status": "failing", "partitions_waited_for": ["rum/1"]})
        said = "nothing comes of topic rum partition 1 ("
        assert become(lambda: {"is_said": said in job.log()}, {"is_said": True})
        assert (job.samples() or {})["replaylake_partition_wait_seconds"] > 4
        cluster.set_up(1)
        assert become(lambda: ready(job), {"status": "ok"})
        assert job.stop()[0] == 0


def ready(job: JobProcess) -> dict[str, object]:
    """What /health/ready says, without ages."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{job.port}/health/ready", timeout=5) as answer:
            said = json.load(answer)
    except urllib.error.HTTPError as error:
        said = json.load(error)
    return {name: value for name, value in said.items() if not name.endswith("_seconds")}


def become(look: Callable[[], dict[str, object]], wanted: dict[str, object]) -> bool:
    deadline = time.monotonic() + WAIT_SECONDS
    while (found := look()) != wanted and time.monotonic() < deadline:
        time.sleep(0.5)
    return found == wanted
