"""Odd requests of Guance SDKs and proxies, from capture file to lake: each costs itself, and says so."""

import base64
import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from lake.verify import verify
from schemas.items import NOT_NUMBERED
from sinks.store import LocalStore
from tests.flow.harness import Lake, capture_messages, read_lake, run
from tests.flow.test_recordings import replaylake

NOW_MS = 1_795_230_364_460
RUM, REPLAY = "/v1/write/rum", "/v1/write/rum/replay"
FORM = "multipart/form-data; boundary=x"
Request = dict[str, Any]


def request(body: bytes, path: str = f"{RUM}?precision=ms", **headers: str) -> Request:
    """A line of a capture file."""
    raw = [part for name, value in headers.items() for part in (name.replace("_", "-"), value)]
    return {
        "t_ms": NOW_MS,
        "method": "POST",
        "path": path,
        "raw_headers": raw,
        "body_b64": base64.b64encode(body).decode(),
    }


def view(view_id: str, **tags: str) -> bytes:
    more = "".join(f",{name}={value}" for name, value in tags.items())
    return f"view,app_id=shop,session_id=s,view_id={view_id}{more} time_spent=1000000000 {NOW_MS}".encode()


def capture(folder: Path, *requests: Request) -> Path:
    path = folder / "odd.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(one) + "\n" for one in requests).encode()))
    return path


def lake_of(folder: Path, *requests: Request) -> Lake:
    return run(capture_messages([capture(folder, *requests)]), [], folder / "lake")


def reasons(lake: Lake) -> list[object]:
    return [row["reason"] for row in lake.tables.get("quarantine", [])]


def test_what_the_sdk_escapes_is_undone(tmp_path: Path) -> None:
    names = {"v1": "Ann\\ Lee", "v2": "Ann\\\u00a0Lee", "v3": "张\\\u3000三", "v4": 'Jo\\ \\"JJ\\"', "v5": "Ann\\\nLee"}
    rows = [view(view_id, user_name=name) for view_id, name in names.items()] + [view("v6", user_name="C:\\", env="e")]
    lake = lake_of(tmp_path, request(b"\n".join(rows)))
    assert reasons(lake) == []
    found = {row["view_id"]: row["user_name"] for row in lake.tables["views"]}
    assert found == {
        "v1": "Ann Lee",
        "v2": "Ann\u00a0Lee",
        "v3": "张\u3000三",
        "v4": 'Jo "JJ"',
        "v5": "Ann\nLee",
        "v6": "C:\\",
    }


def test_rows_may_end_in_crlf_and_have_no_time(tmp_path: Path) -> None:
    whole = view("v1")
    rows = b"\r\n".join([whole, whole.replace(b"v1", b"v2").rpartition(b" ")[0], b""])
    lake = lake_of(tmp_path, request(rows))
    assert reasons(lake) == []
    assert [row["time"].timestamp() * 1000 for row in lake.tables["views"]] == [NOW_MS, NOW_MS]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("unit", "time"), [("s", "1795230364"), ("us", "1795230364460000"), ("n", "1795230364460000000")]
)
def test_the_unit_of_the_address_counts(unit: str, time: str, tmp_path: Path) -> None:
    body = view("v1").replace(str(NOW_MS).encode(), time.encode())
    lake = lake_of(tmp_path, request(body, f"{RUM}?precision={unit}"))
    [row] = lake.tables["sessions"]
    assert int(row["start"].timestamp()) == NOW_MS // 1000  # type: ignore[attr-defined]


def test_null_in_a_tag_is_as_absent(tmp_path: Path) -> None:
    tags = {"app_id": "shop", "session_id": "s", "view_id": "v1", "error_id": None, "userid": None}
    line = {"measurement": "view", "tags": tags, "fields": {"time_spent": 10**9, "drift": None}, "time": NOW_MS}
    lake = lake_of(tmp_path, request(json.dumps([line]).encode(), content_type="application/json"))
    assert reasons(lake) == []
    assert [row["view_id"] for row in lake.tables["views"]] == ["v1"]


SEGMENT = zlib.compress(b'{"records":[{"type":2,"timestamp":%d,"data":{}}]}' % NOW_MS)
FIELDS = {
    "app_id": "shop", "session_id": "s", "view_id": "v1", "index_in_view": "3", "start": str(NOW_MS),
    "end": str(NOW_MS + 5), "records_count": "1", "has_full_snapshot": "true",
}  # fmt: skip


def form(segment: bytes = SEGMENT, **changes: str | None) -> bytes:
    fields = {name: value.encode() for name, value in {**FIELDS, **changes}.items() if value is not None}
    part = b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    return (
        b"".join(part % (name.encode(), value) for name, value in {"segment": segment, **fields}.items()) + b"--x--\r\n"
    )


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (request(b"anything", content_encoding="br"), "corrupt_compression"),
        (request(view("v3"), content_encoding="deflate"), "corrupt_compression"),
        (request(zlib.compress(view("v3"))[:-9], content_encoding="deflate"), "corrupt_compression"),
        (request(zlib.compress(view("v3"))[:-9], f"{RUM}?encoding=deflate"), "corrupt_compression"),
        (request(gzip.compress(view("v3"))[:-9], content_encoding="gzip, deflate"), "corrupt_compression"),
        (request(view("v3"), content_encoding="x-made-up"), "unknown_encoding"),
        (
            request(gzip.compress(form())[:-9], REPLAY, content_type=FORM, content_encoding="gzip"),
            "corrupt_compression",
        ),
        (request(form(SEGMENT[:-9]), REPLAY, content_type=FORM), "corrupt_compression"),
        (request(form()[:300], REPLAY, content_type=FORM), "malformed_multipart"),
        (request(b"view,app_id=shop,session_id=s,view_id=\xff time_spent=1"), "invalid_utf8"),
        (request(view("v3"), f"{RUM}?precision=fortnight"), "invalid_time"),
    ],
)
def test_one_bad_request_costs_itself_and_its_bytes_are_kept(bad: Request, reason: str, tmp_path: Path) -> None:
    lake = lake_of(tmp_path, request(view("v1")), bad, request(view("v2")))
    assert reasons(lake) == [reason]
    [row] = lake.tables["quarantine"]
    assert row["raw"] in (base64.b64decode(bad["body_b64"]), SEGMENT[:-9])
    assert [row["view_id"] for row in lake.tables["views"]] == ["v1", "v2"]
    assert verify(LocalStore(tmp_path / "lake")).problems == []


@pytest.mark.parametrize(
    "changes",
    [
        {"start": f"{NOW_MS}.75"}, {"end": "1000"}, {"end": None}, {"end": "NaN"}, {"end": "1e400"},
        {"index_in_view": None}, {"index_in_view": "-1"}, {"index_in_view": "one"}, {"index_in_view": "1e30"},
        {"records_count": None}, {"records_count": "NaN"}, {"records_count": ""}, {"has_full_snapshot": None},
    ],
)  # fmt: skip
def test_an_impossible_number_of_a_segment_costs_itself(changes: dict[str, str | None], tmp_path: Path) -> None:
    lake = lake_of(tmp_path, request(view("v1")), request(form(SEGMENT, **changes), REPLAY, content_type=FORM))
    assert reasons(lake) == []
    [row] = lake.tables["replay_segments"]
    assert row["start"].timestamp() * 1000 == NOW_MS  # type: ignore[attr-defined]
    assert row["end"] >= row["start"]  # type: ignore[operator]
    assert row["records_count"] == 1
    assert row["index_in_view"] == (NOT_NUMBERED if "index_in_view" in changes else 3)


def test_telemetry_is_counted_and_not_kept(tmp_path: Path) -> None:
    """With and without a session; the command says how much there was."""
    rows = b"\n".join(
        [b'telemetry,service=browser-rum-sdk type="configuration" 1', view("v1"), b"telemetry,app_id=shop a=1"]
    )
    path = capture(tmp_path, request(rows), request(b'telemetry,service=browser-rum-sdk type="usage" 1'))
    done = replaylake("backfill", str(path), "--lake", str(tmp_path / "lake"), "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["items"], summary["quarantined"], summary["skipped_lines"]) == (1, {}, {"telemetry": 3})


@pytest.mark.parametrize(
    "line", ["not JSON", "{}", '{"method": "POST"}', "[" * 5000, '{"t_ms": 1e999}', "BASE64", "CUT"]
)
def test_a_file_that_is_no_capture_is_named_with_its_line(line: str, tmp_path: Path) -> None:
    """In one line, without a trace of the engine, and nothing is written."""
    path = capture(tmp_path, request(view("v1")), request(view("v2")))
    if line == "CUT":
        path.write_bytes(path.read_bytes()[:-12])
    else:
        bad = json.dumps(request(b"") | {"body_b64": "a"}) if line == "BASE64" else line
        path.write_bytes(path.read_bytes() + gzip.compress(bad.encode()))
    lake = tmp_path / "lake"
    done = replaylake("backfill", str(path), "--lake", str(lake))
    assert done.returncode == 1
    [said] = done.stderr.splitlines()
    assert said.startswith(f"error: {path}: ")
    assert "line 3" in said or line == "CUT"
    assert not lake.exists() or read_lake(lake) == Lake({}, {})
