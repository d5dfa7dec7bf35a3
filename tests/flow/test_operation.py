"""What an on-call engineer meets: two jobs by mistake, a process that dies, a full disk, offsets that are gone."""

import json
import resource
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from flows.captures import CaptureCounts, read_captures
from flows.demo.feed import feed
from flows.demo.servers import Broker, S3Server
from flows.server_process import LOOPBACK, free_ports
from lake.verify import verify
from schemas.keys import REPLAYS, is_style
from schemas.metrics import JOB_METRICS
from tests.starts import Process
from tests.torture.compare import content
from tests.torture.job import JobProcess, Place

pytestmark = pytest.mark.slow
CAPTURES = ("guance/gc-spa-json.jsonl.gz",)
AGE_MS = 15_000  # longer than gap, lateness and margin of the clock
STARTED: "list[Process]" = []


@pytest.fixture(autouse=True)
def _ended_with_the_test() -> Iterator[None]:
    """A test that fails leaves no process behind."""
    yield
    while STARTED:
        with STARTED.pop() as job:
            job.kill()


@pytest.fixture
def place(tansu: Broker, tmp_path: Path, samples: Path) -> Place:
    """A topic of its own with one recording in it, which closes as soon as it is read, and a local lake."""
    return place_of(tansu, tmp_path, samples, AGE_MS)


@pytest.fixture
def open_place(tansu: Broker, tmp_path: Path, samples: Path) -> Place:
    """The same, received just now."""
    return place_of(tansu, tmp_path, samples, 0)


def place_of(broker: Broker, folder: Path, samples: Path, age_ms: int, partitions: int = 4) -> Place:
    topic = f"rum-{time.time_ns()}"
    broker.create_topic(topic, partitions)
    send(broker, topic, samples, age_ms)
    return Place(broker, str(folder / "lake"), folder / "recovery", extra={"REPLAYLAKE_KAFKA__TOPICS": f'["{topic}"]'})


def send(broker: Broker, topic: str, samples: Path, age_ms: int = AGE_MS) -> None:
    paths = [samples / name for name in CAPTURES]
    newest = max(captured.message.received_ms for captured in read_captures(paths, CaptureCounts()))
    feed(broker.bootstrap, topic, paths, shift_ms=int(time.time() * 1000) - age_ms - newest)


def start(place: Place, *arguments: str, limit_file_bytes: int = 0) -> Process:
    """`replaylake run` in the foreground, its standard error a pipe."""
    limit: Callable[[], None] | None = None
    if limit_file_bytes:

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_file_bytes, limit_file_bytes))

    job = Process(
        [sys.executable, "-m", "flows.cli", "run", *arguments],
        env=place.environment(),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
    )
    STARTED.append(job)
    return job


def ended(job: Process, seconds: float = 200) -> tuple[int, str]:
    try:
        _, errors = job.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        job.kill()
        _, errors = job.communicate()
        raise AssertionError(f"did not end in {seconds:.0f} s\n{errors}") from None
    return job.returncode, errors


def test_a_second_job_on_one_recovery_folder_is_refused(place: Place) -> None:
    first = JobProcess(place)
    await_up(first)
    code, errors = ended(start(place))
    assert code == 1
    assert "is in use by another job" in errors.splitlines()[-1]
    first.await_idle()
    assert first.stop()[0] == 0
    assert verify(place.store()).problems == []


def test_a_second_job_on_one_lake_is_refused(place: Place, tmp_path: Path) -> None:
    """With a recovery folder of its own it would read the topic again from the beginning."""
    first = JobProcess(place)
    await_up(first)
    code, errors = ended(start(msgspec.structs.replace(place, recovery=tmp_path / "other")))
    assert code == 1
    assert "is written by another job" in errors.splitlines()[-1]
    assert first.stop()[0] == 0


def test_state_is_not_taken_to_another_lake(place: Place, tmp_path: Path) -> None:
    first = JobProcess(place)
    await_up(first)
    assert first.stop()[0] == 0
    code, errors = ended(start(msgspec.structs.replace(place, lake=str(tmp_path / "wrong"))))
    assert code == 1
    assert "is not the lake that the state of this job" in errors.splitlines()[-1]


def test_a_suspended_job_that_wakes_up_changes_nothing(open_place: Place, tmp_path: Path) -> None:
    """As after a network split: the volume was moved, the successor is done, then the old process goes on."""
    place = open_place
    zombie = start(place, "--epoch-seconds", "1")
    await_state(place.recovery)
    zombie.send_signal(signal.SIGSTOP)
    successor_place = msgspec.structs.replace(place, recovery=tmp_path / "moved")
    shutil.copytree(place.recovery, successor_place.recovery)
    successor = JobProcess(successor_place)
    successor.await_idle()
    assert successor.stop()[0] == 0
    before = content(place.store())
    zombie.send_signal(signal.SIGCONT)
    code, errors = ended(zombie)
    assert code == 1
    assert "was taken over by another process" in errors
    after = content(place.store())
    assert (after.tables, after.blobs) == (before.tables, before.blobs)
    assert before.tables["sessions"]
    assert verify(place.store()).problems == []


def test_metrics_and_health(place: Place) -> None:
    job = JobProcess(place)
    samples = job.await_idle()
    missing = [m.name for m in JOB_METRICS if not any(name.startswith(m.name) for name in samples)]
    assert missing == []
    assert samples["replaylake_messages_total"] > 0
    for path, status in (("/health/live", 200), ("/health/ready", 200), ("/health", 200), ("/", 404)):
        assert answer(job, path) == status
    assert job.stop()[0] == 0
    written = samples["replaylake_windows_closed_total"] + samples["replaylake_revisions_total"]
    assert written == len(content(place.store()).tables["sessions"])
    replays = {one.key: one.size for one in place.store().list(REPLAYS)}
    assert any(map(is_style, replays))
    assert samples["replaylake_blob_bytes_total"] == sum(replays.values())


def test_sigterm_to_one_process_stops_the_whole_cluster(place: Place) -> None:
    members = cluster(place, 3)
    await_state(place.recovery)  # so all are connected
    members[1].terminate()
    results = [ended(member) for member in members]
    assert [code for code, _ in results] == [0, 0, 0], results


def test_a_process_that_dies_takes_the_cluster_with_it(place: Place) -> None:
    """All exit with a code, so that a supervisor starts them again; and then they go on."""
    members = cluster(place, 3)
    await_state(place.recovery)  # so all are connected
    members[1].kill()
    codes = [ended(member)[0] for member in members]
    assert codes[1] == -signal.SIGKILL
    assert codes[0] not in {0, None}
    assert codes[2] not in {0, None}
    job = JobProcess(place)
    job.await_idle()
    assert job.stop()[0] == 0
    assert verify(place.store()).problems == []


def test_a_full_disk_in_the_recovery_folder_stops_the_job_and_loses_nothing(place: Place, s3: S3Server) -> None:
    """A limit on the size of files stands in for a full disk: the write fails in the same place."""
    place = msgspec.structs.replace(place, lake=f"s3://lake/full-{time.time_ns()}", s3=s3)
    code, errors = ended(start(place, limit_file_bytes=60_000))
    assert code not in {0, None}
    assert "error:" in errors
    job = JobProcess(place)
    job.await_idle()
    assert job.stop()[0] == 0
    assert verify(place.store()).problems == []
    assert content(place.store()).tables["sessions"]


def test_offsets_that_are_gone_stop_the_job_until_a_person_decides(
    apache_kafka: Broker, tmp_path: Path, samples: Path
) -> None:
    place = place_of(apache_kafka, tmp_path, samples, AGE_MS, partitions=1)
    [topic] = json.loads(place.extra["REPLAYLAKE_KAFKA__TOPICS"])
    job = JobProcess(place)
    job.await_idle()
    assert job.stop()[0] == 0
    send(apache_kafka, topic, samples)
    with AdminClient({"bootstrap.servers": apache_kafka.bootstrap}) as admin:
        [deleted] = admin.delete_records([TopicPartition(topic, 0, -1)]).values()
        assert deleted.result(30).low_watermark > 0
    send(apache_kafka, topic, samples)
    code, errors = ended(start(place))
    assert code == 1
    assert "were deleted before they were read. Nothing was skipped" in errors.splitlines()[-1]
    assert "--on-lost-offsets" in errors.splitlines()[-1]
    assert ended(start(place))[0] == 1, "it must not go on by itself at the next start either"
    code, errors = ended_after_idle(place, "earliest")
    assert code == 0, errors


def ended_after_idle(place: Place, on_lost_offsets: str) -> tuple[int, str]:
    extra = {**place.extra, "REPLAYLAKE_KAFKA__ON_LOST_OFFSETS": on_lost_offsets}
    job = JobProcess(msgspec.structs.replace(place, extra=extra))
    samples = job.await_idle()
    assert samples["replaylake_messages_total"] > 0
    return job.stop()[0], job.log_tail()


def cluster(place: Place, count: int) -> list[Process]:
    """Processes of a cluster as on several machines: nobody watches over them."""
    addresses = [f"{LOOPBACK}:{port}" for port in free_ports(count)]
    options = [option for address in addresses for option in ("--address", address)]
    return [start(place, *options, "--process-id", str(number)) for number in range(count)]


def await_up(job: JobProcess) -> None:
    while job.samples() is None:
        assert job.poll() is None, job.log_tail()
        time.sleep(0.1)


def await_state(recovery: Path) -> None:
    """Until the job has committed something."""
    deadline = time.monotonic() + 120
    while sum(map(size_if_there, recovery.glob("*.sqlite3-wal"))) < 50_000:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def size_if_there(path: Path) -> int:
    """Bytes; 0 for a file that went between the listing and the look (SQLite ends a log with its last connection)."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def answer(job: JobProcess, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{job.port}{path}", timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
