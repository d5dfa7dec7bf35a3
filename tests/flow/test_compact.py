"""Compaction: fewer files, the same rows, for every reader at every moment, whatever dies."""

import io
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lake.catalog import table_rows
from lake.duck import open_duck
from lake.verify import verify
from schemas.erasure import Subject
from schemas.items import Rejected, RejectReason
from schemas.keys import FIRST_REVISIONS, STAGING, table_key
from schemas.retention import Retention
from schemas.units import MIB
from sinks.compact import Compacted, compact, plan
from sinks.erase import Eraser
from sinks.lifecycle import overdue
from sinks.maintenance import LakeBusy, maintenance
from sinks.merge import UnknownColumns, merge
from sinks.move import Mover
from sinks.packs import PackStore
from sinks.store import LocalStore, ObjectInfo, ObjectStore
from sinks.swap import commit, prepare, settle, visible_files
from sinks.tables import encode_rows
from sinks.writer import LakeLimits, LakeWriter, Refusal, ShardPlace
from tests.flow.harness import capture_messages, run
from tests.required_columns import required
from tests.torture.small_files import RETENTION_DAYS, counted_rows, put_small_files

DAY = "2026-03-01"
TODAY = date(2026, 3, 4)
FILES, ROWS = 6, 50


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = tmp_path_factory.mktemp("made") / "lake"
    fill(LocalStore(lake))
    return lake


@pytest.fixture
def store(made: Path, tmp_path: Path) -> LocalStore:
    """A copy of the lake."""
    shutil.copytree(made, tmp_path / "lake")
    return LocalStore(tmp_path / "lake")


def fill(store: ObjectStore) -> None:
    for table in ("sessions", "views", "errors"):
        put_small_files(store, table, DAY, FILES, ROWS)


def compacted(store: ObjectStore, until: str = DAY, today: date = TODAY, target_bytes: int = 256 * MIB) -> Compacted:
    with maintenance(store, "test", 0) as renew:
        return compact(store, plan(store, until, today, target_bytes), f"test-{time.time_ns()}", today, renew)


def keys(store: ObjectStore, table: str) -> list[str]:
    return [one.key for one in store.list(f"tables/{table}/")]


def test_many_files_become_one_sorted_with_page_index_and_bloom_filter(store: LocalStore) -> None:
    before, done = counted_rows(store), compacted(store)
    assert (done.folders, done.files_before, done.files_after) == (3, 18, 3)
    assert done.superseded_rows > 0
    assert counted_rows(store) == before
    for table in ("sessions", "views", "errors"):
        [key] = keys(store, table)
        file = pq.ParquetFile(io.BytesIO(store.read(key)))
        rows = [(row["app_id"], row.get("start") or row["time"]) for row in file.read().to_pylist()]
        assert rows == sorted(rows)
        column = file.metadata.row_group(0).column(file.schema_arrow.names.index("session_id"))
        assert column.has_column_index
        assert column.has_offset_index
        assert column.bloom_filter_offset is not None


def test_superseded_revisions_are_gone_and_the_name_says_whether_there_are_revisions(store: LocalStore) -> None:
    compacted(store)
    rows = table_rows(store, "sessions")
    assert len({(r["app_id"], r["session_id"], r["session_part"]) for r in rows}) == len(rows)
    assert {row["revision"] for row in rows} == {0, 1}
    assert FIRST_REVISIONS not in keys(store, "sessions")[0]


def test_a_second_run_does_nothing_and_late_files_are_taken_up_by_the_next(store: LocalStore) -> None:
    compacted(store)
    assert compacted(store).folders == 0
    late = encode_rows("errors", [required("errors") | {"app_id": "app-1", "session_id": "late"}])
    store.put({table_key("errors", RETENTION_DAYS, DAY, "0000-0000000099-late"): late})
    assert compacted(store).files_before == 2
    assert len(keys(store, "errors")) == 1
    assert "late" in {row["session_id"] for row in table_rows(store, "errors")}


def test_only_finished_days_that_live_on_are_taken_up(store: LocalStore) -> None:
    assert plan(store, "2026-02-28", TODAY) == []
    assert plan(store, DAY, date.fromisoformat(DAY) + timedelta(RETENTION_DAYS - 1)) == []


def test_no_file_grows_beyond_the_target(store: LocalStore) -> None:
    size = max(one.size for one in store.list("tables/views/"))
    groups = plan(store, DAY, TODAY, size * 3)
    assert all(group.size <= size * 3 for group in groups)
    before = counted_rows(store)
    compacted(store, target_bytes=size * 3)
    assert 1 < len(keys(store, "views")) < FILES
    assert counted_rows(store) == before


def test_a_merge_that_does_not_fit_into_memory_gives_the_same_file(store: LocalStore, tmp_path: Path) -> None:
    contents = [store.read(key) for key in keys(store, "views")]
    whole = merge("views", contents, folder(tmp_path / "a"))
    spilled = merge("views", contents, folder(tmp_path / "b"), run_bytes=1)
    assert whole.rows == spilled.rows
    assert whole.superseded == spilled.superseded > 0
    assert sorted(map(repr, rows_of(whole.content))) == sorted(map(repr, rows_of(spilled.content)))
    order = [(row["app_id"], row["time"]) for row in rows_of(spilled.content)]
    assert order == sorted(order)


def test_a_file_of_a_later_release_is_left_alone(store: LocalStore, tmp_path: Path) -> None:
    key = keys(store, "errors")[0]
    newer = pq.read_table(io.BytesIO(store.read(key)))
    sink = io.BytesIO()
    pq.write_table(newer.append_column("of_next_year", newer["app_id"]), sink)
    store.put({key: sink.getvalue()})
    with pytest.raises(UnknownColumns, match="of_next_year"):
        merge("errors", [sink.getvalue()], folder(tmp_path / "work"))
    done = compacted(store)
    assert done.folders == 2
    assert "of_next_year" in done.skipped[0]
    assert len(keys(store, "errors")) == FILES


class Killed(BaseException):
    """As `kill -9`: nothing behind it runs."""


class DyingStore(LocalStore):
    """Dies at the n-th change, in the middle of it where it is of several objects."""

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


def test_killed_at_any_change_readers_see_every_row_once_and_the_next_run_ends_it(tmp_path: Path) -> None:
    calm = LocalStore(tmp_path / "calm")
    put_small_files(calm, "sessions", DAY, 3, 50)
    put_small_files(calm, "errors", DAY, 3, 10)
    expected, deaths = counted_rows(calm), 0
    for changes in range(200):
        root = tmp_path / str(changes)
        shutil.copytree(calm.uri, root)
        dying = DyingStore(root, changes)
        try:
            groups = plan(dying, DAY, TODAY)
            compact(dying, groups, "killed", TODAY, lambda: None)
        except Killed:
            deaths += 1
        else:
            break
        again = LocalStore(root)
        assert counted_rows(again) == expected, changes
        if changes % 4 == 0:
            assert duck_count(again) == len(expected["sessions"])
        compacted(again)
        assert counted_rows(again) == expected, changes
        assert [len(keys(again, table)) for table in ("sessions", "errors")] == [1, 1], changes
    assert deaths == 2 * 5 + 6  # list, prepare, put, commit, finish; and each file that goes


class InterruptedListing(LocalStore):
    """Somebody changes the lake while it is listed: after the n-th entry of a table."""

    def __init__(self, root: Path, after: int, change: Callable[[], object]) -> None:
        super().__init__(root)
        self._after = after
        self._change: Callable[[], object] | None = change

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:  # noqa: ARG002 - nobody asks for it here
        for number, key in enumerate(sorted(self._entries(prefix))):
            if number == self._after and self._change is not None and prefix.startswith("tables/"):
                change, self._change = self._change, None
                change()
            yield from super().list(key)  # as it is now: a store lists page by page

    def _entries(self, prefix: str) -> set[str]:
        before = {one.key for one in super().list(prefix)}
        return before | {self.output} if prefix.startswith("tables/") else before

    output = ""


@pytest.mark.parametrize("after", range(FILES + 1))
@pytest.mark.parametrize("end", [1, 2, 3])
@pytest.mark.parametrize("name", ["a-first", "z-last"])  # of the new file, among the names of the old ones
def test_a_swap_in_the_middle_of_a_listing_is_noticed(store: LocalStore, after: int, end: int, name: str) -> None:
    old = keys(store, "errors")
    output = table_key("errors", RETENTION_DAYS, DAY, name)
    merged = encode_rows("errors", table_rows(store, "errors"))

    def swap() -> None:
        prepare(store, "errors", [output], old)
        store.put({output: merged})
        if end > 1:
            commit(store)
        if end > 2:
            settle(store)

    reader = InterruptedListing(Path(store.uri), after, swap)
    reader.output = output
    found = [one.key for one in visible_files(reader, ["errors"])["errors"]]
    assert found == (old if end == 1 else [output])


def test_a_reader_whose_files_go_before_it_opens_them_reads_the_new_one(store: LocalStore) -> None:
    class Swapping(LocalStore):
        reads = 0

        def read(self, key: str) -> bytes:
            if key.startswith("tables/"):
                self.reads += 1
                if self.reads == 3:
                    compacted(store)
            return super().read(key)

    expected = counted_rows(store)["errors"]
    assert sorted(map(repr, table_rows(Swapping(Path(store.uri)), "errors"))) == expected


def test_a_job_that_restarts_does_not_bring_back_what_was_compacted(tmp_path: Path) -> None:
    """It had published, and died before it deleted the staged bundle and before its state said so."""
    store = LocalStore(tmp_path / "lake")
    received_ms = int(datetime.fromisoformat(f"{DAY}T12:00Z").timestamp() * 1000)
    writer = new_writer(store)
    state, staged = b"", {}
    for epoch in range(3):
        writer.refuse([refusal(epoch, received_ms)])
        state = writer.stage()
        staged = {one.key: store.read(one.key) for one in store.list(STAGING)}
        writer.publish()
    store.put(staged)
    assert len(keys(store, "quarantine")) == 3
    compacted(store)
    [key] = keys(store, "quarantine")
    new_writer(store, state)
    assert keys(store, "quarantine") == [key]
    assert sorted(str(row["offset"]) for row in table_rows(store, "quarantine")) == ["0", "1", "2"]
    assert list(store.list(STAGING)) == []


def refusal(offset: int, received_ms: int) -> Refusal:
    return Refusal("rum", 0, offset, received_ms, Rejected(RejectReason.MALFORMED_JSON, "broken", b"{"))


def new_writer(store: LocalStore, state: bytes = b"") -> LakeWriter:
    return LakeWriter(ShardPlace(store, PackStore(store, None, 0), "0000", "test"), Retention(), LakeLimits(), state)


def test_erasure_on_a_compacted_lake_leaves_nothing_and_the_lake_holds_together(real: LocalStore) -> None:
    days = compact_everything(real)
    subject = Subject(user_email="ada@example.test")
    receipt = Eraser(real, subject, lambda: int(time.time() * 1000), str, None).run()
    assert receipt.rows["sessions"] > 0
    assert not receipt.failures
    assert all(row["user_email"] != "ada@example.test" for row in table_rows(real, "sessions"))
    assert verify(real).problems == []
    assert days


def test_a_compacted_lake_moves_to_another_class_and_ends_by_its_day(real: LocalStore) -> None:
    compact_everything(real)
    before = {table: len(rows) for table, rows in counted_rows(real).items()}
    Mover(real, lambda *_: (90, 90), "move").run()
    assert all("retention=90d" in one.key for one in real.list("tables/"))
    assert {table: len(rows) for table, rows in counted_rows(real).items()} == before
    assert verify(real).problems == []
    [day] = {one.key.split("dt=")[1][:10] for one in real.list("tables/sessions/")}
    last = date.fromisoformat(day) + timedelta(90)
    assert not [one.key for one, _ in overdue(real, last) if one.key.startswith("tables/")]
    due = [one.key for one, _ in overdue(real, last + timedelta(1)) if one.key.startswith("tables/")]
    assert due == [one.key for one in real.list("tables/")]
    done = compacted(real, today=last + timedelta(1))
    assert done.ended == len(due)
    assert list(real.list("tables/")) == []


def test_it_steps_back_before_another_command_and_stops_when_its_lock_is_gone(store: LocalStore) -> None:
    erasing = maintenance(store, "replaylake erase", int(time.time() * 1000))
    with erasing, pytest.raises(LakeBusy, match="replaylake erase"):
        compacted(store)
    with maintenance(store, "replaylake compact", 0) as renew:
        store.delete([one.key for one in store.list("_job/lock/")])
        with pytest.raises(LakeBusy, match="taken away"):
            compact(store, plan(store, DAY, TODAY), "test", TODAY, renew)
    assert len(keys(store, "errors")) == FILES


@pytest.fixture
def real(samples: Path, tmp_path: Path) -> LocalStore:
    """Real recordings in many small files."""
    names = ("guance/gc-shop", "datadog/dd-shop", "guance/gc-charts", "rrweb/rr-spa")
    store = LocalStore(tmp_path / "lake")
    for number, name in enumerate(names):
        run(capture_messages([samples / f"{name}.jsonl.gz"]), [], tmp_path / "lake", store=store, seq=1000 * number)
    assert verify(store).problems == []
    return store


def compact_everything(store: LocalStore) -> set[str]:
    days = {one.key.split("dt=")[1][:10] for one in store.list("tables/")}
    files = len(list(store.list("tables/")))
    before = counted_rows(store)
    compacted(store, until=max(days), today=date.fromisoformat(max(days)))
    assert len(list(store.list("tables/"))) < files
    assert counted_rows(store) == before
    assert verify(store).problems == []
    return days


def duck_count(store: ObjectStore) -> int:
    with open_duck(store) as duck:
        return len(duck.query("select session_id from sessions"))


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def rows_of(content: bytes) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(io.BytesIO(content)).to_pylist()
    return rows
