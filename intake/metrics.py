"""The intake's metrics for Prometheus, read from its counters when somebody asks."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

import schemas.metrics as names
from intake.counts import Counts
from intake.refusals import Refusal
from schemas.exposition import Labels, family

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class IntakeMetrics(Collector):
    """What one process of the intake tells about itself."""

    def __init__(self, version: str, masked: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        metric = names.INTAKE_SECONDS
        seconds = Histogram(metric.name, metric.help, buckets=_BUCKETS, registry=self.registry)
        self.counts = Counts(seconds.observe)
        self._version = version
        self._masked = masked
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def collect(self) -> Iterator[Family]:
        counts = self.counts
        yield family(names.BUILD, {(self._version,): 1})
        yield family(names.INTAKE_REQUESTS, {(kind, status): n for (kind, status), n in dict(counts.requests).items()})
        yield family(names.INTAKE_REFUSED, _by_reason(counts.refused))
        yield family(names.INTAKE_LEFT_OUT, _by_reason(counts.left_out))
        yield family(names.INTAKE_MESSAGES, {(kind,): count for kind, count in dict(counts.messages).items()})
        yield family(names.INTAKE_BYTES, {(): counts.message_bytes})
        yield family(names.INTAKE_UNREADABLE, {(): counts.unreadable})
        yield family(names.INTAKE_MASKED, {(): self._masked()})
        yield family(names.INTAKE_PENDING, {(): counts.pending_bytes})

    def describe(self) -> Iterable[Family]:
        return []


def _by_reason(counts: Mapping[Refusal, int]) -> dict[Labels, float]:
    """Every reason is there from the start, at 0, so that the first increase is seen as one."""
    return {(reason.value,): counts.get(reason, 0) for reason in Refusal}
