"""The ways in that docs/bi.md shows: its examples run as they stand there, and say the same."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import botocore.session
import duckdb
import pytest
from botocore.validate import ParamValidator
from typer.testing import CliRunner

from flows.cli.main import app
from schemas.ddl import glue_tables, hive_ddl
from schemas.engine_ddl import clickhouse_ddl, duckdb_ddl, trino_ddl
from schemas.engine_views import extras
from schemas.tables import REVISED, TABLES
from tests.conftest import REPOSITORY
from tests.engines.asking import engines
from tests.flow.harness import capture_messages, run

MARKED = re.compile(r"<!-- tested: (sql|python|engines) ?(\w*) -->\n```\w+\n(.*?)```", re.DOTALL)
EXAMPLES = MARKED.findall((REPOSITORY / "docs" / "bi.md").read_text())
PYTHON = [(name, code) for kind, name, code in EXAMPLES if kind == "python" and not name.startswith("iceberg")]
Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `demo-lake` in it."""
    folder = tmp_path_factory.mktemp("bi")
    samples = REPOSITORY / "samples"
    for number, name in enumerate(("gc-shop", "gc-charts", "gc-spa-json", "gc-badnet")):
        run(capture_messages([samples / "guance" / f"{name}.jsonl.gz"]), [], folder / "demo-lake", seq=1000 * number)
    return folder


@pytest.fixture(scope="module")
def by_duckdb(folder: Path) -> dict[str, Rows]:
    connection = duckdb.connect()
    root = folder.as_posix()
    found = {
        name: connection.execute(code.replace("'demo-lake", f"'{root}/demo-lake")).fetchall()
        for kind, name, code in EXAMPLES
        if kind == "sql"
    }
    connection.close()
    return found


def test_the_queries_for_duckdb_say_something(by_duckdb: dict[str, Rows]) -> None:
    assert set(by_duckdb) == {"", "entry_pages", "errors_by_release", "slowest_pages"}
    assert [row[0] for row in by_duckdb["entry_pages"]].count("/shop/") == 1
    assert sum(row[1] for row in by_duckdb["errors_by_release"]) > 10
    assert all(row[3] for row in by_duckdb["slowest_pages"])


@pytest.mark.parametrize(("name", "code"), PYTHON, ids=[f"{name}-{code.split()[1]}" for name, code in PYTHON])
def test_polars_and_pandas_say_what_duckdb_says(
    name: str, code: str, folder: Path, by_duckdb: dict[str, Rows], tmp_path: Path
) -> None:
    script = tmp_path / "example.py"
    script.write_text(code.replace('"demo-lake', f'"{folder.as_posix()}/demo-lake'))
    result = runpy.run_path(str(script))["result"]
    records = result.to_dicts() if hasattr(result, "to_dicts") else result.to_dict("records")
    assert [tuple(row.values()) for row in records] == [
        tuple(pytest.approx(value) if isinstance(value, float) else value for value in row) for row in by_duckdb[name]
    ]


def test_the_example_of_iceberg_says_what_duckdb_says(folder: Path, by_duckdb: dict[str, Rows], tmp_path: Path) -> None:
    lake = tmp_path / "demo-lake"
    shutil.copytree(folder / "demo-lake", lake)
    for days in lake.glob("tables/*/retention=14d"):  # else it is over one day
        days.rename(days.with_name("retention=3650d"))
    assert CliRunner().invoke(app, ["iceberg", "sync", "--lake", str(lake)]).exit_code == 0
    [code] = [code for _, name, code in EXAMPLES if name == "iceberg_entry_pages"]
    script = tmp_path / "example.py"
    code = code.replace("sqlite:///demo-lake", f"sqlite:///{lake.as_posix()}")
    script.write_text(f"{code}\nby_duckdb = by_duckdb.fetchall()\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ran = runpy.run_path(str(script))
    expected = sorted((row[0], row[1]) for row in by_duckdb["entry_pages"])
    assert sorted(ran["result"].rows()) == expected
    assert sorted(ran["by_duckdb"]) == expected
    done = CliRunner().invoke(app, ["iceberg", "verify", "--lake", str(lake), "--json"])
    assert json.loads(done.stdout) == {"problems": []}
    assert CliRunner().invoke(app, ["iceberg", "drop", "--lake", str(lake)]).exit_code == 0


@pytest.mark.slow
def test_the_example_of_datafusion_says_what_duckdb_says(folder: Path, by_duckdb: dict[str, Rows]) -> None:
    [(name, code)] = [(name, code) for kind, name, code in EXAMPLES if kind == "engines"]
    code = f"{code}\nimport json\nprint(json.dumps([list(row.values()) for row in result]))\n"
    done = subprocess.run(
        [str(engines() / "python"), "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        [pytest.approx(v) if isinstance(v, float) else v for v in row] for row in by_duckdb[name]
    ]


def test_replaylake_sql_says_what_duckdb_says(folder: Path, by_duckdb: dict[str, Rows]) -> None:
    for kind, name, code in EXAMPLES:
        if kind == "sql" and name:
            done = CliRunner().invoke(app, ["sql", code, "--json", "--lake", str(folder / "demo-lake")])
            assert [tuple(row.values()) for row in json.loads(done.stdout)] == by_duckdb[name]


def test_the_table_inputs_are_what_glue_takes() -> None:
    shape = botocore.session.get_session().get_service_model("glue").shape_for("TableInput")
    for table in glue_tables("s3://lake/rum", [14, 90]):
        problems = ParamValidator().validate(table, shape)
        assert not problems.has_errors(), problems.generate_report()


def test_the_hive_definitions_have_every_column_once_and_views_of_the_latest_revisions() -> None:
    text = hive_ddl("s3://lake/rum", [90, 14])
    for name, table in TABLES.items():
        defined = f"{name}_all" if name in REVISED else name
        [body] = re.findall(rf"CREATE EXTERNAL TABLE IF NOT EXISTS `{defined}` \(\n(.*?)\n\)\n", text, re.DOTALL)
        assert re.findall(r"^  `(\w+)` ", body, re.MULTILINE) == [field.name for field in table.fields]
        assert f"LOCATION 's3://lake/rum/tables/{name}/'" in text
        assert (f"CREATE VIEW IF NOT EXISTS `{name}` AS" in text) == (name in REVISED)
        seconds = [field.name for field in table.fields if field.unit == "ns"]
        assert all(f"cast(`{column}` as double) / 1e9 as {column}_seconds" in text for column in seconds)
        assert body.count("(ns)") == len(seconds)
    assert text.count("PARTITION BY `app_id`, `session_id`, `session_part`, `dt` ORDER BY `revision` DESC") == 1
    assert "'projection.retention.values' = '14d,90d'" in text
    assert not re.search(r"COMMENT '[^']*[^\\]'[^,\n]", text)


def test_duckdb_takes_its_definitions_and_a_filter_on_dt_leaves_the_other_days_alone(
    folder: Path, by_duckdb: dict[str, Rows], tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(folder / "demo-lake", lake)
    [day] = (lake / "tables" / "sessions" / "retention=14d").iterdir()
    for number in range(4):
        shutil.copytree(day, day.with_name(f"dt=2020-01-0{number + 1}"))
    done = CliRunner().invoke(app, ["tables", "--ddl", "duckdb", "--lake", str(lake)])
    today = f"from sessions where dt = '{day.name.removeprefix('dt=')}'"
    with duckdb.connect() as connection:
        connection.execute(done.stdout)
        [(count, seconds, same)] = connection.execute(
            f'select count(*), sum(time_spent_seconds), bool_and(ended_at = "end") {today}'
        ).fetchall()
        [(nanoseconds,)] = connection.execute(f"select sum(time_spent) {today}").fetchall()
        [(_, plan)] = connection.execute(f"explain analyze select count(*) {today}").fetchall()
        comments = connection.execute(
            "select column_name, comment from duckdb_columns() where table_name = 'sessions'"
        ).fetchall()
    assert (count, same) == (sum(row[1] for row in by_duckdb["entry_pages"]), True)
    assert seconds == pytest.approx(nanoseconds / 1e9)
    files = len(list(day.iterdir()))
    assert f"Scanning Files: {files}/{files * 5}" in plan
    assert dict(comments)["time_spent"].endswith("(ns)")
    assert dict(comments)["time_spent_seconds"].endswith("(seconds)")


def test_views_of_every_engine_have_every_column_and_no_window_without_the_day() -> None:
    lake = "s3://lake/rum"
    for text in (trino_ddl(), clickhouse_ddl(lake), duckdb_ddl(lake, TABLES), hive_ddl(lake, [14])):
        windows = re.findall(r"partition by (.*?) order by", text, re.IGNORECASE)
        assert len(windows) == len(REVISED)
        assert all("dt" in window for window in windows)
        for table in TABLES.values():
            assert all(re.search(rf" as {extra.name}\b", text, re.IGNORECASE) for extra in extras(table))


def test_the_command_writes_definitions_for_the_classes_of_the_lake(folder: Path) -> None:
    done = CliRunner().invoke(app, ["tables", "--ddl", "glue", "--lake", str(folder / "demo-lake")])
    assert {one["Name"] for one in json.loads(done.stdout)} == {
        f"{name}_all" if name in REVISED else name for name in TABLES
    }


def test_the_analysis_makes_its_pictures(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "examples/analysis.py", str(folder / "demo-lake"), str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    steps = [int(line.split()[0]) for line in done.stdout.splitlines()[:4]]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] >= 1  # the recorded visitor of the shop pays
    assert "replaylake export" in done.stdout
    for name in ("funnel", "errors", "pages"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
