"""What never changes is sent once and made once; every caller is let in and noted; what is erased is forgotten."""

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from schemas.erasure import Subject
from sinks.erase import Eraser
from sinks.open_store import open_lake
from sinks.store import LocalStore
from tests.flow.harness import capture_messages, run
from tests.serve.conftest import DATADOG, GUANCE, TOKEN_ALL, TOKEN_ONE
from tests.serve.server import Served, serving, session_path
from viewer import respond
from viewer.access import Access
from viewer.audit import Audit
from viewer.options import ServeOptions
from viewer.parts import Missing, Viewer
from viewer.player import Planned

Row = dict[str, Any]
MANY = 50


def blobs_of(served: Served, row: Row) -> list[Row]:
    found: list[Row] = served.ask(session_path(row, "/replay/blobs")).json()["blobs"]
    return found


def test_a_blob_by_its_name_is_kept_and_by_its_number_asked_for_again(served: Served, rows: list[Row]) -> None:
    named = served.ask(blobs_of(served, rows[0])[0]["url"])
    numbered = served.ask(session_path(rows[0], "/replay/blobs/0"))
    assert named.body == numbered.body
    assert named.headers["etag"] == numbered.headers["etag"]
    assert named.headers["cache-control"] == "private, max-age=86400, immutable"
    assert numbered.headers["cache-control"] == "private, no-cache"
    assert named.headers["vary"] == "Authorization"


def test_every_blob_has_a_tag_of_its_own(served: Served, rows: list[Row]) -> None:
    found = {
        served.ask(blob["url"]).headers["etag"]: (row["session_id"], number)
        for row in rows
        if row["session_part"] == 0
        for number, blob in enumerate(blobs_of(served, row))
    }
    assert len(found) == sum(len(blobs_of(served, row)) for row in rows if row["session_part"] == 0)


def test_a_style_is_kept(served: Served, rows: list[Row]) -> None:
    url = next(style for row in rows for blob in blobs_of(served, row) for style in blob["styles"])
    answer = served.ask(url)
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert served.ask(url, If_None_Match=answer.headers["etag"]).status == 304


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("condition", ["{}", "W/{}", '"x", {}', "*"])
def test_who_has_a_blob_hears_so(served: Served, rows: list[Row], method: str, condition: str) -> None:
    path = session_path(rows[0], "/replay/blobs/0")
    tag = served.ask(path, "HEAD").headers["etag"]
    answer = served.ask(path, method, If_None_Match=condition.format(tag), Range="bytes=0-3")
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)
    assert "content-range" not in answer.headers
    assert served.ask(path, method, If_None_Match='"another"', Range="bytes=0-3").status == 206


@pytest.mark.parametrize("query", ["", "&notes=true"])
@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
def test_who_has_a_chunk_hears_so(served: Served, rows: list[Row], query: str, encoding: str) -> None:
    path = session_path(rows[0], f"/replay/events?track=0&chunk=0{query}")
    first = served.ask(path, Accept_Encoding=encoding)
    assert first.headers["cache-control"] == "private, no-cache"
    again = served.ask(path, Accept_Encoding=encoding, If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    other = served.ask(path, Accept_Encoding=encoding, If_None_Match='W/"other"')
    assert (other.status, other.body) == (200, first.body)


def test_a_failure_is_not_kept(served: Served, rows: list[Row]) -> None:
    for rest in ("/replay/blobs/7", "/replay/events?chunk=999", f"/replay/blobs/0/styles/{64 * '0'}"):
        answer = served.ask(session_path(rows[0], rest))
        assert (answer.status, answer.headers["cache-control"]) == (404, "no-store"), rest


def test_who_may_not_read_hears_nothing_of_tags_and_who_does_is_noted(guarded: Served, rows: list[Row]) -> None:
    mine = next(row for row in rows if row["app_id"] == GUANCE and row["session_has_replay"])
    others = next(row for row in rows if row["app_id"] == DATADOG and row["session_has_replay"])
    for rest in ("/replay/blobs/0", "/replay/events"):
        tag = guarded.ask(session_path(others, rest), token=TOKEN_ALL).headers["etag"]
        assert guarded.ask(session_path(others, rest), token=TOKEN_ONE, If_None_Match=tag).status == 403
        assert guarded.ask(session_path(others, rest), If_None_Match=tag).status == 401
    before = len(guarded.audited())
    for rest in ("/replay/blobs/0", "/replay/events"):
        tag = guarded.ask(session_path(mine, rest), token=TOKEN_ALL).headers["etag"]
        assert guarded.ask(session_path(mine, rest), token=TOKEN_ONE, If_None_Match=tag).status == 304
    assert [(line["who"], line["what"]) for line in guarded.audited()[before:]] == [
        ("everything", "blob"), ("shop", "blob"), ("everything", "replay"), ("shop", "replay"),
    ]  # fmt: skip


def test_many_viewers_are_all_answered_though_few_are_let_in_at_once(
    lake: Path, rows: list[Row], tmp_path: Path
) -> None:
    paths = [session_path(rows[0], rest) for rest in ("", "/replay", "/replay/events", "/replay/blobs/0")]
    with serving(str(lake), tmp_path / "server", "requests_at_once = 4") as server, ThreadPoolExecutor(MANY) as pool:
        for path in paths:
            answers = list(pool.map(lambda _, path=path: server.ask(path), range(MANY)))
            assert {answer.status for answer in answers} == {200}
            assert len({answer.body for answer in answers}) == 1


@pytest.fixture
def viewer(samples: Path, tmp_path: Path) -> Iterator[Viewer]:
    """Over a lake of two sessions, read."""
    store = LocalStore(tmp_path / "lake")
    messages = capture_messages([samples / "guance" / "gc-shop.jsonl.gz", samples / "datadog" / "dd-shop.jsonl.gz"])
    run(messages, [0], tmp_path / "lake", store=store)
    access, audit = Access({}, b"key", time.time), Audit(io.BytesIO(), time.time)
    viewer = Viewer(open_lake(str(tmp_path / "lake"), {}), access, audit, ServeOptions(tmp_path), time.time)
    viewer.index.refresh()
    viewer.forget_gone()
    yield viewer
    viewer.close()


def plan_of(viewer: Viewer, app_id: str, session_id: str) -> Planned:
    found = viewer.session(app_id, session_id)
    return viewer.player.planned(app_id, session_id, found.closed, found.opened.windows)


def test_many_who_want_a_chunk_have_it_made_once(viewer: Viewer) -> None:
    owner = next(iter(sessions_of(viewer)))

    def ask(_: int) -> respond.Packed:
        return viewer.player.sent(plan_of(viewer, *owner), 0, 0, "zstd", with_notes=False)

    with ThreadPoolExecutor(MANY) as pool:
        answers = list(pool.map(ask, range(MANY)))
    assert len({(answer.body, answer.tag) for answer in answers}) == 1
    assert viewer.player.chunk_counts == (1, MANY - 1)
    other = viewer.player.sent(plan_of(viewer, *owner), 0, 0, "gzip", with_notes=False)
    assert other.tag == answers[0].tag
    assert viewer.player.chunk_counts == (2, MANY - 1)


def test_what_was_made_of_an_erased_session_is_forgotten(viewer: Viewer) -> None:
    owners = sessions_of(viewer)
    for owner in owners:
        viewer.player.sent(plan_of(viewer, *owner), 0, 0, "zstd", with_notes=False)
    assert viewer.player.owners() == owners
    gone = next(owner for owner in owners if owner[0] == GUANCE)
    Eraser(viewer.store, Subject(app_id=gone[0], session_id=gone[1]), lambda: int(time.time() * 1000), str, None).run()
    viewer.index.refresh()
    viewer.forget_gone()
    assert viewer.player.owners() == owners - {gone}
    with pytest.raises(Missing):
        viewer.session(*gone)


def sessions_of(viewer: Viewer) -> set[tuple[str, str]]:
    """Those that have a replay."""
    found = viewer.index.ask("SELECT app_id, session_id FROM sessions WHERE session_has_replay")
    return {(str(app_id), str(session_id)) for app_id, session_id in found}
