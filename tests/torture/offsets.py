"""Topics that are grown, made again, truncated, renamed, in transactions: nothing lost, nothing twice, or refused."""

import json
import time

import msgspec

from tests.torture.field import (
    HOURS_AGO_MS,
    Field,
    batch,
    become,
    now_ms,
    refuses,
    rows_of,
    runs,
    stopped,
)
from tests.torture.job import JobProcess
from tests.torture.topics import Sender
from tests.torture.truth import Told, day_of, untrue, unverified


def transactions(field: Field) -> list[str]:
    """Committed and aborted transactions, a marker last on both partitions: all sessions close, the lag is 0."""
    topic = field.new(f"transactions-{time.time_ns()}", 2)
    old_ms = now_ms() - HOURS_AGO_MS
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
    old_ms = now_ms() - HOURS_AGO_MS
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
    old_ms = now_ms() - HOURS_AGO_MS
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
    old_ms = now_ms() - HOURS_AGO_MS
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
    old_ms = now_ms() - HOURS_AGO_MS
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
    old_ms = now_ms() - HOURS_AGO_MS
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
    rows, told = batch("first", 4, 4, now_ms() - HOURS_AGO_MS)
    open_ms = now_ms()
    sender = Sender(field.topics.broker, topic)
    sender.send(rows)
    found = runs(
        place,
        told,
        meanwhile=lambda: sender.send([row for n in range(4) for row in rows_of(f"open-{n}", n, 2, open_ms)]),
        others=True,
    )
    field.topics.make_again(topic, 2)
    second, told_second = batch("second", 4, 2, now_ms() - HOURS_AGO_MS)
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
    rows, told = batch("first", 4, 1, now_ms() - HOURS_AGO_MS)
    for name in names:
        Sender(field.topics.broker, name).send(rows)
    found = runs(place, told)
    other = msgspec.structs.replace(place, extra={**place.extra, "REPLAYLAKE_KAFKA__TOPICS": json.dumps([names[1]])})
    return found + refuses(other, names="(?i)topic") + untrue(place.store(), told)
