"""The command on the real S3 server, killed at random moments while readers look; the heavy one is tests.torture."""

import random
import time
from pathlib import Path

import pytest

from flows.demo.servers import S3Server
from lake.duck import open_duck
from sinks.s3 import S3Store
from tests.torture.compaction import ONE_APP_ONE_DAY, compact_command, cost_of, ended, kills, today
from tests.torture.small_files import TABLES, days_before, put_small_files

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
KILLS = 2


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"s3://lake/{tmp_path.name}-{time.time_ns()}"


def test_killed_at_random_moments_every_reader_sees_every_row_once(s3: S3Server, uri: str) -> None:
    def open_store() -> S3Store:
        return S3Store(uri, s3.storage_options())

    for day in days_before(today(), 1):
        for table in TABLES:
            put_small_files(open_store(), table, day, 4, 10)
    kills(open_store, s3, KILLS, random.Random(time.time_ns()), print)


def test_a_query_of_one_app_and_day_takes_few_requests_afterwards(s3: S3Server, uri: str) -> None:
    store = S3Store(uri, s3.storage_options())
    [day] = days_before(today(), 1)
    put_small_files(store, "sessions", day, 30, 10)
    sql = ONE_APP_ONE_DAY.format(day=day)
    with open_duck(store) as duck:
        expected = duck.query(sql).to_pylist()
    before = cost_of(store, sql)
    assert before.gets >= 30
    assert ended(compact_command(uri, s3))["files_after"] == 1
    assert cost_of(store, sql).gets <= 10
    with open_duck(store) as duck:
        assert duck.query(sql).to_pylist() == expected
