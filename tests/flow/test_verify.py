"""`verify` finds each kind of damage and names the object."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lake.blob_reader import BlobReader
from lake.verify import verify
from operators.families.family import Family
from operators.rrweb.track import ConversionError, Track
from operators.tracks import one_track
from schemas.style import encode_style
from schemas.tables import TABLES
from schemas.units import KIB
from sinks.store import LocalStore
from tests.flow.harness import capture_messages, run
from tests.flow.made import START_MS, batch, change, command, lake_of, snapshot


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def _orphan(path: Path) -> None:
    path.with_name("orphan.0.jsonl.zst").write_bytes(path.read_bytes())


@pytest.mark.parametrize("damage", [Path.unlink, _flip, _truncate, _orphan])
def test_damage_to_a_blob_is_found(damage: Callable[[Path], None], samples: Path, tmp_path: Path) -> None:
    run(capture_messages([samples / "datadog" / "dd-todo-v5.jsonl.gz"]), [], tmp_path)
    assert verify(LocalStore(tmp_path)).problems == []
    (blob,) = tmp_path.glob("replays/*/*/app_id=*/*.zst")
    damage(blob)
    problems = verify(LocalStore(tmp_path)).problems
    assert any(".jsonl.zst" in problem for problem in problems)


def test_the_rows_of_every_table_are_counted(samples: Path, tmp_path: Path) -> None:
    messages = capture_messages([samples / "guance" / "gc-spa-json.jsonl.gz"])
    bad = msgspec.structs.replace(messages[-1], value=b"\x00 nothing that is known", type=None)
    written = run([*messages, bad], [], tmp_path)
    report = verify(LocalStore(tmp_path))
    assert report.problems == []
    assert report.rows == {table: len(written.tables.get(table, [])) for table in TABLES}
    assert report.rows["quarantine"] == 1


@pytest.mark.parametrize("damage", [Path.unlink, _flip, _truncate])
def test_damage_to_a_style_is_found(damage: Callable[[Path], None], samples: Path, tmp_path: Path) -> None:
    run(capture_messages([samples / "datadog" / "dd-todo-v5.jsonl.gz"]), [], tmp_path)
    report = verify(LocalStore(tmp_path))
    assert (report.blobs, report.styles, report.problems) == (1, 1, [])
    (style,) = tmp_path.glob("replays/*/*/styles/*.zst")
    damage(style)
    problems = verify(LocalStore(tmp_path)).problems
    assert any(".jsonl.zst" in problem and style.name in problem for problem in problems)


def test_a_style_that_no_blob_needs_is_no_problem(samples: Path, tmp_path: Path) -> None:
    run(capture_messages([samples / "datadog" / "dd-todo-v5.jsonl.gz"]), [], tmp_path)
    (style,) = tmp_path.glob("replays/*/*/styles/*.zst")
    text = b"body{}"
    style.with_name(f"{hashlib.sha256(text).hexdigest()}.zst").write_bytes(encode_style(text))
    assert verify(LocalStore(tmp_path)).problems == []


def test_a_lost_table_file_is_found(samples: Path, tmp_path: Path) -> None:
    run(capture_messages([samples / "datadog" / "dd-todo-v5.jsonl.gz"]), [], tmp_path)
    (actions,) = tmp_path.glob("tables/actions/*/*/*.parquet")
    actions.unlink()
    assert any("session_action_count" in problem for problem in verify(LocalStore(tmp_path)).problems)


def test_a_revision_that_is_there_twice_is_found(samples: Path, tmp_path: Path) -> None:
    run(capture_messages([samples / "datadog" / "dd-todo-v5.jsonl.gz"]), [], tmp_path)
    (sessions,) = tmp_path.glob("tables/sessions/*/*/*.parquet")
    sessions.with_name("again.parquet").write_bytes(sessions.read_bytes())
    assert any("revision 0 2 times" in problem for problem in verify(LocalStore(tmp_path)).problems)


def test_a_recording_that_came_unplayable_is_told_and_is_no_damage(tmp_path: Path) -> None:
    broken = {**snapshot(), "data": {"node": "no page"}}
    lake_of(tmp_path, [batch([broken, change(10)], session_id="broken"), batch([snapshot()], session_id="right")])
    report = verify(LocalStore(tmp_path))
    [told] = report.unplayable
    assert "app_id=shop/broken.0.jsonl.zst: frame 0: segments 0 to 0: their full snapshot cannot be played" in told
    assert told.endswith(": 1 x before_full_snapshot, 1 x malformed")
    assert report.problems == []
    warned, strict = command("verify", lake=tmp_path), command("verify", "--strict", lake=tmp_path)
    assert (warned.code, strict.code) == (0, 1)
    assert warned.out == strict.out
    assert "1 part of recordings cannot be played, as received\nthe lake is consistent" in warned.out
    assert json.loads(command("verify", "--json", lake=tmp_path).out)["unplayable"] == [told]
    unplayed = json.loads(command("verify", "--no-play", "--json", lake=tmp_path).out)
    assert (unplayed["unplayable"], unplayed["is_played"], unplayed["blobs"]) == ([], False, 2)
    assert command("verify", "--no-play", "--strict", lake=tmp_path).code == 2


def test_a_blob_of_a_family_that_is_not_known_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its index says so, which no sender writes."""
    lake_of(tmp_path, [batch([snapshot()])])

    def unknown(_: BlobReader) -> Family:
        raise ConversionError("recorded by 'other', which this release does not know")

    monkeypatch.setattr("lake.verify.family_of", unknown)
    report = verify(LocalStore(tmp_path))
    [problem] = report.problems
    assert problem.endswith("recorded by 'other', which this release does not know")
    assert (report.unplayable, command("verify", lake=tmp_path).code) == ([], 1)


def test_a_recording_that_never_had_a_picture_is_no_damage(tmp_path: Path) -> None:
    lake_of(tmp_path, [batch([change(0), change(10)])])
    report = verify(LocalStore(tmp_path))
    assert (report.blobs, report.problems) == (1, [])


def test_a_long_recording_is_converted_a_part_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Now and then a full snapshot, the last of which cannot be played."""
    sizes: list[int] = []

    def measured(family: Family, segments: Sequence[bytes]) -> Track:
        sizes.append(sum(map(len, segments)))
        return one_track(family, segments)

    monkeypatch.setattr("lake.verify.one_track", measured)
    monkeypatch.setattr("lake.verify.CHUNK_RAW_BYTES", 200 * KIB)
    filling = "x" * 100 * KIB
    filler = change(0, texts=[{"id": 3, "value": filling}])
    events = [snapshot(n, filling) if n % 5 == 0 else filler | {"timestamp": START_MS + n} for n in range(40)]
    events.append(snapshot(41) | {"data": {"node": None, "filling": filling}})
    lake_of(tmp_path, [batch([event]) for event in events])
    [told] = verify(LocalStore(tmp_path)).unplayable
    assert "full snapshot cannot be played" in told
    assert len(sizes) > 5
    assert max(sizes) < 700 * KIB


def test_revisions_of_one_row_under_two_days_are_found(samples: Path, tmp_path: Path) -> None:
    run(capture_messages([samples / "datadog" / "dd-todo-v5.jsonl.gz"]), [], tmp_path)
    for table in ("sessions", "views"):
        [(day, file)] = {(path.parent.name, path) for path in tmp_path.glob(f"tables/{table}/*/*/*.parquet")}
        later = pq.read_table(file)
        place = later.schema.get_field_index("revision")
        later = later.set_column(place, later.schema.field(place), pc.add(later["revision"], 7))
        other = file.parent.with_name("dt=2030-01-01")
        other.mkdir()
        pq.write_table(later, other / "later.parquet")
        problems = verify(LocalStore(tmp_path)).problems
        assert any(
            one.startswith(f"{table}: app_id=") and f"under 2 days: {day.removeprefix('dt=')}, 2030-01-01" in one
            for one in problems
        )


def test_an_item_that_is_there_twice_is_found_by_its_key(samples: Path, tmp_path: Path) -> None:
    run(capture_messages([samples / "guance" / "gc-shop.jsonl.gz"]), [], tmp_path)
    (file,) = tmp_path.glob("tables/actions/*/*/*.parquet")
    rows = pq.read_table(file)
    assert verify(LocalStore(tmp_path)).problems == []
    pq.write_table(rows.slice(0, 2), file.with_name("again.parquet"))
    assert any(
        problem.startswith("actions: 2 keys (app_id, session_id, session_part, action_id) are there more than once")
        and "again.parquet" in problem
        for problem in verify(LocalStore(tmp_path)).problems
    )


def test_a_view_that_is_there_twice_is_found(samples: Path, tmp_path: Path) -> None:
    run(capture_messages([samples / "datadog" / "dd-todo-v5.jsonl.gz"]), [], tmp_path)
    (views,) = tmp_path.glob("tables/views/*/*/*.parquet")
    views.with_name("again.parquet").write_bytes(views.read_bytes())
    problems = verify(LocalStore(tmp_path)).problems
    assert problems
    assert all(one.startswith("views: app_id=") and one.endswith("revision 0 2 times") for one in problems)
