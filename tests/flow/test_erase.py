"""Erasure and holds: nothing of the one is left, nothing of the others is touched, and nothing comes back."""

import io
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
import zstandard

from lake.blob_reader import BlobReader
from lake.catalog import open_blob
from lake.verify import verify
from operators.decode import decode
from operators.wire.inflate import inflate
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.bundle import decode_bundle, encode_bundle
from schemas.erasure import Receipt, Subject, What
from schemas.items import Item, Kind
from schemas.keys import LOCKS, PACKS, RECEIPTS, REPLAYS, STAGING, is_style, style_digest, style_key
from schemas.notices import Notice, NoticeKind, Notices
from schemas.pack import decode_block, key_hash, read_index
from schemas.retention import HELD_DAYS, AppRetention, Retention
from sinks.erase import Eraser, ErasureRefused
from sinks.lifecycle import overdue
from sinks.maintenance import LakeBusy, maintenance
from sinks.move import Mover
from sinks.store import LocalStore, ObjectStore, StoreRefused
from sinks.table_files import is_table_file
from tests.flow.harness import capture_messages, run
from tests.starts import run_command
from tests.torture.compare import Content, content

ERASED = ("guance/gc-shop", "datadog/dd-shop")  # both of the person u-1001, ada@example.test
OTHERS = ("guance/gc-spa-json", "guance/gc-docs-compressed", "datadog/dd-spa-mask", "rrweb/rr-spa")
LONG_AFTER = date(2030, 1, 1)
ADA = Subject(user_email="Ada@Example.test")


@pytest.fixture(scope="module")
def made(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with packs, and with what a crash left in staging."""
    lake = tmp_path_factory.mktemp("made") / "lake"
    store = LocalStore(lake)
    messages = recorded(samples, (*ERASED, *OTHERS))
    broken = [msgspec.structs.replace(m, value=m.value[:-20]) for m in messages if b"ada@example.test" in m.value]
    everything = [*messages, *broken]
    run(everything, range(0, len(everything), 40), lake, store=store)
    finals = [one.key for one in store.list("tables/")] + [one.key for one in store.list(REPLAYS)]
    store.put({f"{STAGING}0000/00000-dead/00000": encode_bundle({key: store.read(key) for key in finals})})
    assert verify(store).problems == []
    return lake


@pytest.fixture
def store(made: Path, tmp_path: Path) -> LocalStore:
    """A copy of it."""
    shutil.copytree(made, tmp_path / "lake")
    return LocalStore(tmp_path / "lake")


def recorded(samples: Path, names: Iterable[str]) -> list[Message]:
    return capture_messages([samples / f"{name}.jsonl.gz" for name in names])


def erase(store: LocalStore, subject: Subject, *, dry_run: bool = False) -> Receipt:
    eraser = Eraser(store, subject, lambda: int(time.time() * 1000), str, None)
    return eraser.dry_run() if dry_run else eraser.run()


def traces(store: LocalStore, messages: Iterable[Message]) -> list[str]:
    """Objects that hold a session id, a person or a segment of these messages, however compressed."""
    needles = {b"ada@example.test", b"u-1001"}
    for message in messages:
        for item in decode(message, Limits()):
            if isinstance(item, Item):
                needles.add(item.session_id.encode())
                if item.kind == Kind.SEGMENT:
                    needles.add(inflate(item.body, 1 << 26)[:500])
    styles = styles_in(store)
    return [
        f"{one.key}: {needle[:60]!r}"
        for one in store.list("")
        for text in plain(store.read(one.key), one.key, styles)
        for needle in needles
        if needle in text or needle.decode() in one.key
    ]


def styles_in(store: ObjectStore) -> dict[str, bytes]:
    """Text of every style by SHA-256, staged ones included."""
    objects = {one.key: store.read(one.key) for one in store.list(REPLAYS)}
    for one in store.list(STAGING):
        objects |= decode_bundle(store.read(one.key))
    return {style_digest(key): zstandard.decompress(stored) for key, stored in objects.items() if is_style(key)}


def plain(stored: bytes, key: str, styles: Mapping[str, bytes]) -> Iterator[bytes]:
    """Everything that an object says, without compression."""
    yield stored
    if is_table_file(stored):
        yield repr(pq.read_table(io.BytesIO(stored)).to_pylist()).encode()
    elif key.startswith(PACKS):
        for _, offset, length in read_index(stored).spans():
            for entry in decode_block(stored[offset : offset + length]):
                yield repr(entry).encode()
                yield inflate(entry.item.body, 1 << 26)
    elif key.startswith(STAGING):
        for final, content in decode_bundle(stored).items():
            yield from plain(content, final, styles)
    elif is_style(key):
        yield zstandard.decompress(stored)
    elif stored.startswith(b"\x28\xb5\x2f\xfd"):
        reader = BlobReader(lambda start, length: stored[start : start + length], len(stored), styles.__getitem__)
        yield repr(reader.index).encode()
        yield b"\n".join(reader.segments())


def rows_of(lake: Content, session_ids: set[str]) -> dict[str, int]:
    return {
        table: count
        for table, rows in lake.tables.items()
        if (count := sum(any(session_id in row for session_id in session_ids) for row in rows))
    }


def session_ids(messages: Iterable[Message]) -> set[str]:
    return {item.session_id for m in messages for item in decode(m, Limits()) if isinstance(item, Item)}


def app_ids(messages: Iterable[Message]) -> set[str]:
    return {item.app_id for m in messages for item in decode(m, Limits()) if isinstance(item, Item)}


def test_erasing_a_person_leaves_nothing_and_touches_nobody_else(store: LocalStore, samples: Path) -> None:
    messages = recorded(samples, ERASED)
    ids = session_ids(messages)
    before = content(store)
    assert traces(store, messages)
    counted = erase(store, ADA, dry_run=True)
    assert content(store) == before, "a dry run changes nothing"
    receipt = erase(store, ADA)
    assert receipt.failures == []
    assert (receipt.rows, receipt.bytes, receipt.objects) == (counted.rows, counted.bytes, counted.objects)
    assert traces(store, messages) == []
    after = content(store)
    expected = rows_of(before, ids)
    assert {table: receipt.rows[table] for table in expected if table != "quarantine"} == {
        table: count for table, count in expected.items() if table != "quarantine"
    }
    assert receipt.rows["quarantine"] > 0
    assert receipt.sessions == len(ids)
    for table, rows in before.tables.items():
        kept = [row for row in rows if not any(i in row for i in (*ids, "ada@example.test"))]
        assert after.tables[table] == kept
        assert kept or table in ("quarantine", "console")
    assert after.blobs.items() <= before.blobs.items()
    assert {change.what for change in receipt.changes} == set(What)
    assert verify(store).problems == []
    assert not any(i in msgspec.json.encode(receipt).decode() for i in (*ids, "ada@example.test"))
    again = erase(store, ADA)
    assert (again.objects, again.failures) == (0, [])


def test_erasing_a_session_and_an_app(store: LocalStore, samples: Path) -> None:
    [one] = session_ids(recorded(samples, ["guance/gc-spa-json"]))
    assert erase(store, Subject(session_id=one)).sessions == 1
    assert not rows_of(content(store), {one})
    apps = session_ids(recorded(samples, ["datadog/dd-spa-mask", "datadog/dd-shop"]))
    [app_id] = app_ids(recorded(samples, ["datadog/dd-shop"]))
    assert erase(store, Subject(app_id=app_id)).sessions == len(apps)
    assert not rows_of(content(store), apps)
    assert rows_of(content(store), session_ids(recorded(samples, ["guance/gc-shop"])))
    assert verify(store).problems == []
    with pytest.raises(ErasureRefused, match="nothing of session 'nobody'"):
        erase(store, Subject(session_id="nobody"))


def test_what_comes_late_is_refused_and_the_rest_goes_on(store: LocalStore, samples: Path, tmp_path: Path) -> None:
    """The same input once more, as a late copy of everything: only what was not erased is taken in."""
    erase(store, ADA)
    run(recorded(samples, ERASED), [], tmp_path / "lake", store=store, seq=1000)
    assert traces(store, recorded(samples, ERASED)) == []
    assert verify(store).problems == []
    run(recorded(samples, ["guance/gc-charts"]), [], tmp_path / "lake", store=store, seq=2000)
    assert rows_of(content(store), session_ids(recorded(samples, ["guance/gc-charts"])))


def test_an_object_that_cannot_be_changed_is_named_and_the_next_run_goes_on(
    store: LocalStore, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that refuses one delete stands in for an object lock."""
    [session_id] = session_ids(recorded(samples, ERASED[:1]))
    [victim] = [one.key for one in store.list(REPLAYS) if session_id in one.key]
    delete = LocalStore.delete

    def refuse(self: LocalStore, keys: Iterable[str]) -> None:
        keys = list(keys)
        if victim in keys:
            raise StoreRefused(f"refuses {victim!r}: it is locked")
        delete(self, keys)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "delete", refuse)
        receipt = erase(store, ADA)
    [failure] = receipt.failures
    assert failure.object.startswith(victim.rpartition("/")[0])
    assert "it is locked" in failure.reason
    assert store.exists(victim)
    rows = receipt.rows
    receipt = erase(store, ADA)
    assert receipt.failures == []
    assert receipt.rows == rows, "the receipt of both runs together"
    assert not store.exists(victim)
    assert verify(store).problems == []


def test_what_is_under_hold_is_not_erased_and_outlives_its_class(store: LocalStore, samples: Path) -> None:
    [held] = session_ids(recorded(samples, ERASED[:1]))
    [app_id] = app_ids(recorded(samples, ERASED[:1]))
    before = content(store)
    store.delete([one.key for one in store.list(STAGING)])
    options = "--app", app_id, "--session", held, "--lake", store.uri
    assert replaylake("retention", "hold", *options) == 0
    assert verify(store).problems == []
    with pytest.raises(ErasureRefused, match="under legal hold"):
        erase(store, ADA)
    assert replaylake("erase", "--user-email", "ada@example.test", "--lake", store.uri) == 1
    store.delete([one.key for one, _ in overdue(store, LONG_AFTER)])  # what a sweep deletes by then
    left = content(store)
    assert session_ids_in(left) == {held}
    assert all(f"retention={HELD_DAYS}d" in key for key in left.blobs)
    expected = rows_of(before, {held})
    del expected["quarantine"]  # what could not be read is of no session, until a person looks
    assert rows_of(left, {held}) == expected
    assert verify(store).problems == []
    assert replaylake("retention", "release", *options) == 0
    assert content(store).blobs.items() <= before.blobs.items()
    assert not any(f"retention={HELD_DAYS}d" in one.key for one in store.list(""))
    assert verify(store).problems == []
    store.delete([one.key for one, _ in overdue(store, LONG_AFTER)])
    assert not content(store).tables["sessions"]


def session_ids_in(lake: Content) -> set[str]:
    return {row.partition("'session_id': '")[2].partition("'")[0] for row in lake.tables["sessions"]}


def cut_off(work: Callable[[], object], cut_after: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether it ended before so many writes; at the last of them it is killed."""
    writes = 0
    put, delete = LocalStore.put, LocalStore.delete

    def counted(method: Callable[..., None]) -> Callable[..., None]:
        def call(self: LocalStore, things: object) -> None:
            nonlocal writes
            writes += 1
            if writes == cut_after:
                raise KeyboardInterrupt
            method(self, things)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "put", counted(put))
        patch.setattr(LocalStore, "delete", counted(delete))
        try:
            work()
        except KeyboardInterrupt:
            assert writes == cut_after
            return False
    return True


@pytest.mark.parametrize("cut_after", [9, 12])
def test_a_receipt_counts_what_runs_that_were_cut_off_had_done(
    store: LocalStore, cut_after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = LocalStore(shutil.copytree(tmp_path / "lake", tmp_path / "copy"))
    at_once = erase(copy, ADA)
    runs = 1
    while not cut_off(lambda: erase(store, ADA), cut_after, monkeypatch):
        runs += 1
    assert runs > 3
    key = min(one.key for one in store.list(RECEIPTS))  # a run cut off behind its receipt is followed by another one
    receipt = msgspec.json.decode(store.read(key), type=Receipt)
    assert receipt.rows == at_once.rows
    assert receipt.rows["sessions"] == receipt.sessions > 0
    assert (receipt.objects, receipt.changes, receipt.failures) == (at_once.objects, at_once.changes, at_once.failures)
    left, expected = content(store), content(copy)
    assert (left.tables, left.blobs) == (expected.tables, expected.blobs)


@pytest.mark.parametrize("cut_after", [3, 8, 20, 10_000])
def test_migrate_moves_everything_with_its_day(
    store: LocalStore, cut_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it is cut off and started again."""
    before = content(store)
    retention = Retention(AppRetention(30, 7))

    def target(app_id: str, _: str) -> tuple[int, int]:
        return retention.rum_days(app_id), retention.replay_days(app_id)

    cut_off(lambda: Mover(store, target, "first").run(), cut_after, monkeypatch)
    Mover(store, target, "second").run()
    after = content(store)
    folders = {
        key.split("/dt=")[0] for key in (one.key for one in store.list("")) if "/dt=" in key and not is_style(key)
    }
    assert {folder.rpartition("=")[2] for folder in folders} == {"30d", "7d"}
    moved = {key.replace("=7d/", "=14d/"): digest for key, digest in after.blobs.items()}
    assert moved == before.blobs
    needed = {style_key(key, digest) for key in after.blobs for digest in open_blob(store, key).styles}
    assert needed
    assert after.styles.keys() == before.styles.keys() | needed
    for table, rows in before.tables.items():
        assert sorted(row.replace("retention=7d/", "retention=14d/") for row in after.tables[table]) == rows
    assert verify(store).problems == []
    assert Mover(store, target, "third").run().rows == 0


def test_one_command_at_a_time(store: LocalStore) -> None:
    with (
        maintenance(store, "replaylake erase", 0),
        pytest.raises(LakeBusy, match="`replaylake erase` changes"),
        maintenance(store, "replaylake compact", 0),
    ):
        pytest.fail("two at a time")
    assert list(store.list(LOCKS)) == []


def replaylake(*arguments: str) -> int:
    return run_command([sys.executable, "-m", "flows.cli", *arguments], check=False).returncode


def test_a_hold_is_stronger_than_an_erasure() -> None:
    """Also for a session that turns out to be of an erased person only when it closes."""
    row: dict[str, object] = {"user_email": "ada@example.test"}
    erasure = Notice(NoticeKind.ERASE, 1000, 2000, apps=["a"], users=ADA.users)
    hold = Notice(NoticeKind.HOLD, 1000, 2000, sessions=[key_hash("a", "held")])
    both = Notices([erasure, hold])
    assert both.erases_user("a", "other", [row], 1000)
    assert not both.erases_user("a", "other", [row], 1001), "what began later is new data"
    assert not both.erases_user("b", "other", [row], 1000), "of another app"
    assert not both.erases_user("a", "held", [row], 1000)
    of_app = Notices([Notice(NoticeKind.ERASE, 1000, 2000, apps=["a"]), hold])
    assert of_app.erases("a", "other", 1000)
    assert not of_app.erases("a", "held", 1000)
