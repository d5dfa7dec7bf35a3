"""What an open session takes, in memory and in every epoch's snapshot."""

from collections import defaultdict

from bench.options import Options
from bench.results import Figure, figure
from bench.spent import Spent, run_side

ABOUT = (
    "The state of open sessions, fed directly: resident memory per open session, of lines alone and with replay "
    "segments, beside a dictionary of first time, last time and count, which could not remove copies, split windows or "
    "find the items again. Then what the engine asks for at every epoch: a snapshot of all sessions that had an item "
    "or whose partition's clock moved, which is all of them."
)
_LINES, _SEGMENTS = 20, 10
_BASE = "dictionary"


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Bytes per open session, then seconds and MB of a snapshot of all of them."""
    held: dict[int, dict[str, list[float]]] = {}
    snapshots: dict[str, list[float]] = defaultdict(list)
    sizes: dict[str, list[float]] = defaultdict(list)
    counts = [10_000, 100_000, *([1_000_000] if options.full else [])]
    for count in [count for _ in range(options.rounds) for count in counts]:
        sides = held.setdefault(count, defaultdict(list))
        sides[_BASE].append(_run("dictionary", count, 0).more["held_bytes"] / count)
        for name, segments in (("lines", 0), ("lines and replay", _SEGMENTS)):
            more = _run("tracker", count, segments).more
            sides[name].append(more["held_bytes"] / count)
            snapshots[f"snapshot, {name}, {count:,}"].append(more["snapshot_seconds"] * 1e3)
            snapshots[f"restore, {name}, {count:,}"].append(more["restore_seconds"] * 1e3)
            sizes[f"{name}, {count:,}"].append(more["snapshot_bytes"] / 1e6)
    parameters: dict[str, str | float] = {
        "lines a session": _LINES,
        "segments a session with replay": _SEGMENTS,
        "partitions": 4,
    }
    least = f"{counts[0]:,}"
    return parameters, [
        *(
            figure(f"memory per open session, {count:,} of them", "bytes", _BASE, sides)
            for count, sides in held.items()
        ),
        figure("a snapshot of all sessions, and restoring it", "ms", f"snapshot, lines, {least}", snapshots),
        figure("size of a snapshot of all sessions", "MB", f"lines, {least}", sizes),
    ]


def _run(how: str, sessions: int, segments: int) -> Spent:
    given = {"how": how, "sessions": sessions, "lines": _LINES, "segments": segments}
    return run_side("open_sessions", given)
