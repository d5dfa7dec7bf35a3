"""The declared metrics: names that Prometheus accepts, and that the page about them is up to date."""

import re
from collections import Counter
from pathlib import Path

import pytest

from schemas.metrics import METRICS, Metric, MetricKind
from schemas.metrics_doc import metrics_markdown

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_the_page_about_the_metrics_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == metrics_markdown(), (
        "run: python -m schemas.metrics_doc > docs/metrics.md"
    )


def test_no_two_metrics_share_a_name() -> None:
    assert [name for name, count in Counter(metric.name for metric in METRICS).items() if count > 1] == []


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_named_by_its_unit_and_not_by_what_the_exporter_adds(metric: Metric) -> None:
    assert re.fullmatch(r"replaylake(_[a-z]+)+", metric.name)
    assert not metric.name.endswith(("_total", "_bucket", "_count", "_sum"))
    if metric.kind == MetricKind.HISTOGRAM:
        assert metric.name.endswith("_seconds")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_no_label_of_a_metric_is_one_that_prometheus_sets_itself(metric: Metric) -> None:
    assert not {"instance", "job", "le"} & set(metric.labels)
