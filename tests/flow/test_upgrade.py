"""A lake and a recovery folder of the last release are read and continued.

`tests/golden/release-5a077d1` was written by `replaylake run` of commit 5a077d1 from the messages `before` of its
`messages.json`; then it was stopped. One session was closed, the other one open.
"""

import json
import shutil
from pathlib import Path

import pytest
from confluent_kafka import Producer

from flows.demo.servers import Broker
from lake.catalog import Row, latest_sessions, read_rows, table_keys
from lake.verify import verify
from tests.conftest import REPOSITORY
from tests.flow.mock_cluster import MockCluster, start_mock_cluster
from tests.torture.compare import content, differences
from tests.torture.job import JobProcess, Place

RELEASE = REPOSITORY / "tests" / "golden" / "release-5a077d1"
MESSAGES: dict[str, list[dict[str, object]]] = json.loads((RELEASE / "messages.json").read_text(encoding="utf-8"))
RULES = {  # that the release ran with
    "REPLAYLAKE_SESSIONS__GAP_SECONDS": "120",
    "REPLAYLAKE_SESSIONS__CAP_SECONDS": "14400",
    "REPLAYLAKE_RUN__RECOVERY_PARTS": "1",
}


def send(cluster: MockCluster, messages: list[dict[str, object]]) -> None:
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for message in messages:
        stamp_ms, body = int(str(message["stamp_ms"])), str(message["body"]).encode()
        producer.produce("rum", body, partition=0, timestamp=stamp_ms, headers=[("type", b"guance.rum")])
    assert producer.flush(30) == 0


def sessions(place: Place) -> list[Row]:
    store = place.store()
    return latest_sessions(read_rows(store, table_keys(store, "sessions"), "sessions"))


@pytest.mark.slow
def test_a_job_continues_what_the_last_release_left(tmp_path: Path) -> None:
    """The session that was open is closed with what came before and after; the lake is that of one release alone."""
    shutil.copytree(RELEASE / "lake", tmp_path / "lake")
    shutil.copytree(RELEASE / "recovery", tmp_path / "recovery")
    with start_mock_cluster() as cluster:
        cluster.create_topic("rum", 1)
        broker = Broker(cluster.bootstrap, process_id=0)
        continued = Place(broker, str(tmp_path / "lake"), tmp_path / "recovery", extra=RULES)
        alone = Place(broker, str(tmp_path / "alone"), tmp_path / "alone-recovery", extra=RULES)
        assert [row["session_id"] for row in sessions(continued)] == ["closed"]
        old = set(table_keys(continued.store(), "sessions"))
        send(cluster, MESSAGES["before"] + MESSAGES["after"])
        for place in (continued, alone):
            job = JobProcess(place)
            job.await_idle()
            assert job.stop()[0] == 0
    rows = {str(row["session_id"]): row for row in sessions(continued)}
    assert {name: (row["session_error_count"], row["session_action_count"]) for name, row in rows.items()} == {
        "closed": (0, 1),
        "open": (1, 1),
    }
    assert old < set(table_keys(continued.store(), "sessions"))  # nothing that was there is written again
    assert differences(content(alone.store()), content(continued.store())) == []
    assert verify(continued.store()).problems == []
