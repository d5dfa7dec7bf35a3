"""Baselines: DuckDB makes tables from the same lines as one JSONL file, in one batch, on one thread.

What a nightly SQL job would do, told everything at once: copies removed, the last state of each view, windows by a gap
of 15 minutes, first and last view, counts, the visitor. No limit of 4 hours, no replay, nothing live. With `all_tables`
the line tables too: every attribute of our columns as it was sent, but no times or units converted, nothing kept that
has no column, nothing checked, and copies are removed from the session table only.
"""

import sys
from collections.abc import Collection, Mapping
from itertools import islice
from pathlib import Path

import duckdb
import msgspec

from bench.spent import charged
from schemas.items import LINE_TABLE, Kind
from schemas.tables import TABLES

VISITOR = (
    *("env", "service", "version", "source", "sdk_name", "sdk_version", "userid", "user_name", "is_signin"),
    *("os", "os_version", "os_version_major", "browser", "browser_version", "browser_version_major"),
    *("device", "screen_size", "network_type", "time_zone", "session_type"),
)
VIEW = ("view_id", "view_url", "view_host", "view_path", "view_path_group")
_TAGS = ("app_id", "session_id", "view_referrer", "resource_id", "error_id", "long_task_id", *VIEW, *VISITOR)
_VIEW_FIELDS = ("view_error_count", "view_resource_count", "view_action_count", "view_long_task_count")
_FIELDS = {
    "time_spent": "BIGINT",
    "duration": "BIGINT",
    "action_id": "VARCHAR",
    "frustration_count": "BIGINT",
    **dict.fromkeys(_VIEW_FIELDS, "BIGINT"),
}
_SQL_TYPES = {"string": "VARCHAR", "int64": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN"}
_SAMPLE = 5_000  # lines


class _Arguments(msgspec.Struct):
    jsonl: str
    lines: int
    work: str
    all_tables: bool


def _read(jsonl: str) -> str:
    """The lines with what the session table needs of them."""
    tags = ", ".join(f"{name} VARCHAR" for name in _TAGS)
    fields = ", ".join(f"{name} {kind}" for name, kind in _FIELDS.items())
    return f"""
(SELECT measurement, time, tags.*, fields.* FROM read_json('{jsonl}', format = 'newline_delimited', columns = {{
    measurement: 'VARCHAR', time: 'DOUBLE', tags: 'STRUCT({tags})', fields: 'STRUCT({fields})'}}))"""


def _query(source: str) -> str:
    first_last = ", ".join(
        f"arg_min({name}, begin_us) AS first_{name}, arg_max({name}, begin_us) AS last_{name}" for name in VIEW
    )
    visitor = ", ".join(f"arg_max({name}, begin_us) AS {name}" for name in VISITOR)
    claimed = ", ".join(
        f"sum({name}) FILTER (measurement = 'view') AS claimed_{name.removeprefix('view_')}" for name in _VIEW_FIELDS
    )
    kinds = ", ".join(
        f"count(*) FILTER (measurement = '{kind}') AS session_{kind}_count"
        for kind in ("view", "action", "error", "resource", "long_task")
    )
    return f"""
WITH lines AS (
    SELECT *, (time * 1000)::BIGINT AS begin_us,
        (time * 1000)::BIGINT + coalesce(time_spent, duration, 0) // 1000 AS end_us,
        CASE measurement WHEN 'view' THEN view_id WHEN 'action' THEN action_id
            ELSE coalesce(resource_id, error_id, long_task_id) END AS own_id
    FROM {source}
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


def columns_of_lines(texts_in_fields: Collection[str]) -> dict[str, dict[str, str]]:
    """Attributes that are columns of a line table, with SQL types: text in tags, unless it is known otherwise."""
    columns = {
        field.name: _SQL_TYPES[field.type]
        for table in LINE_TABLE.values()
        for field in TABLES[table].fields
        if field.guance and field.type in _SQL_TYPES
    }
    in_tags = {name: kind for name, kind in columns.items() if kind == "VARCHAR" and name not in texts_in_fields}
    return {"tags": in_tags, "fields": {name: kind for name, kind in columns.items() if name not in in_tags}}


def _load(jsonl: str, texts_in_fields: Collection[str]) -> str:
    """All lines with all these attributes."""
    places = columns_of_lines(texts_in_fields)
    tags, fields = (", ".join(f"{name} {kind}" for name, kind in places[one].items()) for one in ("tags", "fields"))
    return f"""
CREATE TEMP TABLE every_line AS SELECT measurement, time, tags.*, fields.*
FROM read_json('{jsonl}', format = 'newline_delimited', columns = {{
    measurement: 'VARCHAR', time: 'DOUBLE', tags: 'STRUCT({tags})', fields: 'STRUCT({fields})'}})
"""


def _line_table(kind: Kind) -> str:
    names = [field.name for field in TABLES[LINE_TABLE[kind]].fields if field.guance and field.type in _SQL_TYPES]
    return f"SELECT time, {', '.join(names)} FROM every_line WHERE measurement = '{kind.name.lower()}'"


def texts_in_fields(jsonl: str) -> set[str]:
    """Attributes that the first lines send as text, but not as tags."""
    with Path(jsonl).open("rb") as lines:
        sample = [msgspec.json.decode(line) for line in islice(lines, _SAMPLE)]
    return {name for line in sample for name, value in line["fields"].items() if isinstance(value, str)}


def batch(jsonl: str, folder: Path, line_tables: Collection[str] | None = None) -> int:
    """Write the session table; with `line_tables` (from `texts_in_fields`) those too. The number of sessions."""
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.execute("SET preserve_insertion_order = false")
        if line_tables is None:
            return _write(connection, _query(_read(jsonl)), folder / "sessions.parquet")
        connection.execute(_load(jsonl, line_tables))
        for kind, table in LINE_TABLE.items():
            _write(connection, _line_table(kind), folder / f"{table}.parquet")
        return _write(connection, _query("every_line"), folder / "sessions.parquet")


def _write(connection: duckdb.DuckDBPyConnection, query: str, target: Path) -> int:
    written = connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)").fetchone()
    return int(written[0]) if written else 0


def main() -> None:
    arguments = msgspec.json.decode(sys.argv[1], type=_Arguments)
    line_tables = texts_in_fields(arguments.jsonl) if arguments.all_tables else None

    def work() -> tuple[int, Mapping[str, float]]:
        windows = batch(arguments.jsonl, Path(arguments.work), line_tables)
        return arguments.lines, {"windows": windows}

    charged(work)


if __name__ == "__main__":
    main()
