"""A person planted in every form and place of a lake: after an erasure nothing is left, or it says where."""

import os
import sqlite3
import time
import zlib
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from operators.decode import decided, decode
from operators.windows.rules import WindowRules
from operators.windows.tracker import Arrival, SessionTracker
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.bundle import encode_bundle
from schemas.erasure import Failure, Receipt, SessionKey, Subject
from schemas.items import Item, Rejected, RejectReason
from schemas.keys import NOTICES, PACKS, STAGING
from schemas.pack import PackEntry, encode_pack
from schemas.retention import Retention
from sinks.erase import Eraser, ErasureRefused
from sinks.erase_find import find_sessions
from sinks.erase_recovery import erase_in_folder
from sinks.notices import NoticeBoard
from sinks.packs import PackStore
from sinks.session_journal import SessionJournal
from sinks.store import LocalStore
from sinks.writer import LakeLimits, LakeWriter, Refusal, ShardPlace
from tests.flow.harness import run
from tests.unit.sinks.test_erase_texts import JANE, WRAPS

T0 = 1_795_229_663_252
SESSION = "jane-session-0001"
OPAQUE = os.urandom(400)


def row(session: str, email: str) -> bytes:
    return f"view,app_id=shop,session_id={session},view_id=v,user_email={email} time_spent=1 {T0}".encode()


def text(email: str) -> bytes:
    return f'{{"usr":{{"email":"{email}"}},"n":"{email}"}}'.encode()


def planted(email: str) -> list[Message]:
    """A session, and the address in every form in what nobody could read."""
    unread = [Message("unknown", {}, wrap(text(email)), T0) for wrap in WRAPS.values()]
    unread += [Message("unknown", {}, text(email)[:-2] + b"x" * number, T0) for number in range(2)]
    cut = zlib.compress(text(email) + os.urandom(500).hex().encode())
    unread.append(Message("guance.replay", {"app_id": b"shop"}, cut[:-90], T0))
    return [Message("guance.rum", {}, row(f"{email.partition('@')[0]}-session-0001".lower(), email), T0), *unread]


@pytest.fixture
def lake(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "lake")
    jane = planted(JANE)
    jane[0] = Message("guance.rum", {}, row(SESSION, JANE.upper()), T0)
    run([*jane, *planted("bob@y.example"), Message("unknown", {}, OPAQUE, T0)], range(0, 200, 7), tmp_path / "lake")
    return store


def quarantine(store: LocalStore) -> list[bytes]:
    found: list[bytes] = []
    for path in (Path(store.uri) / "tables" / "quarantine").rglob("*.parquet"):
        found += pq.ParquetFile(path).read(["raw"]).column("raw").to_pylist()
    return found


def erase(store: LocalStore, *, with_unreadable: bool = False) -> Receipt:
    jane = Subject(user_email=JANE)
    return Eraser(store, jane, lambda: int(time.time() * 1000), str, None, with_unreadable=with_unreadable).run()


def test_every_form_goes_nobody_elses_and_what_cannot_be_looked_into_is_named(lake: LocalStore) -> None:
    others = len(planted("bob@y.example")) - 1
    assert len(quarantine(lake)) == 2 * others + 1
    receipt = erase(lake)
    assert len(quarantine(lake)) == others + 1
    assert OPAQUE in quarantine(lake)
    [failure] = receipt.failures
    assert "1 rows" in failure.object
    assert "quarantine" in failure.object
    assert JANE not in str(receipt.failures)
    assert erase(lake, with_unreadable=True).failures == []
    assert len(quarantine(lake)) == others
    assert find_sessions(lake, Subject(user_email=JANE), 1 << 62, lambda _: None) == set()


def refused(session: str | None, raw: bytes, app: str | None = "shop") -> Refusal:
    rejected = Rejected(RejectReason.CORRUPT_COMPRESSION, "cut", raw)
    return Refusal("rum", 0, 1, T0, rejected, app, session)


def write(store: LocalStore, refusals: Iterable[Refusal]) -> None:
    board = NoticeBoard(store, time.time)
    writer = LakeWriter(
        ShardPlace(store, PackStore(store, None, 0), "0001", "t"), Retention(), LakeLimits(), board=board
    )
    writer.refuse(refusals)
    writer.stage()
    writer.publish()


def test_a_cut_off_upload_goes_with_its_session_and_one_of_another_session_is_no_riddle(lake: LocalStore) -> None:
    erase(lake, with_unreadable=True)
    before = len(quarantine(lake))
    run([Message("guance.rum", {}, row("later", JANE), int(time.time() * 1000) + 5000)], [], Path(lake.uri), seq=50)
    write(lake, [refused("later", OPAQUE), refused("bobs", OPAQUE[:300])])
    assert len(quarantine(lake)) == before + 2
    eraser = Eraser(lake, Subject(app_id="shop", session_id="later"), lambda: int(time.time() * 1000), str, None)
    assert eraser.run().failures == []
    assert len(quarantine(lake)) == before + 1
    assert OPAQUE not in quarantine(lake)


def test_a_cut_off_upload_of_an_erased_session_that_comes_late_is_not_kept(lake: LocalStore) -> None:
    erase(lake, with_unreadable=True)
    before = len(quarantine(lake))
    write(lake, [refused(SESSION, OPAQUE), refused("bobs", OPAQUE[:300])])
    assert len(quarantine(lake)) == before + 1
    assert OPAQUE not in quarantine(lake)


def test_what_is_refused_keeps_the_ids_of_its_headers() -> None:
    fields = {"app_id": b"shop", "session_id": SESSION.encode(), "index_in_view": b"0"}
    cut = Message("guance.replay", fields, zlib.compress(os.urandom(100))[:-9], T0)
    for message in (cut, decided(cut, "shop", SESSION)):
        [result] = decode(message, Limits())
        assert isinstance(result, Rejected)
        assert (result.app_id, result.session_id) == ("shop", SESSION)


@pytest.mark.parametrize(
    "subject",
    [
        Subject(session_id="nobody"),
        Subject(app_id="shop", session_id="nobody"),
        Subject(app_id="nothing"),
        Subject(user_id="nobody"),
        Subject(app_id="nothing", user_email=JANE),
    ],
)
def test_a_wrong_name_is_a_mistake_and_nothing_is_ordered(tmp_path: Path, subject: Subject) -> None:
    store = LocalStore(tmp_path / "lake")
    run(planted(JANE)[:1], [], tmp_path / "lake")
    eraser = Eraser(store, subject, lambda: int(time.time() * 1000), str, None)
    with pytest.raises(ErasureRefused, match="nothing of "):
        eraser.dry_run()
    with pytest.raises(ErasureRefused, match="nothing of "):
        Eraser(store, subject, lambda: int(time.time() * 1000), str, None).run()
    assert list(store.list(NOTICES)) == []
    expected = Eraser(store, subject, lambda: int(time.time() * 1000), str, None, is_expected=False)
    assert expected.run().failures == []
    assert list(store.list(NOTICES))


@pytest.mark.parametrize("place", ["tables/quarantine/retention=14d/dt=2026-11-20/x.parquet", f"{PACKS}0000/1.pack"])
def test_a_damaged_object_is_named(lake: LocalStore, place: str) -> None:
    erase(lake, with_unreadable=True)
    lake.put({place: b"PAR1 or not", f"{STAGING}0000/x/00000": encode_bundle({place: b"no file at all"})})
    named = {failure.object for failure in erase(lake).failures}
    assert place in named
    assert f"{STAGING}0000/x/00000" in named


def test_a_damaged_block_of_a_pack_is_named(lake: LocalStore) -> None:
    [item] = [
        one for one in decode(Message("guance.rum", {}, row("x", "a@b.c"), T0), Limits()) if isinstance(one, Item)
    ]
    pack, _ = encode_pack({("shop", "x"): [PackEntry(0, "rum", 0, item)]})
    lake.put({f"{PACKS}0000/0000000001-000-x.pack": b"\1" * 8 + pack[8:]})
    erase(lake, with_unreadable=True)
    assert f"{PACKS}0000/0000000001-000-x.pack" in {failure.object for failure in erase(lake).failures}


def recovery_folder(folder: Path, keys: list[SessionKey]) -> None:
    """As a job leaves it: a journal with an open session each, a cached pack, the engine's file."""
    tracker = SessionTracker(WindowRules())
    items = [Item(*key, 1, 0, T0 * 1000, T0 * 1000, T0, number, True, False, b"x") for number, key in enumerate(keys)]  # noqa: FBT003 - a struct of the wire
    tracker.apply(0, T0, [Arrival(T0, "rum", 0, number, item) for number, item in enumerate(items)])
    SessionJournal(folder / "sessions", "0000", None).save(tracker)
    pack, _ = encode_pack({key: [PackEntry(0, "rum", 0, item)] for key, item in zip(keys, items, strict=True)})
    (folder / "packs" / "0000").mkdir(parents=True)
    (folder / "packs" / "0000" / "1.pack").write_bytes(pack)
    engine = sqlite3.connect(folder / "part-0.sqlite3")
    engine.execute("create table snaps (state blob)")
    engine.executemany("insert into snaps values (?)", [(f"replays/x/app_id=shop/{key[1]}.0.zst",) for key in keys])
    engine.commit()
    engine.execute("delete from snaps")
    engine.commit()
    engine.close()


def named_in(folder: Path, name: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and name in path.read_bytes()]


def test_a_stopped_jobs_folder_is_cleaned_and_what_still_names_a_session_is_said(tmp_path: Path) -> None:
    keys = [("shop", SESSION), ("shop", "bob-session-0001")]
    recovery_folder(tmp_path, keys)
    assert named_in(tmp_path, SESSION.encode())
    assert list(erase_in_folder(tmp_path, tmp_path / "packs", {keys[0]})) == []
    assert named_in(tmp_path, SESSION.encode()) == []
    assert named_in(tmp_path, b"bob-session-0001")
    engine = sqlite3.connect(tmp_path / "part-0.sqlite3")
    engine.execute("insert into snaps values (?)", (f"replays/x/app_id=shop/{SESSION}.0.zst",))
    engine.commit()
    engine.close()
    [failure] = erase_in_folder(tmp_path, None, {keys[0]})
    assert isinstance(failure, Failure)
    assert failure.object.endswith("part-0.sqlite3")
    [journal] = (tmp_path / "sessions").iterdir()
    journal.write_bytes(journal.read_bytes()[:-5] + b"?????")
    assert str(journal) in {failure.object for failure in erase_in_folder(tmp_path, None, {keys[0]})}
