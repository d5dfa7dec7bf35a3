"""What comes after the close changes what is said of a window's views, and the lake says it."""

import json
from pathlib import Path

from lake.catalog import latest_sessions, latest_views
from operators.wire.message import Message
from tests.flow.harness import run

START_MS = 1_795_230_000_000


def line(kind: str, at_s: int, tags: dict[str, str], received_s: int | None = None, **fields: object) -> Message:
    row = {
        "measurement": kind,
        "tags": {"app_id": "shop", "session_id": "s", "view_id": "v1", **tags},
        "fields": fields,
        "time": START_MS + at_s * 1000,
    }
    received_ms = START_MS + (at_s if received_s is None else received_s) * 1000
    return Message("guance.rum", {}, json.dumps(row).encode(), received_ms)


def test_a_late_view_and_a_late_click_reach_the_rows_of_all_views(tmp_path: Path) -> None:
    """In one go or with two of the lines an hour late: the latest rows differ only in their revision."""
    punctual = [
        line("view", 10, {"view_id": "v1", "view_path": "/a"}, time_spent=5 * 10**9),
        line("view", 40, {"view_id": "v3", "view_path": "/c"}, time_spent=5 * 10**9),
        line("resource", 12, {"resource_id": "r"}, duration=2 * 10**9),
    ]

    def late(received_s: int) -> list[Message]:
        return [
            line("view", 20, {"view_id": "v2", "view_path": "/b"}, received_s, time_spent=5 * 10**9),
            line("action", 42, {"view_id": "v3"}, received_s, action_id="x", action_frustration_types='["rage_click"]'),
        ]

    hour_s = 3600
    other = line("view", hour_s, {"session_id": "other"}, time_spent=0)  # moves the receive clock
    at_once = run(sorted([*punctual, *late(45), other], key=lambda m: m.received_ms), [], tmp_path / "once")
    revised = run([*punctual, other, *late(hour_s + 1)], [4], tmp_path / "late")
    expected = {row["view_id"]: row for row in latest_views(at_once.tables["views"]) if row["session_id"] == "s"}
    found = {row["view_id"]: row for row in latest_views(revised.tables["views"]) if row["session_id"] == "s"}
    assert {row["revision"] for row in found.values()} == {1}
    assert [found[name]["next_view_path"] for name in ("v1", "v2", "v3")] == ["/b", "/c", None]
    assert found["v3"]["rage_click_count"] == 1
    ignored = {"revision", "received_at"}
    for name, row in expected.items():
        assert {k: v for k, v in found[name].items() if k not in ignored} == {
            k: v for k, v in row.items() if k not in ignored
        }
    session = next(row for row in latest_sessions(revised.tables["sessions"]) if row["session_id"] == "s")
    assert (session["session_view_count"], session["rage_click_count"], session["is_bounce"]) == (3, 1, False)
