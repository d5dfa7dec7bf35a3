"""What the lines of an epoch have to share: the same lines in few large epochs and in many small ones."""

from collections import defaultdict

import msgspec

from bench.options import Options
from bench.results import Figure, figure
from bench.spent import Spent, run_side
from bench.traffic import Load

ABOUT = (
    "RUM lines through decode, windows, packs, Parquet tables, staging and publishing on local disk, one shard, in one "
    "process without broker and engine; the same lines, with an epoch after so many of them. So a partition with 200 "
    "lines a second and epochs of 10 s is among those of 2,000 lines."
)
_LINES = (2_000, 5_000, 20_000, 100_000)
_BASE = "100,000 lines"


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Microseconds of CPU a line, by lines an epoch."""
    load = Load(sessions=options.size(1_300, 4_000), lines_per_session=80, hours=2, seed=options.seed)
    spent: dict[str, list[Spent]] = defaultdict(list)
    for _ in range(options.rounds):
        for lines in _LINES:
            given = {"load": msgspec.to_builtins(load), "lines": lines}
            spent[f"{lines:,} lines"].append(run_side("epochs", given))
    per_line = {side: [1e6 * one.cpu_seconds / one.items for one in rounds] for side, rounds in spent.items()}
    epochs = {side: [one.more["epochs"] for one in rounds] for side, rounds in spent.items()}
    parameters: dict[str, str | float] = {"lines": spent[_BASE][0].items, "sessions": load.sessions, "seed": load.seed}
    return parameters, [
        figure("CPU by lines an epoch", "us/line", _BASE, per_line),
        figure("epochs", "", "", epochs),
    ]
