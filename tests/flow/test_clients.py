"""Whose browser it was is known of every session whose requests say it, whatever its SDK tells; and in any order."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from operators.client.headers import CLIENT_HEADERS
from operators.wire.message import Message
from tests.flow.harness import Lake, capture_messages, run

NAMED = ("browser", "browser_version", "browser_version_major", "os", "device")
LINE_TABLES = ("views", "actions", "errors", "resources", "long_tasks", "console")
GOOGLEBOT = b"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PHONE = b"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/156.0.0.0 Mobile Safari/537.36"


def captures(folder: Path) -> list[Path]:
    found = sorted(path for family in ("datadog", "rrweb", "sentry") for path in (folder / family).glob("*.jsonl.gz"))
    assert {path.name[:2] for path in found} >= {"dd", "rr", "ph"}
    return found


def lake_of(messages: Sequence[Message], folder: Path) -> Lake:
    folder.mkdir()
    return run(messages, range(40, len(messages), 40), folder)


def with_headers(message: Message, **headers: bytes) -> Message:
    bare = {name: value for name, value in message.headers.items() if name not in CLIENT_HEADERS}
    return msgspec.structs.replace(message, headers=bare | {n.replace("_", "-"): text for n, text in headers.items()})


def only_session(lake: Lake) -> dict[str, object]:
    [session] = lake.tables["sessions"]
    return session


def test_every_recorded_session_has_browser_system_and_device(recordings_or_samples: Path, tmp_path: Path) -> None:
    for path in captures(recordings_or_samples):
        lake = lake_of(capture_messages([path]), tmp_path / path.stem)
        assert lake.tables["sessions"]
        for session in lake.tables["sessions"]:
            missing = [name for name in NAMED if not session[name]]
            assert not missing, path.name
            assert session["session_type"] in {None, "user"}
        rows = [row for table in LINE_TABLES for row in lake.tables.get(table, [])]
        assert all(row["browser"] == "Chrome" and row["os"] and row["device"] for row in rows), path.name


def test_datadog_tells_the_viewport_as_its_screen(samples: Path, tmp_path: Path) -> None:
    lake = lake_of(capture_messages([samples / "datadog" / "dd-todo-v5.jsonl.gz"]), tmp_path / "lake")
    assert {row["screen_size"] for row in lake.tables["sessions"]} == {"1280*800"}


def test_what_the_sdk_says_wins(samples: Path, tmp_path: Path) -> None:
    """The Guance SDK names all of it; its request comes from a phone here, or from a bot."""
    messages = capture_messages([samples / "guance" / "gc-charts.jsonl.gz"])
    as_phone = [with_headers(message, user_agent=PHONE) for message in messages]
    session = only_session(lake_of(as_phone, tmp_path / "phone"))
    assert [session[name] for name in ("browser", "os", "device", "screen_size")] == [
        "Chrome",
        "Linux",
        "PC",
        "1280*800",
    ]
    as_bot = [with_headers(message, user_agent=GOOGLEBOT) for message in messages]
    session = only_session(lake_of(as_bot, tmp_path / "bot"))
    assert [session[name] for name in ("browser", "os", "session_type")] == ["Chrome", "Linux", "bot"]


def test_without_headers_posthog_tells_a_bot_by_its_body(samples: Path, tmp_path: Path) -> None:
    def as_bot(message: Message) -> Message:
        bare = with_headers(message)
        return msgspec.structs.replace(bare, value=msgspec.json.encode(event))

    event = {
        "event": "$pageview",
        "timestamp": "2026-11-21T00:00:00Z",
        "properties": {"token": "a", "$session_id": "s", "$raw_user_agent": GOOGLEBOT.decode(), "$browser": "Chrome"},
    }
    [message, *_] = capture_messages([samples / "rrweb" / "ph-docs.jsonl.gz"])
    session = only_session(lake_of([as_bot(message)], tmp_path / "lake"))
    assert [session["browser"], session["browser_version"], session["session_type"]] == ["Chrome", None, "bot"]


def test_without_headers_sentry_tells_the_browser_by_its_bodies(samples: Path, tmp_path: Path) -> None:
    messages = capture_messages([samples / "sentry" / "se-kitchen-session.jsonl.gz"])
    lake = lake_of([with_headers(message) for message in messages], tmp_path / "lake")
    assert lake.tables["sessions"]
    for session in lake.tables["sessions"]:
        assert [session[name] for name in ("browser", "os", "device")] == ["Chrome", "Linux", "PC"]


@pytest.mark.parametrize("name", ["datadog/dd-todo-v5", "rrweb/rr-spa", "sentry/se-shop-v11"])
def test_copies_with_other_headers_give_one_result_in_any_order(samples: Path, tmp_path: Path, name: str) -> None:
    messages = capture_messages([samples / f"{name}.jsonl.gz"])
    copies = [with_headers(message, user_agent=PHONE) for message in messages]
    bare = [with_headers(message) for message in messages]
    lakes = [
        lake_of([one for group in zip(*kinds, strict=True) for one in group], tmp_path / str(number))
        for number, kinds in enumerate([(messages, copies, bare), (bare, copies, messages), (copies, messages, bare)])
    ]
    assert lakes[0] == lakes[1] == lakes[2]
    assert only_session(lakes[0])["browser"] == "Chrome"


def test_a_browser_that_changes_is_the_last_one(samples: Path, tmp_path: Path) -> None:
    messages = capture_messages([samples / "rrweb" / "rr-spa.jsonl.gz"])
    changed = [*messages[:-1], with_headers(messages[-1], user_agent=PHONE)]
    session = only_session(lake_of(changed, tmp_path / "lake"))
    assert [session["os"], session["device"]] == ["Android", "Mobile"]


def test_the_recording_tells_the_viewport_where_no_line_tells_a_screen(samples: Path, tmp_path: Path) -> None:
    lake = lake_of(capture_messages([samples / "rrweb" / "rr-spa.jsonl.gz"]), tmp_path / "lake")
    assert {row["screen_size"] for table in ("sessions", "views", "actions") for row in lake.tables[table]} == {
        "1280*800"
    }
