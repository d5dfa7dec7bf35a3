"""New sessions beside load: a file every second, some of them spoilt, and how long each takes until a list has it."""

import itertools
import os
import statistics
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from bench.many_sessions import LAST_DAY_MS, write_lake
from bench.options import Options
from bench.results import Figure, figure
from bench.serving import percentile, serving, status_client
from bench.session_questions import ask_all, kinds
from bench.spent import memory_bytes
from schemas.keys import table_key
from schemas.tables import TABLES
from schemas.units import MIB, MS_PER_DAY, utc_day
from sinks.store import LocalStore
from sinks.table_files import decode, encode

ABOUT = (
    "`replaylake serve` over a lake of made-up sessions on local disk, and for ten minutes (with `--full`) a new file "
    "of twenty sessions every second, beside four clients that ask questions of all kinds without a pause. Of twenty "
    "files one is damaged, one is of a later release, and one is deleted a second after it came. From the file until a "
    "list has its first session; what the process takes before and after; files that the server says it left out."
)
_RETENTION_DAYS = 14
_ROWS = 20
_CLIENTS = 4
_GROUP = 20  # files whose sessions are asked for with one value
_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 60.0
_SPOILT_AT, _VANISHES_AT, _EVERY = 10, 15, 20


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """One side for each size of lake, one round each."""
    sizes = [int(text) for text in os.environ.get("REPLAYLAKE_BENCH_SESSIONS", "").split(",") if text]
    sizes = sizes or [options.size(50_000, 300_000)]
    seconds = float(os.environ.get("REPLAYLAKE_BENCH_SECONDS", options.size(20, 600)))
    found: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="replaylake-bench-") as work:
            write_lake(Path(work) / "lake", size, 48, options.seed)
            with serving(Path(work) / "lake", Path(work)) as (url, process_id):
                health = status_client(url, "/health")
                while health("/ready", {})[1]["status"] != "ok":
                    time.sleep(0.5)
                for what, value in _Run(Path(work) / "lake", url, process_id, seconds, options.seed).figures():
                    found[what][f"{size:,} sessions"].append(value)
                    print(f"  {size:,} sessions: {', '.join(what)}: {value:.1f}", flush=True)
    figures = [figure(name, unit, "", values) for (name, unit), values in found.items()]
    return {"sizes": ", ".join(map(str, sizes)), "seconds of new files": seconds, "seed": options.seed}, figures


class _Run:
    """Files come and are looked for. `put`: when, by the number of a file that was not seen yet."""

    def __init__(self, lake: Path, url: str, process_id: int, seconds: float, seed: int) -> None:
        self._store = LocalStore(lake)
        self._url, self._process_id, self._seconds, self._seed = url, process_id, seconds, seed
        self._day = utc_day(LAST_DAY_MS - MS_PER_DAY)
        made = lake / table_key("sessions", _RETENTION_DAYS, self._day, "x").rpartition("/")[0]
        self._sample = decode(next(iter(sorted(made.iterdir()))).read_bytes()).slice(0, _ROWS)
        self._put: dict[int, float] = {}
        self._delays: list[float] = []
        self._spoilt = 0
        self._warm_mib = 0.0
        self._statuses: Counter[int] = Counter()
        self._stop = time.monotonic() + seconds

    def figures(self) -> Iterator[tuple[tuple[str, str], float]]:
        yield ("memory before", "MiB"), self._memory("VmRSS")
        load = (self._url, kinds(), _CLIENTS, self._seconds, self._seed, self._statuses)
        threads = [threading.Thread(target=self._look), threading.Thread(target=ask_all, args=load)]
        for one in threads:
            one.start()
        self._write()
        for one in threads:
            one.join()
        yield ("new file until seen, median", "s"), statistics.median(self._delays)
        yield ("new file until seen, 95th percentile", "s"), percentile(self._delays, 95)
        yield ("new file until seen, longest", "s"), max(self._delays)
        yield ("new files seen", ""), float(len(self._delays))
        yield ("new files never seen", ""), float(len(self._put))
        yield ("memory after a tenth of the time", "MiB"), self._warm_mib
        yield ("memory after", "MiB"), self._memory("VmRSS")
        yield ("peak memory", "MiB"), self._memory("VmHWM")
        yield ("damaged files put", ""), float(self._spoilt)
        left_out = status_client(self._url, "/health")("/ready", {})[1]["files_left_out"]
        yield ("damaged files named", ""), float(left_out.get("damaged", 0))
        yield ("answers beside new files", ""), float(self._statuses.total())
        yield ("of these 503 or 429", ""), float(self._statuses[503] + self._statuses[429])
        yield ("of these 500", ""), float(self._statuses[500])

    def _memory(self, what: str) -> float:
        return memory_bytes(what, str(self._process_id)) / MIB

    def _look(self) -> None:
        """Ask for what is still missing, again and again."""
        ask = status_client(self._url)
        while time.monotonic() < self._stop or (self._put and time.monotonic() < self._stop + _PATIENCE_SECONDS):
            groups = sorted({number // _GROUP for number in list(self._put)})[-10:]
            _, found = ask("/sessions", [*(("is", f"userid:new{group}") for group in groups), ("limit", 500)])
            now = time.monotonic()
            for row in found.get("sessions", []) if groups else ():
                began = self._put.pop(int(row["user_name"]), None)
                if began is not None:
                    self._delays.append(now - began)
            time.sleep(_POLL_SECONDS)

    def _write(self) -> None:
        """A file every second."""
        going = ""
        for number in itertools.count():
            began = time.monotonic()
            if began >= self._stop:
                return
            if not self._warm_mib and began >= self._stop - 0.9 * self._seconds:
                self._warm_mib = self._memory("VmRSS")
            if going:
                self._store.delete([going])
                self._put.pop(number - 1, None)  # it may have been seen
            if number % _EVERY == _SPOILT_AT:
                self._store.put({self._key(f"garbage{number}"): b"garbage"})
                self._store.put({self._key(f"newer{number}"): encode(self._of_later_release(number))})
                self._spoilt += 1
            key = self._key(f"{number}")
            content = encode(self._rows(number))
            began = time.monotonic()
            self._put[number] = began
            self._store.put({key: content})
            going = key if number % _EVERY == _VANISHES_AT else ""
            time.sleep(max(0.0, began + 1 - time.monotonic()))

    def _key(self, name: str) -> str:
        return table_key("sessions", _RETENTION_DAYS, self._day, f"new-{name}")

    def _rows(self, number: int) -> pa.Table:
        """Sessions of a file; the first one says which file it is."""
        return _with(
            self._sample,
            session_id=[f"new/{number}/{place}" for place in range(_ROWS)],
            userid=[f"new{number // _GROUP}", *["other"] * (_ROWS - 1)],
            user_name=[str(number)] * _ROWS,
        )

    def _of_later_release(self, number: int) -> pa.Table:
        """The same with a column that this release does not know."""
        version = {"replaylake.table": "sessions", "replaylake.version": str(TABLES["sessions"].version + 1)}
        rows = _with(self._rows(number), session_id=[f"newer/{number}/{place}" for place in range(_ROWS)])
        rows = _with(rows, userid=["newer"] * _ROWS)
        return rows.append_column("mood", pa.array(["fine"] * _ROWS)).replace_schema_metadata(version)


def _with(rows: pa.Table, **columns: list[str]) -> pa.Table:
    for name, values in columns.items():
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(name), pa.array(values, pa.string()))
    return rows
