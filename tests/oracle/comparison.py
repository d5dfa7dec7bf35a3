"""The table `sessions` of a lake against SQL over the same raw input, column by column."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import duckdb

from tests.oracle.capture_text import load

HERE = Path(__file__).parent
KEY = ("app_id", "session_id", "session_part")
# What SQL over the raw input cannot know, and where it is tested instead.
NOT_COMPARED = {
    "revision": "which items came too late depends on the receive clock: tests/property, tests/flow/test_invariance",
    "late_count": "as `revision`",
    "custom": "what the dictionary does not name: tests/oracle/test_wire_fields compares it line by line",
    "replay_bytes": "size after our own compression: tests/unit/test_replay_cut, `replaylake verify`",
    "replay_key": "a place in our own layout: tests/flow/test_recordings, `replaylake verify`",
}
# A window keeps the reason of its first close; what was known then depends on the receive clock.
_ONLY_WHERE = {"close_reason": "f.revision = 0"}
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
    subprocess.run(command, check=True, capture_output=True, text=True)


def compare(captures: Iterable[Path], lake: Path, examples: int = 3) -> Comparison:
    """Run the SQL over the captures and hold the lake against it."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        load(connection, captures)
        for script in ("lines", "windows", "sessions"):
            connection.execute((HERE / f"{script}.sql").read_text(encoding="utf-8"))
        files = f"{lake}/tables/sessions/**/*.parquet"
        connection.execute(f"create table found as select * from read_parquet('{files}', union_by_name=true) {_LATEST}")
        return _differences(connection, examples)


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
            where e."{name}" is distinct from f."{name}" and {_ONLY_WHERE.get(name, "true")}
            order by all limit {examples}"""
        rows = connection.execute(query).fetchall()
        wrong += [f"{name} ({row[5]} times): {row[:3]}: expected {row[3]!r}, found {row[4]!r}" for row in rows]
    counts = f"select count(*), count(*) filter (revision > 0) from expected join found using ({', '.join(KEY)})"
    both, revised = connection.execute(counts).fetchall()[0]
    return Comparison(both, revised, names, wrong)
