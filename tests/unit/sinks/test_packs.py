"""The local copies of packs may go or break at any time: the store has them all."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.pack import PackEntry, key_hash
from sinks.packs import PackStore
from sinks.store import LocalStore, ObjectMissing
from tests.flow.harness import capture_messages
from tests.serve.lakes import items_of, pack_of

ROOM = 1 << 30


def _clear(cache: Path) -> None:
    shutil.rmtree(cache)


def _clear_files(cache: Path) -> None:
    for path in _files(cache):
        path.unlink()


def _cut(cache: Path) -> None:
    for path in _files(cache):
        path.write_bytes(path.read_bytes()[:-40])


def _cut_to_nothing(cache: Path) -> None:
    for path in _files(cache):
        path.write_bytes(b"")


def _flip(cache: Path) -> None:
    for path in _files(cache):
        content = bytearray(path.read_bytes())
        content[10:2000] = b"\0\xff" * 995
        path.write_bytes(content)


def _wrong_count(cache: Path) -> None:
    for path in _files(cache):
        content = bytearray(path.read_bytes())
        content[-16:-12] = b"\xff\xff\xff\x7f"
        path.write_bytes(content)


def _folder_instead(cache: Path) -> None:
    for path in _files(cache):
        path.unlink()
        path.mkdir()


DAMAGES = [_clear, _clear_files, _cut, _cut_to_nothing, _flip, _wrong_count, _folder_instead]


@pytest.fixture
def packs(samples: Path, tmp_path: Path) -> list[tuple[str, list[PackEntry]]]:
    """Keys of two packs in the store and in the cache, and the entries of one session in each."""
    messages = capture_messages([samples / "datadog" / "dd-todo-v5.jsonl.gz"])
    half = len(messages) // 2
    found = []
    for seq, some in enumerate([messages[:half], messages[half:]]):
        key, content = pack_of(seq, some)
        for folder in ("lake", "cache"):
            LocalStore(tmp_path / folder).put({key: content})
        [item, *_] = items_of(some[0])
        found.append((key, PackStore(LocalStore(tmp_path / "lake"), None, 0).read([key], *_key(item.session_id))))
    return found


def _key(session_id: str) -> tuple[str, str]:
    return "6f2a1c9e-0000-4000-8000-000000000001", session_id


def _files(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("has_read_before", [True, False])
def test_a_copy_that_is_gone_or_damaged_is_read_from_the_store(
    packs: list[tuple[str, list[PackEntry]]],
    tmp_path: Path,
    damage: Callable[[Path], None],
    *,
    has_read_before: bool,
) -> None:
    store = PackStore(LocalStore(tmp_path / "lake"), tmp_path / "cache", ROOM)
    keys, entries = [key for key, _ in packs], [entry for _, found in packs for entry in found]
    session = _key(entries[0].item.session_id)
    if has_read_before:  # then their indexes are in memory
        assert store.read(keys, *session) == entries
    damage(tmp_path / "cache")
    assert store.read(keys, *session) == entries
    assert store.read(keys, *session) == entries


def test_a_pack_that_is_written_after_the_folder_has_gone_is_kept_there_again(
    packs: list[tuple[str, list[PackEntry]]], tmp_path: Path
) -> None:
    store = PackStore(LocalStore(tmp_path / "lake"), tmp_path / "cache", ROOM)
    _clear(tmp_path / "cache")
    [entry, *_] = packs[0][1]
    session = _key(entry.item.session_id)
    store.write("packs/0000/new", {session: [entry]})
    assert len(_files(tmp_path / "cache")) == 1
    assert store.read(["packs/0000/new"], *session) == [entry]


def test_a_pack_that_the_store_lacks_is_missing(packs: list[tuple[str, list[PackEntry]]], tmp_path: Path) -> None:
    store = PackStore(LocalStore(tmp_path / "lake"), tmp_path / "cache", ROOM)
    for folder in ("lake", "cache"):
        shutil.rmtree(tmp_path / folder)
    with pytest.raises(ObjectMissing):
        store.read([packs[0][0]], *_key(packs[0][1][0].item.session_id))


@pytest.mark.parametrize("damage", [_clear_files, _cut, _cut_to_nothing])
def test_an_erasure_leaves_nothing_of_a_damaged_copy(
    packs: list[tuple[str, list[PackEntry]]], tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    store = PackStore(LocalStore(tmp_path / "lake"), tmp_path / "cache", ROOM)
    damage(tmp_path / "cache")
    session = _key(packs[0][1][0].item.session_id)
    store.erase({key_hash(*session)}, [key for key, _ in packs])
    assert _files(tmp_path / "cache") == []
    assert store.read([key for key, _ in packs], *session) == []
