"""`verify` finds each kind of damage and names the object."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from replay.verify import verify
from schemas.style import encode_style
from schemas.tables import TABLES
from sinks.store import LocalStore
from tests.flow.harness import capture_messages, run


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
