"""The lake as Iceberg tables: the same rows as the files, at every moment, whatever changes, dies or runs beside it."""

import io
import json
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.manifest import ManifestContent
from pyiceberg.table import Table

from lake.catalog import table_rows
from schemas.erasure import Failure, Subject
from schemas.errors import MustAct
from schemas.keys import ICEBERG, REGISTRAR, RETIRED, table_key
from schemas.retention import HELD_DAYS, AppRetention, Retention
from schemas.tables import REVISED, TABLES, arrow_schema
from schemas.tables import TABLES as DECLARED
from schemas.units import MS_PER_SECOND
from sinks.compact import compact, plan
from sinks.erase import Eraser
from sinks.iceberg.options import CatalogFault, CatalogOptions, open_registrar
from sinks.iceberg.registrar import Registrar
from sinks.maintenance import maintenance
from sinks.move import Mover
from sinks.open_store import open_store
from sinks.store import LocalStore, ObjectStore
from sinks.swap import visible_files
from sinks.tables import encode_rows
from tests.flow.harness import capture_messages, run
from tests.flow.iceberg_readers import READERS, as_text
from tests.required_columns import required
from tests.torture.small_files import RETENTION_DAYS, counted_rows, put_small_files

TODAY = datetime.now(UTC).date()  # snapshots have the machine's time
DAY = (TODAY - timedelta(days=3)).isoformat()
NEXT = (TODAY - timedelta(days=2)).isoformat()
SMALL = ("sessions", "errors")
GRACE = 600
GOLDEN = Path(__file__).parents[1] / "golden"


class Clock:
    """A wall clock that a test puts forward."""

    ahead_ms = 0

    def __call__(self) -> int:
        return int(time.time() * MS_PER_SECOND) + self.ahead_ms

    def wait(self, seconds: float) -> None:
        self.ahead_ms += int(seconds * MS_PER_SECOND)


@pytest.fixture(autouse=True)
def _few_tables(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most rules hold for any table: those of two are enough, unless a test asks for all."""
    if "every_table" not in request.fixturenames:
        for module in ("sinks.iceberg.registrar", __name__):
            monkeypatch.setattr(f"{module}.TABLES", {name: TABLES[name] for name in (*SMALL, "replay_segments")})


@pytest.fixture
def every_table() -> None:
    """For tests of all of them."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "lake")
    for table in SMALL:
        put_small_files(store, table, DAY, 6, 50)
    return store


def registrar(store: ObjectStore, clock: Clock, grace: int = GRACE) -> Registrar:
    return open_registrar(store, CatalogOptions(grace_seconds=grace), clock)


def rows_of(store: ObjectStore, name: str) -> list[str]:
    """The rows that count, as the project's own reader has them."""
    rows = table_rows(store, name)
    if name in REVISED:
        newest: dict[tuple[object, ...], dict[str, object]] = {}
        for row in sorted(rows, key=lambda row: int(str(row["revision"]))):
            newest[tuple(row[column] for column in REVISED[name])] = row
        rows = list(newest.values())
    return as_text(pa.Table.from_pylist(rows, schema=arrow_schema(name)), name)


def check(store: ObjectStore, reg: Registrar, engines: Iterable[str] = ("pyiceberg",)) -> None:
    """Every table says what the lake says."""
    for name in TABLES:
        table, expected = reg.table(name), rows_of(store, name)
        for engine in engines:
            assert READERS[engine](table, name) == expected, (engine, name)
    assert reg.problems() == []


def retired(store: ObjectStore) -> set[str]:
    return {key for one in store.list(RETIRED) for key in json.loads(store.read(one.key))["keys"]}


def compacted(store: ObjectStore) -> int:
    with maintenance(store, "test", 0) as renew:
        return compact(store, plan(store, DAY, TODAY), "test", TODAY, renew).folders


@pytest.mark.usefixtures("every_table")
def test_every_engine_reads_through_iceberg_what_the_files_say(tmp_path: Path, samples: Path, clock: Clock) -> None:
    run(
        capture_messages([samples / "guance" / "gc-shop.jsonl.gz"]),
        [],
        tmp_path,
        retention=Retention(AppRetention(3650)),
    )
    store = LocalStore(tmp_path)
    for table in ("sessions", "views"):
        put_small_files(store, table, DAY, 6, 50)
    reg = registrar(store, clock)
    done = reg.sync()
    assert done.tables == len(TABLES)
    assert done.superseded > 0
    assert done.rows == sum(len(rows_of(store, name)) for name in TABLES)
    check(store, reg, READERS)


def test_a_run_without_news_commits_nothing_and_a_new_process_knows_it(store: LocalStore, clock: Clock) -> None:
    registrar(store, clock).sync()
    before = {one.key for one in store.list(ICEBERG)}
    again = registrar(store, clock)
    assert [again.sync().snapshots for _ in range(2)] == [0, 0]
    assert {one.key for one in store.list(ICEBERG)} >= before - retired(store)


def test_what_comes_is_one_snapshot_a_table_and_a_later_revision_replaces_its_row(
    store: LocalStore, clock: Clock
) -> None:
    reg = registrar(store, clock)
    reg.sync()
    [first] = [row for row in table_rows(store, "sessions") if row["session_error_count"] == 3][:1]
    late = first | {"revision": 5, "session_error_count": 77}
    store.put({table_key("sessions", RETENTION_DAYS, DAY, "9999-late"): encode_rows("sessions", [late])})
    assert reg.sync().snapshots == 1
    check(store, reg)
    same = f"session_id = '{first['session_id']}' and session_part = {first['session_part']}"
    assert reg.table("sessions").scan(row_filter=same).to_arrow()["session_error_count"].to_pylist() == [77]


def test_a_first_revision_that_is_listed_after_its_second_is_left_out(store: LocalStore, clock: Clock) -> None:
    row = required("sessions") | {"app_id": "late", "session_id": "s", "received_start": _at(DAY)}
    store.put({table_key("sessions", RETENTION_DAYS, DAY, "z-1"): encode_rows("sessions", [row | {"revision": 1}])})
    reg = registrar(store, clock)
    reg.sync()
    store.put({table_key("sessions", RETENTION_DAYS, DAY, "z-0-r0"): encode_rows("sessions", [row])})
    reg.sync()
    assert reg.table("sessions").scan(row_filter="app_id = 'late'").to_arrow()["revision"].to_pylist() == [1]
    check(store, reg)


def test_a_filter_on_the_day_reads_the_files_of_that_day_only(store: LocalStore, clock: Clock) -> None:
    for number in (1, 2, 4):
        for table in SMALL:
            put_small_files(store, table, (TODAY - timedelta(days=number)).isoformat(), 3, 20)
    reg = registrar(store, clock)
    reg.sync()
    for name, column in (("sessions", "received_start"), ("errors", "received_at")):
        scan = reg.table(name).scan(
            row_filter=f"{column} >= '{DAY}T00:00:00+00:00' and {column} < '{NEXT}T00:00:00+00:00'"
        )
        tasks = list(scan.plan_files())
        assert len(tasks) == 6  # of 15
        assert all(f"dt={DAY}" in task.file.file_path for task in tasks)
        assert scan.to_arrow().num_rows == len(rows_of(store, name)) - len(_other_days(store, name))


def _other_days(store: ObjectStore, name: str) -> list[str]:
    other = LocalStore(Path(store.uri).parent / f"other-{name}")
    for one in store.list(f"tables/{name}/"):
        if f"dt={DAY}" not in one.key:
            other.put({one.key: store.read(one.key)})
    return rows_of(other, name)


def test_segments_of_two_days_in_one_file_are_all_found(tmp_path: Path, clock: Clock) -> None:
    store = LocalStore(tmp_path / "lake")
    rows = [
        required("replay_segments") | {"session_id": f"s{n}", "received_at": _at(DAY) + timedelta(days=n)}
        for n in (0, 1)
    ]
    store.put({table_key("replay_segments", RETENTION_DAYS, DAY, "one"): encode_rows("replay_segments", rows)})
    strange = [
        required("errors") | {"session_id": f"s{n}", "received_at": _at(DAY) + timedelta(days=n)} for n in (0, 1)
    ]
    store.put({table_key("errors", RETENTION_DAYS, DAY, "one"): encode_rows("errors", strange)})
    reg = registrar(store, clock)
    reg.sync()
    for name in ("replay_segments", "errors"):
        for number, since in enumerate((DAY, NEXT)):
            found = reg.table(name).scan(row_filter=f"received_at >= '{since}T00:00:00+00:00'").to_arrow()
            assert found.num_rows == 2 - number, name


def _at(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


@pytest.mark.usefixtures("every_table")
def test_files_of_older_versions_are_in_the_same_table(tmp_path: Path, clock: Clock) -> None:
    store = LocalStore(tmp_path / "lake")
    for name, table in TABLES.items():
        for version in range(table.since, table.version + 1):
            content = (GOLDEN / f"tables-v{version}" / f"{name}.parquet").read_bytes()
            store.put({table_key(name, 3650, "2026-11-21", f"v{version}"): content})
    reg = registrar(store, clock)
    reg.sync()
    for name in TABLES:  # whose rows were made by different releases: what one has is not in the others
        expected = as_text(pa.Table.from_pylist(table_rows(store, name), schema=arrow_schema(name)), name)
        assert {engine: read(reg.table(name), name) for engine, read in READERS.items()} == dict.fromkeys(
            READERS, expected
        )


def test_a_table_of_an_older_release_gets_the_new_columns(
    store: LocalStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = DECLARED["errors"]
    monkeypatch.setitem(DECLARED, "errors", msgspec.structs.replace(today, fields=today.fields[:20]))
    registrar(store, clock).sync()
    monkeypatch.setitem(DECLARED, "errors", today)
    reg = registrar(store, clock)
    reg.sync()
    assert [field.name for field in reg.table("errors").schema().fields] == [field.name for field in today.fields]
    check(store, reg)


def test_compaction_is_one_snapshot_and_the_old_files_stay_for_those_who_read(store: LocalStore, clock: Clock) -> None:
    reg = registrar(store, clock)
    reg.sync()
    expected = counted_rows(store)
    reading = {name: reg.table(name) for name in SMALL}
    before = {name: READERS["pyiceberg"](table, name) for name, table in reading.items()}
    old = {one.key for one in store.list("tables/")}
    assert compacted(store) == 2
    assert counted_rows(store) == expected  # of the lake's own readers, while old and new files are there
    assert sum(map(len, visible_files(store, SMALL).values())) == 2
    done = reg.sync()
    assert (done.snapshots, done.files_added, done.files_removed, done.superseded) == (2, 2, 12, 0)
    check(store, reg, READERS)
    clock.wait(GRACE - 5)
    reg.sync()
    assert old <= {one.key for one in store.list("tables/")}
    assert {name: READERS["pyiceberg"](table, name) for name, table in reading.items()} == before
    clock.wait(10)
    assert reg.sync().deleted >= 12
    assert old.isdisjoint(one.key for one in store.list("tables/"))
    check(store, reg)


def test_a_lake_that_nobody_registers_is_compacted_as_before(store: LocalStore) -> None:
    compacted(store)
    assert len([*store.list("tables/")]) == 2
    assert [*store.list(RETIRED)] == []


def test_what_is_due_leaves_the_table_a_day_before_the_bucket_may_delete_it(store: LocalStore, clock: Clock) -> None:
    put_small_files(store, "errors", NEXT, 1, 5)
    reg = registrar(store, clock)
    reg.sync()
    clock.wait((RETENTION_DAYS - 4) * 86_400)  # DAY is due in 28 days
    assert reg.sync().files_removed == 0
    clock.wait(86_400)
    assert reg.sync().files_removed == 12
    assert reg.table("errors").scan().to_arrow().num_rows == 5
    clock.wait(GRACE + 5)
    reg.sync()
    store.delete([one.key for one in store.list("tables/") if f"dt={DAY}" in one.key])  # as the bucket's rule does
    assert reg.problems() == []
    assert [len(reg.table(name).metadata.snapshots) for name in SMALL] == [1, 1]


def session_of(store: ObjectStore) -> str:
    return str(table_rows(store, "sessions")[7]["session_id"])


def eraser(store: ObjectStore, reg: Registrar, clock: Clock, session: str) -> Eraser:
    def leave() -> Iterator[Failure]:
        reg.forget(lambda seconds: clock.wait(100 * seconds))
        yield from ()

    return Eraser(store, Subject(session_id=session), clock, str, None, leave_tables=leave)


def test_after_an_erasure_no_file_manifest_or_snapshot_leads_to_the_person(store: LocalStore, clock: Clock) -> None:
    reg = registrar(store, clock)
    reg.sync()
    session = session_of(store)
    holding = {one.key for one in store.list("tables/") if session.encode() in _plain(store.read(one.key))}
    with maintenance(store, "erase", clock()):
        done = eraser(store, reg, clock, session).run()
    assert done.failures == []
    assert sum(done.rows.values()) > 0
    there = {one.key for one in store.list("")}
    assert holding
    assert holding.isdisjoint(there)
    assert [
        key for key in there if key.startswith(("tables/", ICEBERG)) and session.encode() in _plain(store.read(key))
    ] == []
    for name in SMALL:
        table = reg.table(name)
        assert len(table.metadata.snapshots) == 1
        assert _named(table).isdisjoint(f"file://{store.uri}/{key}" for key in holding)
        assert {one.rpartition("/")[2] for one in _metadata_reached(table)} == {
            one.key.rpartition("/")[2] for one in store.list(f"{ICEBERG}{name}/")
        }
    check(store, reg, READERS)


def _plain(content: bytes) -> bytes:
    """The texts of a file: Parquet and Avro compress theirs."""
    if content[:4] == b"PAR1":
        return repr(pq.read_table(io.BytesIO(content)).to_pylist()).encode()
    return content


def _named(table: Table) -> set[str]:
    return {task.file.file_path for task in table.scan().plan_files()}


def _metadata_reached(table: Table) -> set[str]:
    found = {table.metadata_location, *(one.metadata_file for one in table.metadata.metadata_log)}
    for snapshot in table.metadata.snapshots:
        found.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            found.add(manifest.manifest_path)
            if manifest.content == ManifestContent.DELETES:
                found |= {entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io)}
    return found


def test_manifests_hold_no_ids_of_sessions_or_persons(store: LocalStore, clock: Clock) -> None:
    reg = registrar(store, clock)
    reg.sync()
    for name in SMALL:
        table = reg.table(name)
        bounded = set()
        for task in table.scan().plan_files():
            bounded |= {table.schema().find_column_name(number) for number in task.file.lower_bounds or {}}
        types = {field.name: field.type for field in TABLES[name].fields}
        assert bounded - {"app_id"} == {column for column in bounded if types[str(column)] == "timestamp"}


def test_an_erasure_whose_catalog_is_away_says_so_and_the_next_one_ends_it(store: LocalStore, clock: Clock) -> None:
    reg = registrar(store, clock)
    reg.sync()
    session = session_of(store)

    def away() -> Iterator[Failure]:
        yield Failure("Iceberg tables", "no answer")

    with maintenance(store, "erase", clock()):
        done = Eraser(store, Subject(session_id=session), clock, str, None, leave_tables=away).run()
    assert [one.object for one in done.failures] == ["Iceberg tables"]
    assert session not in {row["session_id"] for row in table_rows(store, "sessions")}
    with maintenance(store, "erase", clock()):
        done = eraser(store, reg, clock, session).run()
    assert done.failures == []
    assert retired(store) == set()
    check(store, reg)


def test_a_legal_hold_moves_rows_without_a_moment_in_which_they_are_twice_or_missing(
    store: LocalStore, clock: Clock
) -> None:
    reg = registrar(store, clock)
    reg.sync()
    session, app = session_of(store), ""
    app = next(str(row["app_id"]) for row in table_rows(store, "sessions") if row["session_id"] == session)
    expected = counted_rows(store)

    class Looking(LocalStore):
        """A registrar and a reader look after every step."""

        looks = 0

        def put(self, objects: Mapping[str, bytes]) -> None:
            super().put(objects)
            if not any(key.startswith(ICEBERG) for key in objects):
                self.looks += 1
                reg.sync()
                assert counted_rows(store) == expected
                for name in SMALL:
                    assert READERS["pyiceberg"](reg.table(name), name) == rows_of(store, name)

    looking = Looking(Path(store.uri))
    target = (HELD_DAYS, HELD_DAYS)
    with maintenance(store, "hold", clock()):
        moved = Mover(looking, lambda a, s: target if (a, s) == (app, session) else None, "hold").run()
    assert moved.rows > 0
    assert looking.looks > 10
    assert any(f"retention={HELD_DAYS}d" in path for path in _named(reg.table("sessions")))
    check(store, reg)


class Killed(BaseException):
    """As `kill -9`: nothing behind it runs."""


class DyingStore(LocalStore):
    """Dies at the n-th change."""

    def __init__(self, root: Path, changes: int) -> None:
        super().__init__(root)
        self.left = changes

    def put(self, objects: Mapping[str, bytes]) -> None:
        self._live()
        super().put(objects)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._live()
            super().delete([key])

    def _live(self) -> None:
        if self.left <= 0:
            raise Killed
        self.left -= 1


def test_killed_at_any_change_of_the_lake_the_next_run_ends_it(tmp_path: Path, clock: Clock) -> None:
    calm = LocalStore(tmp_path / "lake")
    put_small_files(calm, "sessions", DAY, 3, 30)
    registrar(calm, clock).sync()
    compacted(calm)
    reg = registrar(calm, clock)
    reg.sync()
    clock.wait(GRACE + 5)
    put_small_files(calm, "sessions", NEXT, 3, 30)
    shutil.copytree(calm.uri, tmp_path / "saved")
    deaths = 0
    for changes in range(100):
        shutil.rmtree(calm.uri)
        shutil.copytree(tmp_path / "saved", calm.uri)
        try:
            registrar(DyingStore(Path(calm.uri), changes), clock).sync()
        except Killed:
            deaths += 1
        else:
            break
        again = registrar(calm, clock)
        again.sync()
        check(calm, again)
        assert retired(calm).isdisjoint(
            path.removeprefix(f"file://{calm.uri}/") for path in _named(again.table("sessions"))
        )
    assert deaths > 5


@pytest.mark.parametrize("step", ["create_table", "commit_table"])
def test_killed_between_what_is_written_and_the_commit_nothing_is_twice(
    step: str, store: LocalStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise Killed

    catalog = type(registrar(store, clock)._catalog)
    with monkeypatch.context() as patch:
        patch.setattr(catalog, step, dies)
        with pytest.raises(Killed):
            registrar(store, clock).sync()
    registrar(store, clock).sync()
    put_small_files(store, "errors", NEXT, 1, 3)
    with monkeypatch.context() as patch:
        patch.setattr(catalog, "commit_table", dies)
        with pytest.raises(Killed):
            registrar(store, clock).sync()
    again = registrar(store, clock)
    again.sync()
    check(store, again)
    clock.wait(3600)  # what the dead one had written and nothing names is old by now
    again.sync()
    clock.wait(GRACE + 5)
    again.sync()
    for name in SMALL:
        assert {one.key for one in store.list(f"{ICEBERG}{name}/")} == {
            path.removeprefix(f"file://{store.uri}/") for path in _metadata_reached(again.table(name))
        }


def test_two_registrars_at_once_register_each_file_once(store: LocalStore, clock: Clock) -> None:
    problems: list[BaseException] = []

    def run() -> None:
        try:
            mine = registrar(store, clock)
            for _ in range(3):
                try:
                    mine.sync()
                except CatalogFault:
                    continue  # SQLite was locked
        except BaseException as error:  # noqa: BLE001 - told by the test
            problems.append(error)

    registrar(store, clock).sync()
    for number in range(3):
        put_small_files(store, "errors", (TODAY - timedelta(days=5 + number)).isoformat(), 3, 10)
        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert problems == []
    reg = registrar(store, clock)
    reg.sync()
    check(store, reg)


def test_a_file_that_was_changed_under_its_name_is_taken_up_anew(store: LocalStore, clock: Clock) -> None:
    """As an erasure did before there was a registrar: then nothing knows of older snapshots."""
    reg = registrar(store, clock)
    reg.sync()
    key = next(one.key for one in store.list("tables/sessions/"))
    rows = table_rows(store, "sessions")[:3]
    store.put({key: encode_rows("sessions", rows)})
    reg.sync()
    check(store, reg)


def test_many_runs_keep_few_manifests_and_snapshots(store: LocalStore, clock: Clock) -> None:
    reg = registrar(store, clock, grace=0)
    for number in range(24):
        row = required("errors") | {"app_id": "run", "session_id": str(number), "received_at": _at(DAY)}
        store.put({table_key("errors", RETENTION_DAYS, DAY, f"run-{number:03d}"): encode_rows("errors", [row])})
        clock.wait(60)
        reg.sync()
    table = reg.table("errors")
    current = table.current_snapshot()
    assert current is not None
    assert len(table.metadata.snapshots) <= 2
    assert len(current.manifests(table.io)) <= 21
    assert table.scan(row_filter="app_id = 'run'").to_arrow().num_rows == 24
    check(store, reg)


def test_dropped_the_lake_is_as_before(store: LocalStore, clock: Clock) -> None:
    expected = counted_rows(store)
    reg = registrar(store, clock)
    reg.sync()
    compacted(store)
    reg.drop()
    assert not store.exists(REGISTRAR)
    assert {one.key for one in store.list(ICEBERG)} <= {f"{ICEBERG}.keep", f"{ICEBERG}catalog.db"}
    assert [*store.list(RETIRED)] == []
    assert counted_rows(store) == expected
    assert len([*store.list("tables/")]) == 2


def test_a_lake_on_s3_needs_a_catalog_and_the_message_names_the_setting() -> None:
    with pytest.raises(MustAct, match=r"iceberg\.catalog \(REPLAYLAKE_ICEBERG__CATALOG\)"):
        open_registrar(open_store("s3://lake/none", {"key": "a", "secret": "b"}), CatalogOptions(), lambda: 0)


def test_tables_that_were_never_made_are_one_clear_line(store: LocalStore, clock: Clock) -> None:
    with pytest.raises(MustAct, match="replaylake iceberg sync"):
        registrar(store, clock).problems()


def test_a_catalog_that_cannot_be_is_one_clear_line(store: LocalStore) -> None:
    for properties in ({"type": "nonsense"}, {"type": "hive", "uri": "thrift://127.0.0.1:1"}):
        with pytest.raises(MustAct, match=r"iceberg\.catalog"):
            open_registrar(store, CatalogOptions(properties=properties), lambda: 0)
