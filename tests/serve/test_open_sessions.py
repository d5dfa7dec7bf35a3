"""A session that is not closed is shown as it would be if it closed now: rows, lines, replay; never an erased one."""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lake.catalog import read_file, session_rows, table_keys
from lake.export import blob_keys, rrweb_tracks
from lake.line_tables import LineTables
from lake.read_limits import ReadLimits
from operators.arrivals import Poll, Received, decode_poll
from operators.client.request import Clients
from operators.decode import decode
from operators.windows.rules import WindowRules
from operators.windows.tracker import SessionTracker
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item
from schemas.keys import NOTICES, PACKS, pack_key
from schemas.notices import Notice, NoticeKind, UserField, encode_notice, user_digest
from schemas.pack import decode_block, key_hash, read_index
from schemas.retention import Retention
from sinks.packs import PackStore
from sinks.store import LocalStore, ObjectInfo, Part
from sinks.tables import as_declared
from sinks.writer import LakeLimits, LakeWriter, ShardPlace
from tests.flow.harness import capture_messages
from tests.serve.conftest import DATADOG, GUANCE
from tests.serve.lakes import pack_of
from viewer.live import Live
from viewer.options import IndexLimits
from viewer.player import Player
from viewer.session_index import SessionIndex
from viewer.session_rows import TIMELINE, SessionRows, as_json

Row = dict[str, Any]
_AT_CLOSE = ("close_reason", "replay_key", "replay_bytes")  # what only a closed window has
_SHARD = "0003"
_RECORDINGS = ("guance/gc-multitab", "datadog/dd-shop", "datadog/dd-todo-v5", "rrweb/ph-shop", "rrweb/rr-spa")


class CountingStore(LocalStore):
    """Counts what is asked of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[str] = []

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        self.asked.append(f"list {prefix}")
        return super().list(prefix, after)

    def read_range(self, key: str, start: int, length: int) -> bytes:
        self.asked.append(f"read {key}")
        return super().read_range(key, start, length)

    def read_tail(self, key: str, length: int) -> Part:
        self.asked.append(f"read {key}")
        return super().read_tail(key, length)


class Job:
    """A job whose receive clock stands still until `close`, so that every session stays open."""

    def __init__(self, folder: Path, rules: WindowRules) -> None:
        self.store = CountingStore(folder / "lake")
        self.seq = 0
        self._tracker = SessionTracker(rules)
        packs = PackStore(self.store, None, 0)
        self._writer = LakeWriter(ShardPlace(self.store, packs, _SHARD, "test"), Retention(), LakeLimits())
        self._offset = 0
        self.now = time.time()
        self.live = Live(self.store, lambda: self.now, rules)
        self.index = SessionIndex(self.store, folder / "scratch", IndexLimits(256 << 20, 1))
        tables = LineTables(self.store, ReadLimits(), lambda: self.now, 10)
        self.rows = SessionRows(tables, self.index)
        self.player = Player(self.store, self.rows)

    def epoch(self, messages: Sequence[Message]) -> None:
        """One epoch: a pack. A second later the viewer may look again."""
        received = [Received("rum", 0, self._offset + n, 0, message) for n, message in enumerate(messages)]
        self._offset += len(messages)
        decoded = decode_poll(Poll(_SHARD, 0, received), Limits(), Clients())
        self._writer.take(self._tracker.apply(self.seq, 0, decoded.arrivals))
        self._end()

    def close(self) -> None:
        self._writer.take(self._tracker.drain())
        self._end()

    def _end(self) -> None:
        self._writer.stage()
        self._writer.publish()
        self.seq += 1
        self.now += 2

    def sessions(self) -> set[tuple[str, str]]:
        return {(str(row["app_id"]), str(row["session_id"])) for row in self.table("sessions")}

    def table(self, name: str) -> list[Row]:
        return [row for key in table_keys(self.store, name) for row in as_json(read_file(self.store, key, name))]

    def played(self, key: tuple[str, str]) -> list[list[Row]]:
        """Events of each track as the API would hand them out now, with nothing in the tables."""
        planned = self.player.planned(*key, [], self.live.opened(*key, []).windows)
        return [
            [event for one in track for event in self.player.played(planned, one).events] for track in planned.tracks
        ]


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    job = Job(tmp_path, WindowRules())
    yield job
    job.index.close()


def in_epochs(job: Job, messages: Sequence[Message], size: int = 40) -> None:
    for start in range(0, len(messages), size):
        job.epoch(messages[start : start + size])


def test_an_open_session_is_shown_as_the_tables_show_it_once_it_is_closed(job: Job, samples: Path) -> None:
    in_epochs(job, capture_messages([samples / f"{name}.jsonl.gz" for name in _RECORDINGS]))
    assert not job.table("sessions")
    before = {key: (job.live.opened(*key, []).windows, job.played(key)) for key in _keys_of_packs(job)}
    shown = {key: [window.rows() for window in windows] for key, (windows, _) in before.items()}
    job.close()
    assert set(before) == job.sessions()
    stored = {table: job.table(table) for table in ("sessions", *TIMELINE)}
    for key, windows in shown.items():
        mine = {table: [r for r in rows if (r["app_id"], r["session_id"]) == key] for table, rows in stored.items()}
        rows = as_json(as_declared("sessions", [session for session, _ in windows]))
        assert _plain(rows) == _plain(sorted(mine["sessions"], key=lambda row: row["session_part"])), key
        lines = [line for _, of_window in windows for line in of_window]
        for table in TIMELINE:
            found = as_json(as_declared(table, [line.row for line in lines if line.table == table]))
            assert sorted(found, key=repr) == sorted(mine[table], key=repr), (key, table)
        keys = blob_keys(session_rows(job.store, "replay_segments", *key))
        assert before[key][1] == [track.events for track in rrweb_tracks(job.store, keys)], key
    assert {key[0] for key in before} >= {GUANCE, DATADOG}


def test_what_comes_is_seen_after_its_epoch_and_costs_few_requests(job: Job, samples: Path) -> None:
    messages = capture_messages([samples / "guance" / "gc-shop.jsonl.gz"])
    in_epochs(job, messages[:-30], 5)
    (key,) = _keys_of_packs(job)
    first = job.live.opened(*key, [])
    assert first.is_live is False  # by the wall clock this recording is long over
    played = job.played(key)
    job.epoch(messages[-30:])
    job.store.asked.clear()
    more = job.live.opened(*key, [])
    assert sorted(one.split(" ")[0] for one in job.store.asked) == ["list", "list", "read", "read"], job.store.asked
    job.store.asked.clear()
    assert job.live.opened(*key, []).windows == more.windows
    assert job.store.asked == []  # within a second nothing is asked
    assert sum(len(w.pieces) for w in more.windows) > sum(len(w.pieces) for w in first.windows)
    now_played = job.played(key)
    assert [len(track) for track in now_played] != [len(track) for track in played]
    assert now_played[0][: len(played[0]) // 2] == played[0][: len(played[0]) // 2]


def test_the_first_session_of_a_partition_is_seen_as_soon_as_any_other(job: Job, samples: Path) -> None:
    messages = capture_messages([samples / "guance" / "gc-shop.jsonl.gz"])
    (key,) = {(i.app_id, i.session_id) for m in messages for i in decode(m, Limits()) if isinstance(i, Item)}
    assert not job.live.opened(*key, []).windows
    job.epoch(messages)
    assert job.live.opened(*key, []).windows


def test_an_epoch_that_ran_twice_is_seen_once(job: Job, samples: Path) -> None:
    messages = capture_messages([samples / "datadog" / "dd-shop.jsonl.gz"])
    in_epochs(job, messages)
    (key,) = _keys_of_packs(job)
    job.live.opened(*key, [])
    newest = max(found.key for found in job.store.list(PACKS))
    job.store.put({newest.replace("-test.pack", "-again.pack"): job.store.read(newest)})
    job.now += 2
    again = job.live.opened(*key, []).windows
    job.close()
    assert [window.rows()[0]["duplicate_count"] for window in again] == [
        row["duplicate_count"] for row in job.table("sessions")
    ]


def test_windows_in_the_tables_take_what_is_theirs_and_the_rest_is_open(tmp_path: Path, samples: Path) -> None:
    """A recording of several windows: of each number of closed ones, the others are open, and unchanged."""
    job = Job(tmp_path, WindowRules(gap_ms=2_000))
    in_epochs(job, capture_messages([samples / "guance" / "gc-shop.jsonl.gz"]))
    job.index.close()
    every, key = max(
        ((job.live.opened(*key, []).windows, key) for key in _keys_of_packs(job)), key=lambda one: len(one[0])
    )
    job.close()
    rows = [row for row in job.table("sessions") if (row["app_id"], row["session_id"]) == key]
    rows.sort(key=lambda row: row["session_part"])
    assert len(rows) == len(every) > 1
    for closed in range(1, len(rows) + 1):
        left = [{**row, "received_end": job.now * 1000} for row in rows[:closed]]
        opened = job.live.opened(*key, left).windows
        assert [window.order.part for window in opened] == list(range(closed, len(rows)))
        assert [window.rows() for window in opened] == [window.rows() for window in every[closed:]]
    long_ago = [{**row, "received_end": (job.now - 90_000) * 1000} for row in rows]
    job.store.asked.clear()
    assert job.live.opened(*key, long_ago).windows == ()
    assert job.store.asked == []


def test_a_pack_that_cannot_be_read_hides_nothing_of_the_others(job: Job, samples: Path) -> None:
    in_epochs(job, capture_messages([samples / "guance" / "gc-shop.jsonl.gz"]))
    (key,) = _keys_of_packs(job)
    job.store.put({pack_key(_SHARD, job.seq, 0, "test"): b"of a later release" * 10})
    assert job.live.opened(*key, []).windows
    assert not job.live.opened(key[0], "another", []).windows
    job.now = time.time()  # what this recording sent was received long ago
    assert job.live.list.sessions(None, 10) == ([], True)


@pytest.mark.parametrize("name", ["datadog/dd-todo-v5", "rrweb/rr-spa"])
def test_the_list_of_open_sessions_has_the_browser_of_their_requests(job: Job, samples: Path, name: str) -> None:
    messages = capture_messages([samples / f"{name}.jsonl.gz"])
    job.epoch([msgspec.structs.replace(one, received_ms=int(job.now * 1000)) for one in messages])
    [[row], _] = job.live.list.sessions(None, 10)
    assert [row[name] for name in ("browser", "os", "device")] == ["Chrome", "Linux", "PC"]


def test_of_a_session_with_a_closed_window_only_its_partition_is_looked_at(job: Job, samples: Path) -> None:
    in_epochs(job, capture_messages([samples / "guance" / "gc-shop.jsonl.gz"]))
    foreign = pack_of(0, capture_messages([samples / "datadog" / "dd-shop.jsonl.gz"]))
    job.store.put(dict([foreign]))
    (key,) = {key for key in _keys_of_packs(job) if key[0] == GUANCE}
    job.close()
    rows = [{**row, "received_end": job.now * 1000} for row in job.table("sessions")]
    job.index.refresh()
    assert job.rows.partition(*key) == _SHARD
    job.store.asked.clear()
    assert not job.live.opened(*key, rows, lambda: job.rows.partition(*key)).windows
    assert job.store.asked
    assert not [one for one in job.store.asked if foreign[0].rpartition("/")[0] in one]


def test_an_erased_session_is_gone_at_once(job: Job, samples: Path) -> None:
    in_epochs(job, capture_messages(sorted(samples.glob("guance/*.jsonl.gz"))))
    keys = sorted(_keys_of_packs(job))
    shown = {key: job.live.opened(*key, []).windows for key in keys}
    users = {key: {window.rows()[0].get("userid") for window in windows} for key, windows in shown.items()}
    assert all(shown.values())
    _order(job, sessions=[key_hash(*keys[0])])
    assert [bool(job.live.opened(*key, []).windows) for key in keys] == [False] + [True] * (len(keys) - 1)
    named = max(user for key in keys[1:] for user in users[key] if isinstance(user, str))
    _order(job, users=[user_digest(UserField.ID, named)])
    assert {key for key in keys if job.live.opened(*key, []).windows} == {k for k in keys[1:] if users[k] != {named}}
    _order(job, apps=[keys[0][0]])
    assert not any(job.live.opened(*key, []).windows for key in keys)


def _order(job: Job, **about: Any) -> None:
    far_ms = 1 << 52
    name = msgspec.json.encode(sorted(about)).hex()
    job.store.put({f"{NOTICES}{name}": encode_notice(Notice(NoticeKind.ERASE, far_ms, far_ms, **about))})
    job.now += 2


def _keys_of_packs(job: Job) -> set[tuple[str, str]]:
    found = set()
    for pack in job.store.list(PACKS):
        content = job.store.read(pack.key)
        for _, offset, length in read_index(content).spans():
            found |= {(e.item.app_id, e.item.session_id) for e in decode_block(content[offset : offset + length])}
    return found


def _plain(rows: Iterable[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name not in _AT_CLOSE} for row in rows]
