"""Spark and ClickHouse read through Iceberg what the files say, on disk and on a real S3 server, pruned."""

import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from flows.demo.servers import REGION, S3Server
from lake.duck import open_duck
from sinks.iceberg.catalog import location_of
from sinks.iceberg.options import CatalogOptions, open_registrar
from sinks.iceberg.registrar import Registrar
from sinks.open_store import open_store
from sinks.store import LocalStore, ObjectStore
from tests.conftest import REPOSITORY
from tests.engines.asking import asked, engines
from tests.torture.small_files import put_small_files

JARS = REPOSITORY / ".work" / "spark-jars"
TODAY = datetime.now(UTC).date()
DAYS = [(TODAY - timedelta(days=number)).isoformat() for number in (1, 2, 3)]
FILES = 4  # of a day and table
NAMES = ("sessions", "views", "errors")
QUERIES = {
    "every session": "select app_id, session_id, session_part, revision, active_time from {sessions} order by 2, 3",
    "every view": "select app_id, session_id, session_part, view_id, revision from {views} order by 2, 3, 4",
    "errors": "select app_id, count(*), count(distinct session_id) from {errors} group by app_id order by 1",
    "one day": (
        f"select count(*) from {{sessions}} where received_start >= timestamp '{DAYS[1]} 00:00:00' "
        f"and received_start < timestamp '{DAYS[0]} 00:00:00'"
    ),
    "one day of errors": (
        f"select count(*) from {{errors}} where received_at >= timestamp '{DAYS[1]} 00:00:00' "
        f"and received_at < timestamp '{DAYS[0]} 00:00:00'"
    ),
}
PRUNED = [name.startswith("one day") for name in QUERIES]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


class Lake:
    """A lake with its tables, and what its files say."""

    def __init__(self, store: ObjectStore, registrar: Registrar, catalog: Path) -> None:
        self.store = store
        self.registrar = registrar
        self.catalog = catalog
        names = {name: name for name in NAMES}
        with open_duck(store) as duck:
            duck.connection.execute("set timezone = 'UTC'")
            self.expected = [_rows(duck.query(query.format(**names))) for query in QUERIES.values()]


@pytest.fixture(scope="module", params=["disk", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, s3: S3Server) -> Lake:
    engines()
    folder = tmp_path_factory.mktemp("iceberg")
    catalog = folder / "catalog.db"
    if request.param == "disk":
        store: ObjectStore = LocalStore(folder / "lake")
    else:
        store = open_store("s3://lake/iceberg-engines", s3.storage_options())
    for day in DAYS:
        for name in NAMES:
            put_small_files(store, name, day, FILES, 45)
    options = CatalogOptions(
        properties={"type": "sql", "uri": f"sqlite:///{catalog}"},
        file_io={
            "s3.endpoint": s3.endpoint_url,
            "s3.access-key-id": s3.access_key,
            "s3.secret-access-key": s3.secret_key,
            "s3.region": REGION,
        },
    )
    registrar = open_registrar(store, options, lambda: int(time.time() * 1000))
    done = registrar.sync()
    assert done.files_added == len(DAYS) * len(NAMES) * FILES
    assert done.superseded > 0
    return Lake(store, registrar, catalog)


def test_duckdb_through_pyiceberg_says_what_the_files_say(lake: Lake) -> None:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for name in NAMES:
            connection.register(name, lake.registrar.table(name).scan().to_arrow())
        names = {name: name for name in NAMES}
        found = [_rows(connection.sql(query.format(**names)).to_arrow_table()) for query in QUERIES.values()]
    assert found == lake.expected
    for name, column in (("sessions", "received_start"), ("errors", "received_at")):
        condition = f"{column} >= '{DAYS[1]}T00:00:00+00:00' and {column} < '{DAYS[0]}T00:00:00+00:00'"
        scan = lake.registrar.table(name).scan(row_filter=condition)
        assert len(list(scan.plan_files())) == FILES  # of three days


def test_clickhouse_says_what_the_files_say(lake: Lake, s3: S3Server) -> None:
    root = location_of(lake.store)
    tables = {}
    for name in NAMES:
        metadata = lake.registrar.table(name).metadata_location.removeprefix(f"{root}/")
        setting = f"settings iceberg_metadata_file_path = '{metadata}'"
        if root.startswith("file://"):
            tables[name] = f"icebergLocal('{root.removeprefix('file://')}/', {setting})"
        else:
            url = root.replace("s3://", f"{s3.endpoint_url}/")
            tables[name] = f"icebergS3('{url}/', '{s3.access_key}', '{s3.secret_key}', {setting})"
    names = {name: name for name in NAMES}
    queries = [query.format(**names) for query in QUERIES.values()]
    said = asked("ask_clickhouse.py", {"tables": tables, "queries": queries})
    assert said["rows"] == lake.expected
    pruned = [count for count, is_pruned in zip(said["pruned"], PRUNED, strict=True) if is_pruned]
    others = len(DAYS) - 1
    assert pruned == [others * (FILES + 1), others * FILES]  # of sessions with the file of positions of each day


@pytest.fixture
def jars() -> list[str]:
    found = sorted(map(str, JARS.glob("*.jar")))
    if shutil.which("java") is None or not found:
        pytest.skip("Spark needs Java 17 and the jars of docker/spark/pom.xml: `make engines`")
    return found


def test_spark_says_what_the_files_say(lake: Lake, jars: list[str], s3: S3Server) -> None:
    names = {name: f"replaylake.rum.{name}" for name in NAMES}
    queries = [query.format(**names) for query in QUERIES.values()]
    conf = {
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.replaylake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.replaylake.type": "jdbc",
        "spark.sql.catalog.replaylake.uri": f"jdbc:sqlite:{lake.catalog}",
        "spark.sql.catalog.replaylake.jdbc.schema-version": "V1",
        "spark.sql.catalog.replaylake.warehouse": location_of(lake.store),
    }
    if not isinstance(lake.store, LocalStore):
        conf |= {
            "spark.sql.catalog.replaylake.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
            "spark.sql.catalog.replaylake.s3.endpoint": s3.endpoint_url,
            "spark.sql.catalog.replaylake.s3.path-style-access": "true",
            "spark.sql.catalog.replaylake.s3.access-key-id": s3.access_key,
            "spark.sql.catalog.replaylake.s3.secret-access-key": s3.secret_key,
            "spark.sql.catalog.replaylake.client.region": REGION,
        }
    said = asked("ask_spark.py", {"jars": jars, "conf": conf, "views": [], "queries": queries})
    assert said["rows"] == lake.expected
    planned = [count for count, is_pruned in zip(said["files"], PRUNED, strict=True) if is_pruned]
    assert planned == [FILES] * 2  # of three days


def _rows(found: pa.Table) -> list[list[object]]:
    return [list(row.values()) for row in found.to_pylist()]
