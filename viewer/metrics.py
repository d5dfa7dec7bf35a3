"""The viewer's metrics for Prometheus, read from its parts when somebody asks."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

import schemas.metrics as names
from lake.line_tables import LineTables
from schemas.exposition import Labels, family
from sinks.steady import StoreCounts

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class ServeMetrics(Collector):
    """What a server tells about itself. `age_seconds`: of its copy of the sessions; `watched`: open ones."""

    def __init__(
        self,
        version: str,
        store: StoreCounts,
        tables: LineTables,
        age_seconds: Callable[[], float],
        watched: Callable[[], int],
    ) -> None:
        self.registry = CollectorRegistry()
        metric = names.SERVE_SECONDS
        self._seconds = Histogram(metric.name, metric.help, buckets=_BUCKETS, registry=self.registry)
        self._requests: dict[Labels, float] = {}
        self._version = version
        self._store = store
        self._tables = tables
        self._age_seconds = age_seconds
        self._watched = watched
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
        yield family(names.SERVE_AGE, {(): self._age_seconds()})
        yield family(names.SERVE_WATCHED, {(): self._watched()})
        yield family(names.SERVE_STORE_REQUESTS, by_outcome)
        yield family(names.SERVE_STORE_BYTES, {(): self._store.bytes_in})
        blocks, reads = self._tables.blocks.counts, self._tables.counts
        yield family(names.SERVE_CACHE_BYTES, {(): blocks.held_bytes})
        yield family(names.SERVE_CACHE_READ_BYTES, {("hit",): blocks.hit_bytes, ("miss",): blocks.missed_bytes})
        yield family(names.SERVE_UNREADABLE, {(): reads.unreadable})
        yield family(names.SERVE_READS_REFUSED, {(): reads.refused})

    def describe(self) -> Iterable[Family]:
        return []
