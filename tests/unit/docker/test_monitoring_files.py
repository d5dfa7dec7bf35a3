"""Alerts and dashboard: queries that parse, metrics and labels that exist, every metric on the dashboard."""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import promql_parser
import pytest
import yaml

from schemas.metrics import METRICS, Metric, MetricKind

REPOSITORY = Path(__file__).parents[3]
PROMETHEUS = REPOSITORY / "docker" / "prometheus"
GRAFANA = REPOSITORY / "docker" / "grafana"
DASHBOARD_WIDTH = 24
SET_BY_PROMETHEUS = {"instance", "job"}
OF_THE_PROCESS = {"process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total"}
VARIABLES = {"$__rate_interval": "5m", "$instance": ".*"}

SAMPLES: dict[str, Metric] = {
    metric.name + suffix: metric
    for metric in METRICS
    for suffix in {
        MetricKind.COUNTER: ["_total"],
        MetricKind.GAUGE: [""],
        MetricKind.HISTOGRAM: ["_bucket", "_sum", "_count"],
    }[metric.kind]
}


class Query(NamedTuple):
    place: str
    text: str


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


ALERTS: list[dict[str, Any]] = [rule for group in _yaml(PROMETHEUS / "alerts.yml")["groups"] for rule in group["rules"]]
ALERT_TESTS: list[dict[str, Any]] = [
    test for case in _yaml(PROMETHEUS / "alerts_test.yml")["tests"] for test in case["alert_rule_test"]
]
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards" / "replaylake.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
GRAPHS = [panel for panel in PANELS if panel["type"] != "row"]
ALERT_QUERIES = [Query(alert["alert"], alert["expr"]) for alert in ALERTS]
PANEL_QUERIES = [
    Query(f"{panel['title']} {target['refId']}", target["expr"]) for panel in GRAPHS for target in panel["targets"]
]
QUERIES = ALERT_QUERIES + PANEL_QUERIES


def _parse(query: Query) -> promql_parser.Expr:
    text = query.text
    for variable, value in VARIABLES.items():
        text = text.replace(variable, value)
    return promql_parser.parse(text)


def _nodes(expression: promql_parser.Expr) -> list[promql_parser.Expr]:
    nodes: list[promql_parser.Expr] = []
    promql_parser.walk(expression, nodes.append)
    return nodes


def _selectors(query: Query) -> Iterator[promql_parser.VectorSelector]:
    return (node for node in _nodes(_parse(query)) if isinstance(node, promql_parser.VectorSelector))


def _labels(sample: str | None) -> set[str]:
    metric = SAMPLES.get(sample or "")
    if metric is None:
        return SET_BY_PROMETHEUS
    return SET_BY_PROMETHEUS | set(metric.labels) | ({"le"} if metric.kind == MetricKind.HISTOGRAM else set())


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.place)
def test_a_query_asks_for_metrics_that_the_job_has(query: Query) -> None:
    asked = {selector.name for selector in _selectors(query)}
    assert asked <= SAMPLES.keys() | OF_THE_PROCESS | {"up"}
    assert set(re.findall(r"replaylake_[a-z_]+", query.text)) <= asked, "a name that is no metric here"


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.place)
def test_a_query_asks_for_labels_that_the_metric_has(query: Query) -> None:
    for selector in _selectors(query):
        assert {matcher.name for matcher in selector.matchers.matchers} <= _labels(selector.name)
    for node in _nodes(_parse(query)):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            below = [one.name for one in _nodes(node.expr) if isinstance(one, promql_parser.VectorSelector)]
            assert all(set(node.modifier.labels) <= _labels(name) for name in below)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_is_on_the_dashboard(metric: Metric) -> None:
    assert any(SAMPLES.get(name) == metric for query in PANEL_QUERIES for name in _names(query))


def _names(query: Query) -> list[str]:
    return [selector.name or "" for selector in _selectors(query)]


def test_no_two_panels_share_an_id_or_a_place() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for one, other in itertools.combinations(PANELS, 2):
        assert not _overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= DASHBOARD_WIDTH, panel["title"]
        assert min(place["w"], place["h"]) > 0, panel["title"]


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


@pytest.mark.parametrize("panel", GRAPHS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_in_which_unit_and_asks_the_chosen_source(panel: dict[str, Any]) -> None:
    source = {"type": "prometheus", "uid": "${datasource}"}
    assert panel["description"]
    assert panel["type"] == "table" or panel["fieldConfig"]["defaults"]["unit"]
    assert [panel["datasource"], *(target["datasource"] for target in panel["targets"])] == [
        source,
        *(source for _ in panel["targets"]),
    ]
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references)


def test_the_dashboard_is_a_file_that_grafana_provisions() -> None:
    variables = {variable["name"]: variable["type"] for variable in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource": "datasource", "instance": "query"}
    assert DASHBOARD["id"] is None, "an id belongs to one Grafana"
    assert DASHBOARD["uid"]
    assert DASHBOARD["schemaVersion"] >= 39


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_what_happened_and_where_to_read_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["annotations"]["summary"]
    assert alert["labels"]["severity"] in {"critical", "warning"}
    page, _, heading = alert["annotations"]["runbook"].partition("#")
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    assert heading in {_anchor(line) for line in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_is_tested_to_fire_and_to_be_silent(alert: dict[str, Any]) -> None:
    outcomes = {bool(test["exp_alerts"]) for test in ALERT_TESTS if test["alertname"] == alert["alert"]}
    assert outcomes == {True, False}


def test_prometheus_looks_for_the_job_by_the_name_that_the_alerts_expect() -> None:
    config = _yaml(PROMETHEUS / "prometheus.yml")
    jobs = {scrape["job_name"] for scrape in config["scrape_configs"]}
    asked = {name for query in ALERT_QUERIES for name in re.findall(r'job="([^"]+)"', query.text)}
    assert asked == jobs == {"replaylake"}
    assert all((PROMETHEUS / name).is_file() for name in config["rule_files"])


def test_grafana_asks_the_prometheus_of_the_composition_and_finds_the_dashboard() -> None:
    services = _yaml(REPOSITORY / "docker" / "compose.yaml")["services"]
    [source] = _yaml(GRAFANA / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in services
    [provider] = _yaml(GRAFANA / "provisioning" / "dashboards" / "replaylake.yml")["providers"]
    folder = provider["options"]["path"]
    assert f"./grafana/dashboards:{folder}:ro" in services["grafana"]["volumes"]
    assert services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].startswith(folder)
