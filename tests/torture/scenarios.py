"""What is done to the job, and what must hold afterwards: the lake of a calm run, row by row and byte by byte."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from flows.servers import Broker, S3Server
from replay.verify import verify
from schemas.keys import STAGING
from sinks.s3 import S3Store
from tests.torture.compare import content, differences
from tests.torture.job import JobProcess, Place
from tests.torture.reader import Reader
from tests.torture.traffic import Traffic

KILL_WITHIN_SECONDS = 4.0  # of the start: about 1.5 s of it are the start itself


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
        return Traffic(self.broker.bootstrap, "rum", self.captures, rate=self.rate, seed=self.seed)

    def chance(self) -> random.Random:
        return random.Random(self.seed)


@contextmanager
def under_traffic(stage: Stage, say: Callable[[str], None], endpoint_url: str = "") -> Iterator[Place]:
    """Traffic and a reader while the block breaks things; then the job catches up and its lake is judged.

    Raises AssertionError with what differs from a calm run over the same topic.
    """
    place = stage.place(endpoint_url)
    with Reader(place.store()) as reader:
        with stage.traffic() as traffic:
            yield place
        say(f"sent {traffic.sent}")
        job = JobProcess(place)
        samples = job.await_idle()
        code, seconds = job.stop()
        say(
            f"caught up; stopped with {code} in {seconds:.1f} s; store retries {samples['replaylake_store_retries_total']}"
        )
        assert code == 0, job.log_tail()
    judge(stage, place, reader, say)


def judge(stage: Stage, place: Place, reader: Reader, say: Callable[[str], None]) -> None:
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


def kills(stage: Stage, count: int, say: Callable[[str], None], *, shapes: tuple[int, ...] = (1,)) -> None:
    """kill -9 at random moments of start, work, snapshot and publish; `shapes`: numbers of processes, in turn."""
    chance, tally = stage.chance(), Counter[str]()
    with under_traffic(stage, say) as place:
        store = place.store()
        assert isinstance(store, S3Store)
        for number in range(count):
            shape = shapes[number * len(shapes) // count] if len(shapes) <= count else shapes[0]
            job = JobProcess(place, shape)
            time.sleep(chance.uniform(0.0, KILL_WITHIN_SECONDS + (1.5 if shape > 1 else 0.0)))
            was_up = job.samples() is not None
            victim = job.kill(chance)
            tally[f"{shape} processes, {'at work' if was_up else 'while starting'}"] += 1
            tally[f"victim {victim}"] += 1
            tally["left staged objects (between snapshot and published)"] += any(store.list(STAGING))
            if (number + 1) % 10 == 0:
                say(f"{number + 1} kills")
    for what, times in sorted(tally.items()):
        say(f"  {times:4} x {what}")


def stops(stage: Stage, count: int, say: Callable[[str], None], *, processes: int = 1) -> list[float]:
    """SIGTERM under load, again and again; the seconds each took."""
    seconds = []
    chance = stage.chance()
    with under_traffic(stage, say) as place:
        for _ in range(count):
            job = JobProcess(place, processes)
            while job.samples() is None:
                time.sleep(0.1)
            time.sleep(chance.uniform(0.3, 2.0))
            code, took = job.stop()
            assert code == 0, job.log_tail()
            staged = [found.key for found in place.store().list(STAGING)]
            assert staged == [], f"left for the next start: {staged}"
            seconds.append(took)
    seconds.sort()
    say(f"{count} stops with exit code 0: median {seconds[count // 2]:.2f} s, longest {seconds[-1]:.2f} s")
    return seconds
