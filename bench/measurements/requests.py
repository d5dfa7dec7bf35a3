"""What the store is asked for, and what that costs, beside one object a segment and beside a batch writer."""

import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.clones import capture_files, recordings
from bench.epochs import Counted, EpochRunner
from bench.options import Options
from bench.results import Figure, figure
from bench.site import Site, site_traffic
from bench.traffic import START_MS, Sent
from schemas.units import MS_PER_HOUR, MS_PER_MINUTE

ABOUT = (
    "Requests to the store for 1,000 sessions of a mid-size site in its steady state, counted where the job asks the "
    "store: packs, staged bundles, tables, blobs, styles, fences, notices, reads. The clock is the receive clock of "
    "the traffic, so every epoch of the day is there. Most of it is a fixed price per epoch and partition, so a site "
    "of this size has long epochs and one partition, which its 60 lines/s do not fill. Beside it what two other "
    "designs would ask for the replay alone, counted on the same traffic: one object a segment as it arrives, and a "
    "batch writer that puts one object per partition and 10 s; neither makes tables, one file a session, or anything "
    "exactly once. A tenth of the sessions is recorded."
)
# Amazon S3 Standard, us-east-1, public list prices as of November 2026. Deleting is free.
USD_PER_WRITE = 0.005 / 1000  # PUT, COPY, POST, LIST
USD_PER_READ = 0.0004 / 1000  # GET, HEAD
PRICES = "S3 Standard us-east-1, list: US$ 0.005 per 1,000 PUT, COPY, LIST; US$ 0.0004 per 1,000 GET, HEAD; DELETE free"
_WRITES, _READS = ("put", "copy", "list"), ("get", "head")
_PARTITIONS = 4  # of the batch writer
_BASE = "replay: one object a segment"
_WARM_HOURS, _COUNTED_HOURS = 0.5, 0.4  # until as many sessions close as begin


class _Run(msgspec.Struct, frozen=True):
    """One way to run the job."""

    epoch_seconds: int
    partitions: int

    @property
    def name(self) -> str:
        return f"epochs of {self.epoch_seconds} s, {self.partitions} partition{'s' if self.partitions > 1 else ''}"


_RUNS = (_Run(10, 4), _Run(60, 4), _Run(60, 1), _Run(300, 1))


class _Others(msgspec.Struct):
    """What the two other designs would put for the replay."""

    segments: int = 0
    batches: set[tuple[int, int]] = msgspec.field(default_factory=set)


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Requests and US$ for some settings; `--full`: a site of five times the size."""
    site = Site(sessions_per_day=options.size(60_000, 300_000), seed=options.seed)
    counts, others = {}, _Others()
    for run in _RUNS:
        others = _Others()
        counts[run.name] = _counted(site, run, others)
    first = counts[_RUNS[0].name]
    writes: dict[str, list[float]] = {
        _BASE: [_per_thousand(others.segments, first)],
        "replay: batch writer, 10 s": [_per_thousand(len(others.batches), first)],
    }
    reads: dict[str, list[float]] = {_BASE: [0.0], "replay: batch writer, 10 s": [0.0]}
    for name, counted in counts.items():
        writes[f"Replay Lake, {name}, packs, blobs, styles"] = [_per_thousand(counted.packs + counted.blobs, counted)]
        everything = f"Replay Lake, {name}, everything"
        writes[everything] = [_per_thousand(_sum(counted, _WRITES), counted)]
        reads[everything] = [_per_thousand(_sum(counted, _READS), counted)]
    dollars = {
        side: [(found[0] * USD_PER_WRITE + reads.get(side, [0.0])[0] * USD_PER_READ) * 1000]
        for side, found in writes.items()
    }
    parameters: dict[str, str | float] = {
        "sessions a day": site.sessions_per_day,
        "sessions counted": first.sessions,
        "segments counted": others.segments,
        "seed": site.seed,
    }
    by_operation = {
        f"{operation}, {name}": [_per_thousand(counted.requests.get(operation, 0), counted)]
        for name, counted in counts.items()
        for operation in (*_WRITES, *_READS, "delete")
    }
    return parameters, [
        figure("PUT, COPY and LIST per 1,000 sessions", "requests", _BASE, writes),
        figure("US$ per million sessions, requests alone", "US$", _BASE, dollars, PRICES),
        figure("everything by operation, per 1,000 sessions", "requests", f"put, {_RUNS[0].name}", by_operation),
    ]


def _counted(site: Site, run: _Run, others: _Others) -> Counted:
    """What was asked in the counted part of the traffic."""
    counted_ms = START_MS + int(_WARM_HOURS * MS_PER_HOUR)
    until_ms = counted_ms + int(_COUNTED_HOURS * MS_PER_HOUR)
    sent = site_traffic(site, _WARM_HOURS + _COUNTED_HOURS, recordings(capture_files()))
    with tempfile.TemporaryDirectory(prefix="replaylake-bench-") as folder:
        runner = EpochRunner(Path(folder), run.partitions, run.epoch_seconds)
        before = runner.counted()
        for clock_ms in runner.run(_seen(sent, counted_ms, until_ms, others)):
            if clock_ms <= counted_ms:
                before = runner.counted()
        return runner.counted().since(before)


def _seen(sent: Iterator[Sent], from_ms: int, until_ms: int, others: _Others) -> Iterator[Sent]:
    """The traffic until then; what other designs would make of its segments is noted on the way."""
    for one in sent:
        if one.received_ms >= until_ms:
            return
        if one.received_ms >= from_ms and not one.type.endswith(b".rum"):
            others.segments += 1
            others.batches.add((one.received_ms // (MS_PER_MINUTE // 6), zlib.crc32(one.key) % _PARTITIONS))
        yield one


def _per_thousand(requests: int, counted: Counted) -> float:
    return requests * 1000 / counted.sessions


def _sum(counted: Counted, operations: tuple[str, ...]) -> int:
    return sum(counted.requests.get(operation, 0) for operation in operations)
