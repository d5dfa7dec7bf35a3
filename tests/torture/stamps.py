"""Stamps that cannot be amid healthy ones: everything closes when it is due, under its day, and is there to stay."""

import re
import time
from collections.abc import Callable, Mapping

from lake.catalog import session_keys
from tests.torture.field import (
    LIVE_RULES,
    STEP_MS,
    Field,
    batch,
    become,
    now_ms,
    rows_of,
    runs,
    stopped,
)
from tests.torture.job import JobProcess, Place
from tests.torture.raw_produce import Record, produce
from tests.torture.topics import Sender
from tests.torture.truth import Told, action, command, day_of, untrue, unverified


def stamps(field: Field, *, age_ms: int) -> list[str]:
    """Every impossible stamp amid healthy ones; `age_ms` 0: as they come, else a backlog of that age."""
    name = field.new(f"stamps-{'backlog' if age_ms else 'live'}-{time.time_ns()}", len(_BAD_STAMPS), any_stamp=True)
    place = field.place(name, [name], LIVE_RULES)
    sender = Sender(field.topics.broker, name)
    begun_ms = now_ms()
    days, today = _days_around(begun_ms - age_ms), _days_around(begun_ms)
    told: dict[str, Told] = {}
    for kind in _BAD_STAMPS:  # a stamp that counts as now may close what a backlog has open, so there not calm
        told |= {f"{one}-{kind}": Told(6, days, is_calm=not age_ms) for one in ("plain", "mixed")}
        told[f"alone-{kind}"] = Told(2, days | today, is_calm=not age_ms)  # when the receive clock stands

    def send_all() -> None:
        for first in (0, 3):
            for partition, kind in enumerate(_BAD_STAMPS):
                _send_around(field, name, partition, kind, first, age_ms)
            time.sleep(2.0)  # less than the gap: the same sessions go on

    if age_ms:
        send_all()
    job = JobProcess(place)
    try:
        job.await_up()
        if not age_ms:
            send_all()
        found = become(job, lambda: untrue(place.store(), told))
        found += _replaced(job, 4 * len(_BAD_STAMPS)) + _warned(job, name)
        found += stopped(job)
    finally:
        job.end()
    # Not poisoned beyond its own time: what comes after a restart closes when it is due.
    later, told_later = batch("later", len(_BAD_STAMPS), len(_BAD_STAMPS), now_ms())
    sender.send(later)
    return found + runs(place, told | told_later) + _kept_by_cleaning(place)


def _send_around(field: Field, topic: str, partition: int, kind: str, first: int, age_ms: int) -> None:  # noqa: PLR0913
    """Healthy rows of two sessions, between them one of the second with a bad stamp, and one of a third session."""
    sender = Sender(field.topics.broker, topic)
    healthy_ms = now_ms() - age_ms
    plain, mixed, alone = (f"{one}-{kind}" for one in ("plain", "mixed", "alone"))
    sender.send(rows_of(plain, partition, 2, healthy_ms, first) + rows_of(mixed, partition, 2, healthy_ms, first))
    bad_ms, header = _BAD_STAMPS[kind](now_ms()), (("type", b"guance.rum"),)
    bad = [
        Record(action(mixed, first + 2, healthy_ms), bad_ms, headers=header),
        Record(action(alone, first, healthy_ms), bad_ms, headers=header),
    ]
    produce(field.topics.broker.bootstrap, topic, partition, bad)
    sender.send(rows_of(plain, partition, 1, healthy_ms + 2 * STEP_MS, first + 2))


def _replaced(job: JobProcess, count: int) -> list[str]:
    samples = job.samples() or {}
    found = samples.get("replaylake_stamps_replaced_total")
    return [] if found == count else [f"replaylake_stamps_replaced_total is {found}, not {count}"]


def _warned(job: JobProcess, topic: str) -> list[str]:
    warnings = [line for line in job.log().splitlines() if "WARNING" in line and "stamp" in line.lower()]
    found = [] if 1 <= len(warnings) <= 2 else [f"{len(warnings)} warnings about stamps, not one a minute"]
    wanted = re.compile(rf"(?=.*{re.escape(topic)})(?=.*partition\D*\d)(?=.*offset\D*\d)")
    return found + [f"does not name topic, partition, offset: {line}" for line in warnings if not wanted.search(line)]


def _kept_by_cleaning(place: Place) -> list[str]:
    """What `compact` and `retention sweep` delete of a lake in which nothing is due."""
    before = _latest(place)
    found = []
    for arguments in (("compact", "--job-is-stopped"), ("retention", "sweep")):
        code, output = command(place, *arguments)
        found += [f"{arguments[0]} ends with {code}: {output.strip()[-200:]}"] if code else []
        gone = before - _latest(place)
        found += [f"{' '.join(arguments)} deleted {len(gone)} sessions, such as {min(gone)}"] if gone else []
    return found + unverified(place)


def _latest(place: Place) -> set[str]:
    return {session_id for _, session_id in session_keys(place.store())}


_BAD_STAMPS: Mapping[str, Callable[[int], int]] = {
    "ten-minutes": lambda at_ms: at_ms + 600_000,
    "a-day": lambda at_ms: at_ms + 86_400_000,
    "year-2100": lambda _: 4_102_444_800_000,
    "zero": lambda _: 0,
    "none": lambda _: -1,
    "seconds": lambda at_ms: at_ms // 1000,
}


def _days_around(stamp_ms: int) -> frozenset[str]:
    """A case may run over midnight."""
    return frozenset({day_of(stamp_ms), day_of(stamp_ms + 600_000)})
