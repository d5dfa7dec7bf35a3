"""The job's metrics for Prometheus: read from the live parts of the job when somebody asks, so that work costs nothing.

Names, kinds and labels come from `schemas/metrics.py`. Counters begin at the start of the process, as usual.
"""

import math
import time
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

import schemas.metrics as names
from flows.settings import HttpSettings
from flows.topic_source import Reader
from operators.input.receive_clock import Input, StampFault
from operators.native import LEAF, LEAF_VERSION
from operators.windows.tracker import SessionTracker
from schemas.exposition import Labels, family
from schemas.items import CloseReason, RejectReason, SkipReason
from schemas.metrics import Metric
from schemas.tables import TABLES
from schemas.units import MS_PER_SECOND
from sinks.steady import SteadyStore
from sinks.writer import LakeWriter

_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Timings:
    """The four durations of an epoch, in seconds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.epoch = _histogram(names.EPOCH_SECONDS, registry)
        self.commit = _histogram(names.COMMIT_SECONDS, registry)
        self.stage = _histogram(names.STAGE_SECONDS, registry)
        self.publish = _histogram(names.PUBLISH_SECONDS, registry)


class JobMetrics(Collector):
    """What one process of the job tells about itself. The engine adds the parts while it builds them."""

    def __init__(self, version: str, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.timings = Timings(self.registry)
        self.readers: list[Reader] = []
        self.trackers: list[SessionTracker] = []
        self.writers: list[LakeWriter] = []
        self.stores: list[SteadyStore] = []
        self._version = version
        self._started_at = time.monotonic()
        self.worked_at = -math.inf  # when `work` was last seen to change, monotonic
        if registry is None:
            ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def collect(self) -> Iterator[Family]:
        yield family(names.BUILD, {(self._version, LEAF_VERSION if LEAF else "none"): 1})
        yield from self._of_readers()
        yield from self._of_sessions()
        yield from self._of_lake()
        yield from self._of_stores()

    def describe(self) -> list[Family]:
        return []  # nothing is built yet when this is registered

    def health(self, limits: HttpSettings, *, ready: bool) -> tuple[bool, dict[str, object]]:
        """Whether the process is alive (or ready), and what this rests on: ages in seconds, partitions."""
        now = time.monotonic()
        looked = min((reader.looked_at for reader in self.readers), default=self._started_at)
        committed = min((reader.committed_at for reader in self.readers), default=0.0)
        ages: dict[str, object] = {"input_age_seconds": round(now - looked, 1)}
        if committed:
            ages["commit_age_seconds"] = round(now - committed, 1)
        is_alive = now - max(looked, self.worked_at) < limits.live_seconds
        is_ready = is_alive and bool(committed) and now - committed < limits.ready_seconds
        waits = self.waits(limits.ready_seconds)
        is_ready = is_ready and not waits
        shown = {"partitions_waited_for": [f"{topic}/{number}" for topic, number in waits]} if waits else {}
        return is_ready if ready else is_alive, ages | shown

    def looks(self) -> float:
        """A number that changes while the job looks at its input."""
        return sum(reader.looked_at for reader in list(self.readers))

    def work(self) -> tuple[int, ...]:
        """Numbers that change while it does something else, as when a backlog closes in one go: calls, windows."""
        stores = [store.counts for store in self.stores]
        lakes = [writer.counts for writer in list(self.writers)]
        return (
            sum(sum(list(one.requests.values())) + one.retries for one in stores),
            sum(sum(list(one.windows.values())) + one.revisions for one in lakes),
        )

    def status(self, waits: Iterable[Input]) -> str:
        """The state of this process in one line. `waits`: partitions that have been waited for in vain for long."""
        counts = [writer.counts for writer in list(self.writers)]
        trackers = list(self.trackers)
        committed = min((reader.committed_at for reader in self.readers), default=0.0)
        closed = sum(sum(one.windows.values()) for one in counts)
        return (
            f"lag {sum(self.lag().values())} messages, {sum(t.open_count for t in trackers)} sessions open, "
            f"{closed} windows closed, {sum(one.revisions for one in counts)} revised, "
            f"{sum(t.late_count for t in trackers)} items late, "
            f"{sum(sum(one.quarantined.values()) for one in counts)} quarantined, "
            f"last commit {f'{time.monotonic() - committed:.0f} s ago' if committed else 'not yet'}, "
            f"receive clock {max(self.clock_ages().values(), default=0.0):.0f} s behind"
            + "".join(f", nothing comes of {topic}/{number}" for topic, number in waits)
        )

    def waits(self, above_seconds: float) -> dict[Input, float]:
        """Partitions that have been waited for in vain for longer, in seconds."""
        waits = {place: seconds for reader in list(self.readers) for place, seconds in reader.waits().items()}
        return {place: seconds for place, seconds in sorted(waits.items()) if seconds > above_seconds}

    def lag(self) -> dict[Labels, int]:
        """Messages that are not read yet, by topic and partition."""
        lags = [one for reader in list(self.readers) for one in reader.lags().items()]
        return {(topic, f"{partition:04d}"): lag for (topic, partition), lag in lags}

    def clock_ages(self) -> dict[Labels, float]:
        """How far the receive clocks are behind the wall clock, in seconds; negative ahead of it."""
        now = time.time()
        return {(r.name,): now - r.clock_ms / MS_PER_SECOND for r in list(self.readers) if r.clock_ms}

    def _of_readers(self) -> Iterator[Family]:
        readers = list(self.readers)
        lags = self.lag()
        yield family(names.LAG, lags)
        waits = {(topic, f"{number:04d}"): seconds for (topic, number), seconds in self.waits(-1.0).items()}
        yield family(names.PARTITION_WAIT, dict.fromkeys(lags, 0.0) | waits)
        yield family(names.CLOCK_AGE, self.clock_ages())
        yield family(names.LAST_COMMIT, {(r.name,): r.committed_unix for r in readers if r.committed_unix})
        yield family(names.MESSAGES, {(r.name,): r.messages for r in readers})
        yield family(names.MESSAGE_BYTES, {(r.name,): r.message_bytes for r in readers})
        yield family(names.TOMBSTONES, {(): sum(r.tombstones for r in readers)})
        yield family(names.REPLACED_STAMPS, _sum(StampFault, (r.replaced_stamps for r in readers)))
        yield family(names.CLOCK_CORRECTIONS, {(): sum(r.corrections for r in readers)})

    def _of_sessions(self) -> Iterator[Family]:
        trackers = list(self.trackers)
        yield family(names.OPEN_SESSIONS, {(): sum(t.open_count for t in trackers)})
        yield family(names.MEMO_SESSIONS, {(): sum(t.memo_count for t in trackers)})
        yield family(names.MEMO_BYTES, {(): sum(t.memo_bytes for t in trackers)})
        yield family(names.LATE_ITEMS, {(): sum(t.late_count for t in trackers)})
        yield family(names.DUPLICATES, {(): sum(t.duplicate_count for t in trackers)})

    def _of_lake(self) -> Iterator[Family]:
        writers = list(self.writers)
        counts = [writer.counts for writer in writers]
        yield family(names.ITEMS, {(writer.shard,): writer.counts.items for writer in writers})
        yield family(names.WINDOWS, _sum(CloseReason, (one.windows for one in counts)))
        yield family(names.REVISIONS, {(): sum(one.revisions for one in counts)})
        yield family(names.QUARANTINED, _sum(RejectReason, (one.quarantined for one in counts)))
        yield family(names.SKIPPED, _sum(SkipReason, (one.skipped for one in counts)))
        yield family(names.ERASED, {(): sum(one.erased for one in counts)})
        yield family(names.ROWS, _sum(TABLES, (one.rows for one in counts)))
        yield family(names.PACK_BYTES, {(): sum(one.pack_bytes for one in counts)})
        yield family(names.BLOB_BYTES, {(): sum(one.replay_bytes for one in counts)})

    def _of_stores(self) -> Iterator[Family]:
        counts = [store.counts for store in self.stores]
        requests: Tally[Labels] = Tally()
        for one in counts:
            requests.update(cast("Mapping[Labels, int]", dict(one.requests)))
        yield family(names.STORE_REQUESTS, requests)
        transferred: dict[Labels, int] = {("out",): sum(c.bytes_out for c in counts)}
        transferred["in",] = sum(c.bytes_in for c in counts)
        yield family(names.STORE_BYTES, transferred)
        yield family(names.STORE_RETRIES, {(): sum(one.retries for one in counts)})


def _sum(known: Iterable[str], tallies: Iterable[dict[str, int]]) -> dict[Labels, int]:
    """`known`: labels that are there from the start, at 0, so that the first increase is seen as one."""
    total: Tally[Labels] = Tally({(label,): 0 for label in known})
    for tally in tallies:
        total.update({(label,): count for label, count in list(tally.items())})
    return total


def _histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    return Histogram(metric.name, metric.help, metric.labels, buckets=_BUCKETS, registry=registry)
