"""Questions about sessions, of many kinds and with other values each time, asked over HTTP by several clients."""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from bench.many_lines import CLICKS
from bench.many_sessions import APPS, BROWSERS, COUNTRIES, DAYS, LAST_DAY_MS, PAGES
from bench.serving import status_client

_FACETS = "browser,os,country,device,session_has_replay,version,app_id,session_first_view_path_group"
_DAY_MS = 86_400_000

Parameters = list[tuple[str, Any]]
Kind = tuple[str, Callable[[random.Random], Parameters]]


def kinds(*, with_lines: bool = False) -> list[Kind]:
    """Of questions; `with_lines`: of a lake of `many_lines`, also those about what happened."""

    def chosen(dice: random.Random) -> Parameters:
        first = dice.randrange(DAYS - 3)
        return [
            ("from", LAST_DAY_MS - (DAYS - first) * _DAY_MS),
            ("to", LAST_DAY_MS - (DAYS - first - 3) * _DAY_MS),
            ("is", f"browser:{dice.choice(BROWSERS)}"),
            *(("is", f"country:{country}") for country in dice.sample(COUNTRIES, 2)),
            ("gt", "session_error_count:0"),
        ]

    def words(dice: random.Random) -> str:
        return f"{dice.choice(PAGES)}/{dice.randrange(2000)}"

    week = ("from", LAST_DAY_MS - 7 * _DAY_MS)
    about_lines: list[Kind] = [
        (
            "/sessions that clicked",
            lambda dice: [("has", f"actions.action_name:{dice.choice(CLICKS)} {dice.randrange(40)}")],
        ),
        ("/sessions that visited a page", lambda dice: [("has", f"views.view_path_group:/{dice.choice(PAGES)}/?")]),
        ("/overview", lambda dice: [("not", f"browser:{dice.choice(BROWSERS)}")]),
    ]
    return [
        ("/sessions", lambda dice: [("app", dice.choice(APPS))]),
        ("/sessions filtered", chosen),
        ("/sessions sorted by errors", lambda dice: [("app", dice.choice(APPS)), ("sort", "-session_error_count")]),
        ("/sessions free text", lambda dice: [("q", words(dice))]),
        ("/sessions free text of a week", lambda dice: [("q", words(dice)), week]),
        ("/facets", lambda dice: [("app", dice.choice(APPS)), ("columns", _FACETS)]),
        ("/facets filtered", lambda dice: [*chosen(dice), ("columns", _FACETS)]),
        ("/histogram", lambda dice: [("app", dice.choice(APPS)), ("buckets", 60)]),
        *(about_lines if with_lines else []),
    ]


def ask_all(  # noqa: PLR0913 - what is asked, by how many, how long
    url: str, kinds: list[Kind], clients: int, seconds: float, seed: int, statuses: Counter[int]
) -> list[float]:
    """Ask for so many seconds, and at least three times each; milliseconds of each answer."""
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
