"""`python -m bench`: measure this project on this machine, beside baselines that run in turn with it."""

import argparse
import time
from collections.abc import Callable

from bench.measurements import (
    day,
    epochs,
    explore,
    explorer,
    following,
    forms,
    index,
    intake,
    latency,
    lines,
    memory,
    open_session,
    peers,
    playing,
    replay,
    requests,
    restart,
    scale,
    start,
    storage,
)
from bench.options import Options
from bench.render import PAGE, page, terminal
from bench.results import Figure, Result, load_all, place, save

Measure = Callable[[Options], tuple[dict[str, str | float], list[Figure]]]
MEASUREMENTS: dict[str, tuple[str, Measure]] = {  # in the order of the page
    "lines": (lines.ABOUT, lines.measure),
    "forms": (forms.ABOUT, forms.measure),
    "peers": (peers.ABOUT, peers.measure),
    "epochs": (epochs.ABOUT, epochs.measure),
    "replay": (replay.ABOUT, replay.measure),
    "storage": (storage.ABOUT, storage.measure),
    "requests": (requests.ABOUT, requests.measure),
    "memory": (memory.ABOUT, memory.measure),
    "start": (start.ABOUT, start.measure),
    "restart": (restart.ABOUT, restart.measure),
    "latency": (latency.ABOUT, latency.measure),
    "scale": (scale.ABOUT, scale.measure),
    "intake": (intake.ABOUT, intake.measure),
    "explorer": (explorer.ABOUT, explorer.measure),
    "explore": (explore.ABOUT, explore.measure),
    "index": (index.ABOUT, index.measure),
    "following": (following.ABOUT, following.measure),
    "playing": (playing.ABOUT, playing.measure),
    "open_session": (open_session.ABOUT, open_session.measure),
    "day": (day.ABOUT, day.measure),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "name",
        nargs="*",
        help=f"of {', '.join(MEASUREMENTS)}; all when none is given (day only with --full; never peers)",
    )
    parser.add_argument("--full", action="store_true", help="the big sizes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1, help="of the generated traffic")
    parser.add_argument("--write-docs", action="store_true", help="only make docs/benchmarks.md from the kept results")
    parser.add_argument("--list", action="store_true", help="only say what there is")
    asked = parser.parse_args()
    if asked.list:
        for name, (about, _) in MEASUREMENTS.items():
            print(f"{name}: {about}\n")
    elif asked.write_docs:
        PAGE.write_text(page(load_all(), MEASUREMENTS))
    else:
        unknown = set(asked.name) - set(MEASUREMENTS)
        if unknown:
            parser.error(f"no measurement {sorted(unknown)}")
        for name in asked.name or (name for name in MEASUREMENTS if name != "peers" and (asked.full or name != "day")):
            run(name, Options(full=asked.full, rounds=asked.rounds, seed=asked.seed))


def run(name: str, options: Options) -> None:
    """Measure, show, keep."""
    about, measure = MEASUREMENTS[name]
    where, begun = place(), time.monotonic()
    parameters, figures = measure(options)
    command = f"python -m bench {name}{' --full' if options.full else ''} --rounds {options.rounds}"
    result = Result(name, about, command, {**parameters, "rounds": options.rounds}, figures, where)
    print(terminal(result), flush=True)
    print(f"  {time.monotonic() - begun:.0f} s; kept as {save(result)}\n", flush=True)


if __name__ == "__main__":
    main()
