"""A whole day of a mid-size site, as fast as it goes, and a lake that is consistent at its end."""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from bench.clones import capture_files, recordings
from bench.job import LOOK_SECONDS, Job
from bench.options import Options
from bench.results import Figure, figure
from bench.site import Site, site_traffic
from bench.topic import fill
from bench.traffic import Sent
from flows.demo.servers import start_broker

ABOUT = (
    "A day of a mid-size site (60,000 sessions, about 5 million lines; one session in eight is recorded, about 300,000 "
    "segments) with copies, disorder, late finals and lines beyond the limit, read by `replaylake run` in one process, "
    "recovery on, epochs of 10 s, onto local disk, as fast as it goes. At its end every message has found its end, and "
    "`replaylake verify` has read the whole lake back and tried whether every recording can be played."
)
_PARTITIONS = 4
_SETTINGS = {"REPLAYLAKE_RUN__CLOCK_MARGIN_SECONDS": "0", "REPLAYLAKE_LOG__LEVEL": "warning"}


class _Tally(msgspec.Struct):
    """What was sent."""

    sessions: set[bytes] = msgspec.field(default_factory=set)
    kinds: Counter[bytes] = msgspec.field(default_factory=Counter)


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Once: seconds, memory, objects, bytes. Without `--full` half an hour of the day."""
    hours = 24 if options.full else 0.5
    site = Site(60_000, recorded_share=0.125, oversize_share=0.0005, seed=options.seed)
    tally = _Tally()
    with start_broker() as broker, tempfile.TemporaryDirectory(prefix="replaylake-bench-") as name:
        folder = Path(name)
        broker.create_topic("day", _PARTITIONS)
        sent = _counted(site_traffic(site, hours, recordings(capture_files())), tally)
        topic = fill(broker.bootstrap, "day", _PARTITIONS, sent, compression="zstd")
        began = time.monotonic()
        with Job(topic, folder, _SETTINGS) as job:
            job.wait_read(topic.messages, 6 * 3600)
            read_seconds = time.monotonic() - began
            job.wait(lambda: (job.metrics() or {}).get("replaylake_open_sessions") == 0, 3600, LOOK_SECONDS)
            closed_seconds = time.monotonic() - began
            found = job.metrics() or {}
            peak_bytes = job.peak_bytes()
            job.stop()
        began = time.monotonic()
        report = _verified(folder / "lake")
        verify_seconds = time.monotonic() - began
        sizes = _sizes(folder / "lake")
    parameters: dict[str, str | float] = {
        "hours": hours,
        "sessions": len(tally.sessions),
        "messages": topic.messages,
        "items": found["replaylake_items_total"],
        "GB sent": topic.bytes / 1e9,
        "windows": found["replaylake_windows_closed_total"],
        "revisions": found["replaylake_revisions_total"],
        "quarantined": found["replaylake_quarantined_total"],
        "verify": "clean" if not report["problems"] else f"{len(report['problems'])} problems",
        "seed": site.seed,
    } | {f"messages {kind.decode()}": count for kind, count in sorted(tally.kinds.items())}
    cpu = found["process_cpu_seconds_total"]
    return parameters, [
        _one("time", "s", {
            "until all is read": read_seconds, "until all is closed": closed_seconds, "CPU": cpu,
            "verify": verify_seconds,
        }),
        _one("times faster than the day", "", {"read": hours * 3600 / read_seconds}),
        _one("peak memory", "MiB", {"the job": peak_bytes / (1 << 20)}),
        _one("the lake's objects", "objects", {kind: count for kind, (count, _) in sizes.items()}),
        _one("the lake's bytes", "MB", {kind: size / 1e6 for kind, (_, size) in sizes.items()}),
    ]  # fmt: skip


def _one(name: str, unit: str, sides: dict[str, float]) -> Figure:
    """A figure of one run, without a baseline to compare with."""
    return figure(name, unit, "", {side: [value] for side, value in sides.items()})


def _counted(sent: Iterable[Sent], tally: _Tally) -> Iterator[Sent]:
    for one in sent:
        tally.sessions.add(one.key)
        tally.kinds[one.type] += 1
        yield one


def _verified(lake: Path) -> dict[str, list[str]]:
    command = [sys.executable, "-m", "flows.cli", "verify", "--lake", str(lake), "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    try:
        report: dict[str, list[str]] = json.loads(done.stdout)
    except ValueError:  # what took hours to measure is not lost for it
        print(f"verify ended with {done.returncode}:\n{done.stderr[-3000:]}", file=sys.stderr)
        return {"problems": [done.stderr]}
    return report


def _sizes(lake: Path) -> dict[str, tuple[int, int]]:
    """Number and bytes of objects by what they are."""
    found: dict[str, tuple[int, int]] = {}
    for path in lake.rglob("*"):
        if path.is_file():
            parts = path.relative_to(lake).parts
            kind = f"table {parts[1]}" if parts[0] == "tables" else parts[0]
            count, size = found.get(kind, (0, 0))
            found[kind] = count + 1, size + path.stat().st_size
    return dict(sorted(found.items()))
