"""What a shard's state says of its staged objects: enough to publish them once, and no id of a session."""

import time
from pathlib import Path

import pytest

from operators.arrivals import Poll, Received, decode_poll
from operators.client.request import Clients
from operators.windows.rules import WindowRules
from operators.windows.tracker import SessionTracker
from operators.wire.unusable import Limits
from schemas.keys import REPLAYS, TABLES
from schemas.retention import Retention
from sinks.notices import NoticeBoard, note_removed
from sinks.packs import PackStore
from sinks.publisher import LostObject
from sinks.store import LocalStore
from sinks.writer import LakeLimits, LakeWriter, ShardPlace
from tests.flow.made import START_MS, batch, change, snapshot

SESSION = "the-session-of-jane"


def writer(store: LocalStore, state: bytes = b"") -> LakeWriter:
    board = NoticeBoard(store, time.time)
    place = ShardPlace(store, PackStore(store, None, 0), "0000", "test")
    return LakeWriter(place, Retention(), LakeLimits(), state, board=board)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


@pytest.fixture
def state(store: LocalStore) -> bytes:
    """Of an epoch in which a session with a replay has closed; nothing of it is published."""
    received = [Received("rum", 0, 0, START_MS, batch([snapshot(), change(10)], session_id=SESSION))]
    decoded = decode_poll(Poll("0000", START_MS, received), Limits(), Clients())
    tracker, first = SessionTracker(WindowRules()), writer(store)
    first.take(tracker.apply(0, decoded.clock_ms, decoded.arrivals))
    first.take(tracker.drain())
    return first.stage()


def replays(store: LocalStore) -> list[str]:
    return [one.key for one in store.list(REPLAYS)]


def test_the_state_names_no_session_and_publishes_it(store: LocalStore, state: bytes) -> None:
    assert SESSION.encode() not in state
    assert b"/app_id=shop/#" in state
    assert replays(store) == []
    writer(store, state).publish()
    [key] = replays(store)
    assert SESSION in key
    writer(store, state).publish()  # a process that died before its state said so
    assert replays(store) == [key]


@pytest.mark.parametrize("folder", [REPLAYS, f"{TABLES}sessions/"])
def test_what_is_neither_staged_nor_published_is_lost_unless_a_command_removed_it(
    store: LocalStore, state: bytes, folder: str
) -> None:
    writer(store, state).publish()
    gone = [one.key for one in store.list(folder)]
    store.delete(gone)
    with pytest.raises(LostObject, match=r"was committed, but neither it nor its staged bundle"):
        writer(store, state).publish()
    note_removed(store, "an-erasure", gone)
    writer(store, state).publish()
    assert list(store.list(folder)) == []


def test_what_a_command_removed_is_not_published_out_of_the_bundle(store: LocalStore, state: bytes) -> None:
    bundle = {one.key: store.read(one.key) for one in store.list("staging/")}
    writer(store, state).publish()
    note_removed(store, "an-erasure", replays(store))
    store.delete(replays(store))
    store.put(bundle)
    writer(store, state).publish()
    assert replays(store) == []


def test_a_state_of_an_earlier_release_has_plain_names(store: LocalStore, state: bytes) -> None:
    writer(store, state).publish()
    [key] = replays(store)
    begin = state.index(b"/app_id=shop/#") + len(b"/app_id=shop/")
    begin = state.rindex(b"replays/", 0, begin)
    name = state[begin : state.index(b"#", begin) + 65]
    head = len(name).to_bytes(1)
    old = state.replace(b"\xd9" + head + name, b"\xd9" + len(key).to_bytes(1) + key.encode())
    assert key.encode() in old
    writer(store, old).publish()
    store.delete([key])
    with pytest.raises(LostObject):
        writer(store, old).publish()
