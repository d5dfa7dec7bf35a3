"""How fast the explorer answers over a large lake."""

import random
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench.many_sessions import APPS, BROWSERS, COUNTRIES, DAYS, PAGES, write_lake
from bench.options import Options
from bench.results import Figure, figure
from bench.serving import Ask, Parameters, client, percentile, serving
from bench.spent import memory_bytes

ABOUT = (
    "`replaylake serve` over a lake of made-up sessions (`bench/many_sessions.py`) on local disk, asked over HTTP by "
    "one client, one question after the other, each with other values: the newest page, a page of one browser in two "
    "countries on some days, free text, one user's attribute, facets of eight columns, a histogram, all three for one "
    "filter as the page asks them, and each of 100 pages in a row. A figure is the 95th percentile of a round."
)
_ASKED = 40
_FACETS = "browser,os,country,device,session_has_replay,version,app_id,session_first_view_path_group"
_LAST_MS = 1_795_219_200_000
_DAY_MS = 86_400_000


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Milliseconds by kind of question, and what the server takes to know the lake."""
    sessions, files_per_day = options.size(50_000, 1_000_000), options.size(10, 48)
    total = 0
    p95: dict[str, list[float]] = defaultdict(list)
    taken: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="replaylake-bench-") as work:
        files = write_lake(Path(work) / "lake", sessions, files_per_day, options.seed)
        for number in range(options.rounds):
            began = time.monotonic()
            with serving(Path(work) / "lake", Path(work)) as (url, process_id):
                ask = client(url)
                total = ask("/sessions", {"limit": 1})["total"]
                taken["until the first answer, s"].append(time.monotonic() - began)
                for name, values in _questions(ask, random.Random(options.seed + number)).items():
                    p95[name].append(percentile(values, 95))
                taken["memory of the process, MiB"].append(memory_bytes("VmHWM", str(process_id)) / 2**20)
    parameters: dict[str, str | float] = {
        "sessions": float(total), "files": files, "days": DAYS, "questions of a kind": _ASKED, "seed": options.seed,
    }  # fmt: skip
    return parameters, [
        figure("95th percentile of an answer", "ms", "", p95),
        *(
            figure(name.rpartition(", ")[0], name.rpartition(", ")[2], "", {"serve": values})
            for name, values in taken.items()
        ),
    ]


def _questions(ask: Ask, dice: random.Random) -> dict[str, list[float]]:
    times: dict[str, list[float]] = defaultdict(list)

    def timed(name: str, path: str, parameters: Parameters) -> Any:  # noqa: ANN401 - JSON
        began = time.monotonic()
        answer = ask(path, parameters)
        times[name].append((time.monotonic() - began) * 1e3)
        return answer

    for _ in range(_ASKED):
        words = f"{dice.choice(PAGES)}/{dice.randrange(2000)}"
        chosen = _filter(dice)
        timed("newest page", "/sessions", {"app": dice.choice(APPS), "sort": "-start"})
        timed("page sorted by errors", "/sessions", [*chosen, ("sort", "-session_error_count")])
        timed("filtered page", "/sessions", chosen)
        timed("free text", "/sessions", {"q": words})
        timed("one attribute", "/sessions", {"is": f"user_email:v{dice.randrange(200_000)}@mail.example"})
        timed("facets of everything", "/facets", {"columns": _FACETS, "app": dice.choice(APPS)})
        timed("facets of a filter", "/facets", [*chosen, ("columns", _FACETS)])
        timed("facets of free text", "/facets", {"columns": _FACETS, "q": dice.choice(PAGES)})
        timed("histogram of everything", "/histogram", {"buckets": 60, "app": dice.choice(APPS)})
        began = time.monotonic()
        for path, more in (("/sessions", []), ("/facets", [("columns", _FACETS)]), ("/histogram", [])):
            ask(path, [*chosen, *more])
        times["page, facets and histogram of a filter"].append((time.monotonic() - began) * 1e3)
    cursor = ""
    for _ in range(100):
        cursor = timed("each of 100 pages in a row", "/sessions", {"cursor": cursor})["next"]
    times["page 100"] = times["each of 100 pages in a row"][-5:]
    return times


def _filter(dice: random.Random) -> list[tuple[str, Any]]:
    first = dice.randrange(DAYS - 3)
    return [
        ("from", _LAST_MS - (DAYS - first) * _DAY_MS),
        ("to", _LAST_MS - (DAYS - first - 3) * _DAY_MS),
        ("is", f"browser:{dice.choice(BROWSERS)}"),
        *(("is", f"country:{country}") for country in dice.sample(COUNTRIES, 2)),
        ("gt", "session_error_count:0"),
    ]
