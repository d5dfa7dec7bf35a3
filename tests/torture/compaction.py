"""Compaction on a real S3 server: the cost of a query before and after, readers meanwhile, kill -9 at random moments.

python -m tests.torture.compaction --files 2000 --kills 20
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import msgspec

from flows.demo.servers import S3Server, start_s3
from lake.catalog import latest_sessions, table_rows
from lake.duck import open_duck
from sinks.s3 import S3Store
from sinks.steady import Patience, SteadyStore
from sinks.store import LocalStore, ObjectStore
from sinks.swap import read_journal
from tests.starts import Process
from tests.torture.small_files import TABLES, counted_rows, days_before, put_small_files

ROWS = 25  # in a file
_PAUSE_SECONDS = 0.5  # of a reader
_KILL_DAYS, _KILL_FILES = 5, 8  # so that there are many swaps to be hit
ONE_APP_ONE_DAY = """
    select session_first_view_path, count(*) as sessions, sum(session_error_count) as errors, avg(time_spent) as spent
    from sessions where app_id = 'app-3' and dt = '{day}' group by 1 order by 1"""
QUERIES = (
    ONE_APP_ONE_DAY,
    "select dt, app_id, count(*) n, sum(session_error_count) e from sessions group by all order by all",
    "select view_path, count(*) n, count(distinct session_id) s, max(time) m from views group by 1 order by 1",
    "select error_message, count(*) n, min(time) m from errors where dt = '{day}' group by 1 order by 1",
    "select app_id, quantile_disc(duration, 0.95) p from resources group by 1 order by 1",
    "select * from sessions where session_id = (select min(session_id) from sessions) order by session_part",
)
Say = Callable[[str], None]


class Cost(msgspec.Struct, frozen=True):
    """Of one query with all its listing, in a connection that is new."""

    gets: int
    bytes_in: int
    open_seconds: float
    seconds: float


def cost_of(store: ObjectStore, sql: str) -> Cost:
    counting = SteadyStore(store, Patience(seconds=0))
    begun = time.monotonic()
    with open_duck(counting) as duck:
        opened, gets, bytes_in = time.monotonic(), _gets(counting), counting.counts.bytes_in
        duck.query(sql)
        ended = time.monotonic()
    return Cost(_gets(counting) - gets, counting.counts.bytes_in - bytes_in, opened - begun, ended - opened)


def answers(store: ObjectStore, day: str) -> list[str]:
    """What every query says."""
    with open_duck(store) as duck:
        return [repr(duck.query(sql.format(day=day)).to_pylist()) for sql in QUERIES]


class Readers:
    """Two readers that look again and again: one through the catalog, one through DuckDB."""

    def __init__(self, open_store: Callable[[], ObjectStore], expected: dict[str, list[str]]) -> None:
        self.looks = {"catalog": 0, "duckdb": 0}
        self.problems: list[str] = []
        self._stop = threading.Event()
        self._expected = expected
        self._threads = [
            threading.Thread(target=self._run, args=(open_store(), name, look))
            for name, look in (("catalog", self._catalog), ("duckdb", self._duckdb))
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, store: ObjectStore, name: str, look: Callable[[ObjectStore], None]) -> None:
        try:
            while not self._stop.wait(_PAUSE_SECONDS):
                look(store)
                self.looks[name] += 1
        except Exception:  # noqa: BLE001 - a reader that fails is the finding
            self.problems.append(traceback.format_exc())

    def _catalog(self, store: ObjectStore) -> None:
        expected = self._expected["sessions"]
        rows = table_rows(store, "sessions")
        found = sorted(map(repr, latest_sessions(rows)))
        if found != expected:
            self.problems.append(f"catalog: {len(found)} sessions, not {len(expected)}")
        seen = {(row["app_id"], row["session_id"], row["session_part"], row["revision"]) for row in rows}
        if len(seen) != len(rows):
            self.problems.append(f"catalog: {len(rows) - len(seen)} rows twice")

    def _duckdb(self, store: ObjectStore) -> None:
        with open_duck(store) as duck:
            for table in TABLES:
                [found] = duck.query(f"select count(*) n, count(distinct t) d from {table} t").to_pylist()
                if found != {"n": len(self._expected[table]), "d": len(set(self._expected[table]))}:
                    self.problems.append(f"duckdb: {found} of {table}, not {len(self._expected[table])}")


def compact_command(uri: str, s3: S3Server | None) -> Process:
    environment = os.environ | {"REPLAYLAKE_LAKE": uri}
    if s3 is not None:
        environment |= {
            "REPLAYLAKE_S3__ENDPOINT_URL": s3.endpoint_url,
            "REPLAYLAKE_S3__KEY": s3.access_key,
            "REPLAYLAKE_S3__SECRET": s3.secret_key,
        }
    command = [sys.executable, "-m", "flows.cli", "compact", "--json"]
    return Process(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: Process) -> dict[str, int]:
    out, err = process.communicate()
    assert process.returncode == 0, err
    found: dict[str, int] = json.loads(out)
    return found


def kills(
    open_store: Callable[[], ObjectStore], s3: S3Server | None, count: int, chance: random.Random, say: Say
) -> None:
    """Kill the command at random moments, readers looking all the time; the last run ends it. Raises AssertionError."""
    store = open_store()
    expected = counted_rows(store)
    original = {one.key: store.read(one.key) for one in store.list("tables/")}
    begun = time.monotonic()
    ended(compact_command(store.uri, s3))
    work_seconds = time.monotonic() - begun
    say(f"{len(original):,} files; a calm run takes {work_seconds:.1f} s")
    killed = swaps = 0
    looks = {"catalog": 0, "duckdb": 0}
    while killed < count:
        store.delete([one.key for one in store.list("tables/")])
        store.put(original)
        with Readers(open_store, expected) as readers:
            is_through = False
            while killed < count and not is_through:
                process = compact_command(store.uri, s3)
                try:
                    process.wait(chance.uniform(0.1, 1.0) * work_seconds)
                except subprocess.TimeoutExpired:
                    process.kill()
                _, err = process.communicate()
                assert process.returncode in {0, -signal.SIGKILL}, err
                is_through = process.returncode == 0  # then begin again with what there was
                killed += not is_through
                left, in_swap = sum(1 for _ in store.list("tables/")), read_journal(store).swap
                swaps += in_swap is not None
                said = "through" if is_through else f"kill {killed}"
                say(f"{said}: {left:,} files are left{', in the middle of a swap' if in_swap else ''}")
                assert counted_rows(store) == expected
            if killed == count:
                say(f"the last run: {ended(compact_command(store.uri, s3))}")
        assert not readers.problems, readers.problems[:3]
        looks = {name: looks[name] + readers.looks[name] for name in looks}
    say(f"looks of the readers: {looks}; {swaps} kills in the middle of a swap")
    assert counted_rows(store) == expected
    folders = {one.key.rpartition("/")[0] for one in store.list("tables/")}
    assert sum(1 for _ in store.list("tables/")) == len(folders)


@contextmanager
def a_store(s3: S3Server | None, folder: Path, name: str) -> Iterator[Callable[[], ObjectStore]]:
    """Opens the same lake again and again: a client for every thread."""
    if s3 is None:
        yield lambda: LocalStore(folder / name)
    else:
        options = s3.storage_options()
        yield lambda: S3Store(f"s3://lake/{name}", options)


def figures(open_store: Callable[[], ObjectStore], s3: S3Server, files: int, say: Say) -> None:
    """One day: what queries cost before and after, the rows being the same. Raises AssertionError."""
    store, [day] = open_store(), [*days_before(today(), 1)]
    for table in TABLES:
        put_small_files(store, table, day, files // 2 if table == "sessions" else files // 6, ROWS)
    say(f"{files:,} files are there")
    total = sum(1 for _ in store.list("tables/"))
    sessions = sum(1 for _ in store.list("tables/sessions/"))
    before, rows = answers(store, day), counted_rows(store)
    say(f"{total:,} files, {sum(map(len, rows.values())):,} rows that count; {sessions:,} files of sessions")
    costs = [cost_of(store, ONE_APP_ONE_DAY.format(day=day)) for _ in range(3)]
    with Readers(open_store, rows) as readers:
        begun = time.monotonic()
        done = ended(compact_command(store.uri, s3))
        seconds = time.monotonic() - begun
    say(f"compacted in {seconds:.1f} s beside two readers ({readers.looks}): {done}")
    assert not readers.problems, readers.problems[:3]
    assert answers(store, day) == before
    assert counted_rows(store) == rows
    costs_after = [cost_of(store, ONE_APP_ONE_DAY.format(day=day)) for _ in range(3)]
    old, new = (min(found, key=lambda cost: cost.seconds) for found in (costs, costs_after))
    say(f"one app, one day, before: {old}")
    say(f"one app, one day, after:  {new}")
    bytes_ratio, time_ratio = old.bytes_in / new.bytes_in, old.seconds / new.seconds
    say(f"ratios: GETs {old.gets / new.gets:.0f}, bytes {bytes_ratio:.1f}, time {time_ratio:.1f}")
    assert new.gets <= 10


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def _gets(store: SteadyStore) -> int:
    return sum(count for (operation, _), count in store.counts.requests.items() if operation == "get")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000, help="0: only the kills")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()

    def say(text: str) -> None:
        print(f"  {text}", flush=True)

    with tempfile.TemporaryDirectory(prefix="replaylake-compaction-") as name, start_s3() as s3:
        folder = Path(name)
        if options.files:
            with a_store(s3, folder, "figures") as open_store:
                figures(open_store, s3, options.files, say)
        with a_store(s3, folder, "kills") as open_store:
            for day in days_before(today(), _KILL_DAYS):
                for table in TABLES:
                    put_small_files(open_store(), table, day, _KILL_FILES, 20)
            say(f"kills: seed {options.seed}")
            kills(open_store, s3, options.kills, random.Random(options.seed), say)


if __name__ == "__main__":
    main()
