"""The wall clock of the job's machine is wrong for a while, or is set under a running job."""

import random
import time
from collections.abc import Sequence

from tests.torture.clock_shim import MovedClock
from tests.torture.field import (
    LIVE_RULES,
    Field,
    batch,
    become,
    now_ms,
    rows_of,
    runs,
    stopped,
)
from tests.torture.job import JobProcess
from tests.torture.topics import Sender
from tests.torture.truth import Told, day_of, untrue, unverified

WATCHDOG_SECONDS = 5


def machine_ahead(field: Field) -> list[str]:
    """The job's machine is 10 h ahead for a few seconds; the job is killed and starts again under the right time."""
    return _machine_off(field, "ahead", 36_000)


def machine_behind(field: Field) -> list[str]:
    """The job's machine is 1 h behind for a few seconds, from its start on."""
    return _machine_off(field, "behind", -3_600)


def _machine_off(field: Field, name: str, seconds: float) -> list[str]:
    topic = field.new(f"machine-{name}-{time.time_ns()}", 2)
    clock = MovedClock(field.folder / topic)
    place = field.place(topic, [topic], {**LIVE_RULES, **clock.environment})
    sender = Sender(field.topics.broker, topic)
    days = frozenset({day_of(now_ms()), day_of(now_ms() - 3_600_000), day_of(now_ms() + 3_600_000)})
    # Under a clock that is hours ahead everything is due at once, so that a session may come in two windows.
    told = {f"during-{n}": Told(6, days, is_calm=False, is_whole=seconds < 0) for n in range(2)}
    told |= {f"after-{n}": Told(3, days) for n in range(2)}
    clock.set(seconds)
    job = JobProcess(place)
    try:
        job.await_up()
        for first in (0, 3):
            at_ms = now_ms()
            sender.send([row for n in range(2) for row in rows_of(f"during-{n}", n, 3, at_ms - 600, first)])
            time.sleep(2.0)  # so that an epoch with this clock is committed
        job.kill(random.Random(1))
        clock.set(0)
        job = JobProcess(place)
        job.await_up()
        at_ms = now_ms()
        sender.send([row for n in range(2) for row in rows_of(f"after-{n}", n, 3, at_ms - 600)])
        found = become(job, lambda: untrue(place.store(), told))
        found += stopped(job)
    finally:
        job.end()
    return found + unverified(place)


def clock_set_back(field: Field) -> list[str]:
    """The wall clock is set back an hour under a running job."""
    return _clock_steps(field, "set-back", (0, -3_600))


def clock_ahead_and_back(field: Field) -> list[str]:
    """The wall clock jumps 10 h ahead under a running job, and is put right again."""
    return _clock_steps(field, "there-and-back", (0, 36_000, 0))


def _clock_steps(field: Field, name: str, steps: Sequence[float]) -> list[str]:
    """A backward step may stop the engine: the job goes on, or its watchdog ends it; nothing is lost."""
    topic = field.new(f"{name}-{time.time_ns()}", 1)
    clock = MovedClock(field.folder / topic)
    extra = {**LIVE_RULES, **clock.environment, "REPLAYLAKE_RUN__WATCHDOG_SECONDS": str(WATCHDOG_SECONDS)}
    place = field.place(topic, [topic], extra)
    days = frozenset({day_of(now_ms() + step * 1000) for step in steps})
    sender = Sender(field.topics.broker, topic)
    told: dict[str, Told] = {}
    found = []
    job = JobProcess(place)
    try:
        job.await_up()
        for number, step in enumerate(steps):
            clock.set(step)
            sender.send(rows_of(f"step-{number}", 0, 3, now_ms() - 600))
            told[f"step-{number}"] = Told(3, days, is_calm=False)
            time.sleep(2.0)  # some epochs under this clock
        code = job.await_end(WATCHDOG_SECONDS + 20)
        if code is None and (left := become(job, lambda: untrue(place.store(), told), 5)):
            found.append(f"stands still for {WATCHDOG_SECONDS + 25} s, the watchdog's {WATCHDOG_SECONDS}: {left[0]}")
        elif code == 0:
            found.append("the watchdog ends it with code 0: nobody starts it again")
    finally:
        job.end()
    clock.set(0)
    later, told_later = batch("later", 2, 1, now_ms())
    sender.send(later)
    return found + runs(place, told | told_later)


def stop_while_set_back(field: Field) -> list[str]:
    """SIGTERM is heard also while the engine stands still."""
    topic = field.new(f"deaf-{time.time_ns()}", 1)
    clock = MovedClock(field.folder / topic)
    place = field.place(topic, [topic], {**clock.environment, "REPLAYLAKE_RUN__WATCHDOG_SECONDS": "300"})
    job = JobProcess(place)
    try:
        job.await_up()
        clock.set(-3_600)
        time.sleep(2.0)  # it is on its way into the engine's wait
        job.terminate()
        code = job.await_end(30)
        return [] if code is not None else ["still there 30 s after SIGTERM"]
    finally:
        job.end()
