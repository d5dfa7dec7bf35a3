"""What every test may ask for: real servers, recordings, samples; and what no test may do: leave this machine."""

import gc
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from flows.demo.apache_kafka import start_apache_kafka
from flows.demo.servers import Broker, S3Server, start_broker, start_s3
from tests.torture.job import STARTED

REPOSITORY = Path(__file__).parent.parent
# The shell has no tool bar of its own, which costs more than many a page that is tested.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
COMPUTING = {"gw0", "gw2"}  # the workers that compute first: as many as a small machine has cores
LONG = bool(os.environ.get("LONG_TESTS"))  # every night what is dear is done more often
APART = {
    "tests/flow/test_first_day.py",
    "tests/flow/test_operation.py",
    "tests/flow/test_torture.py",
    "tests/integration/test_erase.py",
    "tests/integration/test_topics.py",
    "tests/serve/test_live.py",
}
TOGETHER = "tests/serve"  # the longest piece, so it comes first
WAITING = {  # mostly for brokers, clocks and pages, while they leave the cores to others
    "tests/browser/test_closed_loop.py",
    "tests/browser/test_tutorial.py",
    "tests/contract/test_logs.py",
    "tests/flow/test_first_day.py",
    "tests/flow/test_leader_change.py",
    "tests/flow/test_operation.py",
    "tests/flow/test_torture.py",
    "tests/flow/test_upgrade.py",
    "tests/fuzz/test_sockets.py",
    "tests/integration/test_compact.py",
    "tests/integration/test_erase.py",
    "tests/integration/test_intake.py",
    "tests/integration/test_retention.py",
    "tests/integration/test_topics.py",
    "tests/serve/test_live.py",
}
LOOPBACK_NAMES = frozenset({"localhost", "::1", "0.0.0.0", "::", ""})

settings.register_profile("dev", deadline=None)  # a shared machine is slow at times; that is no failure
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,  # a red build must mean the change, not the dice
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(  # every night other examples
    "deep", deadline=None, max_examples=2_000, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


def pytest_configure() -> None:
    """Refuse every connection and look-up that Python code makes beyond loopback, whatever a library's default is."""
    sys.addaudithook(_refuse_beyond_loopback)


def pytest_addoption(parser: pytest.Parser) -> None:
    meant = "only this part of all tests, for machines side by side: 1/3 on one, 2/3 and 3/3 on two more"
    parser.addoption("--part", default="1/1", metavar="N/OF", help=meant)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that at the end nobody waits for one of them alone."""
    slow = {piece_of(item.nodeid) for item in items if item.get_closest_marker("slow")}
    ours = part_of({piece_of(item.nodeid) for item in items}, slow, config.getoption("--part"))
    config.hook.pytest_deselected(items=[item for item in items if piece_of(item.nodeid) not in ours])
    items[:] = [item for item in items if piece_of(item.nodeid) in ours]
    items.sort(key=lambda item: (piece_of(item.nodeid) != TOGETHER, piece_of(item.nodeid) not in slow))


def part_of(pieces: set[str], slow: set[str], part: str) -> set[str]:
    """Whole pieces, the slow ones dealt out first, so that no part has them all."""
    number, count = (int(text) for text in part.split("/"))
    if not 1 <= number <= count:
        raise pytest.UsageError(f"--part {part}: a number from 1 up to how many parts there are, as in 2/3")
    return set(sorted(pieces, key=lambda piece: (piece not in slow, piece))[number - 1 :: count])


def pytest_collection_finish() -> None:
    """What was imported stays: the collector of garbage need not look through all of it again and again."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # at the end libraries look whether all of theirs is gone


class _Pieces(LoadScopeScheduling):  # type: ignore[misc] # has no types
    """Two workers take what computes first, the others what waits, so that both go on at any time."""

    def _split_scope(self, nodeid: str) -> str:
        return piece_of(nodeid)

    def _reschedule(self, node: WorkerController) -> None:
        if self.workqueue and self._pending_of(self.assigned_work[node]) > 1:
            return  # a worker runs one test while it knows the next one; more would be missing elsewhere at the end
        super()._reschedule(node)

    def _assign_work_unit(self, node: WorkerController) -> None:
        waits = node.gateway.id not in COMPUTING
        liked = (piece for piece in self.workqueue if (piece.partition("::")[0] in WAITING) == waits)
        self.workqueue.move_to_end(next(liked, next(iter(self.workqueue))), last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Workers get tests piece by piece, whatever `--dist` says."""
    config.option.loadscopereorder = False  # ours is better
    return _Pieces(config, log)


def piece_of(nodeid: str) -> str:
    """What one worker runs: a file, as fixtures reach no further.

    A test, where tests share nothing dear; a folder, where they share servers over one lake.
    """
    file = nodeid.partition("::")[0]
    if file in APART:
        return nodeid
    return TOGETHER if file.startswith(f"{TOGETHER}/") else file


def pytest_report_header() -> str:
    """Which real servers and programs the tests of this run can use."""
    kafka = "Apache Kafka" if has_apache_kafka() else "no Apache Kafka"
    browser = "Chromium" if CHROMIUM else "no Chromium"
    return f"real parts: Tansu, SeaweedFS, {kafka}, {browser}"


def _kafka_libs() -> Path:
    return Path(os.environ.get("REPLAYLAKE_KAFKA_LIBS") or REPOSITORY / ".work" / "kafka-libs")


def _refuse_beyond_loopback(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else ""  # a Unix socket's address is a path
    elif event == "socket.getaddrinfo":
        host = arguments[0] or ""
    else:
        return
    name = host.decode() if isinstance(host, bytes) else str(host)
    if name not in LOOPBACK_NAMES and not name.startswith("127."):
        raise PermissionError(f"tests stay on this machine: {event} {name!r}")


@pytest.fixture(autouse=True)
def _no_job_outlives_its_test() -> Iterator[None]:
    yield
    while STARTED:
        STARTED.pop().end()


@pytest.fixture(scope="session")
def tansu() -> Iterator[Broker]:
    """The broker that comes from pip, one for all tests of a worker: a test keeps to topics of its own."""
    with start_broker() as running:
        yield running


@pytest.fixture(scope="session")
def apache_kafka() -> Iterator[Broker]:
    """The same with Apache Kafka; skips the test where there is none."""
    with start_apache_kafka(apache_kafka_libs()) as running:
        yield running


@pytest.fixture(params=["tansu", "apache_kafka"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """A real broker: the test runs against each kind that this machine has."""
    found: Broker = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A real S3 store with the bucket `lake`, one for all tests of a worker: a test keeps to a prefix of its own."""
    with start_s3() as running:
        yield running


@pytest.fixture(scope="session")
def samples() -> Path:
    """The small real recordings that come with the project."""
    return REPOSITORY / "samples"


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The full set of recordings: the folder that REPLAYLAKE_RECORDINGS names, or one beside the checkout."""
    folder = Path(os.environ.get("REPLAYLAKE_RECORDINGS") or REPOSITORY.parent / "shared" / "data" / "recordings")
    if not (folder / "manifest.json").is_file():
        pytest.skip("no recordings folder beside the checkout and none named by REPLAYLAKE_RECORDINGS")
    return folder


@pytest.fixture(scope="session")
def recordings_or_samples() -> Path:
    """The full set where it is, else the samples: the same tests, more or fewer captures."""
    folder = Path(os.environ.get("REPLAYLAKE_RECORDINGS") or REPOSITORY.parent / "shared" / "data" / "recordings")
    return folder if (folder / "manifest.json").is_file() else REPOSITORY / "samples"


def has_apache_kafka() -> bool:
    return shutil.which("java") is not None and any(_kafka_libs().glob("kafka_*.jar"))


def apache_kafka_libs() -> Path:
    """The folder of Apache Kafka's jars; skips the test where they or Java are missing."""
    libs = _kafka_libs()
    if shutil.which("java") is None:
        pytest.skip("Apache Kafka needs Java 17 or later on PATH")
    if not any(libs.glob("kafka_*.jar")):
        pytest.skip(f"no Apache Kafka jars in {libs}: docker/kafka/pom.xml says how to fetch them")
    return libs
