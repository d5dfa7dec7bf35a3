"""A lake with very many sessions and nothing else: made-up rows of the sessions table, the same for the same seed."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from schemas.fields import Field
from schemas.keys import table_key
from schemas.tables import TABLES, arrow_schema
from schemas.units import NS_PER_MS, US_PER_MS, utc_day
from sinks.store import LocalStore
from sinks.table_files import encode

DAYS = 14
APPS = ("shop", "admin", "docs")
BROWSERS = ("Chrome", "Firefox", "Safari", "Edge", "Samsung Internet", "Opera")
COUNTRIES = ("China", "Germany", "United States", "Brazil", "India", "France", "Japan", "Kenya", "Chile", "Poland")
PAGES = ("home", "search", "product", "cart", "checkout", "account", "help", "orders")
_SYSTEMS = ("Windows", "macOS", "Linux", "Android", "iOS")
LAST_DAY_MS = 1_795_219_200_000  # 2026-11-21
_DAY_MS = 86_400_000
_RETENTION_DAYS = 14
_REVISED = 33  # of so many sessions one has a second revision
_SQL_TYPES = {"string": "VARCHAR", "int64": "BIGINT", "bool": "BOOLEAN", "timestamp": "TIMESTAMPTZ"}


def write_lake(folder: Path, sessions: int, files_per_day: int, seed: int) -> int:
    """Write the lake; returns the number of its files."""
    store = LocalStore(folder)
    per_file = max(1, sessions // (DAYS * files_per_day))
    files = 0
    for key, content in _files(per_file, files_per_day, seed):
        store.put({key: encode(content)})
        files += 1
    return files


def _files(per_file: int, files_per_day: int, seed: int) -> Iterator[tuple[str, pa.Table]]:
    """Of each day the rows in order of their start, cut into files; then a file of new revisions of some of them."""
    order = [(name, "ascending") for name in TABLES["sessions"].sort_by]
    schema = arrow_schema("sessions")
    count = per_file * files_per_day
    with duckdb.connect() as connection:
        for day in range(DAYS):
            begin_ms = LAST_DAY_MS - (DAYS - day) * _DAY_MS

            def rows(revision: int, day: int = day, begin_ms: int = begin_ms) -> pa.Table:
                select = _select(day * count, count, begin_ms, seed, revision)
                return connection.sql(select).to_arrow_table().cast(schema)

            first = rows(0)
            cuts = [first.slice(place * per_file, per_file) for place in range(files_per_day)]
            for place, cut in enumerate([*cuts, rows(1)]):
                number = day * (files_per_day + 1) + place
                name = f"0000-{number:010d}-{number:012x}"
                yield table_key("sessions", _RETENTION_DAYS, utc_day(begin_ms), name), cut.sort_by(order)


def _select(first: int, count: int, begin_ms: int, seed: int, revision: int) -> str:
    """Rows `first` to `first + count`; of a later revision only some of them."""
    made = _columns(begin_ms, seed)
    columns = ", ".join(
        f'{made.get(field.name) or _absent(field)} AS "{field.name}"' for field in TABLES["sessions"].fields
    )
    some = f"WHERE range % {_REVISED} = 0" if revision else ""
    rows = f"SELECT range AS n, {revision} AS revision FROM range({first}, {first + count}) {some}"
    return f'SELECT {columns} FROM ({rows}) ORDER BY "start"'


def _absent(field: Field) -> str:
    return f"CAST({'NULL' if field.nullable else 0} AS {_SQL_TYPES.get(field.type, field.type)})"


def _columns(begin_ms: int, seed: int) -> dict[str, str]:
    def number(salt: int) -> str:
        return dice(salt, seed)

    def any_of(values: tuple[str, ...], salt: int) -> str:
        return pick(values, salt, seed)

    def few(most: int, salt: int) -> str:
        return f"floor(pow({number(salt)}, 3) * {most})::BIGINT"

    def page(salt: int) -> str:
        return f"'/' || {any_of(PAGES, salt)} || '/' || floor({number(salt + 1)} * 2000)::INTEGER"

    start_us = f"({begin_ms} + floor({number(1)} * {_DAY_MS})::BIGINT) * {US_PER_MS}"
    lasts_us = f"(1000 + floor(pow({number(2)}, 4) * 3600000)::BIGINT) * {US_PER_MS}"
    start, end = (f"make_timestamptz({one})" for one in (start_us, f"{start_us} + {lasts_us}"))
    views = {
        f"session_{which}_view_{part}": value
        for which, salt in (("first", 20), ("last", 30))
        for part, value in {
            "id": f"md5('view{which}' || n)",
            "url": f"'https://shop.example' || {page(salt)} || '?from=' || {any_of(PAGES, salt + 2)}",
            "host": "'shop.example'",
            "path": page(salt),
            "path_group": f"'/' || {any_of(PAGES, salt)} || '/?'",
            "url_query": f"'{{\"from\":\"' || {any_of(PAGES, salt + 2)} || '\"}}'",
        }.items()
    }
    return views | {
        "app_id": any_of(APPS, 3),
        "session_id": f"md5('{seed}/' || n)",
        "session_part": "CAST(0 AS BIGINT)",
        "revision": "CAST(revision AS BIGINT)",
        "session_type": "'user'",
        "session_referrer": f"'https://search.example/?q=' || {any_of(PAGES, 4)}",
        "time_spent": f"({lasts_us}) * {NS_PER_MS // US_PER_MS}",
        "session_view_count": f"1 + {few(20, 5)}",
        "session_error_count": f"greatest(0, {few(12, 6)} - 4)",
        "session_resource_count": few(300, 7),
        "session_action_count": few(80, 8),
        "session_long_task_count": few(60, 9),
        "session_has_replay": f"{number(10)} < 0.7",
        "start": start,
        "end": end,
        "received_start": start,
        "received_end": end,
        "close_reason": "'inactivity'",
        "last_interaction_at": end,
        "active_time": f"({lasts_us}) * {NS_PER_MS // US_PER_MS}",
        "clock_skew_ms": few(500, 11),
        "frustration_count": f"greatest(0, {few(8, 12)} - 4)",
        "duplicate_count": few(4, 13),
        "late_count": "revision",
        "replay_segment_count": few(50, 14),
        "replay_record_count": few(5000, 15),
        "replay_raw_bytes": few(5_000_000, 16),
        "replay_bytes": few(500_000, 16),
        "env": "'prod'",
        "service": "'shop'",
        "version": f"'1.' || {few(30, 40)}",
        "source": "'browser'",
        "sdk_name": "'df_web_rum_sdk'",
        "sdk_version": f"'3.2.' || {few(20, 41)}",
        "userid": f"md5('user' || floor({number(42)} * 200000)::INTEGER)",
        "user_name": f"CASE WHEN {number(43)} < 0.4 THEN 'Visitor ' || floor({number(42)} * 200000)::INTEGER END",
        "user_email": (
            f"CASE WHEN {number(43)} < 0.4 THEN 'v' || floor({number(42)} * 200000)::INTEGER || '@mail.example' END"
        ),
        "is_signin": f"CASE WHEN {number(43)} < 0.4 THEN 'T' ELSE 'F' END",
        "os": any_of(_SYSTEMS, 44),
        "browser": any_of(BROWSERS, 45),
        "browser_version": f"(120 + {few(36, 46)})::VARCHAR || '.0'",
        "browser_version_major": f"(120 + {few(36, 46)})::VARCHAR",
        "device": f"CASE WHEN {number(47)} < 0.6 THEN 'PC' ELSE 'Mobile' END",
        "screen_size": "'1920*1080'",
        "ip": f"'10.' || {few(250, 48)} || '.' || {few(250, 49)} || '.' || {few(250, 50)}",
        "country": any_of(COUNTRIES, 51),
        "city": f"'City ' || {few(400, 52)}",
        "custom": f"MAP {{'plan': {any_of(('free', 'team', 'company'), 53)}, 'cart': {few(9, 54)}::VARCHAR}}",
    }


def pick(values: tuple[str, ...], salt: int, seed: int) -> str:
    """One of them, the first most often."""
    listed = ", ".join(f"'{value}'" for value in values)
    return f"[{listed}][1 + floor(pow({dice(salt, seed)}, 2) * {len(values)})::INTEGER]"


def dice(salt: int, seed: int) -> str:
    """A number in [0, 1) that depends on the row, what it is for, and the seed alone."""
    return f"((hash(n * 1000003 + {salt * 7919 + seed * 104729}) % 1000000007) / 1000000007.0)"
