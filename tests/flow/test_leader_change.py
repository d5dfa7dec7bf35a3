"""Leaders of partitions move while the job reads; nothing is lost or read twice."""

import time
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
        calm = Place(broker, str(tmp_path / "calm"), tmp_path / "calm-recovery")
        calm_job = JobProcess(calm)
        calm_job.await_idle()
        assert calm_job.stop()[0] == 0
    assert seen["replaylake_messages_total"] == traffic.sent["messages"] > 0
    assert differences(content(calm.store()), content(place.store())) == []
    assert verify(place.store()).problems == []
