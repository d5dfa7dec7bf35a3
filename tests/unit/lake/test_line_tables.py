"""Rows of one session: what is read for them, and that each is there once whatever happens to the files meanwhile."""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from lake.block_files import TooMuch
from lake.line_tables import LineTables
from lake.read_limits import ReadLimits
from schemas.keys import table_key
from schemas.units import US_PER_MS
from sinks.compact import compact, plan
from sinks.store import LocalStore, Part, StoreUnavailable
from sinks.table_files import encode
from sinks.tables import encode_rows
from tests.required_columns import required
from tests.serve.lakes import DAY, START_MS

_FILES = 8
_ROWS = 15_000  # of a file


class Store(LocalStore):
    """Notes what is asked for, after `before` has been called."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.uri = f"far://{root}"  # blocks of a local disk are not kept
        self.asked: list[tuple[str, int]] = []
        self.listed = 0
        self.before: Callable[[], None] = lambda: None

    def read_part(self, key: str, start: int, length: int) -> Part:
        before, self.before = self.before, lambda: None
        before()
        part = super().read_part(key, start, length)
        self.asked.append((key, len(part.content)))
        return part

    def folders(self, prefix: str, *, with_old: bool = False) -> list[str]:
        self.listed += 1
        return list(super().folders(prefix, with_old=with_old))

    @property
    def asked_bytes(self) -> int:
        return sum(size for _, size in self.asked)


class Clock:
    seconds = 1000.0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "lake")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tables(store: Store, clock: Clock) -> Iterator[LineTables]:
    tables = LineTables(store, ReadLimits(), lambda: clock.seconds, 10)
    yield tables
    tables.close()


def actions(*sessions: str, first: int = 0) -> bytes:
    """A file with an action a session, a second after each other."""
    return encode_rows("actions", [
        {
            **required("actions"), "app_id": "shop", "session_id": session, "session_part": 0,
            "action_id": f"{session}/{first + number}",
            "time": (START_MS + (first + number) * 1000) * US_PER_MS,
        }
        for number, session in enumerate(sessions)
    ])  # fmt: skip


def named(number: int) -> str:
    """A session's id, which compresses as badly as real ones."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def put(store: LocalStore, number: int, *sessions: str, first: int = 0) -> str:
    key = table_key("actions", 14, DAY, f"0-{number:010d}-{number:012x}")
    store.put({key: actions(*sessions, first=first)})
    return key


def ids(tables: LineTables, session: str = "a", news: int = 0) -> list[str]:
    """Ids of the session's actions."""
    found = tables.session(["actions", "errors"], [DAY], "shop", session, news, lambda _: True)
    return sorted(found["actions"]["action_id"].to_pylist()) if "actions" in found else []


def compact_all(store: LocalStore) -> None:
    compact(store, plan(store, "9999-12-31", date(2026, 11, 20)), "test", date(2026, 11, 20), lambda: None)


def test_of_a_large_compacted_file_only_a_part_is_read(store: Store, tables: LineTables) -> None:
    for number in range(_FILES):
        put(store, number, *(named((number * _ROWS + row) // 3) for row in range(_ROWS)), first=number * _ROWS)
    compact_all(store)
    (merged,) = store.list("tables/actions/")
    wanted = (_FILES * _ROWS // 2) // 3
    assert len(ids(tables, named(wanted))) == 3
    assert store.asked_bytes < merged.size / 2, (store.asked, merged.size)
    store.asked.clear()
    assert len(ids(tables, named(wanted + 1))) == 3
    assert ids(tables, "nobody") == []
    assert store.asked == []  # it is all at hand


def test_rows_are_those_of_the_file_with_the_columns_of_today(store: Store, tables: LineTables) -> None:
    put(store, 1, "a", "b", "a")
    found = tables.session(["actions"], [DAY], "shop", "a", 0, lambda _: True)["actions"]
    row = required("actions") | found.slice(1, 1).to_pylist()[0]
    assert (row["session_id"], row["action_id"]) == ("a", "a/2")
    assert row["time"].timestamp() * 1000 == START_MS + 2000
    assert found.schema.field("time").type == pa.timestamp("us", "UTC")


def test_each_row_is_there_once_when_its_file_is_merged_after_the_listing(store: Store, tables: LineTables) -> None:
    for number in (1, 2):
        put(store, number, "a", "b", first=number)
    store.before = lambda: compact_all(store)
    assert ids(tables) == ["a/1", "a/2"]
    assert len(list(store.list("tables/actions/"))) == 1


def test_a_listing_is_used_again_until_it_is_old_or_there_is_news(
    store: Store, tables: LineTables, clock: Clock
) -> None:
    put(store, 1, "a")
    assert ids(tables) == ["a/0"]
    listed = store.listed
    put(store, 2, "a", first=5)
    clock.seconds += 9
    assert (ids(tables), store.listed) == (["a/0"], listed)
    assert ids(tables, news=1) == ["a/0", "a/5"]
    put(store, 3, "a", first=7)
    clock.seconds += 11
    assert ids(tables, news=1) == ["a/0", "a/5", "a/7"]


def test_what_was_erased_is_not_read_from_memory(store: Store, tables: LineTables) -> None:
    key = put(store, 1, "a", "b")
    assert ids(tables) == ["a/0"]
    store.put({key: actions("b", first=1)})  # as `erase` writes it again, under its name
    assert ids(tables, news=1) == []


def test_a_file_that_is_not_ours_costs_itself(
    store: Store, tables: LineTables, caplog: pytest.LogCaptureFixture
) -> None:
    put(store, 1, "a")
    other = pa.table({"app_id": ["shop"], "session_id": ["a"], "time": ["yesterday"]})
    foreign = {
        "garbage": b"garbage",
        "empty": b"",
        "cut": actions("a", first=9)[:-20],
        "damaged": actions("a", first=9)[:200] + bytes(600) + actions("a", first=9)[800:],
        "other-types": encode(other),
        "other-columns": encode(other.select(["time"])),
    }
    store.put({table_key("actions", 14, DAY, name): content for name, content in foreign.items()})
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            assert ids(tables) == ["a/0"]
    assert tables.counts.unreadable == len(caplog.records) == len(foreign)
    assert all(f"{name}.parquet is left out" in caplog.text for name in foreign)


def test_a_store_that_fails_is_no_fault_of_the_file(store: Store, tables: LineTables) -> None:
    put(store, 1, "a")

    def fail() -> None:
        raise StoreUnavailable("away")

    store.before = fail
    with pytest.raises(StoreUnavailable, match="away"):
        ids(tables)
    assert (ids(tables), tables.counts.unreadable) == (["a/0"], 0)


def test_a_question_for_too_much_is_refused(store: Store) -> None:
    put(store, 1, "a")
    tables = LineTables(store, ReadLimits(question_bytes=100), lambda: 0.0, 10)
    with pytest.raises(TooMuch, match="too much"):
        ids(tables)
    assert tables.counts.refused == 1
    tables.close()


def test_a_question_that_takes_too_long_is_refused_and_the_next_is_answered(store: Store) -> None:
    put(store, 1, "a")
    goes_on = threading.Event()
    tables = LineTables(store, ReadLimits(question_seconds=0.2, at_once=2), lambda: 0.0, 10)
    store.before = lambda: assert_set(goes_on)
    with pytest.raises(TooMuch, match="not read within"):
        ids(tables)
    goes_on.set()
    tables = LineTables(store, ReadLimits(), lambda: 0.0, 10)
    assert ids(tables) == ["a/0"]
    tables.close()


def assert_set(event: threading.Event) -> None:
    assert event.wait(30)
