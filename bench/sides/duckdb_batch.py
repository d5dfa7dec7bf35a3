"""Baseline: DuckDB makes the session table from the same lines as one JSONL file, in one batch, on one thread.

What a nightly SQL job would do, told everything at once: copies removed, the last state of each view, windows by a gap
of 15 minutes, first and last view, counts, the visitor. No limit of 4 hours, no line tables, no replay, nothing live.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import duckdb
import msgspec

from bench.spent import charged

_VISITOR = (
    *("env", "service", "version", "source", "sdk_name", "sdk_version", "userid", "user_name", "is_signin"),
    *("os", "os_version", "os_version_major", "browser", "browser_version", "browser_version_major"),
    *("device", "screen_size", "network_type", "time_zone", "session_type"),
)
_VIEW = ("view_id", "view_url", "view_host", "view_path", "view_path_group")
_TAGS = ("app_id", "session_id", "view_referrer", "resource_id", "error_id", "long_task_id", *_VIEW, *_VISITOR)
_VIEW_FIELDS = ("view_error_count", "view_resource_count", "view_action_count", "view_long_task_count")
_FIELDS = {
    "time_spent": "BIGINT",
    "duration": "BIGINT",
    "action_id": "VARCHAR",
    "frustration_count": "BIGINT",
    **dict.fromkeys(_VIEW_FIELDS, "BIGINT"),
}


class _Arguments(msgspec.Struct):
    jsonl: str
    lines: int
    work: str


def _query(jsonl: str) -> str:
    tags = ", ".join(f"{name} VARCHAR" for name in _TAGS)
    fields = ", ".join(f"{name} {kind}" for name, kind in _FIELDS.items())
    first_last = ", ".join(
        f"arg_min({name}, begin_us) AS first_{name}, arg_max({name}, begin_us) AS last_{name}" for name in _VIEW
    )
    visitor = ", ".join(f"arg_max({name}, begin_us) AS {name}" for name in _VISITOR)
    claimed = ", ".join(
        f"sum({name}) FILTER (measurement = 'view') AS claimed_{name.removeprefix('view_')}" for name in _VIEW_FIELDS
    )
    kinds = ", ".join(
        f"count(*) FILTER (measurement = '{kind}') AS session_{kind}_count"
        for kind in ("view", "action", "error", "resource", "long_task")
    )
    return f"""
WITH lines AS (
    SELECT measurement, tags.*, fields.*, (time * 1000)::BIGINT AS begin_us,
        (time * 1000)::BIGINT + coalesce(fields.time_spent, fields.duration, 0) // 1000 AS end_us,
        CASE measurement WHEN 'view' THEN tags.view_id WHEN 'action' THEN fields.action_id
            ELSE coalesce(tags.resource_id, tags.error_id, tags.long_task_id) END AS own_id
    FROM read_json('{jsonl}', format = 'newline_delimited', columns = {{
        measurement: 'VARCHAR', time: 'DOUBLE', tags: 'STRUCT({tags})', fields: 'STRUCT({fields})'}})
), distinct_lines AS (
    SELECT * FROM lines
    QUALIFY row_number() OVER (PARTITION BY app_id, session_id, measurement, own_id ORDER BY end_us DESC) = 1
), gaps AS (
    SELECT *, begin_us - max(end_us) OVER (
        PARTITION BY app_id, session_id ORDER BY begin_us ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) > 900000000 AS opens
    FROM distinct_lines
), parts AS (
    SELECT *, count(*) FILTER (opens) OVER (PARTITION BY app_id, session_id ORDER BY begin_us) AS session_part
    FROM gaps
)
SELECT app_id, session_id, session_part, min(begin_us) AS start_us, max(end_us) AS end_us,
    (max(end_us) - min(begin_us)) * 1000 AS time_spent, sum(frustration_count) AS frustration_count,
    arg_min(view_referrer, begin_us) AS session_referrer, {first_last}, {kinds}, {claimed}, {visitor}
FROM parts GROUP BY ALL
"""


def batch(jsonl: str, target: Path, threads: int = 1) -> int:
    """Write the table; the number of its rows."""
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {threads}")
        connection.execute("SET preserve_insertion_order = false")
        written = connection.execute(
            f"COPY ({_query(jsonl)}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
        ).fetchone()
    return int(written[0]) if written else 0


def main() -> None:
    arguments = msgspec.json.decode(sys.argv[1], type=_Arguments)

    def work() -> tuple[int, Mapping[str, float]]:
        return arguments.lines, {"windows": batch(arguments.jsonl, Path(arguments.work) / "sessions.parquet")}

    charged(work)


if __name__ == "__main__":
    main()
