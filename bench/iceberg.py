"""What Iceberg tables cost: a month of files registered from nothing, and commits with many others behind them.

python -m bench.iceberg month    30 days, 10,000 files: time and memory of the first run, and of one without news
python -m bench.iceberg commits  1,000 runs that add a file each, with expiry and without: wall and CPU of a run
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.spent import charged, memory_bytes
from schemas.keys import table_key
from schemas.tables import TABLES
from sinks.iceberg import registrar as registrar_module
from sinks.iceberg.options import CatalogOptions, open_registrar
from sinks.iceberg.registrar import Registrar
from sinks.store import LocalStore
from sinks.tables import encode_rows

DAYS, FILES, ROWS = 30, 10_000, 20
MONTH_TABLES = ("sessions", "views", "errors", "resources")
REVISED_EVERY = 40  # of as many files one brings second revisions
RETENTION_DAYS = 90
KEPT_SECONDS = 2  # about ten snapshots at the pace of these runs
RUNS, WITHOUT_EXPIRY = 1_000, 100
_VALUES: dict[str, object] = {"string": "", "int64": 0, "double": 0.0, "bool": False, "timestamp": 0, "binary": b""}


def now_ms() -> int:
    return int(time.time() * 1000)


def opened(store: LocalStore, grace_seconds: int) -> Registrar:
    return open_registrar(store, CatalogOptions(grace_seconds=grace_seconds), now_ms)


def write_month(store: LocalStore) -> int:
    """Files as a job leaves them, but for their size; returns how many."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    per_day = FILES // DAYS // len(MONTH_TABLES)
    count = 0
    for day in range(1, DAYS + 1):
        at = today - timedelta(days=day)
        for table in MONTH_TABLES:
            for number in range(per_day):
                is_late = number > 0 and number % REVISED_EVERY == 0 and table in {"sessions", "views"}
                rows = [_row(table, at, number, n) for n in range(ROWS)]
                if is_late:
                    rows += [_row(table, at, number - 1, n) | {"revision": 1} for n in range(3)]
                mark = "" if is_late or table not in {"sessions", "views"} else "-r0"
                key = table_key(table, RETENTION_DAYS, at.date().isoformat(), f"0000-{number:010d}{mark}")
                path = Path(store.uri) / key  # without a sync of the disk for each
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encode_rows(table, rows))
                count += 1
    return count


def _row(table: str, at: datetime, file: int, number: int) -> dict[str, object]:
    made = {field.name: _VALUES[field.type] for field in TABLES[table].fields if not field.nullable}
    names = {field.name for field in TABLES[table].fields}
    session = f"{at.date()}-{file:06d}-{number:04d}"
    wanted = {"app_id": "shop", "session_id": session, "view_id": session, "received_at": at, "received_start": at}
    return made | {name: value for name, value in wanted.items() if name in names}


def month() -> None:
    with tempfile.TemporaryDirectory(prefix="replaylake-bench-iceberg-") as name:
        store = LocalStore(Path(name))
        files = write_month(store)
        base = memory_bytes("VmHWM")

        def first() -> tuple[int, Mapping[str, float]]:
            done = opened(store, 600).sync()
            assert done.files_added == files
            return files, {"rows": done.rows, "superseded": done.superseded, "peak_before_bytes": base}

        def again() -> tuple[int, Mapping[str, float]]:
            assert opened(store, 600).sync().snapshots == 0
            return files, {}

        charged(first)
        charged(again)


def commits() -> None:
    vars(registrar_module)["TABLES"] = {"errors": TABLES["errors"]}
    for grace, runs in ((KEPT_SECONDS, RUNS), (86_400, WITHOUT_EXPIRY)):
        with tempfile.TemporaryDirectory(prefix="replaylake-bench-iceberg-") as name:
            store = LocalStore(Path(name))
            registrar = opened(store, grace)
            walls, cpus = [], []
            for number in range(runs):
                at = datetime.now(UTC)
                content = encode_rows("errors", [_row("errors", at, number, 0)])
                store.put({table_key("errors", RETENTION_DAYS, at.date().isoformat(), f"{number:06d}"): content})
                wall, cpu = time.monotonic(), time.process_time()
                assert registrar.sync().files_added == 1
                walls.append(time.monotonic() - wall)
                cpus.append(time.process_time() - cpu)
                if number + 1 in {10, 100, 1_000}:
                    table = registrar.table("errors")
                    current = table.current_snapshot()
                    manifests = len(current.manifests(table.io)) if current else 0
                    wall, cpu = (statistics.median(found[-10:]) * 1000 for found in (walls, cpus))
                    print(
                        f"{'with' if grace == KEPT_SECONDS else 'without'} expiry, {number + 1:,} commits behind: "
                        f"{wall:.0f} ms wall, {cpu:.0f} ms CPU, "
                        f"{len(table.metadata.snapshots)} snapshots, {manifests} manifests",
                        flush=True,
                    )


if __name__ == "__main__":
    {"month": month, "commits": commits}[sys.argv[1]]()
