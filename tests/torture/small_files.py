"""A lake of many small files as a job leaves them: rows of several apps in every file, some of them revised later."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from lake.catalog import latest_sessions, latest_views, table_rows
from schemas.keys import FIRST_REVISIONS, table_key
from schemas.tables import TABLES as DECLARED
from sinks.store import ObjectStore
from sinks.tables import Row, encode_rows
from tests.required_columns import required

APPS = 8
REVISED_EVERY = 40  # of as many sessions one is revised in the next file
RETENTION_DAYS = 30
TABLES = ("sessions", "views", "errors", "resources")
_LATEST = {"sessions": latest_sessions, "views": latest_views}
_VIEWPORT = '{"viewport":{"width":1280,"height":720}}'


def put_small_files(store: ObjectStore, table: str, day: str, files: int, rows: int) -> None:
    """`files` files of a day and a table, `rows` rows in each; those with late rows have a few more."""
    found = {}
    late: list[Row] = []
    for number in range(files):
        content = [_row(table, day, number, n) for n in range(rows)]
        revised = [row | {"revision": 1, "session_error_count": 9} for row in content[::REVISED_EVERY]]
        mark = "" if late or table not in _LATEST else FIRST_REVISIONS
        name = f"{number % 4:04d}-{number:010d}-{hashlib.sha256(f'{table}{number}'.encode()).hexdigest()[:12]}{mark}"
        found[table_key(table, RETENTION_DAYS, day, name)] = encode_rows(table, [*content, *late])
        late = [_known(table, row) for row in revised] if table in _LATEST and number % 5 == 0 else []
        if len(found) == 200:
            store.put(found)
            found = {}
    store.put(found)


def counted_rows(store: ObjectStore) -> dict[str, list[str]]:
    """Every row that counts, as text, by table: what no compaction may change."""
    found = {}
    for table in TABLES:
        rows = table_rows(store, table)
        found[table] = sorted(map(repr, _LATEST[table](rows) if table in _LATEST else rows))
    return found


def _row(table: str, day: str, file: int, number: int) -> Row:
    at = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(seconds=(file * 37 + number * 11) % 86_400)
    session = hashlib.sha256(f"{day} {file} {number // 3}".encode()).hexdigest()[:32]
    row: Row = {
        "app_id": f"app-{(file + number) % APPS}", "session_id": session, "session_part": number % 3, "revision": 0,
        "start": at, "time": at, "received_at": at, "received_start": at, "time_spent": number * 1_000_000_000,
        "session_error_count": number % 4, "view_id": f"{session}-{number}", "userid": f"u-{number * file % 5000}",
        "view_path": f"/shop/{number % 20}", "session_first_view_path": f"/shop/{number % 20}", "browser": "Chrome",
        "error_message": f"item {number % 9} is out of stock", "resource_url": f"https://shop.example/api/{number}",
        "resource_status": 200, "duration": (number * 7919) % 10**9, "display": _VIEWPORT,
        "custom": {"plan": "pro" if number % 2 else "free", "experiment": str(number % 5)},
    }  # fmt: skip
    return _known(table, row)


def _known(table: str, row: Row) -> Row:
    """The columns that the table has; what must have a value has one."""
    types = {field.name: field.type for field in DECLARED[table].fields}
    known = {name: str(value) if types[name] == "string" else value for name, value in row.items() if name in types}
    return required(table) | known


def days_before(today: str, count: int) -> Iterator[str]:
    """Finished days, newest first."""
    newest = datetime.fromisoformat(today).date() - timedelta(days=2)
    return ((newest - timedelta(days=n)).isoformat() for n in range(count))
