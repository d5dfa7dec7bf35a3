"""Writes docs/metrics.md from the declared metrics: `python -m schemas.metrics_doc > docs/metrics.md`."""

import sys

from schemas.metrics import METRICS, Metric, MetricKind, exposed_name

_HEAD = """\
# Metrics

Made from the declarations in `schemas/metrics.py` by `python -m schemas.metrics_doc`; do not edit.

Served at `/metrics` when `http.address` is set. Counters begin at the start of the process. A histogram also has
`_sum` and `_count`; its buckets are seconds. `partition` is the number of the Kafka partition in four digits.
[deploy](deploy.md) says what to alert on. `replaylake_intake_...` is of the [intake](intake.md),
`replaylake_serve_...` of the [viewer](viewer.md), all else of the job.

| in a query | kind | labels | meaning |
| --- | --- | --- | --- |
"""


def metrics_markdown() -> str:
    """The whole page."""
    return _HEAD + "".join(_row(metric) for metric in METRICS)


def _row(metric: Metric) -> str:
    labels = [*metric.labels, *(["le"] if metric.kind == MetricKind.HISTOGRAM else [])]
    cells = [f"`{exposed_name(metric)}`", metric.kind, ", ".join(f"`{label}`" for label in labels) or "-", metric.help]
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.stdout.write(metrics_markdown())
