"""One suite for both stores: a local folder and a real S3 server."""

import uuid
from pathlib import Path

import msgspec
import pytest
from s3fs import S3FileSystem

from flows.demo.servers import S3Server
from lake.catalog import open_blob
from lake.styles import StyleShelf
from operators.families.registry import family_of
from operators.replay.cut import CutLimits, ReplayWindow, cut
from operators.replay.frames import FrameLimits
from operators.replay.scan import ReplaySegment, scan
from schemas.items import Family, SegmentMeta
from schemas.keys import replay_key, style_key
from schemas.style import encode_style
from sinks.s3 import S3Store
from sinks.store import LocalStore, ObjectMissing, ObjectStore, Part, StoreRefused, StoreUnavailable
from tests.playback.raw_segments import segments_of

KEYS = ["a/b.bin", "a/%2E%2E%2Fup", "a/x=1/%F0%9F%A6%8A.0.jsonl.zst", "a/plain~0123", "a/100%25"]


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return LocalStore(tmp_path / "lake")
    server: S3Server = request.getfixturevalue("s3")
    return S3Store(f"s3://lake/{uuid.uuid4().hex}", server.storage_options())


def test_what_is_put_is_read_back(store: ObjectStore) -> None:
    contents = {key: f"content of {key}".encode() for key in KEYS}
    store.put(contents)
    assert {key: store.read(key) for key in KEYS} == contents
    assert [found.key for found in store.list("a/")] == sorted(KEYS)
    assert {found.key: found.size for found in store.list("a/")} == {key: len(one) for key, one in contents.items()}
    assert [found.key for found in store.list("a/x=1/")] == [KEYS[2]]
    assert [found.key for found in store.list("a/", sorted(KEYS)[1])] == sorted(KEYS)[2:]
    assert list(store.list("a/", "a/z")) == list(store.list("nothing/")) == []


def test_what_is_there_is_never_replaced_by_something_new(store: ObjectStore) -> None:
    assert store.create({"a/1": b"one", "a/2": b"two"}) == set()
    assert store.create({"a/1": b"other", "a/2": b"two", "a/3": b"three"}) == {"a/1", "a/2"}
    assert {key: store.read(key) for key in ("a/1", "a/2", "a/3")} == {"a/1": b"one", "a/2": b"two", "a/3": b"three"}
    assert [found.key for found in store.list("a/")] == ["a/1", "a/2", "a/3"]


def test_ranges_end_with_the_object(store: ObjectStore) -> None:
    store.put({"k": b"0123456789"})
    assert store.read_range("k", 2, 3) == b"234"
    assert store.read_range("k", 8, 100) == b"89"
    assert store.size("k") == 10
    store.put({"empty": b""})
    assert store.read_part("k", 2, 3) == Part(b"234", 10)
    assert store.read_tail("k", 4) == Part(b"6789", 10)
    assert store.read_tail("k", 11) == Part(b"0123456789", 10)
    assert store.read_tail("empty", 4) == Part(b"", 0)
    with pytest.raises(ObjectMissing, match="gone"):
        store.read_tail("gone", 4)


def test_copy_reports_missing_sources_and_copies_the_rest(store: ObjectStore) -> None:
    store.put({"staging/1": b"one"})
    pairs = [("staging/1", "final/1"), ("staging/2", "final/2")]
    assert store.copy(pairs) == [("staging/2", "final/2")]
    assert store.copy(pairs[:1]) == []
    assert store.read("final/1") == b"one"
    assert store.copy([("staging/1", "both/1"), ("staging/1", "both/2")]) == []
    assert [found.key for found in store.list("both/")] == ["both/1", "both/2"]
    store.delete(["staging/1", "staging/never"])
    assert not store.exists("staging/1")
    assert store.read("final/1") == b"one"


def test_what_is_missing_is_said(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing, match="gone"):
        store.read("gone")
    with pytest.raises(ObjectMissing, match="gone"):
        store.size("gone")
    assert not store.exists("gone")


def test_no_key_leaves_the_lake(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="leaves the lake"):
        store.put({"../outside": b""})


def test_a_wrong_secret_is_refused_by_name(s3: S3Server) -> None:
    options = {**s3.storage_options(), "secret": "wrong"}
    with pytest.raises((StoreRefused, StoreUnavailable), match="lake"):
        S3Store("s3://lake/x", options).put({"k": b"v"})


@pytest.mark.parametrize("share_styles", [False, True])
def test_first_picture_takes_two_range_reads_and_a_seek_one_more(
    *, share_styles: bool, s3: S3Server, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted at the S3 client, against the real server. Each style is one GET more, once for all blobs of a reader."""
    (family, segments) = next(iter(segments_of(samples / "guance" / "gc-multitab.jsonl.gz").values()))
    store = S3Store(f"s3://lake/{uuid.uuid4().hex}", s3.storage_options())
    blobs = [replay_key(30, "2026-11-21", "app", session, 0, 0) for session in ("first", "second")]
    limits = CutLimits(frames=FrameLimits(raw_bytes=len(segments[0])), share_styles=share_styles)
    replay = cut(ReplayWindow("app", "session", 0, _replay(family, segments)), limits)
    assert len(replay.styles) == (3 if share_styles else 0)
    store.put({style_key(blobs[0], digest): encode_style(text) for digest, text in replay.styles.items()})
    store.put(dict.fromkeys(blobs, replay.blob))
    inside = f"{store.uri}/".removeprefix("s3://lake/")
    gets: list[str] = []
    plain = S3FileSystem._call_s3

    async def counted(self: S3FileSystem, method: str, *arguments: object, **named: str) -> object:
        if method == "get_object":
            gets.append(named["Key"].removeprefix(inside))
        return await plain(self, method, *arguments, **named)

    monkeypatch.setattr(S3FileSystem, "_call_s3", counted)
    shelf = StyleShelf(store)
    for blob, styles in zip(blobs, (len(replay.styles), 0), strict=True):
        gets.clear()
        reader = open_blob(store, blob, shelf)
        assert b'"type":2' in b"".join(reader.first_picture())
        assert gets.count(blob) <= 2
        assert len(reader.frames) > 2
        assert reader.seek((reader.index.start_ms + reader.index.end_ms) // 2).segments
        assert gets.count(blob) <= 3
        assert len(gets) - gets.count(blob) == styles


def _replay(family: Family, segments: list[bytes]) -> tuple[ReplaySegment, ...]:
    recording = family_of(family).recording
    found = []
    for body in segments:
        inner = msgspec.json.decode(body)
        meta = SegmentMeta(
            inner["view"]["id"], inner["index_in_view"], inner["start"], inner["end"], inner["records_count"],
            inner["has_full_snapshot"], "", len(body), "identity", "sdk", "1",
        )  # fmt: skip
        found.append(ReplaySegment(meta, recording, body, scan(body, recording, meta)))
    return tuple(found)
