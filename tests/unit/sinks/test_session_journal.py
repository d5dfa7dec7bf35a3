"""The journal of a partition's sessions: what an epoch commits is there again, whatever was written after it."""

import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.windows.rules import WindowRules
from operators.windows.tracker import Arrival, SessionTracker
from schemas.items import Item, Kind
from schemas.pack import key_hash
from schemas.units import MS_PER_DAY
from sinks.session_journal import JournalError, JournalPlace, SessionJournal, without_sessions

RULES = WindowRules()
DAY_MS = 20_000 * MS_PER_DAY
SHARD = "0003"
NAMES = st.sampled_from("abcdefg")


def ident(name: str, second: int) -> int:
    return zlib.crc32(f"{name} {second}".encode())


def take(tracker: SessionTracker, *names: str, second: int = 0) -> None:
    at_ms = DAY_MS + second * 1000
    at_us = at_ms * 1000
    items = [
        Item("app", name, Kind.ACTION, 0, at_us, at_us, at_ms, ident(name, second), opens=True, ends=False, body=b"")
        for name in names
    ]
    tracker.apply(second, at_ms, [Arrival(at_ms, "rum", 0, 0, item) for item in items])


def restored(folder: Path, place: JournalPlace) -> SessionTracker:
    return SessionTracker(RULES, saved=SessionJournal(folder, SHARD, place).records())


def everything(tracker: SessionTracker) -> list[bytes]:
    return list(tracker.everything())


def test_what_was_committed_is_there_again(tmp_path: Path) -> None:
    tracker, journal = SessionTracker(RULES), SessionJournal(tmp_path, SHARD, None)
    places = []
    for second in range(5):
        take(tracker, "a", f"b{second}", second=second)
        places.append(journal.save(tracker))
    again = restored(tmp_path, places[-1])
    assert again.open_count == 6
    assert everything(again) == everything(tracker)


def test_what_was_written_and_not_committed_is_cut_off(tmp_path: Path) -> None:
    tracker, journal = SessionTracker(RULES), SessionJournal(tmp_path, SHARD, None)
    take(tracker, "a")
    place = journal.save(tracker)
    take(tracker, "lost", second=1)
    journal.save(tracker)
    with (tmp_path / place.name).open("ab") as file:
        file.write(b"half a rec")
    again = SessionJournal(tmp_path, SHARD, place)
    tracker = SessionTracker(RULES, saved=again.records())
    assert tracker.open_count == 1
    take(tracker, "b", second=2)
    assert restored(tmp_path, again.save(tracker)).open_count == 2


def test_a_new_file_is_begun_when_the_changes_are_much_and_the_old_one_goes_after_its_commit(tmp_path: Path) -> None:
    tracker, journal = SessionTracker(RULES), SessionJournal(tmp_path, SHARD, None, spare_bytes=1000)
    places = []
    for second in range(40):
        take(tracker, "a", "b", second=second)
        places.append(journal.save(tracker))
        files = {path.name for path in tmp_path.iterdir()}
        assert {place.name for place in places[-2:]} <= files, "the last commit may name the file before"
        journal.drop_old()
        assert {path.name for path in tmp_path.iterdir()} == {places[-1].name}
    assert 2 < len({place.name for place in places}) < 20
    assert everything(restored(tmp_path, places[-1])) == everything(tracker)


def test_files_of_epochs_that_never_were_go_at_the_next_start(tmp_path: Path) -> None:
    tracker, journal = SessionTracker(RULES), SessionJournal(tmp_path, SHARD, None, spare_bytes=0)
    take(tracker, "a")
    place = journal.save(tracker)
    take(tracker, "b", second=1)
    journal.save(tracker)
    take(tracker, "c", second=2)
    never = journal.save(tracker)
    other = SessionJournal(tmp_path, "0004", None).save(tracker)
    assert never.name != place.name
    again = SessionJournal(tmp_path, SHARD, place)
    assert SessionTracker(RULES, saved=again.records()).open_count == 1
    again.drop_old()
    assert {path.name for path in tmp_path.iterdir()} == {place.name, other.name}


def test_a_file_that_is_missing_short_or_damaged_is_named(tmp_path: Path) -> None:
    tracker, journal = SessionTracker(RULES), SessionJournal(tmp_path, SHARD, None)
    take(tracker, "a", "b")
    place = journal.save(tracker)
    path = tmp_path / place.name
    content = path.read_bytes()
    for spoiled in (content[:-1], content[:30] + b"?" + content[31:], content[:7]):
        path.write_bytes(spoiled)
        with pytest.raises(JournalError, match=place.name):
            restored(tmp_path, place)
    path.unlink()
    with pytest.raises(JournalError, match=f"{place.name} is missing.*shard {SHARD}"):
        restored(tmp_path, place)


def test_a_journal_that_is_begun_anew_holds_nothing_of_before(tmp_path: Path) -> None:
    tracker, journal = SessionTracker(RULES), SessionJournal(tmp_path, SHARD, None)
    take(tracker, "a")
    first = journal.save(tracker)
    journal.begin_anew()
    second = journal.save(tracker)
    assert second.name != first.name
    journal.drop_old()
    assert [path.name for path in tmp_path.iterdir()] == [second.name]
    take(tracker, "b", second=1)
    assert journal.save(tracker).name == second.name, "once"


@given(st.lists(NAMES, min_size=1, max_size=30), st.sets(NAMES))
def test_sessions_taken_out_of_a_file_leave_its_size_and_all_others(taken: list[str], erased: set[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tracker, journal = SessionTracker(RULES), SessionJournal(folder, SHARD, None)
        place = JournalPlace()
        for number, session in enumerate(taken):
            take(tracker, f"session-{session}" * (1 + number % 3), second=number * 700)  # some close in between
            place = journal.save(tracker)
        path = folder / place.name
        before = path.read_bytes()
        hashes = {key_hash("app", f"session-{session}" * times) for session in erased for times in (1, 2, 3)}
        left = without_sessions(before, hashes)
        assert len(left) == len(before)
        assert not any(f"session-{session}".encode() in left for session in erased)
        path.write_bytes(left + b"torn")
        again = restored(folder, place)
        assert set(again._sessions) == {key for key in tracker._sessions if key_hash(*key) not in hashes}
        assert without_sessions(left + b"torn", hashes) == left, "what was never committed goes"
