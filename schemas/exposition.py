"""A declared metric with its values, as the Prometheus client hands it out: what every exporter of ours yields."""

from collections.abc import Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family

from schemas.metrics import Metric, MetricKind

Labels = tuple[str, ...]


def family(metric: Metric, values: Mapping[Labels, float]) -> Family:
    """A counter or gauge; `values` by the values of its labels, in their order."""
    kind = CounterMetricFamily if metric.kind == MetricKind.COUNTER else GaugeMetricFamily
    found = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        found.add_metric(labels, value)
    return found
