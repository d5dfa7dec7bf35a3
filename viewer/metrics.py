"""The viewer's metrics for Prometheus, read from its parts when somebody asks."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

import schemas.metrics as names
from schemas.exposition import Labels, family
from sinks.steady import StoreCounts
from viewer.parts import Viewer
from viewer.questions import Bound
from viewer.session_files import Reason

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class ServeMetrics(Collector):
    """What a server tells about itself."""

    def __init__(self, version: str, store: StoreCounts, viewer: Viewer) -> None:
        self.registry = CollectorRegistry()
        metric = names.SERVE_SECONDS
        self._seconds = Histogram(metric.name, metric.help, buckets=_BUCKETS, registry=self.registry)
        self._requests: dict[Labels, float] = {}
        self._version = version
        self._store = store
        self._viewer = viewer
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """One answer is out. In the event loop's thread."""
        key = route, str(status)
        self._requests[key] = self._requests.get(key, 0) + 1
        self._seconds.observe(seconds)

    def collect(self) -> Iterator[Family]:
        by_outcome: dict[Labels, float] = {("ok",): 0, ("missing",): 0, ("failed",): 0}
        for (_, outcome), count in dict(self._store.requests).items():
            by_outcome[outcome,] = by_outcome.get((outcome,), 0) + count
        yield family(names.BUILD, {(self._version,): 1})
        yield family(names.SERVE_REQUESTS, dict(self._requests))
        yield from self._of_the_index()
        yield family(names.SERVE_WATCHED, {(): self._viewer.live.watched_count})
        made, shared = self._viewer.player.chunk_counts
        yield family(names.SERVE_CHUNKS, {("made",): made, ("shared",): shared})
        yield family(names.SERVE_STORE_REQUESTS, by_outcome)
        yield family(names.SERVE_STORE_BYTES, {(): self._store.bytes_in})
        tables = self._viewer.tables
        blocks, reads, scanned = tables.blocks.counts, tables.counts, tables.scan.counts
        yield family(names.SERVE_CACHE_BYTES, {(): blocks.held_bytes})
        yield family(names.SERVE_CACHE_READ_BYTES, {("hit",): blocks.hit_bytes, ("miss",): blocks.missed_bytes})
        yield family(names.SERVE_UNREADABLE, {(): reads.unreadable + scanned.unreadable})
        yield family(names.SERVE_SCANNED, {("read",): scanned.opened, ("spared",): scanned.spared})
        yield family(names.SERVE_READS_REFUSED, {(): reads.refused})

    def _of_the_index(self) -> Iterator[Family]:
        index, follower = self._viewer.index, self._viewer.follower
        left_out, looks, questions = index.left_out, follower.looks, index.questions
        read, listed = index.progress
        yield family(names.SERVE_AGE, {(): follower.age_seconds()})
        yield family(names.SERVE_FILES, {("listed",): listed, ("read",): read, ("newer",): index.newer})
        yield family(names.SERVE_LEFT_OUT, {(reason.value,): left_out[reason] for reason in Reason})
        copies = self._viewer.copies
        yield family(names.SERVE_COPIES, {("made",): copies.made, ("missing",): copies.missing})
        yield family(names.SERVE_LOOKS, {(outcome,): looks[outcome] for outcome in ("ok", "failed")})
        yield family(names.SERVE_QUESTIONS, {(): questions.asked})
        yield family(names.SERVE_REFUSED, {(bound.value,): questions.refused[bound] for bound in Bound})

    def describe(self) -> Iterable[Family]:
        return []
