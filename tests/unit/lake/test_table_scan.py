"""Queries over a whole table: which files are read, and that each row counts once whatever happens to them."""

import logging
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lake.block_files import Question, TooMuch
from lake.file_bounds import Span
from lake.line_tables import LineTables
from lake.read_limits import ReadLimits
from schemas.keys import FIRST_REVISIONS, table_key
from schemas.units import US_PER_MS
from sinks.compact import compact, plan
from sinks.store import LocalStore
from sinks.table_files import decode, encode
from sinks.tables import encode_rows
from tests.required_columns import required
from tests.serve.lakes import DAY, START_MS

MINUTE_US = 60_000 * US_PER_MS
START_US = START_MS * US_PER_MS


class Clock:
    seconds = 1000.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "lake")


@pytest.fixture
def tables(store: LocalStore, clock: Clock) -> Iterator[LineTables]:
    tables = LineTables(store, ReadLimits(), lambda: clock.seconds, 10)
    yield tables
    tables.close()


def rows(table: str, *given: dict[str, Any]) -> list[dict[str, Any]]:
    usual = {"app_id": "shop", "session_id": "s", "session_part": 0, "revision": 0, "time": START_US}
    return [{**required(table), **usual, **own} for own in given]


def put(store: LocalStore, table: str, name: str, *given: dict[str, Any]) -> str:
    key = table_key(table, 14, DAY, name)
    store.put({key: encode_rows(table, rows(table, *given))})
    return key


def ask(tables: LineTables, table: str, column: str, span: Span | None = None, limit: int = 1 << 30) -> list[Any]:
    """Values of a column, in order."""
    found = tables.scan.ask(
        table, span or Span(), [column], f'SELECT "{column}" AS v FROM lines ORDER BY v', (), Question(limit)
    )
    return list(found.column("v").to_pylist())


def test_a_file_that_cannot_have_such_rows_is_not_in_the_query(store: LocalStore, tables: LineTables) -> None:
    for number, app in enumerate(("a", "b", "c")):
        put(store, "actions", str(number), {"action_id": app, "app_id": app, "time": START_US + number * MINUTE_US})
    assert ask(tables, "actions", "action_id") == ["a", "b", "c"]
    assert tables.scan.counts.opened == 3
    for span, expected in (
        (Span(from_us=START_US + MINUTE_US), ["b", "c"]),
        (Span(from_us=START_US + MINUTE_US + 1), ["c"]),
        (Span(to_us=START_US + MINUTE_US), ["a"]),
        (Span(to_us=START_US + MINUTE_US + 1), ["a", "b"]),
        (Span(apps=frozenset({"b"})), ["b"]),
        (Span(apps=frozenset()), []),
        (Span(days=frozenset({DAY})), ["a", "b", "c"]),
        (Span(days=frozenset({"2026-11-19"})), []),
    ):
        before = tables.scan.counts.opened
        assert ask(tables, "actions", "action_id", span) == expected
        assert tables.scan.counts.opened - before == len(expected), span


def test_of_a_view_only_the_highest_revision_counts_whichever_files_they_are_in(
    store: LocalStore, tables: LineTables, clock: Clock
) -> None:
    first = {"view_id": "v", "view_name": "first"}
    put(store, "views", f"0{FIRST_REVISIONS}", first, {"view_id": "w", "view_name": "other"})
    assert ask(tables, "views", "view_name") == ["first", "other"]
    later = {"time": START_US + 9 * MINUTE_US, "revision": 1}
    put(store, "views", "1", {**first, **later, "view_name": "second"})
    clock.seconds += 60
    assert ask(tables, "views", "view_name") == ["other", "second"]
    span, early = Span(to_us=START_US + MINUTE_US), "SELECT view_name FROM lines WHERE time < make_timestamptz(?)"
    found = tables.scan.ask("views", span, ["view_name", "time"], early, (span.to_us,), Question(1 << 30))
    assert found.column(0).to_pylist() == ["other"]  # what replaces a row counts although it is not in the span itself
    put(store, "views", "2", {**first, **later, "revision": 2, "view_name": "third"})
    clock.seconds += 60
    assert ask(tables, "views", "view_name") == ["other", "third"]


def test_a_view_replaces_none_of_another_session(store: LocalStore, tables: LineTables) -> None:
    one = {"session_id": "t", "view_id": "v", "view_name": "a"}
    put(store, "views", "0", {"view_id": "v", "view_name": "b"}, {"view_id": "v", "view_name": "c", "revision": 1}, one)
    assert ask(tables, "views", "view_name") == ["a", "c"]


def test_what_an_older_file_does_not_have_is_not_known(store: LocalStore, tables: LineTables) -> None:
    put(store, "errors", "0", {"error_id": "new", "error_fingerprint": "f"})
    put(store, "errors", "1", {"error_id": "old"})
    old = table_key("errors", 14, DAY, "1")
    store.put({old: encode(decode(store.read(old)).drop_columns(["error_fingerprint", "from_recording"]))})
    assert ask(tables, "errors", "error_fingerprint") == ["f", None]
    assert ask(tables, "errors", "from_recording") == [None, None]


def test_a_damaged_or_foreign_file_costs_itself_and_is_named(
    store: LocalStore, tables: LineTables, caplog: pytest.LogCaptureFixture
) -> None:
    put(store, "actions", "0", {"action_id": "good"})
    whole = store.read(put(store, "actions", "5", *({"action_id": str(n)} for n in range(50))))
    broken = {
        "garbage": b"garbage",
        "empty": b"",
        "cut": whole[:-100],
        "foreign": encode(decode(whole).drop_columns(["session_id"])),
        "torn": whole[:4] + bytes(len(whole) // 2 - 4) + whole[len(whole) // 2 :],
    }
    store.delete([table_key("actions", 14, DAY, "5")])
    store.put({table_key("actions", 14, DAY, name): content for name, content in broken.items()})
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            assert ask(tables, "actions", "action_id") == ["good"]
    assert tables.scan.counts.unreadable == len(broken)
    named = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(named) == len(broken)
    assert all(any(f"/{name}.parquet" in line for line in named) for name in broken)


def test_every_row_counts_once_beside_a_compaction(store: LocalStore, tables: LineTables) -> None:
    for number in range(6):
        put(store, "actions", str(number), {"action_id": str(number)})
    assert len(ask(tables, "actions", "action_id")) == 6
    compact(store, plan(store, "9999-12-31", date(2026, 11, 20)), "test", date(2026, 11, 20), lambda: None)
    assert len(list(store.list("tables/actions/"))) == 1
    tables.blocks._held.clear()
    assert ask(tables, "actions", "action_id") == [str(number) for number in range(6)]


def test_a_new_file_is_seen_and_what_is_gone_is_not(store: LocalStore, tables: LineTables, clock: Clock) -> None:
    key = put(store, "actions", "0", {"action_id": "a"})
    assert ask(tables, "actions", "action_id") == ["a"]
    put(store, "actions", "1", {"action_id": "b"})
    clock.seconds += 11
    assert ask(tables, "actions", "action_id") == ["a", "b"]
    store.delete([key])
    clock.seconds += 11
    assert ask(tables, "actions", "action_id") == ["b"]


def test_a_question_may_read_so_much_and_no_more(store: LocalStore, tables: LineTables) -> None:
    put(store, "actions", "0", *({"action_id": str(number)} for number in range(2000)))
    with pytest.raises(TooMuch):
        ask(tables, "actions", "action_id", limit=2000)
    assert len(ask(tables, "actions", "action_id")) == 2000


def test_a_question_that_is_over_ends_and_the_others_go_on(store: LocalStore, tables: LineTables) -> None:
    put(store, "actions", "0", *({"action_id": str(number)} for number in range(300)))
    question = Question(1 << 30)
    endless = "SELECT sum(hash(a.action_id) % 7) AS v FROM lines a, lines b, lines c, lines d"
    ending = threading.Timer(0.5, question.end)
    ending.start()
    with pytest.raises(TooMuch):
        tables.scan.ask("actions", Span(), ["action_id"], endless, (), question)
    assert len(ask(tables, "actions", "action_id")) == 300
