"""Where a case of a topic plays: a broker, a lake and state of its own, rows to send, a job that runs or refuses."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from flows.demo.servers import S3Server
from tests.torture.job import JobProcess, Place
from tests.torture.topics import Topics
from tests.torture.truth import Told, action, day_of, untrue, unverified

HOURS_AGO_MS = 3 * 3_600_000  # a backlog: everything is due as soon as it is read
STEP_MS = 200  # between two rows of a session
HOLD_SECONDS = 280.0  # for what must become true
END_SECONDS = 200.0  # for a job that must end by itself
LIVE_RULES = {  # slow enough that a busy machine does not close a session between two rows of it
    "REPLAYLAKE_SESSIONS__GAP_SECONDS": "8",
    "REPLAYLAKE_SESSIONS__LATENESS_SECONDS": "2",
    "REPLAYLAKE_RUN__CLOCK_MARGIN_SECONDS": "2",
}
QUICK_LOOKS = {"REPLAYLAKE_KAFKA__METADATA_SECONDS": "1"}
Rows = list[tuple[int, bytes, int]]


class Field(msgspec.Struct):
    """A broker and a folder; every case has topics, a lake and state of its own.

    `s3`: the server whose bucket `lake` holds the lakes; None for the folder.
    """

    topics: Topics
    folder: Path
    s3: S3Server | None = None

    def place(self, name: str, topics: Sequence[str], extra: Mapping[str, str] | None = None) -> Place:
        named = {"REPLAYLAKE_KAFKA__TOPICS": json.dumps(list(topics)), **QUICK_LOOKS, **(extra or {})}
        return Place(
            self.topics.broker,
            f"s3://lake/{name}" if self.s3 else str(self.folder / name / "lake"),
            self.folder / name / "recovery",
            self.s3,
            extra=named,
        )

    def new(self, name: str, partitions: int, *, any_stamp: bool = False) -> str:
        """A topic of this case; its folder too."""
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.topics.make(name, partitions, any_stamp=any_stamp)
        return name


def rows_of(session_id: str, partition: int, count: int, stamp_ms: int, first: int = 0) -> Rows:
    """`count` actions of a session from this time on, received when they happened."""
    return [
        (partition, action(session_id, first + n, stamp_ms + n * STEP_MS), stamp_ms + n * STEP_MS) for n in range(count)
    ]


def batch(prefix: str, sessions: int, partitions: int, stamp_ms: int) -> tuple[Rows, dict[str, Told]]:
    """Sessions of 5 actions each, whole on one partition, and what must come of them."""
    rows: Rows = []
    told = {}
    for number in range(sessions):
        name = f"{prefix}-{number}"
        rows += rows_of(name, number % partitions, 5, stamp_ms)
        told[name] = Told(5, frozenset({day_of(stamp_ms)}))
    return rows, told


def become(job: JobProcess, problems: Callable[[], list[str]], seconds: float = HOLD_SECONDS) -> list[str]:
    """Wait until there are no problems; those that are left."""
    deadline = time.monotonic() + seconds
    while (found := problems()) and time.monotonic() < deadline:
        if job.poll() is not None:
            return [f"the job ended by itself with {job.poll()}: {last_line(job)}", *found]
        time.sleep(0.3)
    return found


def runs(
    place: Place,
    told: Mapping[str, Told],
    arguments: Sequence[str] = (),
    *,
    meanwhile: Callable[[], None] | None = None,
    others: bool = False,
) -> list[str]:
    """Run the job until the lake holds what is told; `meanwhile` happens once it works. Stop it, and verify."""
    job = JobProcess(place, arguments=arguments)
    try:
        if meanwhile is not None:
            job.await_up()
            meanwhile()
        found = become(job, lambda: untrue(place.store(), told, others=others))
        found += stopped(job)
    except AssertionError as error:
        return [str(error).strip().splitlines()[-1]]
    finally:
        job.end()
    return found + untrue(place.store(), told, others=others) * (not found) + unverified(place)


def stopped(job: JobProcess) -> list[str]:
    if job.poll() is not None:
        return [f"the job had ended by itself with {job.poll()}: {last_line(job)}"]
    code, _ = job.stop()
    return [f"a stop ends with code {code}: {last_line(job)}"] if code else []


def refuses(place: Place, arguments: Sequence[str] = (), *, names: str = "") -> list[str]:
    """The job must not start, and say why in one line; `names`: a regular expression that the line matches."""
    job = JobProcess(place, arguments=arguments)
    try:
        code = job.await_end(END_SECONDS)
    finally:
        job.end()
    if code is None:
        return ["it works on, and says nothing"]
    found = [f"exit code {code}, not 1 or 2"] if code not in {1, 2} else []
    log = job.log()
    errors = [line for line in log.splitlines() if line.lower().startswith("error")]
    found += [f"{word} in what it says" for word in ("Traceback", "panicked") if word in log]
    found += [f"{len(errors)} lines of error, not 1"] if len(errors) != 1 else []
    if not re.search(names, last_line(job)):
        found.append(f"does not name {names!r}")
    return [f"{one}: {last_line(job)}" for one in found]


def last_line(job: JobProcess) -> str:
    return (job.log().strip().splitlines() or ["(nothing said)"])[-1]


def now_ms() -> int:
    return time.time_ns() // 1_000_000
