"""Files of every version of a table are one table, in DuckDB, Polars, pyarrow and the project's own readers."""

import shutil
from functools import cache
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from lake.catalog import read_rows, table_keys
from schemas.fields import added, by_version, text
from schemas.keys import table_key
from schemas.tables import TABLES, arrow_schema
from sinks.store import LocalStore
from tests.golden.make import GOLDEN, golden, make

VERSIONS = {name: table.versions for name, table in TABLES.items()}


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake whose folders hold a file of each version."""
    for table in TABLES:
        for version in VERSIONS[table]:
            file = tmp_path / table_key(table, 14, "2026-11-21", f"v{version}")
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(golden(table, version), file)
    return tmp_path


def counts(table: str) -> list[int]:
    return [pq.read_metadata(golden(table, version)).num_rows for version in VERSIONS[table]]


@pytest.mark.parametrize("table", TABLES)
def test_there_is_a_file_of_every_version_and_of_no_other(table: str) -> None:
    stored = {int(file.parent.name.removeprefix("tables-v")) for file in GOLDEN.glob(f"tables-v*/{table}.parquet")}
    assert stored == set(VERSIONS[table]), "a new version: run python -m tests.golden.make"
    for version in VERSIONS[table]:
        metadata = pq.read_schema(golden(table, version)).metadata
        assert (metadata[b"replaylake.table"], metadata[b"replaylake.version"]) == (table.encode(), b"%d" % version)
    assert min(counts(table)) > 0


@pytest.mark.parametrize("table", TABLES)
def test_a_version_only_adds_columns_behind_the_others(table: str) -> None:
    for version in VERSIONS[table]:
        old = pq.read_schema(golden(table, version))
        new = arrow_schema(table)
        assert [(f.name, f.type, f.metadata[b"unit"]) for f in old] == [
            (f.name, f.type, f.metadata[b"unit"]) for f in list(new)[: len(old)]
        ]
        assert [f.name for f in TABLES[table].fields if f.since <= version] == old.names


@pytest.mark.parametrize("table", TABLES)
def test_the_newest_file_has_the_declared_schema(table: str) -> None:
    """A change of a schema that comes without a new version is noticed here."""
    stored = pq.read_schema(golden(table, TABLES[table].version))
    assert stored.equals(arrow_schema(table))
    assert [f.nullable for f in stored] == [field.nullable for field in TABLES[table].fields]


@pytest.mark.parametrize("table", TABLES)
def test_what_cannot_be_null_is_not_null_in_any_version_and_what_was_added_can_be(table: str) -> None:
    for field in TABLES[table].fields:
        assert field.nullable or field.since == 1
        for version in VERSIONS[table]:
            if not field.nullable:
                assert _content(table, version)[field.name].null_count == 0, field.name


@pytest.mark.parametrize("table", TABLES)
def test_duckdb_reads_all_versions_together(table: str, lake: Path) -> None:
    with duckdb.connect() as connection:
        files = f"read_parquet('{lake}/tables/{table}/**/*.parquet', union_by_name = true, hive_partitioning = true)"
        names = arrow_schema(table).names
        columns = ", ".join(f'count("{name}")' for name in names)
        ((rows, *filled),) = connection.execute(f"select count(*), {columns} from {files}").fetchall()
    assert rows == sum(counts(table))
    assert filled == [sum(_filled(table, name, version) for version in VERSIONS[table]) for name in names]


@pytest.mark.parametrize("table", TABLES)
def test_pyarrow_reads_all_versions_together(table: str, lake: Path) -> None:
    folder = str(lake / "tables" / table)
    schema = pa.unify_schemas([pq.read_schema(golden(table, version)) for version in VERSIONS[table]])
    assert schema.names == arrow_schema(table).names
    for wanted in (schema, arrow_schema(table)):
        _check(table, ds.dataset(folder, schema=wanted, partitioning="hive").to_table())


@pytest.mark.parametrize("table", TABLES)
def test_polars_reads_all_versions_together(table: str, lake: Path) -> None:
    polars = pytest.importorskip("polars", reason="Polars is not installed")
    newest = polars.scan_parquet(golden(table, TABLES[table].version)).collect_schema()
    files = polars.scan_parquet(
        f"{lake}/tables/{table}/**/*.parquet", schema=newest, missing_columns="insert", hive_partitioning=False
    )
    found = files.collect()
    assert found.columns == arrow_schema(table).names
    for name in found.columns:
        filled = len(found) - found[name].null_count()
        assert filled == sum(_filled(table, name, version) for version in VERSIONS[table]), name


@pytest.mark.parametrize("table", TABLES)
def test_the_projects_own_reader_reads_all_versions_together(table: str, lake: Path) -> None:
    store = LocalStore(lake)
    rows = read_rows(store, table_keys(store, table), table)
    _check(table, pa.Table.from_pylist(rows, schema=arrow_schema(table)))


@pytest.mark.slow
def test_golden_files_are_made_where_there_is_none_and_nowhere_else(tmp_path: Path) -> None:
    kept = golden("sessions", TABLES["sessions"].version, tmp_path)
    kept.parent.mkdir()
    kept.write_bytes(b"of a release")
    assert sorted(make(tmp_path)) == sorted(
        golden(name, table.version, tmp_path) for name, table in TABLES.items() if name != "sessions"
    )
    assert kept.read_bytes() == b"of a release"
    for name in TABLES.keys() - {"sessions"}:
        made = pq.read_table(golden(name, TABLES[name].version, tmp_path))
        assert made.schema.equals(arrow_schema(name))
        assert made.num_rows > 0


def test_a_column_that_is_added_to_one_table_gives_a_version_to_this_table_alone() -> None:
    old = TABLES["actions"]
    new = msgspec.structs.replace(old, fields=by_version(*added(old.version + 1, text("mood", "Mood")), *old.fields))
    assert new.versions == (*old.versions, old.version + 1)
    assert [field.name for field in new.fields] == [*(field.name for field in old.fields), "mood"]
    assert "mood" not in {field.name for name in TABLES for field in TABLES[name].fields}


def _check(table: str, found: pa.Table) -> None:
    assert found.num_rows == sum(counts(table))
    for name in arrow_schema(table).names:
        filled = found.num_rows - found[name].null_count
        assert filled == sum(_filled(table, name, version) for version in VERSIONS[table]), name


def _filled(table: str, column: str, version: int) -> int:
    """Values that are there in a golden file."""
    file = _content(table, version)
    return file.num_rows - file[column].null_count if column in file.column_names else 0


@cache
def _content(table: str, version: int) -> pa.Table:
    return pq.read_table(golden(table, version))
