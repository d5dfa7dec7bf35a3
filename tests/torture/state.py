"""State that is older than its lake, or lost; what an operator sees; input that is mostly garbage."""

import shutil
import time

from lake.catalog import table_rows
from tests.torture.field import (
    HOURS_AGO_MS,
    Field,
    batch,
    become,
    now_ms,
    refuses,
    runs,
    stopped,
)
from tests.torture.job import JobProcess, Place
from tests.torture.topics import Sender
from tests.torture.truth import Told, untrue


def backup(field: Field) -> list[str]:
    """A recovery folder that is older than the lake."""
    place, sender, told = _published(field, "backup")
    copy = place.recovery.with_name("copy")
    shutil.copytree(place.recovery, copy)
    rows, told_newer = batch("newer", 4, 1, now_ms() - HOURS_AGO_MS)
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
    rows, told_newer = batch("newer", 4, 1, now_ms() - HOURS_AGO_MS)
    arguments = ["--take-over", "--start", "latest"]
    found += runs(place, told | told_newer, arguments, meanwhile=lambda: sender.send(rows))
    more, told_more = batch("more", 4, 1, now_ms() - HOURS_AGO_MS)
    sender.send(more)
    return found + runs(place, told | told_newer | told_more)


def _published(field: Field, name: str) -> tuple[Place, Sender, dict[str, Told]]:
    topic = field.new(f"{name}-{time.time_ns()}", 1)
    place = field.place(topic, [topic])
    rows, told = batch("first", 4, 1, now_ms() - HOURS_AGO_MS)
    sender = Sender(field.topics.broker, topic)
    sender.send(rows)
    assert runs(place, told) == []
    return place, sender, told


def group_offsets(field: Field) -> list[str]:
    """The usual lag tools see how far the job is."""
    topic = field.new(f"group-{time.time_ns()}", 2)
    rows, told = batch("first", 4, 2, now_ms() - HOURS_AGO_MS)
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
    old_ms = now_ms() - HOURS_AGO_MS
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
    return len(table_rows(place.store(), "quarantine"))
