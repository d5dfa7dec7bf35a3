"""Readers of Iceberg tables in a loop beside traffic, compaction, erasure, holds, expiry and kill -9 of the registrar.

python -m tests.torture.iceberg --kills 20

A row must never be there twice, never be missing once a reader has seen it, and no reader may meet an error.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import polars as pl
import pyarrow as pa
from pyiceberg.table import FileScanTask

from flows.demo.servers import REGION, S3Server, start_s3
from lake.catalog import table_rows
from schemas.erasure import Failure, Subject
from schemas.errors import MustAct
from schemas.keys import RETIRED, table_key
from schemas.retention import HELD_DAYS
from schemas.tables import TABLES
from schemas.units import MS_PER_SECOND
from sinks.compact import compact, plan
from sinks.erase import Eraser
from sinks.iceberg import registrar as registrar_module
from sinks.iceberg.options import CatalogFault, CatalogOptions, open_registrar
from sinks.iceberg.registrar import Registrar, TableRestless
from sinks.maintenance import maintenance
from sinks.move import Mover
from sinks.open_store import open_store
from sinks.store import ObjectStore
from sinks.table_files import decode
from sinks.tables import Row, encode_rows
from tests.torture.small_files import RETENTION_DAYS, put_small_files

NAMES = ("sessions", "errors")
GRACE_SECONDS = 8
_PAUSE_SECONDS = 0.2  # between runs of the registrar
_LOOK_SECONDS = 0.2  # between two looks of a reader
_LEAD_FILE = "lead-days"
Say = Callable[[str], None]
Key = tuple[object, ...]


class Place:
    """A lake and its catalog, as every process of a run opens them."""

    def __init__(self, uri: str, folder: Path, s3: S3Server | None) -> None:
        self.uri = uri
        self.folder = folder
        self.arguments = [uri, str(folder), *([s3.endpoint_url, s3.access_key, s3.secret_key] if s3 else [])]

    @property
    def polars_options(self) -> dict[str, str] | None:
        """Polars reads the files itself, and does not take the address of another S3 than Amazon's from the catalog."""
        if len(self.arguments) == 2:
            return None
        names = ("aws_endpoint_url", "aws_access_key_id", "aws_secret_access_key")
        return dict(zip(names, self.arguments[2:], strict=True)) | {"aws_region": REGION, "aws_allow_http": "true"}

    def store(self) -> ObjectStore:
        return _open(self.arguments)[0]

    def registrar(self) -> Registrar:
        return _open(self.arguments)[1]

    @property
    def lead_file(self) -> Path:
        return self.folder / _LEAD_FILE


def _open(arguments: list[str]) -> tuple[ObjectStore, Registrar]:
    uri, folder, *s3 = arguments
    options, file_io = {}, {}
    if s3:
        endpoint, key, secret = s3
        options = {"key": key, "secret": secret, "endpoint_url": endpoint}
        file_io = {
            "s3.endpoint": endpoint,
            "s3.access-key-id": key,
            "s3.secret-access-key": secret,
            "s3.region": REGION,
        }
    store = open_store(uri, options)
    properties = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db?timeout=60"}
    catalog = CatalogOptions(properties=properties, file_io=file_io, grace_seconds=GRACE_SECONDS)
    return store, open_registrar(store, catalog, now_ms)


def now_ms() -> int:
    return int(time.time() * MS_PER_SECOND)


class Reader:
    """Looks at the tables again and again. `gone`: whether a key may be missing by now."""

    def __init__(self, place: Place, name: str, gone: Callable[[str, Key], bool]) -> None:
        self.name = name
        self.looks = 0
        self.problems: list[str] = []
        self._place = place
        self._gone = gone
        self._seen: dict[str, dict[Key, int]] = {table: {} for table in NAMES}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        registrar = self._place.registrar()
        while not self._stop.wait(_LOOK_SECONDS):
            for table in NAMES:
                try:
                    self._look(registrar, table)
                except MustAct:
                    continue  # not made yet
                except Exception:  # noqa: BLE001 - a reader that fails is the finding
                    self.problems.append(f"{self.name}: {table}: {traceback.format_exc()}")
                    return
            self.looks += 1

    def _look(self, registrar: Registrar, table: str) -> None:
        columns = [*TABLES[table].key, "revision"]
        rows = self._read(registrar, table, columns)
        found: dict[Key, int] = {}
        for *parts, revision in zip(*(rows[name].to_pylist() for name in columns), strict=True):
            if tuple(parts) in found:
                self.problems.append(f"{self.name}: {table}: {parts} is there twice")
            found[tuple(parts)] = revision
        for key, revision in self._seen[table].items():
            if found.get(key, -1) < revision and not self._gone(table, key):
                self.problems.append(f"{self.name}: {table}: {key} revision {revision} is missing: {found.get(key)}")
        self._seen[table] = found

    def _read(self, registrar: Registrar, table: str, columns: list[str]) -> pa.Table:
        opened = registrar.table(table)
        if self.name == "pyiceberg":
            return opened.scan(selected_fields=tuple(columns)).to_arrow()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lazy = pl.scan_iceberg(opened, storage_options=self._place.polars_options)
            return lazy.select(columns).collect().to_arrow()


class Registering:
    """The registrar as a process of its own, killed at random moments and started again at once."""

    def __init__(self, place: Place, chance: random.Random) -> None:
        self.kills = 0
        self._place = place
        self._chance = chance
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            with _registrar_process(self._place) as process:
                assert process.stdout is not None
                process.stdout.readline()  # its imports are done
                self._stop.wait(self._chance.uniform(0.0, 4.0))
                assert process.poll() is None, "the registrar ended by itself"
                process.kill()
                self.kills += 1


@contextmanager
def _registrar_process(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.torture.iceberg", "--registrar", *place.arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def register_for_ever(arguments: list[str]) -> None:
    """What that process does. How early files leave their tables is told by a file, so that a day can end at once."""
    _, registrar = _open(arguments)
    lead = Path(arguments[1]) / _LEAD_FILE
    print("ready", flush=True)
    while True:
        registrar_module._LEAD = timedelta(days=int(lead.read_text()))
        with suppress(CatalogFault, TableRestless):  # the next run does it
            registrar.sync()
        time.sleep(_PAUSE_SECONDS)


class Traffic:
    """What happens to the lake meanwhile, a step at a time. The test is the only writer, so no job has to be asked."""

    def __init__(self, place: Place, chance: random.Random) -> None:
        self._place = place
        self._store = place.store()
        self._chance = chance
        today = datetime.now(UTC).date()
        self._days = [(today - timedelta(days=number)).isoformat() for number in (2, 3, 4)]
        self._oldest = (today - timedelta(days=5)).isoformat()
        self._erased: set[object] = set()
        self._held: set[tuple[object, object]] = set()
        self._of_oldest: frozenset[Key] = frozenset()
        self._steps = 0
        self.place_lead(1)
        for day in (*self._days, self._oldest):
            for name in NAMES:
                put_small_files(self._store, name, day, 3, 30)

    def place_lead(self, days: int) -> None:
        temporary = self._place.lead_file.with_suffix(".new")
        temporary.write_text(str(days))
        temporary.replace(self._place.lead_file)

    def gone(self, _table: str, key: Key) -> bool:
        """Whether a row may be missing: its person was erased, or its day is over."""
        return key[1] in self._erased or key in self._of_oldest

    def step(self) -> str:
        self._steps += 1
        steps = [self.new_rows, self.new_rows, self.late_rows, self.compaction, self.late_rows, self.erasure, self.hold]
        return steps[self._steps % len(steps)]()

    def new_rows(self) -> str:
        day = self._chance.choice(self._days)
        for name in NAMES:
            content = encode_rows(name, self._rows(name, day, 20))
            self._store.put({table_key(name, RETENTION_DAYS, day, f"new-{self._steps:06d}-r0"): content})
        return f"20 rows a table on {day}"

    def _rows(self, name: str, day: str, count: int) -> list[Row]:
        like = table_rows(self._store, name)[0]
        at = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(hours=self._steps % 24)
        times: Row = {column: at for column in ("received_start", "received_at") if column in like}
        own = {"sessions": "session_id", "errors": "error_id"}[name]
        ids: list[Row] = [{"session_id": f"n{self._steps}-{n}", own: f"n{self._steps}-{n}"} for n in range(count)]
        return [like | times | one | {"revision": 0} for one in ids]

    def late_rows(self) -> str:
        rows = [row for row in table_rows(self._store, "sessions") if row["session_id"] not in self._erased]
        row = self._chance.choice(rows)
        at = row["received_start"]
        assert isinstance(at, datetime)
        days = HELD_DAYS if (row["app_id"], row["session_id"]) in self._held else RETENTION_DAYS
        late = encode_rows("sessions", [row | {"revision": self._steps + 1}])
        self._store.put({table_key("sessions", days, at.date().isoformat(), f"late-{self._steps:06d}"): late})
        return f"revision {self._steps + 1} of a session of {at.date()}"

    def compaction(self) -> str:
        day = self._days[0]
        with maintenance(self._store, "torture", now_ms()) as renew:
            groups = plan(self._store, day, datetime.now(UTC).date())
            done = compact(self._store, groups, f"torture-{self._steps}", datetime.now(UTC).date(), renew)
        return f"{done.files_before} files compacted into {done.files_after}"

    def erasure(self) -> str:
        row = self._chance.choice(table_rows(self._store, "sessions"))
        session = str(row["session_id"])
        self._erased.add(session)

        def leave() -> Iterable[Failure]:
            for _ in range(10):
                try:
                    self._place.registrar().forget(time.sleep)
                except (CatalogFault, TableRestless):
                    continue
                return ()
            return (Failure("Iceberg tables", "restless"),)

        with maintenance(self._store, "torture", now_ms()):
            done = Eraser(
                self._store, Subject(session_id=session), now_ms, str, None, leave_tables=leave, is_expected=False
            ).run()
        assert done.failures == [], done.failures
        for one in self._store.list("tables/"):
            assert session not in {found["session_id"] for found in _read(self._store, one.key)}, one.key
        return f"a session erased: {done.rows}"

    def hold(self) -> str:
        row = self._chance.choice(table_rows(self._store, "sessions"))
        subject = (row["app_id"], row["session_id"])
        self._held.add(subject)
        with maintenance(self._store, "torture", now_ms()):
            held = HELD_DAYS, HELD_DAYS
            moved = Mover(
                self._store, lambda app, session: held if (app, session) == subject else None, f"hold-{self._steps}"
            ).run()
        return f"{moved.rows} rows under hold"

    def expiry(self) -> str:
        """The oldest day ends: its files leave the tables, then, as a bucket's rule would do it, the lake."""
        old = [one.key for one in self._store.list("tables/") if self._is_old(one.key)]
        rows = ((key.split("/")[1], row) for key in old for row in _read(self._store, key))
        self._of_oldest = frozenset(tuple(row[column] for column in TABLES[table].key) for table, row in rows)
        last = datetime.fromisoformat(self._oldest).date() + timedelta(days=RETENTION_DAYS + 1)
        self.place_lead((last - datetime.now(UTC).date()).days)
        registrar = self._place.registrar()
        while any(self._is_old(task.file.file_path) for name in NAMES for task in _files(registrar, name)):
            time.sleep(0.2)
        time.sleep(GRACE_SECONDS + 1)
        self._store.delete(old)
        return f"{len(old)} files of {self._oldest} expired"

    def _is_old(self, path: str) -> bool:
        return f"retention={RETENTION_DAYS}d/dt={self._oldest}/" in path


def _files(registrar: Registrar, name: str) -> Iterable[FileScanTask]:
    return registrar.table(name).scan().plan_files()


def _read(store: ObjectStore, key: str) -> list[Row]:
    rows: list[Row] = decode(store.read(key)).to_pylist()
    return rows


def torture(place: Place, kills: int, chance: random.Random, say: Say) -> dict[str, int]:
    """Until the registrar was killed so often and a day has ended. Raises AssertionError."""
    traffic = Traffic(place, chance)
    place.registrar().sync()
    with (
        Reader(place, "pyiceberg", traffic.gone) as first,
        Reader(place, "polars", traffic.gone) as second,
        Registering(place, chance) as registering,
    ):
        steps = 0
        while registering.kills < kills or steps < 8:
            say(f"kills {registering.kills}: {traffic.step()}")
            steps += 1
            problems = first.problems + second.problems
            assert not problems, problems[:3]
        say(traffic.expiry())
    problems = first.problems + second.problems
    assert not problems, problems[:3]
    registrar = place.registrar()
    with _lead_of(place):
        registrar.sync()
        time.sleep(GRACE_SECONDS + 1)
        registrar.sync()
        assert registrar.problems() == []
    assert not [one.key for one in place.store().list(RETIRED) if "/swap-" in one.key]
    return {"kills": registering.kills, "steps": steps, "looks": first.looks + second.looks}


@contextmanager
def _lead_of(place: Place) -> Iterator[None]:
    """The lead that the registrar's process had last, for as long as this."""
    usual = registrar_module._LEAD
    registrar_module._LEAD = timedelta(days=int(place.lead_file.read_text()))
    try:
        yield
    finally:
        registrar_module._LEAD = usual


def main() -> None:
    if sys.argv[1:2] == ["--registrar"]:
        register_for_ever(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--local", action="store_true", help="on this disk; else on an S3 server")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="replaylake-iceberg-") as name:
        chance = random.Random(options.seed)
        if options.local:
            print(torture(Place(f"{name}/lake", Path(name), None), options.kills, chance, print))
            return
        with start_s3() as s3:
            print(torture(Place("s3://lake/rum", Path(name), s3), options.kills, chance, print))


if __name__ == "__main__":
    main()
