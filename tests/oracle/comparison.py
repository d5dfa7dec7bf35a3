"""The table `sessions` of a lake against SQL over the same raw input, column by column."""

import sys
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import duckdb

from tests.oracle.capture_text import load
from tests.starts import run_command

HERE = Path(__file__).parent
KEY = ("app_id", "session_id", "session_part")
# What SQL over the raw input cannot know, and where it is tested instead.
NOT_COMPARED = {
    "revision": "which items came too late depends on the receive clock: tests/property, tests/flow/test_invariance",
    "late_count": "as `revision`",
    "custom": "what the dictionary does not name: tests/oracle/test_wire_fields compares it line by line",
    "replay_bytes": "size after our own compression: tests/unit/test_replay_cut, `replaylake verify`",
    "replay_key": "a place in our own layout: tests/flow/test_recordings, `replaylake verify`",
    **dict.fromkeys(
        ("sdk_family", "session_console_count", "console_error_count", "console_warn_count", "recorded_omitted_count"),
        "what the recording tells: tests/flow/test_recording_rows counts it without the project's code",
    ),
}
# SQL knows the lines. What the recording adds to a count is taken off; where it decides, nothing is compared.
_ADDED = {
    "views": "session_view_count",
    "actions": "session_action_count",
    "resources": "session_resource_count",
}
_DECIDED = {
    "views": ("session_first_view_%", "session_last_view_%", "session_referrer", "is_bounce"),
    "actions": ("frustration_count", "%_click_count", "is_bounce"),
    "resources": ("slow_resource_count",),
}
# A window keeps the reason of its first close; what was known then depends on the receive clock. What an SDK leaves
# unsaid of its browser is read from the request's headers, by a parser, and the screen in the recording:
# tests/flow/test_clients.
_NAMED = (
    *("os", "os_version", "os_version_major", "browser", "browser_version", "browser_version_major"),
    *("device", "screen_size"),
)
_ONLY_WHERE = {"close_reason": "f.revision = 0"} | {name: f'e."{name}" is not null' for name in _NAMED}
_LATEST = "qualify revision = max(revision) over (partition by app_id, session_id, session_part)"


class Comparison(NamedTuple):
    """`sessions`: windows of both sides; `columns`: those compared; `differences`: one line a cell or window."""

    sessions: int
    revised: int  # of them: something came after the close
    columns: list[str]
    differences: list[str]


def backfill(captures: Iterable[Path], lake: Path) -> None:
    """Make the lake as a user would."""
    command = [sys.executable, "-m", "flows.cli", "backfill", *map(str, captures), "--lake", str(lake), "--json"]
    run_command(command, check=True, capture_output=True, text=True)


def compare(captures: Iterable[Path], lake: Path, examples: int = 3) -> Comparison:
    """Run the SQL over the captures and hold the lake against it."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        load(connection, captures)
        for script in ("lines", "windows", "sessions"):
            connection.execute((HERE / f"{script}.sql").read_text(encoding="utf-8"))
        files = f"{lake}/tables/sessions/**/*.parquet"
        connection.execute(f"create table found as select * from read_parquet('{files}', union_by_name=true) {_LATEST}")
        _take_off_recordings(connection, lake)
        return _differences(connection, examples)


def _take_off_recordings(connection: duckdb.DuckDBPyConnection, lake: Path) -> None:
    """From the counts what was seen in the recording, and for each table the windows in which something was."""
    for table, column in _ADDED.items():
        connection.execute(f"""create table derived_{table}
            (app_id text, session_id text, session_part bigint, rows bigint)""")
        if not any((lake / "tables" / table).rglob("*.parquet")):
            continue
        connection.execute(f"""insert into derived_{table} select {", ".join(KEY)}, count(distinct {table[:-1]}_id)
            from read_parquet('{lake}/tables/{table}/**/*.parquet', union_by_name=true)
            where from_recording group by all""")
        connection.execute(f"""update found f set {column} = {column} - d.rows from derived_{table} d
            where f.app_id = d.app_id and f.session_id = d.session_id and f.session_part = d.session_part""")


def _is_compared(column: str) -> str:
    """The condition on windows for a column."""
    conditions = [_ONLY_WHERE.get(column, "true")]
    for table, patterns in _DECIDED.items():
        if any(fnmatch(column, pattern.replace("%", "*")) for pattern in patterns):
            conditions.append(
                f"({', '.join(f'f.{name}' for name in KEY)}) not in (select ({', '.join(KEY)}) from derived_{table})"
            )
    return " and ".join(conditions)


def _differences(connection: duckdb.DuckDBPyConnection, examples: int) -> Comparison:
    names = [name for name, *_ in connection.execute("describe expected").fetchall()]
    declared = [name for name, *_ in connection.execute("describe found").fetchall()]
    missing = [name for name in declared if name not in names and name not in (*NOT_COMPARED, "dt", "retention")]
    wrong = [f"column {name!r} is neither compared nor excused" for name in missing]
    for side, other in (("expected", "found"), ("found", "expected")):
        lonely = connection.execute(f"select {', '.join(KEY)} from {side} anti join {other} using ({', '.join(KEY)})")
        wrong += [f"only in {side}: {row}" for row in lonely.fetchall()]
    for name in names:
        query = f"""select {", ".join(KEY)}, e."{name}", f."{name}", count(*) over ()
            from expected e join found f using ({", ".join(KEY)})
            where e."{name}" is distinct from f."{name}" and {_is_compared(name)}
            order by all limit {examples}"""
        rows = connection.execute(query).fetchall()
        wrong += [f"{name} ({row[5]} times): {row[:3]}: expected {row[3]!r}, found {row[4]!r}" for row in rows]
    counts = f"select count(*), count(*) filter (revision > 0) from expected join found using ({', '.join(KEY)})"
    both, revised = connection.execute(counts).fetchall()[0]
    return Comparison(both, revised, names, wrong)
