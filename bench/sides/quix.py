"""Baseline: Quix Streams keyed by session, first and last time per session in its state, closed by a gap.

Runs in an environment of its own, because Quix Streams needs an older confluent-kafka than the job; so it imports
nothing of the project. It does less than the job: no limit of 4 hours, no lines, no replay, no file. State is RocksDB
without a changelog topic. Time counts from the first message, so that joining the group is free.
"""

import importlib.metadata
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from quixstreams import Application, State  # type: ignore[import-not-found]  # has an environment of its own

_GAP_MS = 900_000


class Charge:
    """Counts messages, and what was spent since the first one."""

    def __init__(self) -> None:
        self.count = 0
        self.closed = 0
        self._cpu = 0.0
        self._started = 0.0

    def note(self) -> None:
        if self.count == 0:
            self._cpu, self._started = _cpu_seconds(), time.monotonic()
        self.count += 1

    def spent(self) -> dict[str, Any]:
        return {
            "items": self.count,
            "cpu_seconds": _cpu_seconds() - self._cpu,
            "wall_seconds": time.monotonic() - self._started,
            "peak_bytes": _peak_bytes(),
            "more": {"closed": self.closed},
        }


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def main() -> None:
    given = json.loads(sys.argv[1])
    topic = given["topic"]
    app = Application(
        broker_address=topic["bootstrap"],
        consumer_group=given["group"],
        state_dir=f"{given['work']}/state",
        use_changelog_topics=False,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        loglevel="ERROR",
        consumer_extra_config={"session.timeout.ms": 6000, "fetch.message.max.bytes": 16_777_216},
        request_timeout=30,
    )
    charge = Charge()

    def gap(line: dict[str, Any], state: State) -> None:
        charge.note()
        fields = line["fields"]
        begin = line["time"]
        until = begin + (fields.get("duration") or fields.get("time_spent") or 0) / 1e6
        found = state.get("session")
        if found is None or begin - found[1] > _GAP_MS:
            charge.closed += found is not None
            state.set("session", [begin, until, 1])
        else:
            state.set("session", [min(found[0], begin), max(found[1], until), found[2] + 1])

    frame = app.dataframe(app.topic(topic["name"], value_deserializer="json"))
    frame.update(gap, stateful=True)
    app.run(count=topic["messages"], timeout=120)
    print(json.dumps(charge.spent() | {"version": importlib.metadata.version("quixstreams")}), flush=True)


if __name__ == "__main__":
    main()
