"""The copy of the session table follows the lake: new files, revisions, erasures, merged and expired files."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import pytest

from lake.line_tables import LineTables
from lake.read_limits import ReadLimits
from schemas.keys import TABLES, table_key
from sinks.store import LocalStore, ObjectStore, Part, StoreUnavailable
from sinks.tables import encode_rows
from tests.serve.lakes import DAY, START_MS, session, write_sessions
from viewer.access import Access
from viewer.audit import Audit
from viewer.explorer import sessions, window_rows
from viewer.filters import Wanted
from viewer.options import IndexLimits, ServeOptions
from viewer.parts import Missing, NotThereYet, Viewer
from viewer.session_files import Reason
from viewer.session_index import SessionIndex
from viewer.session_rows import SessionRows

_LIMITS = IndexLimits(256 << 20, threads=1)


class Lake:
    """A lake and the copy that follows it."""

    def __init__(self, folder: Path) -> None:
        self.store = LocalStore(folder / "lake")
        self.index = SessionIndex(self.store, folder / "index", _LIMITS)

    def seen(self) -> list[tuple[object, ...]]:
        """(session, part, revision, errors) of what the explorer lists, after a look at the lake."""
        self.index.refresh()
        rows = sessions(self.index, Wanted(None), "session_id", 500, "")["sessions"]
        assert isinstance(rows, list)
        names = ("session_id", "session_part", "revision", "session_error_count")
        return [tuple(row[name] for name in names) for row in rows]


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    lake = Lake(tmp_path)
    yield lake
    lake.index.close()


Indexed = Callable[[ObjectStore], SessionIndex]


@pytest.fixture
def indexed(tmp_path: Path) -> Iterator[Indexed]:
    """Makes the index of a lake."""
    with ExitStack() as stack:

        def index(store: ObjectStore) -> SessionIndex:
            made = SessionIndex(store, tmp_path / "index", _LIMITS)
            stack.callback(made.close)
            return made

        yield index


def test_an_empty_lake_has_no_sessions(lake: Lake) -> None:
    assert lake.seen() == []


def test_new_files_are_seen_and_nothing_new_changes_nothing(lake: Lake) -> None:
    write_sessions(lake.store, "0-0000000001-000000000001", [{"session_id": "a"}, {"session_id": "b"}])
    assert lake.seen() == [("a", 0, 0, 0), ("b", 0, 0, 0)]
    version = lake.index.version
    assert lake.index.refresh() is False
    assert lake.index.version == version
    write_sessions(lake.store, "0-0000000002-000000000002", [{"session_id": "a", "session_part": 1}])
    assert lake.seen() == [("a", 0, 0, 0), ("a", 1, 0, 0), ("b", 0, 0, 0)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("looks", ["each", "once"])
def test_only_the_highest_revision_counts_whenever_it_comes(lake: Lake, order: tuple[int, ...], looks: str) -> None:
    for revision in order:
        row = {"session_id": "a", "revision": revision, "session_error_count": revision * 10}
        write_sessions(lake.store, f"0-000000000{revision}-000000000000", [row, {"session_id": f"other{revision}"}])
        if looks == "each":
            lake.index.refresh()
    assert lake.seen() == [("a", 0, 2, 20), *((f"other{revision}", 0, 0, 0) for revision in range(3))]


def test_a_file_that_is_gone_takes_its_sessions_along(lake: Lake) -> None:
    gone = write_sessions(lake.store, "0-0000000001-000000000001", [{"session_id": "a"}])
    write_sessions(lake.store, "0-0000000002-000000000002", [{"session_id": "b"}])
    lake.index.refresh()
    lake.store.delete([gone])
    assert lake.seen() == [("b", 0, 0, 0)]


def test_when_the_best_row_is_gone_the_next_best_counts(lake: Lake) -> None:
    write_sessions(lake.store, "0-0000000001-000000000001", [{"session_id": "a"}, {"session_id": "b"}])
    gone = write_sessions(lake.store, "0-0000000002-000000000002", [{"session_id": "a", "revision": 1}])
    assert lake.seen() == [("a", 0, 1, 0), ("b", 0, 0, 0)]
    lake.store.delete([gone])
    assert lake.seen() == [("a", 0, 0, 0), ("b", 0, 0, 0)]


def test_a_file_that_an_erasure_has_written_again_is_read_again(lake: Lake) -> None:
    name = "0-0000000001-000000000001"
    write_sessions(lake.store, name, [{"session_id": "a"}, {"session_id": "b", "user_email": "b@mail.example"}])
    lake.index.refresh()
    write_sessions(lake.store, name, [{"session_id": "a"}])
    assert lake.seen() == [("a", 0, 0, 0)]
    assert lake.index.ask("SELECT count(*) FROM sessions WHERE user_email = 'b@mail.example'") == [(0,)]


def test_merged_files_are_seen_once_before_during_and_after(lake: Lake) -> None:
    old = [
        write_sessions(lake.store, "0-0000000001-000000000001", [{"session_id": "a"}]),
        write_sessions(lake.store, "0-0000000002-000000000002", [{"session_id": "a", "revision": 1}]),
    ]
    assert lake.seen() == [("a", 0, 1, 0)]
    write_sessions(lake.store, "merged", [{"session_id": "a", "revision": 1}])
    assert lake.seen() == [("a", 0, 1, 0)]
    lake.store.delete(old)
    assert lake.seen() == [("a", 0, 1, 0)]


def test_a_file_that_the_store_fails_to_give_costs_itself_until_the_next_look(tmp_path: Path, indexed: Indexed) -> None:
    broken = _Breaking(tmp_path / "lake")
    index = indexed(broken)
    gone = write_sessions(broken, "0-0000000001-000000000001", [{"session_id": "a"}])
    index.refresh()
    write_sessions(broken, "0-0000000002-000000000002", [{"session_id": "b"}])
    write_sessions(broken, "0-0000000003-000000000003", [{"session_id": "c"}])
    broken.fails = "0000000003"
    index.refresh()
    assert index.ask("SELECT session_id FROM sessions ORDER BY 1") == [("a",), ("b",)]
    assert index.left_out == {Reason.UNREADABLE: 1}
    broken.fails = ""
    index.refresh()
    assert index.ask("SELECT session_id FROM sessions ORDER BY 1") == [("a",), ("b",), ("c",)]
    assert index.left_out == {}
    broken.delete([gone])
    write_sessions(broken, "0-0000000004-000000000004", [{"session_id": "a", "session_error_count": 1}])
    broken.fails = "0000000004"
    index.refresh()  # what is gone may be in the file that cannot be read: it stays until that is known
    assert index.ask("SELECT session_id FROM sessions ORDER BY 1") == [("a",), ("b",), ("c",)]
    broken.fails = ""
    index.refresh()
    assert index.ask("SELECT session_id FROM sessions ORDER BY 1") == [("a",), ("b",), ("c",)]
    assert index.ask("SELECT session_error_count FROM sessions WHERE session_id = 'a'") == [(1,)]


def test_a_store_that_gives_no_file_at_all_is_said(tmp_path: Path, indexed: Indexed) -> None:
    broken = _Breaking(tmp_path / "lake")
    index = indexed(broken)
    write_sessions(broken, "0-0000000001-000000000001", [{"session_id": "a"}])
    broken.fails = "tables/"
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="gives none of them"):
            index.refresh()
    broken.fails = ""
    index.refresh()
    assert index.ask("SELECT session_id FROM sessions") == [("a",)]


def test_a_lake_that_cannot_be_listed_is_said_and_made_up_for(tmp_path: Path, indexed: Indexed) -> None:
    broken = _Breaking(tmp_path / "lake")
    index = indexed(broken)
    broken.fails = "_job"
    with pytest.raises(StoreUnavailable):
        index.refresh()
    write_sessions(broken, "0-0000000001-000000000001", [{"session_id": "a"}])
    broken.fails = ""
    index.refresh()
    assert index.ask("SELECT session_id FROM sessions") == [("a",)]


def test_a_file_that_expires_while_it_is_read_is_left_out(tmp_path: Path, indexed: Indexed) -> None:
    store = _Vanishing(tmp_path / "lake")
    index = indexed(store)
    store.vanishes = write_sessions(store, "0-0000000001-000000000001", [{"session_id": "a"}])
    write_sessions(store, "0-0000000002-000000000002", [{"session_id": "b"}])
    index.refresh()
    assert index.ask("SELECT session_id FROM sessions") == [("b",)]


def test_the_newest_day_is_read_first_and_what_is_new_before_what_is_old(
    tmp_path: Path, indexed: Indexed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("viewer.session_index._BATCH_FILES", 1)
    store = LocalStore(tmp_path / "lake")
    write_days(store, ["2026-11-18", "2026-11-20", "2026-11-19"])
    index = indexed(store)
    index.look()
    steps = [(index.take(), index.is_whole, of_days(index))]
    write_days(store, ["2026-11-21"])
    index.look()
    steps += [(index.take(), index.is_whole, of_days(index)) for _ in range(3)]
    assert steps == [
        (True, False, ["2026-11-20"]),
        (True, False, ["2026-11-20", "2026-11-21"]),
        (True, False, ["2026-11-19", "2026-11-20", "2026-11-21"]),
        (False, True, ["2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21"]),
    ]


def test_what_may_be_still_to_be_read_is_not_said_to_be_missing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "lake")
    write_sessions(store, "0-0000000001-000000000001", [{"session_id": "a"}])
    options = ServeOptions(tmp_path / "index", _LIMITS)
    viewer = Viewer(store, Access({}, b"key", lambda: 0.0), Audit(BytesIO(), lambda: 0.0), options, lambda: 0.0)
    try:
        viewer.index.look()
        with pytest.raises(NotThereYet):
            viewer.session("shop", "none")
        assert sessions(viewer.index, Wanted(None), "-start", 50, "")["complete"] is False
        viewer.index.refresh()
        with pytest.raises(Missing):
            viewer.session("shop", "none")
        assert sessions(viewer.index, Wanted(None), "-start", 50, "")["complete"] is True
    finally:
        viewer.close()


def write_days(store: LocalStore, days: Iterable[str]) -> None:
    """A session a day, named by it."""
    for day in days:
        key = table_key("sessions", 14, day, f"0-0000000001-{day.replace('-', ''):>012}")
        store.put({key: encode_rows("sessions", [session(session_id=day)])})


def of_days(index: SessionIndex) -> list[object]:
    return [one for (one,) in index.ask("SELECT session_id FROM sessions ORDER BY 1")]


def test_files_of_other_epochs_are_not_read_for_a_session(tmp_path: Path, indexed: Indexed) -> None:
    store = _Counting(tmp_path / "lake")
    index = indexed(store)
    for number in range(20):
        name = f"0-{number:010d}-{number:012x}{'-r0' if number % 2 else ''}"
        write_sessions(store, name, [{"session_id": f"s{number}", "session_error_count": 1}])
        store.put({table_key("errors", 14, DAY, name): store.read(table_key("sessions", 14, DAY, name))})
    index.refresh()
    store.asked.clear()
    _rows(store, index).rows(["errors"], "shop", "s7", window_rows(index, "shop", "s7"))
    assert store.tables_asked() == [table_key("errors", 14, DAY, "0-0000000007-000000000007-r0")]


def test_merged_files_are_always_read_and_so_is_everything_once_a_revision_is_merged(
    tmp_path: Path, indexed: Indexed
) -> None:
    store = _Counting(tmp_path / "lake")
    index = indexed(store)
    row = {"session_id": "a", "revision": 1, "session_error_count": 1}  # where is revision 0?
    key = write_sessions(store, "0-0000000001-000000000001", [row])
    names = ("0-0000000001-000000000001", "0-0000000009-000000000009", "merged")
    store.put({table_key("errors", 14, DAY, name): store.read(key) for name in names})
    index.refresh()
    store.asked.clear()
    _rows(store, index).rows(["errors"], "shop", "a", window_rows(index, "shop", "a"))
    assert sorted(store.tables_asked()) == sorted(table_key("errors", 14, DAY, name) for name in names)


def test_a_table_of_which_a_session_has_nothing_is_not_looked_into(tmp_path: Path, indexed: Indexed) -> None:
    store = _Counting(tmp_path / "lake")
    index = indexed(store)
    name = "0-0000000001-000000000001"
    key = write_sessions(store, name, [{"session_id": "a", "session_action_count": 1}])
    store.put({table_key(table, 14, DAY, name): store.read(key) for table in ("errors", "actions")})
    index.refresh()
    store.asked.clear()
    _rows(store, index).rows(["errors", "actions"], "shop", "a", window_rows(index, "shop", "a"))
    assert store.tables_asked() == [table_key("actions", 14, DAY, name)]


def test_times_are_what_was_written(lake: Lake) -> None:
    write_sessions(lake.store, "0-0000000001-000000000001", [{"session_id": "a", "end": START_MS * 1000 + 1_500_250}])
    lake.index.refresh()
    (row,) = window_rows(lake.index, "shop", "a")
    assert (row["start"], row["end"]) == (START_MS, START_MS + 1500.25)


class _Breaking(LocalStore):
    fails = ""

    def read(self, key: str) -> bytes:
        if self.fails and self.fails in key:
            raise StoreUnavailable(key)
        return super().read(key)


class _Vanishing(LocalStore):
    vanishes = ""

    def read(self, key: str) -> bytes:
        if key == self.vanishes:
            self.delete([key])
        return super().read(key)


def _rows(store: ObjectStore, index: SessionIndex) -> SessionRows:
    return SessionRows(LineTables(store, ReadLimits(), lambda: 0.0, 10), index)


class _Counting(LocalStore):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.uri = f"far://{root}"  # blocks of a local disk are not kept
        self.asked: list[str] = []

    def read_part(self, key: str, start: int, length: int) -> Part:
        self.asked.append(key)
        return super().read_part(key, start, length)

    def tables_asked(self) -> list[str]:
        return [key for key in self.asked if key.startswith(TABLES)]
