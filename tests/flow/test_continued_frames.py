"""Recordings in frames that go on with each other are the recordings they were, for every reader."""

import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lake.catalog import open_blob, table_rows
from lake.export import blob_keys, native_segments, rrweb_tracks
from lake.notes import Note, NoteKind
from lake.verify import verify
from operators.replay.cut import CutLimits
from operators.replay.frames import FrameLimits
from schemas.blob import CONTINUED_VERSION
from schemas.units import KIB
from sinks.store import LocalStore, ObjectStore
from sinks.writer import LakeLimits
from tests.flow.harness import capture_messages, run
from viewer.access import Access
from viewer.audit import Audit
from viewer.options import ServeOptions
from viewer.parts import Viewer

SMALL = LakeLimits(cut=CutLimits(frames=FrameLimits(raw_bytes=256 * KIB, packed_bytes=8 * KIB)))
Sessions = dict[tuple[str, str], list[str]]  # blobs by app and session


@pytest.fixture(scope="module")
def lakes(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[LocalStore, LocalStore]:
    """All samples in frames of today's size, and in small ones."""
    messages = capture_messages(sorted(samples.glob("*/*.jsonl.gz")))
    found = []
    for limits in (LakeLimits(), SMALL):
        folder = tmp_path_factory.mktemp("lake")
        found.append(LocalStore(folder))
        run(messages, range(0, len(messages), 200), folder, store=found[-1], limits=limits)
    return found[0], found[1]


def sessions_of(store: ObjectStore) -> Sessions:
    rows = table_rows(store, "replay_segments")
    owners = {(str(row["app_id"]), str(row["session_id"])) for row in rows}
    return {owner: blob_keys([row for row in rows if (row["app_id"], row["session_id"]) == owner]) for owner in owners}


def continued(store: ObjectStore, keys: list[str]) -> Iterator[str]:
    """Those of the blobs whose frames go on with each other."""
    return (key for key in keys if open_blob(store, key).index.format_version == CONTINUED_VERSION)


def test_every_recording_is_exported_as_it_was(lakes: tuple[LocalStore, LocalStore]) -> None:
    large, small = lakes
    sessions, families = sessions_of(large), set()
    assert sessions_of(small) == sessions
    for keys in sessions.values():
        assert list(native_segments(small, keys)) == list(native_segments(large, keys))
        assert rrweb_tracks(small, keys) == rrweb_tracks(large, keys)
        families |= {open_blob(small, key).index.family for key in continued(small, keys)}
    assert families == {"guance", "datadog", "rrweb", "sentry"}


def test_verify_finds_nothing_wrong(lakes: tuple[LocalStore, LocalStore]) -> None:
    large, small = (verify(store) for store in lakes)
    assert (small.problems, small.unplayable) == (large.problems, large.unplayable) == ([], [])
    assert small.blobs == large.blobs


def test_the_player_plays_the_same(lakes: tuple[LocalStore, LocalStore], tmp_path: Path) -> None:
    played = []
    for number, store in enumerate(lakes):
        audit, scratch = Audit(io.BytesIO(), time.time), tmp_path / str(number)
        viewer = Viewer(store, Access({}, b"key", time.time), audit, ServeOptions(scratch), time.time)
        viewer.index.refresh()
        found = {}
        for owner in sessions_of(store):
            planned = viewer.player.planned(*owner, viewer.session(*owner).closed)
            found[owner] = [[viewer.player.played(planned, chunk) for chunk in chunks] for chunks in planned.tracks]
        played.append(found)
        viewer.close()
    assert played[0] == played[1]


def test_what_goes_on_with_a_damaged_frame_is_left_out_and_told(
    lakes: tuple[LocalStore, LocalStore], tmp_path: Path
) -> None:
    _, small = lakes
    keys = next(keys for keys in sessions_of(small).values() if any(_has_run(small, key) for key in keys))
    key = next(key for key in keys if _has_run(small, key))
    blob = open_blob(small, key)
    damaged = next(n for n, frame in enumerate(blob.frames[1:-1], 1) if blob.frames[n + 1].is_continued)
    content = bytearray(small.read(key))
    content[blob.frames[damaged].offset + blob.frames[damaged].length - 1] ^= 0xFF
    store = LocalStore(tmp_path)
    for digest in {digest for one in keys for digest in open_blob(small, one).styles}:
        styles = [one.key for one in small.list("replays/") if digest in one.key]
        store.put({name: small.read(name) for name in styles})
    store.put({one: bytes(content) if one == key else small.read(one) for one in keys})
    native, played = list[Note](), list[Note]()
    segments = list(native_segments(store, keys, native.append))
    whole = sum(open_blob(small, one).index.totals.segments for one in keys)
    assert len(segments) == whole - blob.frames[damaged].segments
    assert [note.kind for note in native] == [NoteKind.DAMAGED_BLOB]
    rrweb_tracks(store, keys, played.append)
    assert len(played) > 1
    assert all(note.kind == NoteKind.DAMAGED_BLOB for note in played)
    assert f"frame {damaged + 1}, " in played[1].detail


def _has_run(store: ObjectStore, key: str) -> bool:
    """Whether two frames in a row go on with what a frame before them began."""
    frames = open_blob(store, key).frames
    return any(frames[n + 1].is_continued for n in range(1, len(frames) - 1))
