"""What of a recording is lost is said by the API, and no app's session is mixed with another's of the same id."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sinks.store import LocalStore
from tests.flow.made import START_MS, Event, batch, blobs_of, change, lake_of, meta, page_view, snapshot
from tests.serve.server import API, Served, serving

DRAWINGS = [change(at_ms, source=9, id=2, type=0, commands=[]) for at_ms in (100, 200)]


def _delete(blob: Path) -> None:
    blob.unlink()


def _cut(blob: Path) -> None:
    blob.write_bytes(blob.read_bytes()[:40])


@pytest.fixture(scope="module")
def losses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over sessions that have lost this and that; and two apps whose sessions have one id."""
    folder = tmp_path_factory.mktemp("losses")
    later = [meta(8 * 3_600_000), snapshot(8 * 3_600_000, text="in the evening")]
    sessions: dict[str, list[list[Event]]] = {
        "whole": [[meta(), snapshot(), change(2000)]],
        "gone": [[meta(), snapshot(), change(2000)]],
        "cut": [[meta(), snapshot(), change(2000)]],
        "blind": [[change(0), change(2000)]],
        "drawn": [[meta(), snapshot(), *DRAWINGS, change(300, texts=[{"id": 99, "value": ""}]), change(2000)]],
        "half": [[meta(), snapshot(), change(2000)], later],
    }
    messages = [batch(events, session_id=name) for name, some in sessions.items() for events in some]
    messages += [
        batch([meta(), snapshot(text=f"page of {app}")], app_id=app, session_id="shared") for app in ("shop", "books")
    ]
    lake_of(folder / "lake", [*messages, page_view(session_id="unrecorded")])
    for blob in blobs_of(folder / "lake"):
        damage: Callable[[Path], None] | None = {"gone.0": _delete, "cut.0": _cut, "half.0": _delete}.get(
            blob.name.removesuffix(".jsonl.zst")
        )
        if damage:
            damage(blob)
    with serving(str(folder / "lake"), folder / "server") as server:
        yield server


def replay(server: Served, session: str, rest: str = "", app: str = "shop") -> Any:
    answer = server.ask(f"{API}/apps/{app}/sessions/{session}/replay{rest}")
    assert answer.status == 200, answer.body
    return answer.json()


@pytest.mark.parametrize(
    ("session", "tracks", "kinds"),
    [
        ("whole", 1, []),
        ("gone", 0, ["lost_blob"]),
        ("cut", 0, ["damaged_blob"]),
        ("blind", 1, ["no_full_snapshot"]),
        ("half", 1, ["lost_blob"]),
        ("unrecorded", 0, []),
    ],
)
def test_a_replay_says_what_of_it_is_lost(losses: Served, session: str, tracks: int, kinds: list[str]) -> None:
    found = replay(losses, session)
    assert len(found["tracks"]) == tracks
    assert [note["kind"] for note in found["notes"]] == kinds
    for note in found["notes"]:
        assert set(note) == {"kind", "count", "detail", "track", "text"}
        assert note["text"]
    assert len(replay(losses, session, "/blobs")["blobs"]) == tracks


@pytest.mark.parametrize(
    ("session", "holes"),
    [
        ("whole", []),
        ("gone", [("lost_blob", 0, 2000)]),
        ("cut", [("damaged_blob", 0, 2000)]),
        ("half", [("lost_blob", 0, 2000)]),
    ],
)
def test_a_replay_says_when_that_was(losses: Served, session: str, holes: list[tuple[str, int, int]]) -> None:
    missing = replay(losses, session)["missing"]
    assert [(one["kind"], one["from_ms"] - START_MS, one["to_ms"] - START_MS) for one in missing] == holes
    assert all(one["count"] == 1 and one["view_id"] is None for one in missing)


def test_what_is_left_of_a_replay_is_played(losses: Served) -> None:
    [_, event] = replay(losses, "half", "/events")
    assert "in the evening" in json.dumps(event)


def test_the_events_of_a_chunk_come_with_what_could_not_be_converted(losses: Served) -> None:
    plain = replay(losses, "drawn", "/events?track=0&chunk=0")
    noted = replay(losses, "drawn", "/events?track=0&chunk=0&notes=true")
    assert noted["events"] == plain
    assert [(note["kind"], note["count"], note["detail"], note["track"]) for note in noted["notes"]] == [
        ("left_out", 1, "unknown_node", 0),
        ("canvas", 2, "", 0),
    ]
    assert replay(losses, "whole", "/events?notes=true")["notes"] == []


def test_a_blob_that_comes_back_is_played(tmp_path: Path) -> None:
    lake = lake_of(tmp_path / "lake", [batch([meta(), snapshot(), change(2000)])])
    [blob] = blobs_of(lake)
    content = blob.read_bytes()
    blob.unlink()
    with serving(str(lake), tmp_path / "server") as server:
        assert replay(server, "s")["tracks"] == []
        LocalStore(lake).put({blob.relative_to(lake).as_posix(): content})
        found = replay(server, "s")
    assert (len(found["tracks"]), found["notes"]) == (1, [])


@pytest.mark.parametrize("app", ["shop", "books"])
def test_an_app_gets_its_own_session_of_an_id_that_two_have(losses: Served, app: str) -> None:
    other = {"shop": "books", "books": "shop"}[app]
    said = json.dumps(replay(losses, "shared", "/events", app=app))
    assert f"page of {app}" in said
    assert f"page of {other}" not in said
    assert len(replay(losses, "shared", app=app)["tracks"]) == 1
    assert len(replay(losses, "shared", "/blobs", app=app)["blobs"]) == 1
    windows = losses.ask(f"{API}/apps/{app}/sessions/shared").json()["windows"]
    assert [row["app_id"] for row in windows] == [app]
