"""What is done to the job, and what must hold afterwards: the lake of a calm run, row by row and byte by byte."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from flows.demo.servers import Broker, S3Server
from lake.verify import verify
from schemas.keys import STAGING
from sinks.store import ObjectStore
from tests.torture.compare import content, differences
from tests.torture.fault_proxy import Faults, fault_proxy
from tests.torture.job import JobProcess, Place, Samples
from tests.torture.neighbours import Neighbour
from tests.torture.reader import Reader
from tests.torture.routes import rum_lane
from tests.torture.traffic import Traffic

Say = Callable[[str], None]

WORK_SECONDS = 3.0  # after a start that a kill waits for at most
MEMORY_FIGURES = 10
ALL_FAIL_SECONDS = 12.0
PATIENCE_SECONDS = 120.0  # for what must happen once, on a machine that is busy with other things
PUBLISH_SECONDS = 0.15  # of an epoch's objects: stored, committed, published


class Stage(msgspec.Struct):
    """Servers, recordings and a folder to work in. `seed`: of the dice."""

    broker: Broker
    s3: S3Server
    captures: list[Path]
    folder: Path
    rate: float = 150.0  # messages a second
    seed: int = 1
    prefix: str = msgspec.field(default_factory=lambda: f"torture-{time.time_ns()}")

    def place(self, endpoint_url: str = "") -> Place:
        lake = f"s3://lake/{self.prefix}"
        return Place(self.broker, lake, self.folder / "recovery", self.s3, endpoint_url)

    def traffic(self) -> Traffic:
        return Traffic([rum_lane(self.broker.bootstrap)], self.captures, rate=self.rate, seed=self.seed)

    def chance(self) -> random.Random:
        return random.Random(self.seed)


@contextmanager
def under_traffic(stage: Stage, say: Say, endpoint_url: str = "") -> Iterator[Place]:
    """Traffic and a reader while the block breaks things; then the job catches up and its lake is judged.

    Raises AssertionError with what differs from a calm run over the same topic.
    """
    place = stage.place(endpoint_url)
    with Reader(place.store()) as reader:
        with stage.traffic() as traffic:
            yield place
        say(f"sent {dict(traffic.sent)}")
        job = JobProcess(place)
        samples = job.await_idle()
        code, seconds = job.stop()
        retries = samples["replaylake_store_retries_total"]
        say(f"caught up; stopped with {code} in {seconds:.1f} s; store retries {retries:.0f}")
        assert code == 0, job.log_tail()
    judge(stage, place, reader, say)


def judge(stage: Stage, place: Place, reader: Reader, say: Say) -> None:
    """Compare with an uninterrupted run into a local lake; look at what the reader saw."""
    calm_place = Place(stage.broker, str(stage.folder / "calm"), stage.folder / "calm-recovery")
    calm_job = JobProcess(calm_place)
    calm_job.await_idle()
    code, _ = calm_job.stop()
    assert code == 0, calm_job.log_tail()
    tortured, calm = content(place.store()), content(calm_place.store())
    say(f"lake: {tortured.summary()}")
    say(f"calm: {calm.summary()}")
    seen = reader.seen
    say(f"reader: {seen.looks} looks, {seen.files:,} files, {seen.rows:,} rows, {len(seen.problems)} problems")
    problems = differences(calm, tortured) + verify(place.store()).problems + seen.problems
    assert problems == [], "\n".join(problems[:20])
    assert tortured.tables["sessions"], "nothing came out at all"


def kills(stage: Stage, count: int, say: Say, *, shapes: tuple[int, ...] = (1,)) -> None:
    """kill -9 at random moments of start, work, snapshot and publish; `shapes`: numbers of processes, in turn.

    How long a start takes is measured at the first one of each shape, which is therefore killed at work.
    """
    chance, tally = stage.chance(), Counter[str]()
    with under_traffic(stage, say) as place:
        store = place.store()
        start_seconds: dict[int, float] = {}
        for number in range(count):
            shape = shapes[number * len(shapes) // count]
            job = JobProcess(place, shape)
            match chance.choice(("start", "work", "publish", "publish")):
                case _ if shape not in start_seconds:
                    start_seconds[shape] = _start_seconds(job)
                    time.sleep(chance.uniform(0.0, WORK_SECONDS))
                case "start":
                    time.sleep(chance.uniform(0.0, start_seconds[shape]))
                case "work":
                    time.sleep(start_seconds[shape] + chance.uniform(0.0, WORK_SECONDS))
                case _:
                    _await_staged(store, start_seconds[shape] + WORK_SECONDS)
                    time.sleep(chance.uniform(0.0, PUBLISH_SECONDS))
            was_up = job.samples() is not None
            victim = job.kill(chance)
            tally[f"{shape} processes, {'at work' if was_up else 'while starting'}"] += 1
            tally[f"victim {victim}"] += 1
            tally["left staged objects (between snapshot and published)"] += any(store.list(STAGING))
            if (number + 1) % 10 == 0:
                say(f"{number + 1} kills")
        say(f"a start takes {', '.join(f'{seconds:.1f} s ({n})' for n, seconds in start_seconds.items())}")
    for what, times in sorted(tally.items()):
        say(f"  {times:4} x {what}")


def _await_staged(store: ObjectStore, seconds: float) -> None:
    """Until the job has begun to store what an epoch made, which it then commits and publishes."""
    known = {found.key for found in store.list(STAGING)}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not {found.key for found in store.list(STAGING)} - known:
        time.sleep(0.01)


def _start_seconds(job: JobProcess) -> float:
    begun = time.monotonic()
    _await_answer(job)
    return time.monotonic() - begun


def _await_answer(job: JobProcess) -> None:
    while job.samples() is None:
        assert job.poll() is None, job.log_tail()
        time.sleep(0.05)


def stops(stage: Stage, count: int, say: Say, *, shapes: tuple[int, ...] = (1,)) -> list[float]:
    """SIGTERM under load, again and again; the seconds each took. `shapes`: numbers of processes, in turn."""
    seconds = []
    chance = stage.chance()
    with under_traffic(stage, say) as place:
        for number in range(count):
            job = JobProcess(place, shapes[number % len(shapes)])
            _await_answer(job)
            time.sleep(chance.uniform(0.3, 2.0))
            code, took = job.stop()
            assert code == 0, job.log_tail()
            staged = [found.key for found in place.store().list(STAGING)]
            assert staged == [], f"left for the next start: {staged}"
            seconds.append(took)
    seconds.sort()
    say(f"{count} stops with exit code 0: median {seconds[count // 2]:.2f} s, longest {seconds[-1]:.2f} s")
    return seconds


def restarts(stage: Stage, neighbours: Sequence[Neighbour[Any]], seconds: float, say: Say) -> None:
    """Each of these servers in turn is stopped for so long; the job waits, and goes on by itself."""
    with under_traffic(stage, say) as place, _one_job(place, say):
        for number, neighbour in enumerate(neighbours):
            time.sleep(min(10.0, seconds))
            neighbour.stop()
            say(f"server {number + 1} of {len(neighbours)} stopped for {seconds:.0f} s")
            time.sleep(seconds)
            neighbour.start()
        time.sleep(min(20.0, seconds))


def store_faulty(stage: Stage, seconds: float, say: Say, wanted: Collection[str] = ()) -> Samples:
    """Of the requests 30 % get 503, 5 % lose their answer, 5 % are a second late; then all get 503 for a while.

    Goes on until the `wanted` metrics have moved. Returns the highest value of each metric.
    """
    faults = Faults(stage.seed)
    with (
        fault_proxy(stage.s3.endpoint_url, faults) as url,
        under_traffic(stage, say, url) as place,
        _one_job(place, say) as highest,
    ):
        _await(lambda: highest.get("replaylake_table_rows_total", 0) > 0)
        faults.shares = {"unavailable": 0.3, "answer_lost": 0.05, "slow": 0.05}
        time.sleep(seconds)
        _await(lambda: all(faults.done[fault] for fault in faults.shares))
        faults.shares = {"unavailable": 1.0}  # longer than the client's own retries, so that ours are seen
        _await(lambda: highest.get("replaylake_store_retries_total", 0) > 0)
        time.sleep(min(ALL_FAIL_SECONDS, seconds))
        faults.shares = {}
        _await(lambda: all(highest.get(metric) for metric in wanted))
        say(f"requests: {dict(faults.done)}")
    return highest


def _await(happened: Callable[[], bool]) -> None:
    """Returns when it has, or after PATIENCE_SECONDS: what is checked afterwards says what is missing."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.2)


@contextmanager
def _one_job(place: Place, say: Say) -> Iterator[Samples]:
    """One process of the job that must live through the block and stop well; says how much memory it took.

    Yields the highest value of each of its metrics, which grows.
    """
    job = JobProcess(place)
    memory: list[float] = []
    highest: Samples = {}
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.5):
            samples = job.samples()
            if samples is not None:
                memory.append(samples["process_resident_memory_bytes"] / 1e6)
                highest.update({name: max(value, highest.get(name, 0.0)) for name, value in samples.items()})

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    try:
        _await_answer(job)
        yield highest
    finally:
        ended.set()
        watch.join()
    assert job.poll() is None, f"the job ended by itself\n{job.log_tail()}"
    code, took = job.stop()
    assert code == 0, job.log_tail()
    step = max(1, len(memory) // MEMORY_FIGURES)
    highs = ", ".join(f"{max(memory[at : at + step]):.0f}" for at in range(0, len(memory), step))
    say(f"the same process all the time; stopped in {took:.1f} s; MB resident, highest in each tenth: {highs}")
