"""A file that cannot be read costs only itself: it is named, counted, and left alone until it changes."""

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import duckdb
import pyarrow as pa
import pytest

from flows.server_process import LOOPBACK, free_ports
from schemas.keys import table_key
from schemas.tables import TABLES
from sinks.store import LocalStore
from sinks.table_files import decode, encode
from tests.serve.lakes import DAY, write_sessions
from tests.serve.server import API, serving, until
from tests.serve.test_metrics import families_at
from viewer.follower import Follower
from viewer.options import IndexLimits
from viewer.session_files import Reason
from viewer.session_index import SessionIndex


class Lake:
    """A lake, its index, and how often each file was read."""

    def __init__(self, folder: Path) -> None:
        self.store = _Counting(folder / "lake")
        self.index = SessionIndex(self.store, folder / "index", IndexLimits(256 << 20, threads=1))

    def seen(self) -> list[str]:
        self.index.refresh()
        return [str(one) for (one,) in self.index.ask("SELECT session_id FROM sessions ORDER BY 1")]


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    lake = Lake(tmp_path)
    write_sessions(lake.store, "0-0000000001-000000000001", [{"session_id": "a"}])
    yield lake
    lake.index.close()


def garbage(_good: bytes) -> bytes:
    return b"garbage"


def half(good: bytes) -> bytes:
    return good[: len(good) // 2] + good[-8:]


def other_columns(_good: bytes) -> bytes:
    return encode(pa.table({"name": ["x"], "session_id": ["y"]}))


def other_types(good: bytes) -> bytes:
    rows = decode(good)
    place = rows.schema.get_field_index("start")
    return encode(rows.set_column(place, "start", pa.array(["yesterday"] * rows.num_rows)))


def no_ids(good: bytes) -> bytes:
    rows = decode(good)
    place = rows.schema.get_field_index("app_id")
    return encode(rows.set_column(place, pa.field("app_id", pa.string()), pa.nulls(rows.num_rows, pa.string())))


def no_text(good: bytes) -> bytes:
    """Bytes in a text column that are no UTF-8: reading Parquet does not look."""
    rows = decode(good)
    place = rows.schema.get_field_index("browser")
    wrong = pa.array([b"\xff\xfe"] * rows.num_rows, pa.binary()).view(pa.string())
    return encode(rows.set_column(place, "browser", wrong))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (garbage, Reason.DAMAGED),
        (half, Reason.DAMAGED),
        (other_columns, Reason.FOREIGN),
        (other_types, Reason.FOREIGN),
        (no_ids, Reason.FOREIGN),
        (no_text, Reason.DAMAGED),
    ],
)
def test_a_bad_file_is_named_once_and_read_again_only_when_it_has_changed(
    lake: Lake, spoil: Callable[[bytes], bytes], reason: Reason, caplog: pytest.LogCaptureFixture
) -> None:
    bad = write_sessions(lake.store, "0-0000000002-000000000002", [{"session_id": "b"}])
    good = lake.store.read(bad)
    lake.store.put({bad: spoil(good)})
    write_sessions(lake.store, "0-0000000003-000000000003", [{"session_id": "c"}])
    lake.store.reads.clear()
    for _ in range(3):
        assert lake.seen() == ["a", "c"]
    assert lake.store.reads.count(bad) == 1
    assert lake.index.left_out == {reason: 1}
    assert [bad in line for line in caplog.messages] == [True]
    lake.store.put({bad: good + b""})
    assert lake.seen() == ["a", "b", "c"]
    assert lake.index.left_out == {}


def test_a_file_of_a_later_release_is_taken_with_the_columns_that_are_known(
    lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    key = write_sessions(lake.store, "0-0000000002-000000000002", [{"session_id": "b"}])
    rows = decode(lake.store.read(key)).append_column("mood", pa.array(["fine"]))
    later = {"replaylake.table": "sessions", "replaylake.version": str(TABLES["sessions"].version + 1)}
    lake.store.put({key: encode(rows.replace_schema_metadata(later))})
    for _ in range(2):
        assert lake.seen() == ["a", "b"]
    assert (lake.index.newer, lake.index.left_out) == (1, {})
    assert [key in line for line in caplog.messages] == [True]


def test_a_file_without_rows_is_taken(lake: Lake) -> None:
    key = write_sessions(lake.store, "0-0000000002-000000000002", [{"session_id": "b"}])
    lake.store.put({key: encode(decode(lake.store.read(key)).slice(0, 0))})
    assert lake.seen() == ["a"]
    lake.store.reads.clear()
    lake.seen()
    assert lake.store.reads.count(key) == 0


def followed(index: SessionIndex, is_enough: Callable[[Follower], bool]) -> list[str]:
    """Let a follower run until that holds and all is read; what it said of itself meanwhile."""

    async def follow() -> list[str]:
        follower = Follower(index, 0.01, lambda: 0.0)
        task = asyncio.create_task(follower.run())
        states: list[str] = []
        async with asyncio.timeout(30):
            while not (is_enough(follower) and index.is_whole):
                states.append(follower.standing().status)
                await asyncio.sleep(0.005)
        states.append(follower.standing().status)
        assert not task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return states

    return asyncio.run(follow())


def test_new_files_are_seen_while_somebody_takes_long_to_hear_of_the_last_ones(lake: Lake) -> None:
    may_hear, heard = threading.Event(), threading.Event()

    def changed() -> None:
        may_hear.wait(30)
        heard.set()

    def write_and_wait() -> None:
        for number in range(2, 5):
            write_sessions(lake.store, f"0-000000000{number}-00000000000{number}", [{"session_id": str(number)}])
            until(lambda: lake.index.progress[0], lambda count: count == number, 30)  # noqa: B023 - asked at once
        assert not heard.is_set()
        may_hear.set()
        assert heard.wait(30)

    async def follow() -> None:
        task = asyncio.create_task(Follower(lake.index, 0.01, lambda: 0.0, changed).run())
        await asyncio.to_thread(write_and_wait)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(follow())


@pytest.mark.parametrize("error", [RuntimeError("a bug"), duckdb.OutOfMemoryException("too little"), MemoryError()])
def test_the_follower_tells_what_goes_wrong_and_goes_on(
    lake: Lake, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fails = [error, error]

    def merge(batch: object) -> None:
        if fails:
            raise fails.pop()
        plain(batch)

    plain: Callable[[object], None] = lake.index._merge  # type: ignore[assignment]
    monkeypatch.setattr(lake.index, "_merge", merge)
    with caplog.at_level(logging.WARNING):
        states = followed(lake.index, lambda follower: follower.looks["failed"] == 2 and follower.is_ready)
    assert "failing" in states
    assert states[-1] == "ok"
    assert len([line for line in caplog.messages if "cannot follow" in line]) == 2
    assert lake.seen() == ["a"]


def test_a_damaged_index_is_made_anew_while_the_server_runs(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lake.seen() == ["a"]
    looks = [duckdb.FatalException("database has been invalidated")]
    plain = lake.index.look

    def look() -> None:
        if looks:
            raise looks.pop()
        plain()

    monkeypatch.setattr(lake.index, "look", look)

    followed(lake.index, lambda follower: follower.looks["failed"] == 1 and follower.looks["ok"] > 0)
    assert lake.seen() == ["a"]


def test_a_server_names_a_bad_file_in_health_and_metrics_and_shows_what_comes_later(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "lake")
    write_sessions(store, "0-0000000001-000000000001", [{"session_id": "a"}])
    address = f"{LOOPBACK}:{free_ports(1)[0]}"
    with serving(str(tmp_path / "lake"), tmp_path / "server", http=f'address = "{address}"') as server:

        def total() -> int:
            return int(server.ask(f"{API}/sessions").json()["total"])

        assert until(total, lambda count: count == 1, 30) == 1
        store.put({table_key("sessions", 14, DAY, "0-0000000002-000000000002"): b"garbage"})
        write_sessions(store, "0-0000000003-000000000003", [{"session_id": "c"}])
        assert until(total, lambda count: count == 2, 30) == 2
        ready = server.ask("/health/ready")
        expected = {"status": "ok", "files_listed": 3, "files_read": 2, "files_left_out": {"damaged": 1}, "trouble": ""}
        told = ready.json()
        assert told.pop("copies_missing") in (None, 0)  # null: it has not looked yet
        assert (ready.status, told) == (200, expected)
        with urlopen(f"http://{address}/health/ready") as answer:
            assert json.load(answer)["files_left_out"] == {"damaged": 1}
        left_out = families_at(address)["replaylake_serve_files_left_out"].samples
    assert {sample.labels["reason"]: sample.value for sample in left_out if sample.value} == {"damaged": 1}


class _Counting(LocalStore):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads: list[str] = []

    def read(self, key: str) -> bytes:
        self.reads.append(key)
        return super().read(key)
