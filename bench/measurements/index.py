"""The index of sessions at its sizes: starts, memory, questions of one client and of sixteen."""

import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.many_sessions import DAYS, write_lake
from bench.options import Options
from bench.results import Figure, figure
from bench.serving import checkouts, client, percentile, serving, status_client, until_copied
from bench.session_questions import ask_all, kinds
from bench.spent import REPOSITORY, memory_bytes
from schemas.units import MIB

ABOUT = (
    "`replaylake serve` over lakes of made-up sessions on local disk. From its start until it answers, until it has "
    "all sessions, and then its copies of lines, with no index and with the one of the start before; peak memory; the "
    "95th percentile of each kind of question with 1 client and with 16, and how many answers were not 200. "
    "`BENCH_BESIDE` names another checkout, asked the same, `REPLAYLAKE_BENCH_LAKE` a lake that was made before, with "
    "lines, so that questions about what happened are asked as well."
)
_KIND_SECONDS = 4.0


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Figures for each size of lake and each side, one round each."""
    sizes = [int(text) for text in os.environ.get("REPLAYLAKE_BENCH_SESSIONS", "").split(",") if text]
    sizes = sizes or [options.size(50_000, 1_000_000)]
    sides = checkouts()
    found: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="replaylake-bench-") as work:
            made = os.environ.get("REPLAYLAKE_BENCH_LAKE")
            lake = Path(made or f"{work}/lake")
            if not made:
                write_lake(lake, size, 48, options.seed)
            for side, repository in sides.items():
                name = f"{side}, {size:,} sessions"
                for key, value in _side(lake, Path(work), repository, options.seed, with_lines=bool(made)):
                    found[key][name].append(value)
                    print(f"  {name}: {', '.join(key)}: {value:.1f}", flush=True)
    figures = [figure(what, unit, "", values) for (what, unit), values in found.items()]
    return {"sizes": ", ".join(map(str, sizes)), "days": DAYS}, figures


def _side(
    lake: Path, work: Path, repository: Path, seed: int, *, with_lines: bool
) -> Iterator[tuple[tuple[str, str], float]]:
    settings = {"REPLAYLAKE_SERVE__INDEX_DIR": str(work / "index")} if repository == REPOSITORY else {}
    for start in ("new", "again"):
        with _started(lake, work, settings, repository) as (url, process_id, answered, whole):
            yield (f"until it answers, {start}", "s"), answered
            yield (f"until it has all, {start}", "s"), whole
            yield (f"peak memory until then, {start}", "MiB"), memory_bytes("VmHWM", str(process_id)) / MIB
            began = time.monotonic()
            until_copied(url)
            yield (f"from then until lines are copied, {start}", "s"), time.monotonic() - began
            if start == "again":
                yield from _questions(url, seed, with_lines=with_lines)
                yield ("memory at the end", "MiB"), memory_bytes("VmRSS", str(process_id)) / MIB
                yield ("peak memory", "MiB"), memory_bytes("VmHWM", str(process_id)) / MIB
    for what, folder in (("the index", "."), ("copies of lines", "lines")):
        there = (work / "index" / folder).glob("*") if settings else ()
        yield (f"disk of {what}", "MiB"), sum(path.stat().st_size for path in there if path.is_file()) / MIB


@contextmanager
def _started(
    lake: Path, work: Path, settings: dict[str, str], repository: Path
) -> Iterator[tuple[str, int, float, float]]:
    began = time.monotonic()
    with serving(lake, work, repository, settings) as (url, process_id):
        ask, health = client(url), status_client(url, "/health")
        ask("/sessions", {"limit": 1})
        answered = time.monotonic() - began
        while health("/ready", {})[1]["status"] != "ok":
            time.sleep(0.1)
        yield url, process_id, answered, time.monotonic() - began


def _questions(url: str, seed: int, *, with_lines: bool) -> Iterator[tuple[tuple[str, str], float]]:
    statuses: Counter[int] = Counter()
    for clients in (1, 16):
        slowest, who = 0.0, f"{clients} client{'s' * (clients > 1)}"
        for name, parameters in kinds(with_lines=with_lines):
            times = ask_all(url, [(name, parameters)], clients, _KIND_SECONDS, seed, statuses)
            slowest = max(slowest, percentile(times, 95))
            yield (f"95th percentile, {who}: {name}", "ms"), percentile(times, 95)
        yield (f"the slowest kind, 95th percentile, {who}", "ms"), slowest
    yield ("answers that were 503 or 429", ""), float(statuses[503] + statuses[429])
    yield ("answers that were 500", ""), float(statuses[500])
