"""What an open session takes, in memory and in every epoch's snapshot."""

from collections import defaultdict

from bench.options import Options
from bench.results import Figure, figure
from bench.spent import Spent, run_side
from schemas.units import MIB

ABOUT = (
    "The state of open sessions, fed directly: resident memory per open session, of lines alone and with replay "
    "segments, beside a dictionary of first time, last time and count, which could not remove copies, split windows or "
    "find the items again. Then what saving them costs, on disk and synchronised: everything, as at the first epoch "
    "and whenever the changes have become half of it; the changes of an epoch in which every tenth session had an "
    "item, as at every other; and reading both back."
)
_LINES, _SEGMENTS = 20, 10
_BASE = "dictionary"


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Bytes per open session, then seconds and MB of saving them."""
    held: dict[int, dict[str, list[float]]] = {}
    seconds: dict[str, list[float]] = defaultdict(list)
    peaks: dict[str, list[float]] = defaultdict(list)
    sizes: dict[str, list[float]] = defaultdict(list)
    counts = [10_000, 100_000, *([1_000_000] if options.full else [])]
    for count in [count for _ in range(options.rounds) for count in counts]:
        sides = held.setdefault(count, defaultdict(list))
        sides[_BASE].append(_run("dictionary", count, 0).more["held_bytes"] / count)
        for name, segments in (("lines", 0), ("lines and replay", _SEGMENTS)):
            more = _run("tracker", count, segments).more
            sides[name].append(more["held_bytes"] / count)
            for part in ("everything", "changes", "restore"):
                seconds[f"{part}, {name}, {count:,}"].append(more[f"{part}_seconds"] * 1e3)
            for part in ("everything", "changes"):
                sizes[f"{part}, {name}, {count:,}"].append(more[f"{part}_bytes"] / 1e6)
            peaks[f"{name}, {count:,}"].append(more["peak_bytes"] / MIB)
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
        figure("saving and restoring", "ms", f"everything, lines, {least}", seconds),
        figure("what is written", "MB", f"everything, lines, {least}", sizes),
        figure("peak memory of the process, saving included", "MiB", f"lines, {least}", peaks),
    ]


def _run(how: str, sessions: int, segments: int) -> Spent:
    given = {"how": how, "sessions": sessions, "lines": _LINES, "segments": segments}
    return run_side("open_sessions", given)
