"""RUM lines through the whole flow, beside consumers that do less and a batch that does it later."""

import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import msgspec

from bench.options import Options
from bench.results import Figure, figure
from bench.spent import REPOSITORY, Spent, run_side
from bench.topic import Topic, fill
from bench.traffic import Load, traffic
from flows.demo.servers import start_broker
from schemas.units import MIB

ABOUT = (
    "RUM lines of real size from the broker through decode, windows, recovery, packs and Parquet tables to local "
    "disk, one process; then the same job up to its windows (decode, rules, copies, recovery), written nowhere. Beside "
    "it what is less work: reading the messages; parsing them with orjson; a hand-written loop that keeps first and "
    "last time per session in a dictionary (no recovery, no rows, nothing written); Quix Streams with the same rule in "
    "its state (RocksDB, no changelog; closes by a gap alone, writes nothing); DuckDB making the session table, and "
    "only that, from the same lines as one file, in one batch on one thread. Nearest to the same work is that batch "
    "with the line tables too: one look at the file, attributes as they were sent, nothing checked or kept apart."
)
QUIX = "quixstreams==3.28.1"
_FLOW, _BASE = "whole flow", "hand-written loop"
_CONSUMERS = {"consume": "consume", "consume and orjson": "orjson", _BASE: "loop"}


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Lines per CPU second and per second of wall time."""
    load = Load(sessions=options.size(2_000, 6_000), lines_per_session=80, hours=2, seed=options.seed)
    spent: dict[str, list[Spent]] = defaultdict(list)
    with start_broker() as broker, tempfile.TemporaryDirectory(prefix="replaylake-bench-") as folder:
        broker.create_topic("lines", 1)
        sent = list(traffic(load))
        topic = fill(broker.bootstrap, "lines", 1, sent)
        jsonl = Path(folder) / "lines.jsonl"
        with jsonl.open("wb") as file:
            file.writelines(one.value + b"\n" for one in sent)
        for number in range(options.rounds):
            for side, found in _round(topic, jsonl, number):
                spent[side].append(found)
    for side, rounds in spent.items():
        if any(one.items != topic.messages for one in rounds):
            raise RuntimeError(f"{side} handled {[one.items for one in rounds]} of {topic.messages} lines")
    parameters: dict[str, str | float] = {
        "lines": topic.messages,
        "bytes a line": round(topic.bytes / topic.messages),
        "sessions": load.sessions,
        "hours": load.hours,
        "seed": load.seed,
    }
    sides = spent.items()
    per_cpu = {side: [one.items / one.cpu_seconds for one in rounds] for side, rounds in sides}
    per_second = {side: [one.items / one.wall_seconds for one in rounds] for side, rounds in sides}
    peak = {side: [one.peak_bytes / MIB for one in rounds] for side, rounds in sides}
    return parameters, [
        figure("lines per CPU second", "lines/s", _BASE, per_cpu),
        figure("lines per second of wall time", "lines/s", _BASE, per_second),
        figure("peak memory of the process", "MiB", _BASE, peak),
    ]


def _round(topic: Topic, jsonl: Path, number: int) -> list[tuple[str, Spent]]:
    given = {"topic": msgspec.to_builtins(topic)}
    found = [(_FLOW, run_side("flow", given)), ("its windows alone", run_side("sessions_only", given))]
    found += [(side, run_side("consumers", {**given, "how": how})) for side, how in _CONSUMERS.items()]
    batch = {"jsonl": str(jsonl), "lines": topic.messages}
    found.append(("DuckDB batch", run_side("duckdb_batch", {**batch, "all_tables": False})))
    found.append(("DuckDB batch, line tables too", run_side("duckdb_batch", {**batch, "all_tables": True})))
    if quix := quix_python():
        found.append(("Quix Streams", run_side("quix", {**given, "group": f"quix-{number}"}, quix)))
    return found


def quix_python() -> list[str]:
    """A Python with Quix Streams, which needs an older client library than the job; uv makes it once and keeps it."""
    uv = REPOSITORY / ".venv" / "bin" / "uv"
    isolated = ["run", "--quiet", "--no-project", "--isolated", "--python", sys.executable, "--with", QUIX]
    return [str(uv), *isolated, "python", "-P"] if uv.exists() else []
