"""What a topic, a broker and a clock do to the job, case by case: nothing lost, nothing twice, or refused."""

import json
import random
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from flows.settings import Settings
from tests.torture.clock_shim import MovedClock
from tests.torture.job import JobProcess, Place
from tests.torture.raw_produce import Record, produce
from tests.torture.topics import Sender, Topics
from tests.torture.truth import Told, action, command, day_of, untrue, unverified
from tests.torture.verdicts import Case

HOURS_AGO_MS = 3 * 3_600_000  # a backlog: everything is due as soon as it is read
STEP_MS = 200  # between two rows of a session
HOLD_SECONDS = 90.0  # for what must become true
END_SECONDS = 60.0  # for a job that must end by itself
WATCHDOG_SECONDS = 5
LIVE_RULES = {  # slow enough that a busy machine does not close a session between two rows of it
    "REPLAYLAKE_SESSIONS__GAP_SECONDS": "8",
    "REPLAYLAKE_SESSIONS__LATENESS_SECONDS": "2",
    "REPLAYLAKE_RUN__CLOCK_MARGIN_SECONDS": "2",
}
QUICK_LOOKS = {"REPLAYLAKE_KAFKA__METADATA_SECONDS": "1"}
Rows = list[tuple[int, bytes, int]]


class Field(msgspec.Struct):
    """A broker and a folder; every case has topics, a lake and state of its own."""

    topics: Topics
    folder: Path

    def place(self, name: str, topics: Sequence[str], extra: Mapping[str, str] | None = None) -> Place:
        named = {"REPLAYLAKE_KAFKA__TOPICS": json.dumps(list(topics)), **QUICK_LOOKS, **(extra or {})}
        return Place(
            self.topics.broker,
            str(self.folder / name / "lake"),
            self.folder / name / "recovery",
            extra=known_settings(named),
        )

    def new(self, name: str, partitions: int, *, any_stamp: bool = False) -> str:
        """A topic of this case; its folder too."""
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.topics.make(name, partitions, any_stamp=any_stamp)
        return name


def known_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Those that this release has."""
    found = {}
    for name, value in environment.items():
        section, _, setting = name.removeprefix("REPLAYLAKE_").lower().partition("__")
        declared: Any = Settings.model_fields[section].annotation if name.startswith("REPLAYLAKE_") else None
        if declared is None or setting in declared.model_fields:
            found[name] = value
    return found


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


# Stamps


def stamps(field: Field, *, age_ms: int) -> list[str]:
    """Every impossible stamp amid healthy ones; `age_ms` 0: as they come, else a backlog of that age."""
    name = field.new(f"stamps-{'backlog' if age_ms else 'live'}-{time.time_ns()}", len(_BAD_STAMPS), any_stamp=True)
    place = field.place(name, [name], LIVE_RULES)
    sender = Sender(field.topics.broker, name)
    begun_ms = _now_ms()
    days, today = _days_around(begun_ms - age_ms), _days_around(begun_ms)
    told: dict[str, Told] = {}
    for kind in _BAD_STAMPS:  # a stamp that counts as now may close what a backlog has open, so there not calm
        told |= {f"{one}-{kind}": Told(6, days, is_calm=not age_ms) for one in ("plain", "mixed")}
        told[f"alone-{kind}"] = Told(2, today, is_calm=not age_ms)

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
    later, told_later = batch("later", len(_BAD_STAMPS), len(_BAD_STAMPS), _now_ms())
    sender.send(later)
    return found + runs(place, told | told_later) + _kept_by_cleaning(place)


def _send_around(field: Field, topic: str, partition: int, kind: str, first: int, age_ms: int) -> None:  # noqa: PLR0913
    """Healthy rows of two sessions, between them one of the second with a bad stamp, and one of a third session."""
    sender = Sender(field.topics.broker, topic)
    healthy_ms = _now_ms() - age_ms
    plain, mixed, alone = (f"{one}-{kind}" for one in ("plain", "mixed", "alone"))
    sender.send(rows_of(plain, partition, 2, healthy_ms, first) + rows_of(mixed, partition, 2, healthy_ms, first))
    bad_ms, header = _BAD_STAMPS[kind](_now_ms()), (("type", b"guance.rum"),)
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
    code, output = command(place, "sessions", "--json", "--limit", "10000")
    assert code == 0, output
    return {row["session_id"] for row in json.loads(output)}


_BAD_STAMPS: Mapping[str, Callable[[int], int]] = {
    "ten-minutes": lambda now_ms: now_ms + 600_000,
    "a-day": lambda now_ms: now_ms + 86_400_000,
    "year-2100": lambda _: 4_102_444_800_000,
    "zero": lambda _: 0,
    "none": lambda _: -1,
    "seconds": lambda now_ms: now_ms // 1000,
}


# The machine's clock


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
    days = frozenset({day_of(_now_ms()), day_of(_now_ms() - 3_600_000), day_of(_now_ms() + 3_600_000)})
    # Under a clock that is hours ahead everything is due at once, so that a session may come in two windows.
    told = {f"during-{n}": Told(6, days, is_calm=False, is_whole=seconds < 0) for n in range(2)}
    told |= {f"after-{n}": Told(3, days) for n in range(2)}
    clock.set(seconds)
    job = JobProcess(place)
    try:
        job.await_up()
        for first in (0, 3):
            now_ms = _now_ms()
            sender.send([row for n in range(2) for row in rows_of(f"during-{n}", n, 3, now_ms - 600, first)])
            time.sleep(2.0)  # so that an epoch with this clock is committed
        job.kill(random.Random(1))
        clock.set(0)
        job = JobProcess(place)
        job.await_up()
        now_ms = _now_ms()
        sender.send([row for n in range(2) for row in rows_of(f"after-{n}", n, 3, now_ms - 600)])
        found = become(job, lambda: untrue(place.store(), told))
        found += stopped(job)
    finally:
        job.end()
    return found + unverified(place)


def clock_set_back(field: Field) -> list[str]:
    """The wall clock is set back an hour under a running job: it goes on, or its watchdog ends it; nothing is lost."""
    topic = field.new(f"set-back-{time.time_ns()}", 1)
    clock = MovedClock(field.folder / topic)
    extra = {**LIVE_RULES, **clock.environment, "REPLAYLAKE_RUN__WATCHDOG_SECONDS": str(WATCHDOG_SECONDS)}
    place = field.place(topic, [topic], extra)
    days = frozenset({day_of(_now_ms()), day_of(_now_ms() - 3_600_000)})
    sender = Sender(field.topics.broker, topic)
    found = []
    job = JobProcess(place)
    try:
        job.await_up()
        sender.send(rows_of("before", 0, 3, _now_ms() - 600))
        clock.set(-3_600)
        sender.send(rows_of("behind", 0, 3, _now_ms() - 600))
        code = job.await_end(WATCHDOG_SECONDS + 20)
        if code is None:
            found.append(f"still there {WATCHDOG_SECONDS + 20} s after it stood still; watchdog {WATCHDOG_SECONDS} s")
        elif code == 0:
            found.append("the watchdog ends it with code 0: nobody starts it again")
    finally:
        job.end()
    clock.set(0)
    told = {"before": Told(3, days, is_calm=False), "behind": Told(3, days, is_calm=False)}
    return found + runs(place, told)


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


# Offsets


def transactions(field: Field) -> list[str]:
    """Committed and aborted transactions, a marker last on both partitions: all sessions close, the lag is 0."""
    topic = field.new(f"transactions-{time.time_ns()}", 2)
    old_ms = _now_ms() - HOURS_AGO_MS
    sender = Sender(field.topics.broker, topic, transaction=topic)
    told: dict[str, Told] = {}
    for number, commit in enumerate((True, False, True)):
        rows, told_of_them = batch(f"transaction-{number}", 4, 2, old_ms + number * 60_000)
        sender.transaction(rows, commit=commit)
        told |= told_of_them if commit else {}
    place = field.place(topic, [topic])
    job = JobProcess(place)
    try:
        found = become(job, lambda: untrue(place.store(), told))
        found += become(job, lambda: _lag(job), 10)
        found += stopped(job)
    finally:
        job.end()
    return found + unverified(place)


def _lag(job: JobProcess) -> list[str]:
    lag = (job.samples() or {}).get("replaylake_lag_messages")
    return [] if lag == 0 else [f"replaylake_lag_messages is {lag}"]


def made_again(field: Field, choice: str, *, longer: bool) -> list[str]:
    """A topic of the same name in the place of the one that was read: shorter or longer than the offset reached."""
    topic = field.new(f"again-{choice}-{'longer' if longer else 'shorter'}-{time.time_ns()}", 1)
    place = field.place(topic, [topic])
    old_ms = _now_ms() - HOURS_AGO_MS
    rows, told = batch("first", 4, 1, old_ms)
    Sender(field.topics.broker, topic).send(rows)
    found = runs(place, told)
    field.topics.make_again(topic, 1)
    second, told_second = batch("second", 8 if longer else 2, 1, old_ms + 60_000)
    Sender(field.topics.broker, topic).send(second)
    third, told_third = batch("third", 3, 1, old_ms + 120_000)

    def send_third() -> None:
        Sender(field.topics.broker, topic).send(third)

    if choice == "stop":
        return found + refuses(place, names="(?i)topic.*on.lost.offsets") + untrue(place.store(), told)
    told |= told_second if choice == "earliest" else {}
    found += runs(place, told | told_third, ["--on-lost-offsets", choice], meanwhile=send_third)
    fourth, told_fourth = batch("fourth", 3, 1, old_ms + 180_000)
    Sender(field.topics.broker, topic).send(fourth)
    return found + runs(place, told | told_third | told_fourth)  # the choice was for once


def truncated(field: Field, choice: str) -> list[str]:
    """Retention deletes what was not read yet."""
    topic = field.new(f"truncated-{choice}-{time.time_ns()}", 1)
    place = field.place(topic, [topic])
    old_ms = _now_ms() - HOURS_AGO_MS
    rows, told = batch("first", 4, 1, old_ms)
    sender = Sender(field.topics.broker, topic)
    sender.send(rows)
    found = runs(place, told)
    gone, _ = batch("gone", 4, 1, old_ms + 60_000)
    left, told_left = batch("left", 4, 1, old_ms + 90_000)
    sender.send(gone + left)
    field.topics.truncate(topic, 0, len(rows) + len(gone))
    if choice == "stop":
        return found + refuses(place, names="(?i)topic.*on.lost.offsets") + untrue(place.store(), told)
    third, told_third = batch("third", 3, 1, old_ms + 120_000)
    told |= told_left if choice == "earliest" else {}
    arguments = ["--on-lost-offsets", choice]
    return found + runs(place, told | told_third, arguments, meanwhile=lambda: sender.send(third))


def truncated_behind(field: Field) -> list[str]:
    """Retention deletes what was read: the usual day."""
    topic = field.new(f"behind-{time.time_ns()}", 1)
    place = field.place(topic, [topic])
    old_ms = _now_ms() - HOURS_AGO_MS
    rows, told = batch("first", 4, 1, old_ms)
    sender = Sender(field.topics.broker, topic)
    sender.send(rows)
    found = runs(place, told)
    second, told_second = batch("second", 4, 1, old_ms + 60_000)
    sender.send(second)
    field.topics.truncate(topic, 0, len(rows))
    return found + runs(place, told | told_second)


def grown(field: Field, start: str) -> list[str]:
    """From 2 to 4 partitions while the job runs: the new ones are found, and read from their beginning."""
    topic = field.new(f"grown-{start}-{time.time_ns()}", 2)
    place = field.place(topic, [topic], {"REPLAYLAKE_KAFKA__START": start})
    old_ms = _now_ms() - HOURS_AGO_MS
    before, told_before = batch("before", 4, 2, old_ms)
    if start == "earliest":
        Sender(field.topics.broker, topic).send(before)
    after, told_after = batch("after", 8, 4, old_ms + 60_000)
    running, told_running = batch("running", 4, 2, old_ms + 30_000)

    def grow() -> None:
        Sender(field.topics.broker, topic).send(running)
        field.topics.grow(topic, 4)
        Sender(field.topics.broker, topic).send(after)

    told = told_running | told_after | (told_before if start == "earliest" else {})
    found = runs(place, told, meanwhile=grow)
    last, told_last = batch("last", 8, 4, old_ms + 90_000)
    Sender(field.topics.broker, topic).send(last)
    return found + runs(place, told | told_last)


def latest_and_idle(field: Field) -> list[str]:
    """`latest` is where the first start found the ends; what comes later to a silent partition is read."""
    topic = field.new(f"idle-{time.time_ns()}", 2)
    place = field.place(topic, [topic], {"REPLAYLAKE_KAFKA__START": "latest"})
    old_ms = _now_ms() - HOURS_AGO_MS
    sender = Sender(field.topics.broker, topic)
    sender.send(rows_of("too-early", 0, 5, old_ms) + rows_of("too-early", 1, 5, old_ms, 5))
    days = frozenset({day_of(old_ms)})
    told = {"busy": Told(5, days)}
    found = runs(place, told, meanwhile=lambda: sender.send(rows_of("busy", 0, 5, old_ms + 60_000)))
    sender.send(rows_of("idle", 1, 5, old_ms + 90_000))
    return found + runs(place, told | {"idle": Told(5, days)})


def fewer_partitions(field: Field, choice: str) -> list[str]:
    """A topic made again with 2 partitions instead of 4, while sessions are open."""
    topic = field.new(f"fewer-{choice}-{time.time_ns()}", 4)
    place = field.place(topic, [topic], {"REPLAYLAKE_SESSIONS__GAP_SECONDS": "20"})
    rows, told = batch("first", 4, 4, _now_ms() - HOURS_AGO_MS)
    open_ms = _now_ms()
    sender = Sender(field.topics.broker, topic)
    sender.send(rows)
    found = runs(
        place,
        told,
        meanwhile=lambda: sender.send([row for n in range(4) for row in rows_of(f"open-{n}", n, 2, open_ms)]),
        others=True,
    )
    field.topics.make_again(topic, 2)
    second, told_second = batch("second", 4, 2, _now_ms() - HOURS_AGO_MS)
    Sender(field.topics.broker, topic).send(second)
    if choice == "stop":
        return found + refuses(place, names="(?i)topic")
    closing = {f"open-{n}": Told(2, frozenset({day_of(open_ms)})) for n in range(4)}
    place = field.place(topic, [topic])
    return found + runs(place, told | told_second | closing, ["--on-lost-offsets", choice])


def renamed(field: Field) -> list[str]:
    """The same messages under another topic's name, with the old state: refused, or known as copies."""
    names = [field.new(f"renamed-{n}-{time.time_ns()}", 1) for n in range(2)]
    extra = {"REPLAYLAKE_SESSIONS__MEMO_BYTES": "1"}  # as if hours had passed: closed sessions are forgotten
    place = field.place(names[0], [names[0]], extra)
    rows, told = batch("first", 4, 1, _now_ms() - HOURS_AGO_MS)
    for name in names:
        Sender(field.topics.broker, name).send(rows)
    found = runs(place, told)
    other = msgspec.structs.replace(place, extra={**place.extra, "REPLAYLAKE_KAFKA__TOPICS": json.dumps([names[1]])})
    return found + refuses(other, names="(?i)topic") + untrue(place.store(), told)


# State


def backup(field: Field) -> list[str]:
    """A recovery folder that is older than the lake."""
    place, sender, told = _published(field, "backup")
    copy = place.recovery.with_name("copy")
    shutil.copytree(place.recovery, copy)
    rows, told_newer = batch("newer", 4, 1, _now_ms() - HOURS_AGO_MS)
    sender.send(rows)
    found = runs(place, told | told_newer)
    shutil.rmtree(place.recovery)
    copy.rename(place.recovery)
    return found + refuses(place, names="(?i)recovery|older|backup") + untrue(place.store(), told | told_newer)


def taken_over(field: Field) -> list[str]:
    """The recovery folder is lost: refused without a stated start, and no doubles with `latest`."""
    place, sender, told = _published(field, "take-over")
    shutil.rmtree(place.recovery)
    found = refuses(place, ["--take-over"], names="--start|kafka.start")
    found += untrue(place.store(), told)
    rows, told_newer = batch("newer", 4, 1, _now_ms() - HOURS_AGO_MS)
    arguments = ["--take-over", "--start", "latest"]
    found += runs(place, told | told_newer, arguments, meanwhile=lambda: sender.send(rows))
    more, told_more = batch("more", 4, 1, _now_ms() - HOURS_AGO_MS)
    sender.send(more)
    return found + runs(place, told | told_newer | told_more)


def _published(field: Field, name: str) -> tuple[Place, Sender, dict[str, Told]]:
    topic = field.new(f"{name}-{time.time_ns()}", 1)
    place = field.place(topic, [topic])
    rows, told = batch("first", 4, 1, _now_ms() - HOURS_AGO_MS)
    sender = Sender(field.topics.broker, topic)
    sender.send(rows)
    assert runs(place, told) == []
    return place, sender, told


# For operators


def group_offsets(field: Field) -> list[str]:
    """The usual lag tools see how far the job is."""
    topic = field.new(f"group-{time.time_ns()}", 2)
    rows, told = batch("first", 4, 2, _now_ms() - HOURS_AGO_MS)
    Sender(field.topics.broker, topic).send(rows)
    place = field.place(topic, [topic])
    ends = field.topics.ends([topic])

    def lagging() -> list[str]:
        shown = {place: offset for place, offset in field.topics.committed("replaylake").items() if place in ends}
        return [] if shown == ends else [f"group replaylake shows {shown}, the ends are {ends}"]

    job = JobProcess(place)
    try:
        found = become(job, lambda: untrue(place.store(), told)) + become(job, lagging, 90)
        return found + stopped(job)
    finally:
        job.end()


def garbage(field: Field) -> list[str]:
    """A bad deploy: the job stops and says why before a day of it is in the quarantine; nothing of it is lost."""
    topic = field.new(f"garbage-{time.time_ns()}", 1)
    limits = {"REPLAYLAKE_LIMITS__QUARANTINE_SHARE": "0.5", "REPLAYLAKE_LIMITS__QUARANTINE_MIN_MESSAGES": "50"}
    place = field.place(topic, [topic], limits)
    old_ms = _now_ms() - HOURS_AGO_MS
    rows, told = batch("good", 4, 1, old_ms)
    sender = Sender(field.topics.broker, topic)
    sender.send(rows)
    found = runs(place, told)
    sender.send([(0, b"[" + bytes(20), old_ms + 60_000 + n) for n in range(_GARBAGE)])
    more, told_more = batch("more", 4, 1, old_ms + 120_000)
    sender.send(more)
    found += refuses(place, names="quarantine_share") + refuses(place, names="quarantine_share")
    found += [f"{count} rows of garbage are committed" for count in [_quarantined(place)] if count]
    found += runs(field.place(topic, [topic], {**limits, "REPLAYLAKE_LIMITS__QUARANTINE_SHARE": "1"}), told | told_more)
    count = _quarantined(place)
    return found + ([f"{count} rows in the quarantine, not {_GARBAGE}"] if count != _GARBAGE else [])


_GARBAGE = 200


def _quarantined(place: Place) -> int:
    code, output = command(place, "sql", "--json", "select count(*) n from quarantine")
    assert code == 0, output
    return int(json.loads(output)[0]["n"])


def _days_around(stamp_ms: int) -> frozenset[str]:
    """A case may run over midnight."""
    return frozenset({day_of(stamp_ms), day_of(stamp_ms + 600_000)})


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


Check = Callable[[Field], list[str]]
_CHOICES = ("stop", "earliest", "latest")
CASES: Mapping[str, Mapping[str, Check]] = {  # by subject and name
    "stamps": {
        "impossible stamps, live": partial(stamps, age_ms=0),
        "impossible stamps, backlog": partial(stamps, age_ms=HOURS_AGO_MS),
    },
    "clocks": {
        "machine 10 h ahead for a while": machine_ahead,
        "machine 1 h behind for a while": machine_behind,
        "clock set back an hour": clock_set_back,
        "SIGTERM while it is set back": stop_while_set_back,
    },
    "offsets": {
        "transactions": transactions,
        **{f"topic made again, shorter, {one}": partial(made_again, choice=one, longer=False) for one in _CHOICES},
        **{f"topic made again, longer, {one}": partial(made_again, choice=one, longer=True) for one in _CHOICES},
        **{f"truncated before it was read, {one}": partial(truncated, choice=one) for one in _CHOICES},
        "truncated after it was read": truncated_behind,
        **{f"2 to 4 partitions, {one}": partial(grown, start=one) for one in ("earliest", "latest")},
        "latest and an idle partition": latest_and_idle,
        **{f"fewer partitions, {one}": partial(fewer_partitions, choice=one) for one in ("stop", "earliest")},
        "renamed topic": renamed,
    },
    "state": {"recovery folder from a backup": backup, "recovery folder lost": taken_over},
    "operators": {"group offsets": group_offsets, "share of garbage": garbage},
}


def cases(field: Field) -> dict[str, list[Case]]:
    """All of them, by subject, to be judged on this broker."""
    return {
        subject: [Case(name, partial(check, field)) for name, check in checks.items()]
        for subject, checks in CASES.items()
    }
