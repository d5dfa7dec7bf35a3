"""`sessions` equals SQL over the raw input, in every column that SQL can reach. In full: `python -m tests.oracle`."""

import shutil
from pathlib import Path

import duckdb
import pytest

from tests.oracle.comparison import NOT_COMPARED, Comparison, backfill, compare
from tests.oracle.visits import visits
from tests.oracle.wire import write_captures

VISITS = 240


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("oracle")
    capture, lake = folder / "made-up.jsonl.gz", folder / "lake"
    write_captures(capture, visits(VISITS, seed=3), seed=3)
    backfill([capture], lake)
    return capture, lake


@pytest.fixture(scope="module")
def compared(made_up: tuple[Path, Path]) -> Comparison:
    capture, lake = made_up
    return compare([capture], lake)


def test_made_up_sessions_are_those_of_sql(compared: Comparison) -> None:
    """Pauses just at the limit, days without a break, sleep, end markers, copies, disorder; four dialects."""
    assert compared.differences == []
    assert compared.sessions > VISITS


def test_what_is_not_compared_is_named(compared: Comparison) -> None:
    assert not set(compared.columns) & set(NOT_COMPARED)
    assert len(compared.columns) >= 80


def test_the_made_up_sessions_have_what_the_rules_are_about(made_up: tuple[Path, Path]) -> None:
    """Else the comparison would say little."""
    _, lake = made_up
    query = f"""select count(distinct close_reason), max(session_part), count(*) filter (revision > 0),
        count(*) filter (is_bounce), count(lcp_p75), count(*) filter (idle_time > 0), max(error_group_count),
        sum(duplicate_count), sum(replay_missing_segment_count), sum(rage_click_count), sum(slow_resource_count)
        from read_parquet('{lake}/tables/sessions/**/*.parquet')"""
    with duckdb.connect() as connection:
        reasons, *counts = connection.execute(query).fetchall()[0]
    assert reasons >= 3
    assert all(count > 0 for count in counts)


def test_recorded_sessions_are_those_of_sql(recorded_captures: list[Path], recorded_lake: Path) -> None:
    found = compare(recorded_captures, recorded_lake)
    assert found.differences == []
    assert found.sessions >= len(recorded_captures)


def test_a_wrong_cell_is_found(made_up: tuple[Path, Path], tmp_path: Path) -> None:
    capture, lake = made_up
    shutil.copytree(lake / "tables", tmp_path / "lake" / "tables")
    changed = tmp_path / "lake" / "tables" / "sessions"
    shutil.rmtree(changed)
    changed.mkdir()
    duckdb.execute(f"""copy (select * replace (idle_time + 1 as idle_time) from '{lake}/tables/sessions/**/*.parquet')
        to '{changed / "wrong.parquet"}' (format parquet)""")
    found = compare([capture], tmp_path / "lake")
    assert found.differences
    assert all(line.startswith("idle_time") for line in found.differences)
