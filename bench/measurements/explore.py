"""How fast questions about what happened are answered over a large lake: lists, counts, searches, groups, overview."""

import itertools
import os
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.many_lines import CLICKS, ERROR_TYPES, MESSAGES, write_lines
from bench.many_sessions import BROWSERS, DAYS, LAST_DAY_MS, PAGES, write_lake
from bench.options import Options
from bench.results import Figure, figure
from bench.serving import client, percentile, serving, until_copied
from bench.spent import memory_bytes

ABOUT = (
    "`replaylake serve` over made-up sessions and their lines (`bench/many_lines.py`, about nineteen a session, days "
    "compacted) on local disk, asked over HTTP by one client, one question after the other, each with other values; "
    "over one day, seven, and all fourteen, each with a server that has just begun and made its copies of lines. A "
    "figure is the 95th percentile of a round. `REPLAYLAKE_BENCH_LAKE` names a lake that was made before."
)
_ASKED = 10
_FACETS = "browser,os,country,device,version,view_path_group"
_DAY_MS = 86_400_000
_PATIENT = {"REPLAYLAKE_SERVE__QUESTION_SECONDS": "120"}  # a busy machine is slow, and that is what is to be seen
_WINDOWS = {"1 day": 1, "7 days": 7, "14 days": DAYS}

Parameters = list[tuple[str, Any]]
Kind = Callable[[random.Random], tuple[str, Parameters]]


def _page(dice: random.Random) -> str:
    return f"view_path_group:/{dice.choice(PAGES)}/?"


def _click(dice: random.Random) -> str:
    return f"action_name:{dice.choice(CLICKS)} {dice.randrange(40)}"


KINDS: dict[str, Kind] = {
    "newest resources": lambda _: ("/resources", []),
    "resources of a page, slow ones": lambda dice: (
        "/resources",
        [("is", _page(dice)), ("gt", f"duration:{dice.randrange(1000, 4000)}000000"), ("sort", "-duration")],
    ),
    "facets of resources": lambda dice: ("/resources/facets", [("columns", _FACETS), ("is", _page(dice))]),
    "histogram of resources": lambda dice: ("/resources/histogram", [("is", f"browser:{dice.choice(BROWSERS)}")]),
    "newest views": lambda dice: ("/views", [("is", f"browser:{dice.choice(BROWSERS)}")]),
    "facets of views": lambda dice: ("/views/facets", [("columns", _FACETS), ("is", _page(dice)), ("own", "false")]),
    "errors with a word": lambda dice: ("/errors", [("q", dice.choice(("chunk", "fetch", "payment", "json")))]),
    "groups of errors": lambda dice: ("/errors/groups", [("is", f"browser:{dice.choice(BROWSERS)}")]),
    "overview": lambda dice: ("/overview", [("not", f"browser:{dice.choice(BROWSERS)}")]),
    "sessions with an address anywhere": lambda dice: (
        "/sessions",
        [("q", f"{dice.choice(PAGES)}/{dice.randrange(2000)}")],
    ),
    "facets of sessions with the name of a click": lambda dice: (
        "/facets",
        [("columns", "browser,country"), ("q", f"{dice.choice(CLICKS)} {dice.randrange(40)}")],
    ),
    "sessions with a message of an error": lambda dice: ("/sessions", [("q", dice.choice(MESSAGES))]),
    "sessions that visited a page": lambda dice: ("/sessions", [("has", f"views.{_page(dice)}")]),
    "sessions that clicked": lambda dice: ("/sessions", [("has", f"actions.{_click(dice)}")]),
    "sessions with a page, an error and no such click": lambda dice: (
        "/sessions",
        [
            ("has", f"views.{_page(dice)}"),
            ("has", f"errors.error_type:{dice.choice(ERROR_TYPES)}"),
            ("hasnot", f"actions.{_click(dice)}"),
        ],
    ),
    "facets of sessions with a slow resource": lambda dice: (
        "/facets",
        [("columns", "browser,country"), ("has", f"resources.duration>{dice.randrange(3000, 4900)}000000")],
    ),
}


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Milliseconds by kind of question and number of days, and the memory that the server takes."""
    sessions = options.size(20_000, 1_000_000)
    p95: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    memory: dict[str, list[float]] = defaultdict(list)
    slowest: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="replaylake-bench-") as work:
        made = os.environ.get("REPLAYLAKE_BENCH_LAKE")
        lake = Path(made or f"{work}/lake")
        if not made:
            write_lines(lake, sessions, 1, options.seed)
            write_lake(lake, sessions, 1, options.seed)
        settings = _PATIENT | {"REPLAYLAKE_SERVE__INDEX_DIR": f"{work}/index"}
        for number, (window, days) in itertools.product(range(options.rounds), _WINDOWS.items()):
            dice, side = random.Random(options.seed + number), f"{window}, {sessions:,} sessions"
            with serving(lake, Path(work), settings=settings) as (url, process_id):
                ask = client(url)
                while ask("/sessions", [("limit", 1)])["total"] < sessions * 0.99:
                    time.sleep(0.5)
                until_copied(url)
                ask = client(url)  # the other connection was idle for too long
                for name, kind in KINDS.items():
                    p95[window][name].append(_p95(ask, kind, days, dice))
                    print(f"  {side}: {name}: {p95[window][name][-1]:.0f} ms", flush=True)
                slowest[side].append(max(values[-1] for values in p95[window].values()))
                memory[side].append(memory_bytes("VmHWM", str(process_id)) / 2**20)
    parameters: dict[str, str | float] = {
        "sessions": float(sessions), "days": DAYS, "questions of a kind": _ASKED, "seed": options.seed,
    }  # fmt: skip
    return parameters, [
        *(figure(f"95th percentile of an answer, {window}", "ms", "", values) for window, values in p95.items()),
        figure("the slowest kind, 95th percentile", "ms", "", slowest),
        figure("peak memory of the process", "MiB", "", memory),
    ]


def _p95(ask: Callable[[str, Parameters], Any], kind: Kind, days: int, dice: random.Random) -> float:
    times = []
    for _ in range(_ASKED):
        path, parameters = kind(dice)
        first = LAST_DAY_MS - days * _DAY_MS
        began = time.monotonic()
        ask(path, [*parameters, ("from", first), ("to", LAST_DAY_MS)])
        times.append((time.monotonic() - began) * 1e3)
    return percentile(times, 95)
