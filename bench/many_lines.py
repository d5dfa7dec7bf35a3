"""The lines of the made-up sessions of `many_sessions`: about twenty a session, a day compacted or in small files."""

import io
import itertools
from pathlib import Path

import duckdb
import pyarrow as pa

from bench.many_sessions import APPS, BROWSERS, COUNTRIES, DAYS, LAST_DAY_MS, PAGES, dice, pick
from schemas.fields import Field
from schemas.keys import FIRST_REVISIONS, table_key
from schemas.tables import TABLES, arrow_schema
from schemas.units import NS_PER_MS, US_PER_MS, utc_day
from sinks.merge import row_group_rows
from sinks.store import LocalStore
from sinks.table_files import table_writer

MESSAGES = (
    "Cannot read properties of undefined (reading 'total')",
    "Failed to fetch",
    "x is not a function",
    "Unexpected end of JSON input",
    "Payment was declined",
    "Loading chunk 7 failed",
)
ERROR_TYPES = ("TypeError", "NetworkError", "TypeError", "SyntaxError", "PaymentError", "ChunkLoadError")
CLICKS = ("Add to cart", "Pay now", "Search", "Next", "Sign in", "Menu", "Delete", "Help")
_PER_SESSION = {"views": 4, "actions": 4, "errors": 1, "resources": 9, "long_tasks": 1, "console": 1}
_OF_FILE = 120_000  # sessions
_DAY_MS = 86_400_000
_RETENTION_DAYS = 14
_SQL_TYPES = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "bool": "BOOLEAN",
    "timestamp": "TIMESTAMPTZ",
    "map<string,string>": "MAP(VARCHAR, VARCHAR)",
}


def write_lines(folder: Path, sessions: int, files_per_day: int, seed: int) -> int:
    """Lines of the sessions that `write_lake` makes with the same numbers; returns how many."""
    store = LocalStore(folder)
    per_day = max(1, sessions // (DAYS * files_per_day)) * files_per_day
    lines = 0
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET threads = 2")
        for day in range(DAYS):
            begin_ms = LAST_DAY_MS - (DAYS - day) * _DAY_MS
            for table, first in itertools.product(_PER_SESSION, range(0, per_day, _OF_FILE)):
                select = _select(table, day * per_day + first, min(_OF_FILE, per_day - first), begin_ms, seed)
                rows = connection.sql(select).to_arrow_table().cast(arrow_schema(table))
                mark = FIRST_REVISIONS if table == "views" else ""
                name = f"compact-{day:08x}{first:08x}{mark}"
                store.put({table_key(table, _RETENTION_DAYS, utc_day(begin_ms), name): _compacted(table, rows)})
                lines += rows.num_rows
    return lines


def _compacted(table: str, rows: pa.Table) -> bytes:
    """A file as `compact` writes it."""
    sink = io.BytesIO()
    size = row_group_rows(rows.num_rows)
    with table_writer(sink, rows.schema, table, bloom_rows=size) as writer:
        writer.write_table(rows, row_group_size=size)
    return sink.getvalue()


def _select(table: str, first: int, count: int, begin_ms: int, seed: int) -> str:
    made = _columns(table, begin_ms, seed)
    columns = ", ".join(f'{made.get(field.name) or _absent(field)} AS "{field.name}"' for field in TABLES[table].fields)
    most = _PER_SESSION[table]
    return f"""SELECT {columns} FROM (
        SELECT s.range AS session, l.range AS line, s.range * 64 + l.range AS n
        FROM range({first}, {first + count}) s, range({most}) l
    ) WHERE {dice(90, seed)} < 0.95 ORDER BY app_id, time"""


def _absent(field: Field) -> str:
    return f"CAST({'NULL' if field.nullable else 0} AS {_SQL_TYPES.get(field.type, field.type)})"


def _columns(table: str, begin_ms: int, seed: int) -> dict[str, str]:
    def of_session(sql: str) -> str:
        """The same for all lines of a session, and what its row says."""
        return sql.replace("hash(n ", "hash(session ")

    def any_of(values: tuple[str, ...], salt: int) -> str:
        return pick(values, salt, seed)

    def at_most(most: int, salt: int, power: int = 3) -> str:
        return f"floor(pow({dice(salt, seed)}, {power}) * {most})::BIGINT"

    start_us = of_session(f"({begin_ms} + floor({dice(1, seed)} * {_DAY_MS})::BIGINT) * {US_PER_MS}")
    lasts_us = of_session(f"(1000 + floor(pow({dice(2, seed)}, 4) * 3600000)::BIGINT) * {US_PER_MS}")
    time_us = f"{start_us} + ({lasts_us} * {dice(91, seed)})::BIGINT"
    page = any_of(PAGES, 100)
    number = f"floor({dice(101, seed)} * 2000)::INTEGER"
    message = f"floor(pow({dice(111, seed)}, 2) * {len(MESSAGES)})::INTEGER + 1"
    own = {
        "views": {
            "time_spent": f"{at_most(600_000, 102)} * {NS_PER_MS}",
            "largest_contentful_paint": f"(300 + {at_most(6_000, 103)}) * {NS_PER_MS}",
            "interaction_to_next_paint": f"(16 + {at_most(900, 104)}) * {NS_PER_MS}",
            "cumulative_layout_shift": f"pow({dice(105, seed)}, 4) * 0.6",
            "loading_time": f"(400 + {at_most(9_000, 106)}) * {NS_PER_MS}",
        },
        "actions": {
            "action_type": "'click'",
            "action_name": f"{any_of(CLICKS, 107)} || ' ' || floor(pow({dice(108, seed)}, 3) * 40)::INTEGER",
            "duration": f"{at_most(4_000, 109)} * {NS_PER_MS}",
        },
        "errors": {
            "error_id": "md5('error' || n)",
            "error_source": "'source'",
            "error_type": f"{list(ERROR_TYPES)}[{message}]",
            "error_message": f"{_sql_list(MESSAGES)}[{message}]",
            "error_fingerprint": f"md5(({message}) || '/' || floor(pow({dice(112, seed)}, 3) * 30)::INTEGER)",
            "error_stack": f"'{'at checkout (https://shop.example/app.js:10:20) ' * 4}'",
        },
        "resources": {
            "resource_id": "md5('resource' || n)",
            "resource_type": any_of(("fetch", "js", "image", "css", "xhr"), 113),
            "resource_method": any_of(("GET", "POST"), 114),
            "resource_status": f"CASE WHEN {dice(115, seed)} < 0.01 THEN '500' ELSE '200' END",
            "resource_status_group": f"CASE WHEN {dice(115, seed)} < 0.01 THEN '5xx' ELSE '2xx' END",
            "resource_url": f"'https://api.example/' || {page} || '/' || {number}",
            "resource_url_host": "'api.example'",
            "resource_url_path": f"'/' || {page} || '/' || {number}",
            "resource_url_path_group": f"'/' || {page} || '/?'",
            "duration": f"{at_most(5_000, 116, 5)} * {NS_PER_MS}",
            "resource_transfer_size": at_most(500_000, 117),
            "is_slow": f"{at_most(5_000, 116, 5)} > 1000",
        },
        "long_tasks": {"long_task_id": "md5('task' || n)", "duration": f"(50 + {at_most(900, 118)}) * {NS_PER_MS}"},
        "console": {
            "console_id": "md5('console' || n)",
            "level": any_of(("log", "warn", "error"), 119),
            "message": f"'state ' || {number}",
        },
    }[table]
    return own | {
        "app_id": of_session(any_of(APPS, 3)),
        "session_id": f"md5('{seed}/' || session)",
        "session_part": "CAST(0 AS BIGINT)",
        "revision": "CAST(0 AS BIGINT)",
        "view_id": f"md5('view' || session || '/' || {'line' if table == 'views' else '(line % 4)'})",
        "time": f"make_timestamptz({time_us})",
        "received_at": f"make_timestamptz({time_us})",
        "env": "'prod'",
        "service": "'shop'",
        "version": of_session(f"'1.' || {at_most(30, 40)}"),
        "userid": of_session(f"md5('user' || floor({dice(42, seed)} * 200000)::INTEGER)"),
        "browser": of_session(any_of(BROWSERS, 45)),
        "os": of_session(any_of(("Windows", "macOS", "Linux", "Android", "iOS"), 44)),
        "device": of_session(f"CASE WHEN {dice(47, seed)} < 0.6 THEN 'PC' ELSE 'Mobile' END"),
        "country": of_session(any_of(COUNTRIES, 51)),
        "view_url": f"'https://shop.example/' || {page} || '/' || {number}",
        "view_host": "'shop.example'",
        "view_path": f"'/' || {page} || '/' || {number}",
        "view_path_group": f"'/' || {page} || '/?'",
        "view_name": page,
    }


def _sql_list(values: tuple[str, ...]) -> str:
    quoted = (value.replace("'", "''") for value in values)
    return "[" + ", ".join(f"'{value}'" for value in quoted) + "]"
