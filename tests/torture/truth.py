"""What must come out of rows that are sent: a lake of few sessions, each counted by hand."""

import json
import os
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from lake.catalog import latest_sessions, read_rows, table_keys
from lake.verify import verify
from schemas.keys import partition_value
from sinks.store import ObjectStore
from tests.starts import run_command
from tests.torture.job import Place

APP = "shop"


class Told(msgspec.Struct, frozen=True):
    """A session as it must be: distinct actions, and the days that its receive times allow.

    `is_calm`: nothing gave a reason for a second revision; `is_whole`: nor for a second window.
    """

    actions: int
    days: frozenset[str]
    is_calm: bool = True
    is_whole: bool = True


def action(session_id: str, number: int, time_ms: int) -> bytes:
    """One row as the Guance SDK sends it."""
    tags = {"app_id": APP, "session_id": session_id, "view_id": f"{session_id}-view"}
    fields = {"action_id": f"{session_id}-{number}", "duration": 1_000_000}
    return json.dumps({"measurement": "action", "tags": tags, "fields": fields, "time": time_ms}).encode()


def day_of(stamp_ms: float) -> str:
    return datetime.fromtimestamp(stamp_ms / 1000, UTC).date().isoformat()


def untrue(store: ObjectStore, told: Mapping[str, Told], *, others: bool = False) -> list[str]:
    """What differs in the lake; `others`: sessions that nobody told of are fine."""
    rows = list(_with_days(store, "sessions"))
    latest = latest_sessions(rows)
    counts = Counter(str(row["session_id"]) for row in latest)
    actions = Counter((str(row["session_id"]), str(row["action_id"])) for row in _with_days(store, "actions"))
    found = [f"{name}: not there" for name in told if not counts[name]]
    found += [
        f"{name}: {counts[name]} windows, not 1" for name, one in told.items() if one.is_whole and counts[name] > 1
    ]
    found += [f"{name}: nobody sent it" for name in counts.keys() - told.keys() if not others]
    found += [f"{name}: {count} x action {action}" for (name, action), count in actions.items() if count > 1]
    copies = Counter((row["session_id"], row["session_part"], row["revision"]) for row in rows)
    found += [
        f"{key[0]}: {count} rows of part {key[1]} revision {key[2]}" for key, count in copies.items() if count > 1
    ]
    for row in latest:
        wanted = told.get(str(row["session_id"]))
        if wanted is not None:
            found += _untrue(row, wanted)
    for name, wanted in told.items():
        stored = sum(1 for session_id, _ in actions if session_id == name)
        found += [f"{name}: {stored} rows of actions, not {wanted.actions}"] if stored != wanted.actions else []
    return found


def command(place: Place, *arguments: str) -> tuple[int, str]:
    """Exit code and all output of another command on the same lake."""
    done = run_command(
        [sys.executable, "-m", "flows.cli", *arguments],
        env={name: value for name, value in place.environment().items() if name != "LD_PRELOAD"},
        capture_output=True,
        text=True,
        check=False,
        cwd=os.curdir,
    )
    return done.returncode, done.stdout + done.stderr


def unverified(place: Place) -> list[str]:
    """What `replaylake verify` finds."""
    return [f"verify: {problem}" for problem in verify(place.store()).problems[:5]]


def _untrue(row: Mapping[str, object], wanted: Told) -> list[str]:
    name = row["session_id"]
    found = []
    if wanted.is_whole and row["session_action_count"] != wanted.actions:
        found.append(f"{name}: session_action_count is {row['session_action_count']}, not {wanted.actions}")
    if row["dt"] not in wanted.days:
        found.append(f"{name}: filed under {row['dt']}, not {sorted(wanted.days)}")
    if wanted.is_calm and (row["session_part"], row["revision"]) != (0, 0):
        found.append(f"{name}: part {row['session_part']} revision {row['revision']}, not 0 and 0")
    return found


def _with_days(store: ObjectStore, table: str) -> list[dict[str, object]]:
    return [
        row | {"dt": partition_value(key, "dt")}
        for key in table_keys(store, table)
        for row in read_rows(store, [key], table)
    ]
