"""Hostile input through the whole path: no crash, nothing outside its folder, each in quarantine with its reason."""

import json
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from operators.decode import decode
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item, Rejected, RejectReason
from tests.flow.harness import run

NOW_MS = 1_795_230_000_000
IDS = [
    "../../etc/passwd",
    "a/b/c",
    "nul\0byte",
    "emoji 🦊🦊",
    "..",
    ".",
    "~",
    "x" * 128,
    "%2e%2e%2f",
    "a\nb",
    "🦊" * 128,
]


def line(**changes: object) -> dict[str, Any]:
    """A good Guance action line, with changes to tags, fields or the rest."""
    tags: dict[str, Any] = {"app_id": "shop", "session_id": "s1", "view_id": "v1"}
    row: dict[str, Any] = {"measurement": "action", "tags": tags, "fields": {"action_id": "a1"}, "time": NOW_MS}
    for name, value in changes.items():
        place: dict[str, Any] = next((part for part in (tags, row["fields"]) if name in part), row)
        place[name] = value
    return row


def rum(value: object, kind: str | None = "guance.rum") -> Message:
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return Message(kind, {}, body, NOW_MS)


def segment(body: bytes, **changes: str) -> Message:
    headers = {
        "app_id": "shop", "session_id": "s1", "view_id": "v1", "index_in_view": "0", "start": str(NOW_MS),
        "end": str(NOW_MS), "records_count": "1", "has_full_snapshot": "true", **changes,
    }  # fmt: skip
    return Message("guance.replay", {name: value.encode() for name, value in headers.items()}, body, NOW_MS)


GOOD_SEGMENT = zlib.compress(b'{"records":[{"type":2,"timestamp":1795230000000,"data":{}}]}')
BOMB = zlib.compress(b"\0" * (64 << 20), 1)
PROTOCOL = b'action,app_id=shop,session_id=s1 action_id="a1" 1795230000000\n'

BAD = {
    "empty": (rum(b""), RejectReason.EMPTY_BODY),
    "empty array": (rum([]), RejectReason.EMPTY_BODY),
    "id of 10 kB": (rum(line(session_id="x" * 10_000)), RejectReason.ID_TOO_LONG),
    "no session": (rum(line(session_id="")), RejectReason.MISSING_ID),
    "negative time": (rum(line(time=-5)), RejectReason.INVALID_TIME),
    "time as text": (rum(line(time="now")), RejectReason.INVALID_TIME),
    "far future": (rum(line(time=1e18)), RejectReason.INVALID_TIME),
    "text as a time": (rum(PROTOCOL.replace(b"1795230000000", b"now")), RejectReason.INVALID_TIME),
    "unknown precision": (
        Message("guance.rum", {"precision": b"fortnight"}, PROTOCOL, NOW_MS),
        RejectReason.INVALID_TIME,
    ),
    "unknown encoding": (
        Message("guance.rum", {"content-encoding": b"compress"}, PROTOCOL, NOW_MS),
        RejectReason.UNKNOWN_ENCODING,
    ),
    "not what its encoding says": (
        Message("guance.rum", {"content-encoding": b"br"}, PROTOCOL, NOW_MS),
        RejectReason.CORRUPT_COMPRESSION,
    ),
    "no UTF-8": (rum(PROTOCOL.replace(b"a1", b"\xff")), RejectReason.INVALID_UTF8),
    "no UTF-8 in JSON": (rum(b'{"measurement":"action","x":"\xff"}'), RejectReason.INVALID_UTF8),
    "deep JSON": (rum(b"[" * 10_000 + b"]" * 10_000), RejectReason.MALFORMED_JSON),
    "deep inside": (rum(b'{"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}"), RejectReason.MALFORMED_JSON),
    "cut in a quote": (rum(PROTOCOL[:45]), RejectReason.MALFORMED_LINE_PROTOCOL),
    "unknown measurement": (rum(line(measurement="gossip")), RejectReason.UNKNOWN_MEASUREMENT),
    "unknown type": (rum(b"{}", "gossip"), RejectReason.UNKNOWN_TYPE),
    "noise": (rum(b"\x00\xff\xfe", None), RejectReason.UNKNOWN_TYPE),
    "truncated zlib": (segment(GOOD_SEGMENT[:-6]), RejectReason.CORRUPT_COMPRESSION),
    "bomb": (segment(BOMB), RejectReason.INFLATED_TOO_LARGE),
    "empty segment": (segment(b""), RejectReason.EMPTY_BODY),
    "segment at no time": (segment(zlib.compress(b'{"records":[]}'), start="NaN"), RejectReason.INVALID_TIME),
    "segment of no view": (segment(GOOD_SEGMENT, view_id=""), RejectReason.MISSING_ID),
    "wrong content type": (
        Message("guance.replay", {"content-type": b"multipart/form-data"}, b"--x\r\n", NOW_MS),
        RejectReason.MALFORMED_MULTIPART,
    ),
    "100 MB": (rum(b" " * 100_000_000), RejectReason.TOO_LARGE),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_its_reason(name: str) -> None:
    """One refusal with the reason of the closed list, and the raw bytes kept whole."""
    message, reason = BAD[name]
    (result,) = decode(message, Limits())
    assert isinstance(result, Rejected)
    assert result.reason == reason
    assert result.raw in message.value


def test_a_bad_row_costs_that_row_only() -> None:
    """Rows around it, before and after, are taken."""
    rows = PROTOCOL + b"action,app_id= nothing here\n" + PROTOCOL.replace(b"a1", b"a2")
    kinds = [type(result) for result in decode(rum(rows), Limits())]
    assert kinds == [Item, Rejected, Item]
    assert [type(r) for r in decode(rum([line(), line(time=-1), line()]), Limits())] == [Item, Rejected, Item]


def test_a_claim_that_is_no_use_as_json_counts_as_nothing(tmp_path: Path) -> None:
    """Found by fuzzing: text inside of a line may hold JSON that is nested too deeply, or none at all."""
    rows = [line(measurement="view", view_id=f"v{number}") for number in range(3)]
    for row, stats in zip(rows, ("[" * 5000, "{", "\ufffd"), strict=True):
        row["tags"]["session_replay_stats"] = stats
    [row] = run([rum(rows)], [], tmp_path).tables["sessions"]
    assert row["replay_missing_segment_count"] == 0


@pytest.mark.parametrize("claim", [1 << 62, -(1 << 62), 10**300])
def test_claims_that_no_browser_reaches_count_as_nothing(claim: int, tmp_path: Path) -> None:
    """Found by fuzzing: their sum fits no column, and the job failed at this message at every start."""
    stats = f'{{"segments_count": {claim}}}'
    views = [
        {
            "measurement": "view",
            "tags": {"app_id": "shop", "session_id": "s1", "view_id": f"v{number}", "session_replay_stats": stats},
            "fields": {"view_error_count": claim, "view_action_count": 2},
            "time": NOW_MS,
        }
        for number in range(3)
    ]
    body = json.dumps(views).encode()
    [row] = run([Message("guance.rum", {}, body, NOW_MS)], [], tmp_path).tables["sessions"]
    assert (row["claimed_error_count"], row["claimed_action_count"]) == (0, 6)
    assert row["replay_missing_segment_count"] == 0


def test_a_bomb_is_cut_off_not_inflated() -> None:
    """Memory stays near the limit on inflated bytes, whatever the bomb holds."""
    limits = Limits(inflated_bytes=1 << 20)
    tracemalloc.start()
    decode(segment(BOMB), limits)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_everything_hostile_ends_in_the_lake_and_nowhere_else(tmp_path: Path) -> None:
    """Every refusal is a quarantine row; every strange id is a session; no file leaves the lake."""
    messages = [message for message, _ in BAD.values()]
    for number, wild in enumerate(IDS):
        messages.append(rum(line(session_id=wild, app_id=wild, action_id=f"w{number}")))
        messages.append(segment(GOOD_SEGMENT, session_id=wild, app_id=wild))
    folder = tmp_path / "outer" / "lake"
    lake = run(messages, range(0, len(messages), 7), folder)
    assert sorted(str(row["reason"]) for row in lake.tables["quarantine"]) == sorted(str(r) for _, r in BAD.values())
    assert {row["session_id"] for row in lake.tables["sessions"]} == set(IDS)
    assert len(lake.blobs) == len(IDS)
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(folder)]
    assert outside == []
    assert all("hidden" not in key and "/." not in key for key in lake.blobs)
