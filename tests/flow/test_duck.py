"""The lake as tables of DuckDB: what they hold, and what a query does not read."""

import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from flows.cli.main import app
from flows.demo.servers import S3Server
from lake.catalog import latest_sessions, latest_views, read_rows
from lake.duck import _Scan, open_duck
from schemas.engine_views import extras
from schemas.keys import table_key
from schemas.tables import TABLES
from sinks.s3 import S3Store
from sinks.steady import Patience, SteadyStore
from sinks.store import LocalStore, ObjectStore, StoreError
from sinks.tables import encode_rows
from tests.conftest import LONG
from tests.flow.harness import capture_messages, run
from tests.required_columns import required

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS = 5


def session(day: int, number: int, revision: int = 0) -> dict[str, object]:
    start = NOON + timedelta(days=day, minutes=number)
    return {
        **required("sessions"),
        "app_id": f"app-{number % 3}", "session_id": f"s-{day}-{number}", "session_part": 0, "revision": revision,
        "start": start, "time_spent": 1_000_000_000, "session_error_count": number % 2, "custom": {"plan": "pro"},
    }  # fmt: skip


@pytest.fixture(params=["local", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return LocalStore(tmp_path)
    s3: S3Server = request.getfixturevalue("s3")
    return S3Store(f"s3://lake/{tmp_path.name}", s3.storage_options())


@pytest.fixture
def days(lake: ObjectStore) -> SteadyStore:
    """Five days of three files each, and one late revision in a file of its own, a day later."""
    files = {}
    for day in range(DAYS):
        for part in range(3):
            rows = [session(day, number) for number in range(part * 10, part * 10 + 10)]
            files[table_key("sessions", 14, day_of(day), f"{part}-r0")] = encode_rows("sessions", rows)
    files[table_key("sessions", 14, day_of(1), "late")] = encode_rows("sessions", [session(0, 3, revision=1)])
    lake.put(files)
    return SteadyStore(lake, Patience(seconds=0))


def day_of(day: int) -> str:
    return (NOON + timedelta(days=day)).date().isoformat()


def test_only_the_latest_revision_counts_also_when_it_is_of_another_day(days: SteadyStore) -> None:
    with open_duck(days) as duck:
        assert one(duck, "select count(*) from sessions_all") == DAYS * 30 + 1
        assert one(duck, "select count(*) from sessions") == DAYS * 30
        assert one(duck, "select revision from sessions where session_id = 's-0-3'") == 1
        assert one(duck, f"select count(*) from sessions where dt = '{day_of(0)}'") == 29


def test_a_filter_on_the_day_reads_only_the_files_of_that_day_and_late_revisions(days: SteadyStore) -> None:
    with open_duck(days) as duck:
        before = dict(days.counts.requests)
        found = duck.query(f"select count(*) n, sum(time_spent) t from sessions where dt = '{day_of(2)}'")
        assert found.to_pylist() == [{"n": 30, "t": 30_000_000_000}]
        read = days.counts.requests["get", "ok"] - before.get(("get", "ok"), 0)
        assert read == 3 + 1  # of 16
        assert days.counts.requests == before | {("get", "ok"): before.get(("get", "ok"), 0) + read}


def test_days_that_are_not_asked_for_are_in_no_table(days: SteadyStore) -> None:
    with open_duck(days, days=(day_of(2), day_of(3))) as duck:
        assert one(duck, "select count(distinct dt) from sessions") == 2


def test_the_columns_are_those_that_are_declared_and_the_folders(lake: ObjectStore) -> None:
    with open_duck(lake) as duck:
        for table, declared in TABLES.items():
            found = duck.query(f"select * from {table}")
            assert found.num_rows == 0, table
            declared_names = [field.name for field in declared.fields]
            added = [extra.name for extra in extras(declared)]
            assert found.column_names == [*declared_names, "retention", "dt", *added], table


def test_a_column_that_an_older_file_lacks_is_null(days: SteadyStore) -> None:
    key = table_key("sessions", 14, day_of(4), "0-r0")
    whole = pq.read_table(io.BytesIO(days.read(key)))
    older = io.BytesIO()
    pq.write_table(whole.drop_columns(["session_error_count", "custom"]), older)
    days.put({key: older.getvalue()})
    with open_duck(days) as duck:
        assert one(duck, "select count(*) from sessions where custom is null and session_error_count is null") == 10
        assert one(duck, "select count(*) from sessions where custom['plan'] = 'pro'") == DAYS * 30 - 10


def test_a_file_that_was_replaced_while_somebody_asks_is_looked_for_again(days: SteadyStore) -> None:
    with open_duck(days) as duck:
        old, new = (table_key("sessions", 14, day_of(2), name) for name in ("1-r0", "1-new-r0"))
        days.put({new: days.read(old)})
        days.delete([old])
        assert one(duck, "select count(*) from sessions") == DAYS * 30


class _Away(LocalStore):
    """A local lake that cannot be read for a while."""

    is_away = False

    def read(self, key: str) -> bytes:
        if self.is_away:
            raise StoreError(f"{key} cannot be read now")
        return super().read(key)


def test_a_store_that_fails_is_what_the_query_raises_and_the_next_one_works(tmp_path: Path) -> None:
    store = _Away(tmp_path)
    rows = [session(0, number) for number in range(3)]
    store.put({table_key("sessions", 30, "2026-03-01", "a"): encode_rows("sessions", rows)})
    with open_duck(store) as duck:
        store.is_away = True
        with pytest.raises(StoreError, match="cannot be read now"):
            duck.query("select count(session_id) n from sessions")
        store.is_away = False
        assert duck.query("select count(session_id) n from sessions").to_pylist() == [{"n": 3}]


def test_real_sessions_are_the_same_as_in_the_catalog(tmp_path: Path, samples: Path) -> None:
    run(capture_messages(sorted(samples.glob("guance/gc-*.jsonl.gz"))), [], tmp_path)
    store = LocalStore(tmp_path)
    keys = {table: [found.key for found in store.list(f"tables/{table}/")] for table in TABLES}
    rows = {table: read_rows(store, keys[table], table) for table in TABLES}
    rows |= {"sessions": latest_sessions(rows["sessions"]), "views": latest_views(rows["views"])}
    with open_duck(store) as duck:
        for table, expected in rows.items():
            added = ", ".join(extra.name for extra in extras(TABLES[table]))
            found = duck.query(f"select * exclude (retention, dt, {added}) from {table}").to_pylist()
            assert sorted(map(plain, found)) == sorted(map(plain, expected)), table
        assert len(rows["sessions"]) > 2


def test_rows_come_in_batches_for_which_the_interpreter_is_not_held(days: SteadyStore) -> None:
    spied = patch.object(_Scan, "to_reader", autospec=True, side_effect=_Scan.to_reader)
    with open_duck(days) as duck, spied as reader:
        assert one(duck, "select count(*) from sessions_all") == DAYS * 30 + 1
    reader.assert_called_once()


def test_queries_of_busy_processes_all_end(tmp_path: Path) -> None:
    """What waits for the interpreter and is waited for shows only where cores are few, and not each time."""
    rows = [session(0, number) for number in range(20)]
    LocalStore(tmp_path).put(
        {table_key("sessions", 14, day_of(0), f"{n}-r0"): encode_rows("sessions", rows) for n in range(30)}
    )
    ask = [sys.executable, "-c", _ASK, str(tmp_path), "60" if LONG else "2"]
    started = [subprocess.Popen(ask) for _ in range(3)]
    try:
        assert [process.wait(120) for process in started] == [0, 0, 0]
    finally:
        for process in started:
            process.kill()
            process.wait()


_ASK = """
import sys, time
from pathlib import Path
from lake.duck import open_duck
from sinks.store import LocalStore
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    with open_duck(LocalStore(Path(sys.argv[1]))) as duck:
        for _ in range(20):
            duck.query("select count(*) from sessions_all")
"""


@pytest.mark.parametrize("lake", ["local"], indirect=True)  # what it prints does not depend on the store
def test_the_command_prints_tables_json_and_csv(days: SteadyStore) -> None:
    ask = ["sql", "select dt, session_id, custom from sessions where session_id = 's-2-7'", "--lake", days.uri]
    done = CliRunner().invoke(app, [*ask, "--json"])
    assert json.loads(done.stdout) == [{"dt": day_of(2), "session_id": "s-2-7", "custom": {"plan": "pro"}}]
    done = CliRunner().invoke(app, [*ask, "--csv"])
    assert done.stdout == f'dt,session_id,custom\n{day_of(2)},s-2-7,"{{""plan"": ""pro""}}"\n'
    done = CliRunner().invoke(app, ask[:1] + ask[2:], input="select count(*) as n from sessions")
    assert "150" in done.stdout


def one(duck: Any, sql: str) -> object:
    [row] = duck.query(sql).to_pylist()
    [value] = row.values()
    return value


def plain(row: dict[str, object]) -> str:
    return str(sorted((name, str(sorted(value) if isinstance(value, list) else value)) for name, value in row.items()))
