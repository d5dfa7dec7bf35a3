"""What this project set out to reach, beside what was measured: the first table of docs/benchmarks.md."""

import statistics
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bench.results import Figure, Result


class Goal(NamedTuple):
    """A bound for a side of a figure, or for its ratio to another side. The figure's name begins with `figure`."""

    what: str
    result: str
    figure: str
    side: str
    bound: float
    beside: str = ""
    is_least: bool = False  # else the bound is the most

    def reached(self, value: float) -> bool:
        return value >= self.bound if self.is_least else value <= self.bound


_PER_CPU, _FLOW = "lines per CPU second", "whole flow"
_OURS, _DUCKDB = "Replay Lake", "DuckDB batch, line tables too"
_ANSWERED, _RUM, _SENT = "requests per CPU second", "RUM batches", "replay segments"
_SAVED, _MOST_OPEN = "saving and restoring", "lines and replay, 1,000,000"
_LIVE = "a segment of an open session, sent to readable, s"
_SPARING = "requests with epochs of 300 s and one partition, to an object a segment"
_PUTS = "PUT, COPY and LIST"
_EPOCHS = "Replay Lake, epochs of 300 s, 1 partition, everything"
_P95, _TIMES = "95th percentile of an opening, 1 client", "95th percentile of 16 clients"
_P95_OF_16 = "95th percentile of an opening, 16 clients"
_ON_DISK, _ON_S3 = "compacted, disk", "compacted, S3"
_PEAK, _SLOWEST, _MILLION = "peak memory, 16 clients", "the slowest kind, 95th percentile", "1,000,000 sessions"

GOALS = (
    Goal("lines, to DuckDB's batch of the same tables", "lines", _PER_CPU, _FLOW, 0.5, _DUCKDB, is_least=True),
    Goal("line protocol, to the same lines in JSON", "forms", "CPU", "line protocol", 1.3, "JSON"),
    Goal("a warm Spark's CPU a line, to ours", "peers", "CPU a line, warm", "Spark", 1.5, _OURS, is_least=True),
    Goal("a cold Spark's, start included", "peers", "CPU a line, cold", "Spark", 3, _OURS, is_least=True),
    Goal("memory, to Spark's", "peers", "peak memory", _OURS, 0.5, "Spark"),
    Goal("a warm Flink's CPU a line, to ours", "peers", "CPU a line, warm", "Flink", 1.5, _OURS, is_least=True),
    Goal("a cold Flink's, start included", "peers", "CPU a line, cold", "Flink", 3, _OURS, is_least=True),
    Goal("memory, to Flink's", "peers", "peak memory", _OURS, 0.5, "Flink"),
    Goal("replay, to its codecs alone", "replay", "raw MB", _FLOW, 0.75, "inflate and zstd alone", is_least=True),
    Goal(
        "intake of RUM, to a bare echo",
        "intake",
        _ANSWERED,
        f"intake, {_RUM}",
        0.4,
        f"bare echo, {_RUM}",
        is_least=True,
    ),
    Goal(
        "intake of replay, to a bare echo",
        "intake",
        _ANSWERED,
        f"intake, {_SENT}",
        0.3,
        f"bare echo, {_SENT}",
        is_least=True,
    ),
    Goal("CPU of a start, until ready, ms", "start", "CPU", "run, until ready", 650),
    Goal("stored replay, to the SDKs' bytes", "storage", "guance and", "Replay Lake", 0.24, "as the SDK sent it"),
    Goal("stored replay, to snappy blocks", "storage", "guance and", "Replay Lake", 1 / 7, "snappy blocks of 10 s"),
    Goal(_SPARING, "requests", _PUTS, _EPOCHS, 0.05, "replay: one object a segment"),
    Goal("a million open sessions, peak MiB", "memory", "peak", _MOST_OPEN, 2048),
    Goal("their changes at an epoch of 10 s, ms", "memory", _SAVED, f"changes, {_MOST_OPEN}", 1000),
    Goal("ready after kill -9 with as many, s", "restart", "seconds", "1,000,000 open sessions", 10),
    Goal("due to readable, p99 of epochs of 5 s, s", "latency", "due to readable, s", "p99, epochs of 5 s", 15),
    Goal("a live segment readable, the same, s", "latency", _LIVE, "p99, epochs of 5 s", 10),
    Goal("50 viewers, p95 of a first picture, ms", "playing", "first picture", "first picture, p95, 50 at once", 1000),
    Goal("a first picture by byte ranges, MB", "playing", "by byte ranges", "first picture, MB", 1),
    Goal("open a session of a compacted day, disk, p95, ms", "open_session", _P95, _ON_DISK, 200),
    Goal("of a compacted day on S3 with 20 ms, p95, ms", "open_session", _P95, _ON_S3, 600),
    Goal("of a day of 24 files, disk, p95, ms", "open_session", _P95, "24 files, disk", 200),
    Goal("of a day of 24 files on S3 with 20 ms, p95, ms", "open_session", _P95, "24 files, S3", 600),
    Goal("16 clients at once, compacted day, disk, p95, ms", "open_session", _P95_OF_16, _ON_DISK, 8 * 200),
    Goal("16 clients at once, compacted day, S3, p95, ms", "open_session", _P95_OF_16, _ON_S3, 8 * 600),
    Goal("16 clients that open, to 1, disk", "open_session", _TIMES, _ON_DISK, 8),
    Goal("16 clients that open, to 1, S3", "open_session", _TIMES, _ON_S3, 8),
    Goal("peak memory with 16 that open, disk, MiB", "open_session", _PEAK, _ON_DISK, 1024),
    Goal("peak memory with 16 that open, S3, MiB", "open_session", _PEAK, _ON_S3, 1024),
    Goal("slowest question to the index at 1 M, p95, ms", "index", f"{_SLOWEST}, 1 client", f", {_MILLION}", 1000),
    Goal("slowest question over 7 days at 1 M, p95, ms", "explore", _SLOWEST, f"7 days, {_MILLION}", 1000),
    Goal("slowest question over 14 days at 1 M, p95, ms", "explore", _SLOWEST, f"14 days, {_MILLION}", 1000),
    Goal("a new file until it is seen, p95, s", "following", "new file until seen, 95th", "300,000 sessions", 5),
    Goal("two processes, to one", "scale", "clusters", "2 processes", 1.7, "1 process", is_least=True),
)


def standing(results: Mapping[str, Result]) -> Iterator[tuple[Goal, float | None]]:
    """Every goal, with the median of the rounds; None when it was not measured, or not in this size."""
    for goal in GOALS:
        found = _figure(goal, results[goal.result]) if goal.result in results else None
        yield goal, _median(goal, found) if found else None


def _median(goal: Goal, figure: Figure) -> float:
    values = figure.sides[goal.side]
    if goal.beside:
        values = [one / of for one, of in zip(values, figure.sides[goal.beside], strict=True)]
    return statistics.median(values)


def _figure(goal: Goal, result: Result) -> Figure | None:
    sides = {goal.side, goal.beside or goal.side}
    for figure in result.figures:
        if f"{figure.name}, {figure.unit}".startswith(goal.figure) and sides <= figure.sides.keys():
            return figure
    return None
