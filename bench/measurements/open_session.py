"""What it takes to open one session of a big day: how long, how many requests and bytes, how much memory."""

import itertools
import os
import random
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlsplit

import msgspec

from bench.big_day import compact_copy, write_day
from bench.delay_proxy import DelayProxy, delay_proxy
from bench.intake_process import cpu_seconds
from bench.options import Options
from bench.results import Figure, figure
from bench.serving import checkouts, serving
from bench.spent import memory_bytes
from flows.demo.servers import REGION, S3Server, start_s3
from schemas.units import MIB
from sinks.open_store import open_store
from sinks.store import LocalStore, ObjectStore
from sinks.table_files import read_columns

ABOUT = (
    "`replaylake serve` over one day of about 1.2 million lines of one writer (with `--full`), in 24 files a table "
    "and compacted by `replaylake compact`, on local disk and on a real S3 server (SeaweedFS) behind a proxy that adds "
    "20 ms to each request. An opening is three requests over HTTP, one after the other: the session, its timeline, "
    "the plan of its replay; every session is another one, a fifth of them recorded. `S3, cold`: with 4 MiB for "
    "blocks, so that next to nothing is at hand. CPU is the server's. `BENCH_BESIDE` names another checkout, "
    "asked the same; `REPLAYLAKE_BENCH_DAY` a folder in which the day is kept."
)
_DELAY_SECONDS = 0.02
_COLD = {"REPLAYLAKE_SERVE__READ_CACHE_BYTES": str(4 * MIB)}
_CLIENTS = 16
_TO_ONE = f"95th percentile of {_CLIENTS} clients, to that of 1"
_WARM = 4  # openings that are not counted: the server has just begun


class _Server(msgspec.Struct, frozen=True):
    """A running one. `proxy`: between it and its lake."""

    url: str
    process_id: int
    proxy: DelayProxy | None


class _Opened(msgspec.Struct):
    """Openings of one run. `more`: by figure, per opening."""

    seconds: list[float]
    more: dict[str, float]


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """One round of each side; without `--full` a tenth of the day."""
    lines, opened = options.size(127_000, 1_270_000), options.size(40, 150)
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory(prefix="replaylake-bench-") as name:
        work = Path(name)
        kept = Path(os.environ.get("REPLAYLAKE_BENCH_DAY", name))
        lake = kept / "lake"
        if not lake.exists():
            write_day(kept, lines, options.seed)
            compact_copy(lake, kept / "compacted")
        with start_s3(work / "s3") as s3, delay_proxy(s3.endpoint_url, _DELAY_SECONDS) as proxy:
            for days, folder in (("24 files", lake), ("compacted", kept / "compacted")):
                sessions = _sessions(LocalStore(folder), options.seed)
                uri = f"s3://lake/{folder.name}"
                _upload(folder, open_store(uri, s3.storage_options()))
                slow = _s3_settings(s3, proxy)
                for side, at, settings in (
                    ("disk", str(folder), {}),
                    ("S3", uri, slow),
                    ("S3, cold", uri, slow | _COLD),
                ):
                    for (beside, code), _ in itertools.product(checkouts().items(), range(options.rounds)):
                        with serving(at, work, code, settings) as (url, process_id):
                            server = _Server(url, process_id, proxy if settings else None)
                            _take(figures, f"{days}, {side}{beside}", server, sessions, opened)
    parameters: dict[str, str | float] = {"lines": lines, "openings of a kind": opened, "seed": options.seed}
    units = {_TO_ONE: "", "CPU": "ms", "peak memory": "MiB", "read": "MB", "requests": "requests"}
    return parameters, [
        figure(name, next((unit for word, unit in units.items() if name.startswith(word)), "ms"), "", sides)
        for name, sides in figures.items()
    ]


def _take(
    figures: dict[str, dict[str, list[float]]], side: str, server: _Server, sessions: Sequence[str], opened: int
) -> None:
    """One client, then many, over a server that has just begun."""
    paths = iter(sessions)
    _load(server, [next(paths) for _ in range(_WARM)], 1)
    for clients in (1, _CLIENTS):
        found = _load(server, [next(paths) for _ in range(opened)], clients)
        who = "1 client" if clients == 1 else f"{clients} clients"
        cuts = statistics.quantiles(found.seconds, n=100, method="inclusive")
        figures[f"median of an opening, {who}"][side].append(cuts[49] * 1e3)
        figures[f"95th percentile of an opening, {who}"][side].append(cuts[94] * 1e3)
        for name, value in found.more.items():
            figures[f"{name}, {who}"][side].append(value)
        peak_bytes = memory_bytes("VmHWM", str(server.process_id))
        figures[f"peak memory, {who}"][side].append(peak_bytes / MIB)
    few, many = (
        figures[f"95th percentile of an opening, {who}"][side][-1] for who in ("1 client", f"{_CLIENTS} clients")
    )
    figures[_TO_ONE][side].append(many / few)


def _load(server: _Server, paths: Sequence[str], clients: int) -> _Opened:
    """Open every session once, so many at a time."""
    found = _Opened([], {})
    left, failed = iter(paths), []
    lock = threading.Lock()

    def client() -> None:
        connection = HTTPConnection(urlsplit(server.url).netloc, timeout=600)
        while True:
            with lock:
                path = next(left, None)
            if path is None:
                return
            began = time.monotonic()
            for route in ("", "/timeline", "/replay"):
                connection.request("GET", path + route)
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200:
                    failed.append(f"{path}{route}: {answer.status} {body[:200]!r}")
            found.seconds.append(time.monotonic() - began)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    passed, cpu = server.proxy.passed() if server.proxy else None, cpu_seconds(server.process_id)
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if failed:
        raise RuntimeError(f"{len(failed)} requests failed: {failed[0]}")
    found.more["CPU of an opening"] = (cpu_seconds(server.process_id) - cpu) * 1e3 / len(paths)
    if server.proxy and passed:
        since = server.proxy.passed().since(passed)
        found.more["requests to S3 of an opening"] = sum(since.requests.values()) / len(paths)
        found.more["read from S3 of an opening"] = since.bytes_out / 1e6 / len(paths)
    return found


def _sessions(store: ObjectStore, seed: int) -> list[str]:
    """Paths of sessions in a random order, each fifth of one that is recorded."""
    ids: dict[bool, list[str]] = {True: [], False: []}
    for found in store.list("tables/sessions/"):
        rows = read_columns(store, found, ["app_id", "session_id", "session_has_replay"])
        for app_id, session_id, is_recorded in zip(*rows.values(), strict=True):
            ids[is_recorded].append(f"/api/v1/apps/{quote(app_id, safe='')}/sessions/{quote(session_id, safe='')}")
    dice = random.Random(seed)
    recorded, others = (sorted(set(ids[which])) for which in (True, False))
    dice.shuffle(recorded)
    dice.shuffle(others)
    return [path for n, one in enumerate(recorded) for path in (*others[n * 4 : n * 4 + 4], one)]


def _upload(folder: Path, store: ObjectStore) -> None:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for start in range(0, len(files), 64):
        store.put({path.relative_to(folder).as_posix(): path.read_bytes() for path in files[start : start + 64]})


def _s3_settings(s3: S3Server, proxy: DelayProxy) -> dict[str, str]:
    return {
        "REPLAYLAKE_S3__ENDPOINT_URL": proxy.url,
        "REPLAYLAKE_S3__KEY": s3.access_key,
        "REPLAYLAKE_S3__SECRET": s3.secret_key,
        "AWS_DEFAULT_REGION": REGION,
    }
