"""The index of sessions at its sizes: starts, memory, questions of one client and of sixteen, new files beside load."""

import itertools
import os
import random
import statistics
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench.many_sessions import APPS, BROWSERS, COUNTRIES, DAYS, PAGES, write_lake
from bench.options import Options
from bench.results import Figure, figure
from bench.serving import checkouts, client, percentile, serving, status_client
from bench.spent import REPOSITORY, memory_bytes
from schemas.keys import table_key
from schemas.tables import TABLES
from schemas.units import MIB, utc_day
from sinks.store import LocalStore
from sinks.table_files import decode, encode

ABOUT = (
    "`replaylake serve` over lakes of made-up sessions on local disk. From its start until it answers, and until it "
    "has all sessions, with no index and with the one of the start before; peak memory; the 95th percentile of each "
    "kind of question with 1 client and with 16, and how many answers were not 200; then a new file every second "
    "beside four clients, with a damaged file, one of a later release and one that vanishes between them: from the "
    "file until a list has its session. `BENCH_BESIDE` names another checkout, asked the same."
)
_FACETS = "browser,os,country,device,session_has_replay,version,app_id,session_first_view_path_group"
_LAST_MS = 1_795_219_200_000
_DAY_MS = 86_400_000
_KIND_SECONDS = 4.0
_POLL_SECONDS = 0.1

Parameters = list[tuple[str, Any]]
Kind = tuple[str, Callable[[random.Random], Parameters]]


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Figures for each size of lake and each side, one round each."""
    sizes = [int(text) for text in os.environ.get("REPLAYLAKE_BENCH_SESSIONS", "").split(",") if text]
    sizes = sizes or [options.size(50_000, 1_000_000)]
    seconds = float(os.environ.get("REPLAYLAKE_BENCH_SECONDS", options.size(20, 600)))
    sides = checkouts()
    found: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="replaylake-bench-") as work:
            write_lake(Path(work) / "lake", size, 48, options.seed)
            for side, repository in sides.items():
                name = f"{side}, {size:,} sessions"
                for key, value in _side(Path(work), repository, seconds, options.seed):
                    found[key][name].append(value)
                    print(f"  {name}: {', '.join(key)}: {value:.1f}", flush=True)
    figures = [figure(what, unit, "", values) for (what, unit), values in found.items()]
    return {"sizes": ", ".join(map(str, sizes)), "seconds of new files": seconds, "days": DAYS}, figures


def _side(work: Path, repository: Path, seconds: float, seed: int) -> Iterator[tuple[tuple[str, str], float]]:
    settings = {"REPLAYLAKE_SERVE__INDEX_DIR": str(work / "index")} if repository == REPOSITORY else {}
    for start in ("new", "again"):
        with _started(work, settings, repository) as (url, process_id, answered, whole):
            yield (f"until it answers, {start}", "s"), answered
            yield (f"until it has all, {start}", "s"), whole
            yield (f"peak memory until then, {start}", "MiB"), memory_bytes("VmHWM", str(process_id)) / MIB
            if start == "again":
                yield from _questions(url, seed)
                yield from _new_files(work, url, seconds, seed)
                yield ("memory at the end", "MiB"), memory_bytes("VmRSS", str(process_id)) / MIB
                yield ("peak memory", "MiB"), memory_bytes("VmHWM", str(process_id)) / MIB
    yield (
        ("disk of the index", "MiB"),
        sum(path.stat().st_size for path in (work / "index").rglob("*")) / MIB if settings else 0.0,
    )


@contextmanager
def _started(work: Path, settings: dict[str, str], repository: Path) -> Iterator[tuple[str, int, float, float]]:
    began = time.monotonic()
    with serving(work / "lake", work, repository, settings) as (url, process_id):
        ask = client(url)
        totals = [ask("/sessions", {"limit": 1})["total"]]
        answered = time.monotonic() - began
        while len(totals) < 5 or len(set(totals[-5:])) > 1 or not totals[-1]:  # it grows while files are taken
            time.sleep(0.5)
            totals.append(ask("/sessions", {"limit": 1})["total"])
        whole = next(number for number, total in enumerate(totals) if total == totals[-1])
        yield url, process_id, answered, answered + whole * 0.5


def _kinds() -> list[Kind]:
    def chosen(dice: random.Random) -> Parameters:
        first = dice.randrange(DAYS - 3)
        return [
            ("from", _LAST_MS - (DAYS - first) * _DAY_MS),
            ("to", _LAST_MS - (DAYS - first - 3) * _DAY_MS),
            ("is", f"browser:{dice.choice(BROWSERS)}"),
            *(("is", f"country:{country}") for country in dice.sample(COUNTRIES, 2)),
            ("gt", "session_error_count:0"),
        ]

    def words(dice: random.Random) -> str:
        return f"{dice.choice(PAGES)}/{dice.randrange(2000)}"

    week = ("from", _LAST_MS - 7 * _DAY_MS)
    return [
        ("/sessions", lambda dice: [("app", dice.choice(APPS))]),
        ("/sessions filtered", chosen),
        ("/sessions sorted by errors", lambda dice: [("app", dice.choice(APPS)), ("sort", "-session_error_count")]),
        ("/sessions free text", lambda dice: [("q", words(dice))]),
        ("/sessions free text of a week", lambda dice: [("q", words(dice)), week]),
        ("/facets", lambda dice: [("app", dice.choice(APPS)), ("columns", _FACETS)]),
        ("/facets filtered", lambda dice: [*chosen(dice), ("columns", _FACETS)]),
        ("/histogram", lambda dice: [("app", dice.choice(APPS)), ("buckets", 60)]),
    ]


def _questions(url: str, seed: int) -> Iterator[tuple[tuple[str, str], float]]:
    statuses: Counter[int] = Counter()
    for clients in (1, 16):
        for name, parameters in _kinds():
            times = _asked(url, [(name, parameters)], clients, _KIND_SECONDS, seed, statuses)
            yield (f"95th percentile, {clients} client{'s' * (clients > 1)}: {name}", "ms"), percentile(times, 95)
    yield ("answers that were 503 or 429", ""), float(statuses[503] + statuses[429])
    yield ("answers that were 500", ""), float(statuses[500])


def _asked(  # noqa: PLR0913 - what is asked, by how many, how long
    url: str, kinds: list[Kind], clients: int, seconds: float, seed: int, statuses: Counter[int]
) -> list[float]:
    """Milliseconds of each answer."""
    times: list[float] = []
    until = time.monotonic() + seconds

    def load(number: int) -> None:
        ask, dice = status_client(url), random.Random(seed * 1000 + number)
        for asked in itertools.count():
            if time.monotonic() >= until and asked >= 3:
                return
            name, parameters = dice.choice(kinds)
            began = time.monotonic()
            status, _ = ask(name.partition(" ")[0], parameters(dice))
            times.append((time.monotonic() - began) * 1e3)
            statuses[status] += 1

    threads = [threading.Thread(target=load, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def _new_files(work: Path, url: str, seconds: float, seed: int) -> Iterator[tuple[tuple[str, str], float]]:
    store = LocalStore(work / "lake")
    day = utc_day(_LAST_MS - _DAY_MS)
    made = work / "lake" / table_key("sessions", 14, day, "x").rpartition("/")[0]
    sample = decode(next(iter(sorted(made.iterdir()))).read_bytes()).slice(0, 20)
    put: dict[str, float] = {}
    delays: list[float] = []
    statuses: Counter[int] = Counter()
    run = f"new{int(time.time() * 1000)}"
    stop = time.monotonic() + seconds

    def see() -> None:
        ask = status_client(url)
        while time.monotonic() < stop + 30 and (time.monotonic() < stop or put):
            _, found = ask("/sessions", [("is", f"userid:{run}"), ("limit", 500)])
            now = time.monotonic()
            seen = [row["session_id"] for row in found.get("sessions", [])]
            delays.extend(now - put.pop(name) for name in seen if name in put)
            time.sleep(_POLL_SECONDS)

    seer = threading.Thread(target=see)
    loader = threading.Thread(target=_asked, args=(url, _kinds(), 4, seconds, seed, statuses))
    seer.start()
    loader.start()
    keys = []
    for number in itertools.count():
        if time.monotonic() >= stop:
            break
        name = f"{run}-{number:010d}-{number:012x}"
        key = table_key("sessions", 14, day, name)
        ids = [f"{name}/{place}" for place in range(sample.num_rows)]
        rows = _with(_with(sample, "session_id", ids), "userid", [run] * sample.num_rows)
        for kind, content in _spoilt(rows) if number % 20 == 10 else ():
            store.put({table_key("sessions", 14, day, f"{run}{kind}-{number:010d}-{number:012x}"): content})
        began = time.monotonic()
        store.put({key: encode(_with(rows, "userid", [run, *["other"] * (sample.num_rows - 1)]))})
        put[ids[0]] = began
        keys.append(key)
        if number % 20 == 15:
            store.delete([keys[-1]])
            put.pop(ids[0], None)  # it may have been seen
        time.sleep(max(0.0, began + 1 - time.monotonic()))
    loader.join()
    seer.join()
    yield ("new file until seen, median", "s"), statistics.median(delays) if delays else float("nan")
    yield ("new file until seen, 95th percentile", "s"), percentile(delays, 95) if len(delays) > 1 else float("nan")
    yield ("new files never seen", ""), float(len(put))
    yield ("answers beside new files that were 500", ""), float(statuses[500])


def _spoilt(rows: pa.Table) -> list[tuple[str, bytes]]:
    later = {"replaylake.table": "sessions", "replaylake.version": str(TABLES["sessions"].version + 1)}
    newer = rows.append_column("mood", pa.array(["fine"] * rows.num_rows)).replace_schema_metadata(later)
    return [("garbage", b"garbage"), ("newer", encode(_with(newer, "userid", ["newer"] * rows.num_rows)))]


def _with(rows: pa.Table, name: str, values: list[str]) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), pa.array(values))
