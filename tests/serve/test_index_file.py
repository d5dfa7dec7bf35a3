"""The index of sessions outlives the process, is one process's own, is made anew when in doubt, forgets the erased."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import duckdb
import pytest

from schemas.errors import MustAct
from sinks.store import LocalStore
from tests.serve.lakes import write_sessions
from tests.serve.server import until
from viewer import index_file
from viewer.options import IndexLimits
from viewer.questions import Bound, Busy
from viewer.session_index import SessionIndex

_LIMITS = IndexLimits(256 << 20, threads=1)
_FIRST, _SECOND = "0-0000000001-000000000001", "0-0000000002-000000000002"

Opened = Callable[[], SessionIndex]


class Store(LocalStore):
    """Counts reads of table files."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads: list[str] = []

    def read(self, key: str) -> bytes:
        self.reads += [key] if key.startswith("tables/") else []
        return super().read(key)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "lake")


@pytest.fixture
def opened(tmp_path: Path, store: Store) -> Iterator[Opened]:
    """Opens the index, as a start of the server does; what was opened before is closed."""
    with ExitStack() as stack:

        def open_index() -> SessionIndex:
            stack.close()
            index = SessionIndex(store, tmp_path / "index", _LIMITS)
            stack.callback(index.close)
            return index

        yield open_index


def seen(index: SessionIndex) -> list[tuple[object, ...]]:
    index.refresh()
    return index.ask("SELECT session_id, revision FROM sessions ORDER BY 1")


def clean(index: SessionIndex) -> None:
    while index.clean():
        pass


def test_a_start_reads_only_what_is_new_and_forgets_what_is_gone(store: Store, opened: Opened) -> None:
    gone = write_sessions(store, _FIRST, [{"session_id": "a"}, {"session_id": "b"}])
    assert seen(opened()) == [("a", 0), ("b", 0)]
    new = write_sessions(store, _SECOND, [{"session_id": "b", "revision": 1}])
    store.delete([gone])
    store.reads.clear()
    index = opened()
    assert index.ask("SELECT session_id FROM sessions ORDER BY 1") == [("a",), ("b",)]  # there at once
    assert seen(index) == [("b", 1)]
    assert store.reads == [new]


def test_a_row_falls_back_to_an_older_revision_also_after_a_start(store: Store, opened: Opened) -> None:
    write_sessions(store, _FIRST, [{"session_id": "a"}])
    gone = write_sessions(store, _SECOND, [{"session_id": "a", "revision": 1}])
    assert seen(opened()) == [("a", 1)]
    store.delete([gone])
    assert seen(opened()) == [("a", 0)]


def test_a_folder_is_of_one_process(tmp_path: Path, store: Store, opened: Opened) -> None:
    opened()
    with pytest.raises(MustAct, match="another process; each replica has a folder of its own"):
        SessionIndex(store, tmp_path / "index", _LIMITS)


def test_too_little_memory_is_refused_with_how_much_it_takes(tmp_path: Path, store: Store) -> None:
    with pytest.raises(MustAct, match=f"serve.memory_bytes is 1024: .* at least {index_file.LEAST_BYTES}"):
        SessionIndex(store, tmp_path / "index", IndexLimits(1024))


def test_the_index_of_another_lake_is_made_anew(tmp_path: Path, store: Store, opened: Opened) -> None:
    write_sessions(store, _FIRST, [{"session_id": "a"}])
    assert seen(opened()) == [("a", 0)]
    shutil.copytree(tmp_path / "lake", tmp_path / "other")
    opened().close()
    index = SessionIndex(LocalStore(tmp_path / "other"), tmp_path / "index", _LIMITS)
    try:
        assert index.ask("SELECT count(*) FROM sessions") == [(0,)]
        assert seen(index) == [("a", 0)]
    finally:
        index.close()


def _cut(database: Path) -> None:
    database.write_bytes(database.read_bytes()[: database.stat().st_size // 2])


def _turned(database: Path) -> None:
    content = bytearray(database.read_bytes())
    for place in range(20_000, len(content), 5_000):
        content[place] ^= 0xFF
    database.write_bytes(content)


def _other_release(database: Path) -> None:
    with duckdb.connect(database) as connection:
        connection.execute("UPDATE made_of SET text = 'of another release'")


def _half_written(database: Path) -> None:
    with duckdb.connect(database) as connection:
        connection.execute("DELETE FROM sessions WHERE session_id = 'a'")


def _no_database(database: Path) -> None:
    database.write_bytes(b"garbage" * 10_000)


@pytest.mark.parametrize("damage", [_cut, _turned, _other_release, _half_written, _no_database])
def test_a_file_that_cannot_be_trusted_is_made_anew(
    tmp_path: Path, store: Store, opened: Opened, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    write_sessions(store, _FIRST, [{"session_id": "a"}, {"session_id": "b"}])
    assert seen(opened()) == [("a", 0), ("b", 0)]
    opened().close()
    [database] = (tmp_path / "index").glob("*.duckdb")
    damage(database)
    store.reads.clear()
    assert seen(opened()) == [("a", 0), ("b", 0)]
    assert len(store.reads) == 1
    assert "is made anew" in caplog.text


def test_a_file_whose_taking_was_cut_short_is_taken_again(store: Store, opened: Opened) -> None:
    write_sessions(store, _FIRST, [{"session_id": "a"}])
    index = opened()
    index.refresh()
    index._connection.execute("UPDATE files SET row_count = NULL")
    store.reads.clear()
    assert seen(opened()) == [("a", 0)]
    assert len(store.reads) == 1


@pytest.mark.parametrize("starts", [1, 2])
def test_the_erased_leave_the_file_of_the_database(tmp_path: Path, store: Store, opened: Opened, starts: int) -> None:
    person = "e7d1c0a95b3f4426"  # DuckDB may keep texts in pieces: what is looked for is not compressed
    others = [{"session_id": f"other{n:06}", "userid": f"u{n:06}"} for n in range(3_000)]
    hers = [{"session_id": person, "userid": person, "session_first_view_url": f"/{person}", "ip": person}]
    write_sessions(store, _FIRST, [*others, *hers])
    write_sessions(store, _SECOND, [{**hers[0], "revision": 1}, {"session_id": "last"}])
    index = opened()
    assert len(seen(index)) == 3_002
    if starts == 2:
        index = opened()
    assert person.encode() in _bytes_below(tmp_path / "index")
    write_sessions(store, _FIRST, others)
    write_sessions(store, _SECOND, [{"session_id": "last"}])
    assert len(seen(index)) == 3_001
    clean(index)
    assert person.encode() not in _bytes_below(tmp_path / "index")
    assert index.clean() is False
    assert len(seen(opened())) == 3_001


def test_cleaning_goes_on_after_a_start_and_waits_for_questions(tmp_path: Path, store: Store, opened: Opened) -> None:
    person = "e7d1c0a95b3f4426"
    write_sessions(store, _FIRST, [{"session_id": "a"}, {"session_id": person}])
    index = opened()
    index.refresh()
    write_sessions(store, _FIRST, [{"session_id": "a"}])
    index.refresh()
    assert index.clean()
    index = opened()
    with index.snapshot() as ask:
        ask("SELECT count(*) FROM sessions")
        with pytest.raises(Busy):
            clean(index)
    clean(index)
    assert person.encode() not in _bytes_below(tmp_path / "index")


def test_cleaning_gets_its_moment_from_those_who_ask_without_a_pause(
    tmp_path: Path, store: Store, opened: Opened
) -> None:
    person = "e7d1c0a95b3f4426"
    write_sessions(store, _FIRST, [{"session_id": "a"}, {"session_id": person}])
    index = opened()
    index.refresh()
    write_sessions(store, _FIRST, [{"session_id": "a"}])
    index.refresh()
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            index.ask("SELECT count(*) FROM range(300000) AS a(n) WHERE hash(n) = 1")

    asking = [threading.Thread(target=ask) for _ in range(8)]
    for one in asking:
        one.start()
    try:
        clean(index)
    finally:
        is_over.set()
        for one in asking:
            one.join()
    assert person.encode() not in _bytes_below(tmp_path / "index")


def test_the_index_can_be_made_anew_and_closed_while_it_is_asked(store: Store, opened: Opened) -> None:
    write_sessions(store, _FIRST, [{"session_id": "a"}])
    index = opened()
    index.refresh()
    heard: list[Bound] = []

    def ask() -> None:
        try:
            index.ask("SELECT count(*) FROM range(1000000000000) AS a(n) WHERE hash(n) = 1")
        except Busy as busy:
            heard.append(busy.bound)

    def asking() -> threading.Thread:
        before = index.questions.asked
        thread = threading.Thread(target=ask)
        thread.start()
        until(lambda: index.questions.asked, lambda asked: asked > before, 30)
        return thread

    asker = asking()
    index.renew()
    asker.join(30)
    assert seen(index) == [("a", 0)]
    asker = asking()
    index.close()
    asker.join(30)
    assert heard == [Bound.CLOSED, Bound.CLOSED]
    with pytest.raises(Busy):
        index.ask("SELECT 1")


def _bytes_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
