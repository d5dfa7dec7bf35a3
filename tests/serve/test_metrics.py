"""What a server tells Prometheus about itself, at the address of metrics and health."""

from pathlib import Path
from typing import Any
from urllib.request import urlopen

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from flows.server_process import LOOPBACK, free_ports
from schemas.metrics import METRICS, MetricKind
from tests.serve.server import API, serving, session_path, until


def test_requests_are_counted_by_route_and_status_and_every_metric_is_there(
    lake: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    address = f"{LOOPBACK}:{free_ports(1)[0]}"
    with serving(str(lake), tmp_path, http=f'address = "{address}"') as server:
        for row in rows[:3]:
            assert server.ask(session_path(row, "/replay")).status == 200
        assert server.ask(session_path({**rows[0], "session_id": "none"}, "/replay")).status == 404
        assert server.ask(f"{API}/no/such/route").status == 404
        assert server.ask("/").status == 200
        assert server.ask("/", Host="evil.example").status == 403
        assert server.ask("/metrics").status == 404  # not where watchers ask
        # An answer counts once its last byte is out, which its reader may know before, and seconds are read first.
        families = until(lambda: families_at(address), lambda found: seconds_of(found) == 8, 30)
        with urlopen(f"http://{address}/health/ready") as answer:
            assert answer.status == 200
    declared = [metric for metric in METRICS if metric.name.startswith(("replaylake_serve_", "replaylake_build"))]
    assert {metric.name for metric in declared} == {name for name in families if is_ours(name)}
    assert {families[m.name].type for m in declared if m.kind == MetricKind.COUNTER} == {"counter"}
    replay = f"{API}/apps/{{app}}/sessions/{{session}}/replay"
    assert requests_of(families) == {
        (replay, "200"): 3, (replay, "404"): 1, ("none", "404"): 1, ("/", "200"): 1, ("page", "403"): 1,
        ("page", "404"): 1,
    }  # fmt: skip
    assert seconds_of(families) == 8
    sums = {sample.name: sample.value for one in families.values() for sample in one.samples}
    assert sums["replaylake_serve_store_bytes_total"] > sum(
        path.stat().st_size for path in lake.glob("tables/s*/**/*.parquet")
    )
    assert 0 <= sums["replaylake_serve_lake_age_seconds"] < 60


def families_at(address: str) -> dict[str, Family]:
    with urlopen(f"http://{address}/metrics") as answer:
        return {one.name: one for one in text_string_to_metric_families(answer.read().decode())}


def seconds_of(families: dict[str, Family]) -> float:
    """Answers whose time is known."""
    return next(s.value for s in families["replaylake_serve_seconds"].samples if s.name.endswith("_count"))


def requests_of(families: dict[str, Family]) -> dict[tuple[str, str], float]:
    """Requests by route and status."""
    return {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for sample in families["replaylake_serve_requests"].samples
        if sample.name.endswith("_total")
    }


def is_ours(name: str) -> bool:
    return name.startswith("replaylake_") and not name.endswith("_created")  # the exporter adds one to a histogram
