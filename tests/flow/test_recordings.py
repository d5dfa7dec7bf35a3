"""Real recordings through the command line, by file and through a broker: equal to counts made independently."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.captures import CaptureCounts, read_captures
from flows.demo.feed import feed
from flows.demo.servers import Broker
from lake.catalog import read_rows, session_keys, table_keys
from lake.export import blob_keys, native_segments
from lake.verify import verify
from schemas.items import Family
from sinks.store import LocalStore
from tests.flow.harness import read_lake
from tests.playback.raw_segments import segments_of
from tests.starts import Process, run_command
from tests.torture.settled import settled

HOUR_MS = 3_600_000
Captured = dict[str, Any]  # an entry of the manifest: JSON as it is
Manifest = list[Captured]
FAMILIES = ("guance", "datadog", "rrweb")


@pytest.fixture(scope="module")
def captures(recordings_or_samples: Path, manifest: Manifest) -> list[Path]:
    return capture_files(recordings_or_samples, manifest)


@pytest.fixture(scope="module")
def manifest(recordings_or_samples: Path) -> Manifest:
    return known_captures(recordings_or_samples)


def known_captures(folder: Path) -> Manifest:
    """The manifest, without captures of SDKs that the project has no family for."""
    captures: Manifest = json.loads((folder / "manifest.json").read_text())["captures"]
    return [capture for capture in captures if family_of(capture) in FAMILIES]


def capture_files(folder: Path, manifest: Manifest) -> list[Path]:
    return sorted(folder / family_of(capture) / f"{capture['capture']}.jsonl.gz" for capture in manifest)


def family_of(capture: Captured) -> str:
    """Also the folder that the capture is in. Two sets name it differently."""
    return str(capture.get("sdk_family") or capture["family"])


def sessions_of(capture: Captured) -> list[Captured]:
    """Lines without a session (of the SDK about itself) have an entry without an id."""
    return [session for session in capture["sessions"] if session["session_id"] is not None]


@pytest.fixture(scope="module")
def backfilled(captures: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake made by `replaylake backfill` of all captures."""
    folder = tmp_path_factory.mktemp("backfill") / "lake"
    done = replaylake("backfill", *map(str, captures), "--lake", str(folder), "--json")
    assert done.returncode == 0, done.stderr
    return folder


def replaylake(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command as a process of its own."""
    return run_command(
        [sys.executable, "-m", "flows.cli", *arguments], capture_output=True, text=True, check=False, timeout=280
    )


def test_backfill_gives_the_counts_of_the_manifest(backfilled: Path, manifest: Manifest) -> None:
    """Per session: distinct lines by type, segments, records, first and last view."""
    assert differences(backfilled, manifest) == []


def test_nothing_of_the_sdks_is_refused(backfilled: Path) -> None:
    """Every type of line that they send has a place, or is counted as skipped."""
    assert read_lake(backfilled).tables.get("quarantine", []) == []


def test_lines_of_the_sdk_about_itself_are_counted(tmp_path: Path, captures: list[Path], manifest: Manifest) -> None:
    """All that is sent is stored once, a copy, or counted as skipped under its name."""
    done = replaylake("backfill", *map(str, captures), "--lake", str(tmp_path / "lake"), "--json")
    sent = [session["rum_lines_by_type"] for capture in manifest for session in capture["sessions"]]
    expected = {
        name: sum(lines.get(kind, 0) for lines in sent)
        for name, kind in (("telemetry", "telemetry"), ("heatmap", "$$heatmap"))
    }
    skipped = json.loads(done.stdout)["skipped_lines"]
    assert skipped == {name: count for name, count in expected.items() if count}


def test_every_session_of_the_session_based_sdks_is_one_window(backfilled: Path, manifest: Manifest) -> None:
    """Sleep, late finals and the cap never split what the SDK calls one session, and none is longer than 4 h."""
    ids = {s["session_id"] for c in manifest if family_of(c) != "rrweb" for s in sessions_of(c)}
    rows = read_lake(backfilled).tables["sessions"]
    assert {row["session_part"] for row in rows if row["session_id"] in ids} == {0}
    assert all(int(str(row["time_spent"])) < 4 * 3600 * 10**9 for row in rows)


def test_stored_replay_is_far_smaller_than_what_the_sdks_sent(backfilled: Path, manifest: Manifest) -> None:
    """Blobs with their index: at most 0.40 of the SDKs' compressed bytes together, 0.20 for a shop visit."""
    stored = {row["session_id"]: row["replay_bytes"] for row in latest(backfilled)}
    sent = {s["session_id"]: (c, s) for c in manifest if family_of(c) != "rrweb" for s in sessions_of(c)}
    if not all("replay_bytes_compressed" in s for _, s in sent.values()):
        pytest.skip("the manifest does not say how large the replays are")
    together = sum(s["replay_bytes_compressed"] for _, s in sent.values())
    assert sum(stored[session_id] for session_id in sent) <= 0.40 * together
    shop = next(s for c, s in sent.values() if c["capture"] == "gc-shop")
    assert stored[shop["session_id"]] <= 0.20 * shop["replay_bytes_compressed"]


def test_the_lake_verifies(backfilled: Path) -> None:
    """Nothing orphaned, nothing missing, all counts agree, and every recording can be played."""
    report = verify(LocalStore(backfilled))
    assert (report.problems, report.unplayable) == ([], [])


def test_backfill_twice_is_backfill_once(backfilled: Path, captures: list[Path]) -> None:
    """The same files again write the same objects."""
    before = read_lake(backfilled)
    assert replaylake("backfill", *map(str, captures), "--lake", str(backfilled)).returncode == 0
    assert read_lake(backfilled) == before


def test_native_export_is_what_the_browser_sent(backfilled: Path, captures: list[Path]) -> None:
    """Every distinct segment of every session comes back byte for byte."""
    store = LocalStore(backfilled)
    rows = read_rows(store, table_keys(store, "replay_segments"), "replay_segments")
    for capture in captures:
        for session_id, (family, segments) in segments_of(capture).items():
            keys = blob_keys([row for row in rows if row["session_id"] == session_id])
            found = [_digest(segment, family) for segment in native_segments(store, keys)]
            assert sorted(found) == sorted(_digest(segment.rstrip(b"\n"), family) for segment in segments)


def _digest(segment: bytes, family: Family) -> str:
    if family == Family.RRWEB:  # these come out of an array or object that the independent parser makes anew
        segment = json.dumps(json.loads(segment)).encode()
    return hashlib.sha256(segment).hexdigest()


def test_export_prints_segments_or_rrweb_events(backfilled: Path) -> None:
    """The command gives the source lines with --native, an array of rrweb events without."""
    row = next(row for row in latest(backfilled) if row["app_id"].startswith("phc_"))
    native = replaylake("export", row["session_id"], "--native", "--lake", str(backfilled))
    assert native.stdout.count("\n") == row["replay_segment_count"]
    events = json.loads(replaylake("export", row["session_id"], "--lake", str(backfilled)).stdout)
    assert {event["type"] for event in events} >= {2, 3, 4}
    assert [e["timestamp"] for e in events] == sorted(e["timestamp"] for e in events)


def test_duckdb_reads_every_table_by_hive_path(backfilled: Path) -> None:
    """Types are right, and counting lines by SQL on the raw rows agrees with the session rows."""
    connection = duckdb.connect()
    path = f"{backfilled}/tables/%s/**/*.parquet"
    sessions = connection.sql(f"select * from read_parquet('{path % 'sessions'}', hive_partitioning=true)")
    types = dict(zip(sessions.columns, map(str, sessions.types), strict=True))
    assert types["start"] == "TIMESTAMP WITH TIME ZONE"
    assert types["time_spent"] == "BIGINT"
    assert types["custom"] == "MAP(VARCHAR, VARCHAR)"
    assert {"retention", "dt"} <= set(types)
    for table in ("views", "actions", "errors", "resources", "long_tasks", "replay_segments"):
        ((count,),) = connection.sql(f"select count(*) from read_parquet('{path % table}')").fetchall()
        assert count > 0


def test_sql_on_the_raw_lines_gives_the_same_counts(backfilled: Path, captures: list[Path]) -> None:
    """DuckDB over the SDKs' own JSON, without our decode: distinct events by session and type."""
    connection = duckdb.connect()
    rows = []
    for captured in read_captures([c for c in captures if c.parent.name == "datadog"], CaptureCounts()):
        if captured.message.type == "datadog.rum":
            body = captured.message.value
            body = zlib.decompress(body) if body[:1] == b"x" else body
            rows += [(line,) for line in body.decode().split("\n") if line]
    connection.execute("create table raw (line varchar)")
    connection.executemany("insert into raw values (?)", rows)
    expected = connection.sql(
        """
        select line->>'$.session.id', count(distinct line->>'$.action.id') filter (line->>'$.type' = 'action'),
               count(distinct line->>'$.view.id') filter (line->>'$.type' = 'view'),
               count(distinct line->>'$.resource.id') filter (line->>'$.type' = 'resource')
        from raw group by 1
        """
    ).fetchall()
    columns = "session_action_count", "session_view_count", "session_resource_count"
    found = {row["session_id"]: tuple(row[column] for column in columns) for row in latest(backfilled)}
    assert expected
    assert {session_id: tuple(counts) for session_id, *counts in expected} == {
        one[0]: found[one[0]] for one in expected
    }


@pytest.mark.slow
def test_through_a_broker_the_lake_is_the_same(
    broker: Broker, captures: list[Path], manifest: Manifest, backfilled: Path, tmp_path: Path
) -> None:
    """`replaylake run` on a real broker, stopped by SIGTERM: counts of the manifest, blobs of the backfill."""
    topic = f"rum-{time.time_ns()}"
    broker.create_topic(topic, 4)
    newest = max(c.message.received_ms for c in read_captures(captures, CaptureCounts()))
    shift_ms = min(0, int(time.time() * 1000) - HOUR_MS - newest)
    fed = feed(broker.bootstrap, topic, captures, shift_ms=shift_ms)
    lake = tmp_path / "lake"
    run_until(broker, topic, lake, tmp_path / "recovery", len(fed.sessions))
    assert differences(lake, manifest) == []
    assert verify(LocalStore(lake)).problems == []
    # How far the clock was when something came later than the lateness depends on which partition was read first.
    late = frozenset(str(row["session_id"]) for one in (lake, backfilled) for row in latest(one) if row["revision"])
    found, expected = (settled(LocalStore(one), late).blobs for one in (lake, backfilled))
    if shift_ms == 0:
        assert found == expected
    else:  # the keys hold the day of receipt, which was moved
        assert sorted(found.values()) == sorted(expected.values())


def run_until(broker: Broker, topic: str, lake: Path, recovery: Path, sessions: int) -> None:
    """Run the job until that many sessions are in the lake, then stop it gracefully."""
    environment = os.environ | {
        "REPLAYLAKE_LAKE": str(lake),
        "REPLAYLAKE_KAFKA__BOOTSTRAP": broker.bootstrap,
        "REPLAYLAKE_KAFKA__TOPICS": json.dumps([topic]),
        "REPLAYLAKE_RUN__RECOVERY_DIR": str(recovery),
        "REPLAYLAKE_RUN__EPOCH_SECONDS": "1",
    }
    job = Process([sys.executable, "-m", "flows.cli", "run"], env=environment)
    try:
        deadline = time.monotonic() + 60
        while len(session_keys(LocalStore(lake))) < sessions:
            assert job.poll() is None, "the job ended by itself"
            assert time.monotonic() < deadline, "not all sessions closed"
            time.sleep(0.3)  # a file system has no better way to be watched
        job.send_signal(signal.SIGTERM)
        assert job.wait(timeout=120) == 0
    finally:
        if job.poll() is None:
            job.kill()
            job.wait()


def latest(folder: Path) -> list[dict[str, Any]]:
    rows: dict[object, dict[str, Any]] = {}
    for row in read_lake(folder).tables["sessions"]:
        if row["session_id"] not in rows or row["revision"] > rows[row["session_id"]]["revision"]:
            rows[row["session_id"]] = row
    return list(rows.values())


def differences(folder: Path, manifest: Manifest) -> list[str]:
    """What differs from the manifest, a line each."""
    found = {row["session_id"]: row for row in latest(folder)}
    wrong = []
    for capture in manifest:
        for expected in sessions_of(capture):
            row = found.get(expected["session_id"])
            if row is None:
                wrong.append(f"{capture['capture']}: no session {expected['session_id']}")
                continue
            for column, value in expected_columns(expected).items():
                if row[column] != value:
                    wrong.append(f"{capture['capture']} {column}: {row[column]}, expected {value}")
    if len(found) != sum(len(sessions_of(capture)) for capture in manifest):
        wrong.append(f"{len(found)} sessions")
    return wrong


def is_posthog_action(name: str) -> bool:
    """Clicks, and what the page reports under a name of its own."""
    return name in ("$autocapture", "$rageclick", "$dead_click") or not name.startswith("$")


def expected_columns(session: Captured) -> dict[str, object]:
    lines = session["rum_distinct_by_type"]
    records = session["replay_records_received"]
    columns: dict[str, object] = {"replay_segment_count": session["replay_segments_distinct"]}
    if session["replay_segments_received"] == session["replay_segments_distinct"]:
        columns["replay_record_count"] = records
    if any(name.startswith("$") for name in lines):  # PostHog: every page view a view, every other event an action
        columns["session_view_count"] = lines.get("$pageview", 1)  # without: the page that was open when it began
        columns["session_action_count"] = sum(count for name, count in lines.items() if is_posthog_action(name))
        columns["session_error_count"] = lines.get("$exception", 0)
        return columns
    if not lines:  # what the recording tells is in tests/flow/test_recording_rows.py
        return columns
    for name in ("view", "action", "error", "resource", "long_task"):
        columns[f"session_{name}_count"] = lines.get(name, 0)
    if "oracle" in session:
        for which in ("first", "last"):
            for part in ("id", "url"):
                columns[f"session_{which}_view_{part}"] = session["oracle"][f"{which}_view_{part}"]
    return columns
