"""The dbt package of examples/dbt: its models and its own tests on a lake of real recordings, twice."""

import os
import subprocess
from pathlib import Path

import duckdb
import pytest
import yaml

from lake.catalog import latest_sessions, table_rows
from sinks.store import LocalStore
from tests.conftest import REPOSITORY
from tests.engines.asking import engines
from tests.flow.harness import capture_messages, run

PROJECT = REPOSITORY / "examples" / "dbt"
DASHBOARD = REPOSITORY / "examples" / "dashboards" / "superset"
KINDS = ("databases", "datasets", "charts", "dashboards")
pytestmark = [pytest.mark.slow]


def test_the_models_build_and_their_tests_pass_also_a_second_time(tmp_path: Path, samples: Path) -> None:
    dbt = engines() / "dbt"
    lake = tmp_path / "lake"
    captures = [samples / "guance" / f"{name}.jsonl.gz" for name in ("gc-shop", "gc-charts", "gc-badnet")]
    run(capture_messages(captures), [], lake)
    command = [
        *(str(dbt), "--no-use-colors", "build", "--no-send-anonymous-usage-stats"),
        *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--vars", f"{{lake: {lake}}}"),
        *("--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "logs")),
    ]
    environment = os.environ | {"REPLAYLAKE_DBT_FILE": str(tmp_path / "dbt.duckdb")}
    for _ in range(2):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:]
        assert "ERROR=0" in done.stdout
    sessions = latest_sessions(table_rows(LocalStore(lake), "sessions"))
    with duckdb.connect(str(tmp_path / "dbt.duckdb"), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        _check_dashboard(connection)
        daily = connection.sql("select sum(sessions), sum(total_seconds) from sessions_daily").fetchall()
        funnel = connection.sql("select page, sessions from funnel order by step").fetchall()
    assert daily == [(len(sessions), pytest.approx(sum(int(str(row["time_spent"])) for row in sessions) / 1e9))]
    assert funnel[0] == ("/shop/", 1)
    assert funnel[-1][1] >= 1  # the recorded visitor gets to the cart


def _check_dashboard(connection: duckdb.DuckDBPyConnection) -> None:
    """What the dashboard's files name is there, and every metric of them is a query that runs."""
    parts = {path.relative_to(DASHBOARD): yaml.safe_load(path.read_text()) for path in DASHBOARD.rglob("*.yaml")}
    kinds = {kind: [part for path, part in parts.items() if path.parts[0] == kind] for kind in KINDS}
    [database], [dashboard] = kinds["databases"], kinds["dashboards"]
    datasets = {part["uuid"]: part for part in kinds["datasets"]}
    charts = {part["uuid"]: part for part in kinds["charts"]}
    for dataset in datasets.values():
        assert dataset["database_uuid"] == database["uuid"]
        columns = ", ".join(column["column_name"] for column in dataset["columns"])
        connection.execute(f"select {columns} from {dataset['table_name']}").fetchall()
        for metric in dataset["metrics"]:
            connection.execute(f"select {metric['expression']} from {dataset['table_name']}").fetchall()
    for chart in charts.values():
        dataset, params = datasets[chart["dataset_uuid"]], chart["params"]
        asked = params.get("metrics") or [params["metric"]]
        assert set(asked) <= {metric["metric_name"] for metric in dataset["metrics"]}
        named = {*params["groupby"], *([params["x_axis"]] if "x_axis" in params else [])}
        assert named <= {column["column_name"] for column in dataset["columns"]}
    places = [one for one in dashboard["position"].values() if isinstance(one, dict) and one["type"] == "CHART"]
    assert {place["meta"]["uuid"] for place in places} == charts.keys()
