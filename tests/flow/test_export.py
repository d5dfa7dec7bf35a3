"""`export` and `show`: of one app's session only, and what cannot be played is said with its reason."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flow.harness import capture_messages
from tests.flow.made import Event, batch, blobs_of, change, command, lake_of, meta, page_view, snapshot

APPS = ("shop", "books")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Two apps whose sessions have one id."""
    return lake_of(
        tmp_path, [batch([meta(), snapshot(text=f"page of {app}"), change(2000)], app_id=app) for app in APPS]
    )


@pytest.mark.parametrize("arguments", [["export"], ["export", "--native"], ["export", "--json"], ["show"]])
@pytest.mark.parametrize("session_id", ["s", "shar"])
def test_an_id_of_two_apps_is_refused_and_both_are_named(tmp_path: Path, arguments: list[str], session_id: str) -> None:
    ids = ("shared", "s")
    lake_of(tmp_path, [batch([meta(), snapshot()], app_id=app, session_id=one) for app in APPS for one in ids])
    done = command(arguments[0], session_id, *arguments[1:], lake=tmp_path)
    assert (done.code, done.out) == (1, "")
    assert "'books', 'shop'" in done.error
    assert "--app" in done.error
    assert "\n" not in done.error


@pytest.mark.parametrize("app", APPS)
def test_with_its_app_a_session_has_nothing_of_the_other(shared: Path, app: str) -> None:
    other = next(one for one in APPS if one != app)
    for arguments in (["export"], ["export", "--native"], ["export", "--json"]):
        done = command(arguments[0], "s", *arguments[1:], "--app", app, lake=shared)
        assert done.code == 0, done
        assert f"page of {app}" in done.out
        assert other not in done.out
    shown = json.loads(command("show", "s", "--app", app, "--json", lake=shared).out)
    assert shown["session"]["app_id"] == app
    assert shown["session"]["replay_segment_count"] == 1
    assert command("show", "s", "--app", app, lake=shared).out.count("frame at") == 1


def test_an_app_that_has_no_such_session_is_said(shared: Path) -> None:
    done = command("export", "s", "--app", "none", lake=shared)
    assert (done.code, "no session 's' in app 'none'" in done.error) == (1, True)


def _delete(lake: Path) -> None:
    for blob in blobs_of(lake):
        blob.unlink()


def _break(lake: Path) -> None:
    for blob in blobs_of(lake):
        content = bytearray(blob.read_bytes())
        content[8] ^= 0xFF
        blob.write_bytes(content)


def _cut(lake: Path) -> None:
    for blob in blobs_of(lake):
        blob.write_bytes(blob.read_bytes()[:40])


def _delete_index(lake: Path) -> None:
    for file in lake.glob("tables/replay_segments/*/*/*.parquet"):
        file.unlink()


GOOD = [meta(), snapshot(), change(2000)]


@pytest.mark.parametrize(
    ("events", "damage", "reason"),
    [
        (None, None, "nothing of it was recorded"),
        (GOOD, _delete, "is gone"),
        (GOOD, _cut, "the recording is damaged"),
        (GOOD, _break, "the recording is damaged"),
        (GOOD, _delete_index, "the rows in replay_segments of 1 segment are gone"),
        ([change(0), change(10)], None, "no full snapshot arrived"),
        ([meta(), {**snapshot(), "data": {"node": 7}}, change(10)], None, ": malformed"),
    ],
)
def test_an_export_of_nothing_fails_with_the_reason(
    tmp_path: Path, events: list[Event] | None, damage: Callable[[Path], None] | None, reason: str
) -> None:
    lake_of(tmp_path, [page_view() if events is None else batch(events)])
    if damage:
        damage(tmp_path)
    for arguments in ([], ["--json"], ["--track", "0"]):
        done = command("export", "s", *arguments, lake=tmp_path)
        assert (done.code, done.out) == (1, ""), done
        assert reason in done.error
        assert "\n" not in done.error
    assert command("export", "s", "--native", lake=tmp_path).code == (events is None or damage is not None)
    assert command("show", "s", lake=tmp_path).code == 0


@pytest.mark.parametrize("damage", [_delete, _cut, _delete_index])
def test_show_says_what_of_a_recording_is_lost(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    lake_of(tmp_path, [batch(GOOD)])
    assert "warning" not in command("show", "s", lake=tmp_path).out
    damage(tmp_path)
    done = command("show", "s", lake=tmp_path)
    [note] = json.loads(command("show", "s", "--json", lake=tmp_path).out)["replay"]["notes"]
    assert (done.code, f"warning: {note['text']}" in done.out) == (0, True)


def test_a_session_that_is_not_there_is_said(shared: Path) -> None:
    done = command("export", "nosuch", lake=shared)
    assert (done.code, done.out) == (1, "")
    assert "no session 'nosuch'" in done.error


def test_what_is_lost_of_a_recording_is_a_warning_and_data(tmp_path: Path) -> None:
    drawing = [change(at_ms, source=9, id=2, type=0, commands=[]) for at_ms in (100, 200)]
    unknown = change(300, texts=[{"id": 99, "value": "of a node that never came"}])
    lake_of(tmp_path, [batch([meta(), snapshot(), *drawing, unknown, change(2000)])])
    done = command("export", "s", lake=tmp_path)
    assert done.code == 0
    assert len(json.loads(done.out)) == 6
    assert done.warnings == [
        "warning: track 0: 1 changes refer to parts of the page that were not received",
        "warning: track 0: not shown: 2 drawings on a canvas",
    ]
    as_json = json.loads(command("export", "s", "--json", lake=tmp_path).out)
    assert as_json["events"] == json.loads(done.out)
    assert [(note["kind"], note["count"], note["track"]) for note in as_json["notes"]] == [
        ("left_out", 1, 0),
        ("canvas", 2, 0),
    ]
    assert [f"warning: {note['text']}" for note in as_json["notes"]] == done.warnings


def test_missing_segments_are_a_warning(samples: Path, tmp_path: Path) -> None:
    messages = capture_messages([samples / "guance" / "gc-shop.jsonl.gz"])
    replays = [number for number, message in enumerate(messages) if b'name="segment"' in message.value]
    del messages[replays[2]]
    lake_of(tmp_path, messages)
    done = command("export", "230f3e7c", lake=tmp_path)
    assert done.code == 0
    assert "warning: 1 segment of the recording never arrived" in done.warnings
    shown = json.loads(command("show", "230f3e7c", "--json", lake=tmp_path).out)
    assert [note["kind"] for note in shown["replay"]["notes"]] == ["missing_segments"]


def test_a_tab_that_cannot_be_played_does_not_hide_one_that_can(tmp_path: Path) -> None:
    lake_of(
        tmp_path,
        [batch([change(0)], window_id="first"), batch([meta(500), snapshot(500), change(900)], window_id="second")],
    )
    done = command("export", "s", lake=tmp_path)
    assert (done.code, len(json.loads(done.out))) == (0, 3)
    assert done.warnings == [
        "track 1 of 2: tabs that were open together play apart",
        "warning: track 0: no full snapshot arrived, so there is no page to draw on",
    ]
    first = command("export", "s", "--track", "0", lake=tmp_path)
    assert (first.code, "track 0: no full snapshot" in first.error) == (1, True)
    beyond = command("export", "s", "--track", "2", lake=tmp_path)
    assert (beyond.code, "tracks 0 to 1, not 2" in beyond.error) == (1, True)


def test_one_lost_blob_of_several_costs_itself(tmp_path: Path) -> None:
    later = batch([meta(8 * 3_600_000), snapshot(8 * 3_600_000, text="in the evening")])
    lake_of(tmp_path, [batch(GOOD), later])
    first, second = blobs_of(tmp_path)
    first.unlink()
    done = command("export", "s", lake=tmp_path)
    assert (done.code, "in the evening" in done.out, "a page" in done.out) == (0, True, False)
    [warning] = done.warnings
    assert first.name in warning
    native = command("export", "s", "--native", lake=tmp_path)
    assert (native.code, native.warnings) == (0, done.warnings)
    second.unlink()
    assert command("export", "s", "--native", lake=tmp_path).code == 1
