"""RUM lines through the whole flow, beside consumers that do less and a batch that does it later."""

import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import msgspec

from bench.forms import FORMS, JSON
from bench.options import Options
from bench.results import Figure, figure
from bench.spent import REPOSITORY, Spent, run_side
from bench.topic import Topic, fill
from bench.traffic import Load, traffic
from flows.demo.servers import Broker, start_broker
from schemas.units import MIB

ABOUT = (
    "RUM lines of real size from the broker through decode, windows, recovery, packs and Parquet tables to local "
    "disk, one process; then the same job up to its windows (decode, rules, copies, recovery), written nowhere. Beside "
    "it what is less work: reading the messages; parsing them with orjson; a hand-written loop that keeps first and "
    "last time per session in a dictionary (no recovery, no rows, nothing written); Quix Streams with the same rule in "
    "its state (RocksDB, no changelog; closes by a gap alone, writes nothing); DuckDB making the session table, and "
    "only that, from the same lines as one file, in one batch on one thread. Nearest to the same work is that batch "
    "with the line tables too: one look at the file, attributes as they were sent, nothing checked or kept apart. Last "
    "the whole flow again, with lines of the same visitors as each SDK sends them, up to ten in a request."
)
QUIX = "quixstreams==3.28.1"
_FLOW, _BASE = "whole flow", "hand-written loop"
_CONSUMERS = {"consume": "consume", "consume and orjson": "orjson", _BASE: "loop"}


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Lines per CPU second and per second of wall time."""
    load = Load(sessions=options.size(500, 2_000), lines_per_session=80, hours=2, seed=options.seed)
    spent: dict[str, list[Spent]] = defaultdict(list)
    with start_broker() as broker, tempfile.TemporaryDirectory(prefix="replaylake-bench-") as folder:
        topics = {form: _topic(broker, load, form, number) for number, form in enumerate(FORMS)}
        topic = topics[JSON]
        jsonl = Path(folder) / "lines.jsonl"
        with jsonl.open("wb") as file:
            file.writelines(one.value + b"\n" for one in traffic(load))
        for number in range(options.rounds):
            for side, found in _round(topic, jsonl, number):
                spent[side].append(found)
            for form, filled in topics.items():
                if form != JSON:
                    spent[form].append(run_side("flow", {"topic": msgspec.to_builtins(filled)}))
    for side, rounds in spent.items():
        if any(one.items != topics.get(side, topic).messages for one in rounds):
            raise RuntimeError(f"{side} handled {[one.items for one in rounds]} messages")
    by_form = {form: spent[_FLOW if form == JSON else form] for form in FORMS}
    parameters: dict[str, str | float] = {
        "lines": topic.messages,
        "bytes a line": round(topic.bytes / topic.messages),
        "sessions": load.sessions,
        "hours": load.hours,
        "seed": load.seed,
    }
    sides = [(side, rounds) for side, rounds in spent.items() if side not in topics]
    per_cpu = {side: [one.items / one.cpu_seconds for one in rounds] for side, rounds in sides}
    per_second = {side: [one.items / one.wall_seconds for one in rounds] for side, rounds in sides}
    peak = {side: [one.peak_bytes / MIB for one in rounds] for side, rounds in sides}
    cost = {form: [1e6 * one.cpu_seconds / topics[form].lines for one in by_form[form]] for form in FORMS}
    shape = {form: [filled.lines / filled.messages] for form, filled in topics.items()}
    size = {form: [filled.bytes / filled.lines] for form, filled in topics.items()}
    return parameters, [
        figure("lines per CPU second", "lines/s", _BASE, per_cpu),
        figure("lines per second of wall time", "lines/s", _BASE, per_second),
        figure("peak memory of the process", "MiB", _BASE, peak),
        figure("whole flow by what SDKs send, CPU", "us/line", JSON, cost),
        figure("lines a request", "", "", shape),
        figure("bytes a line, as sent", "B", "", size),
    ]


def _topic(broker: Broker, load: Load, form: str, number: int) -> Topic:
    name = f"lines-{number}"
    broker.create_topic(name, 1)
    return fill(broker.bootstrap, name, 1, traffic(msgspec.structs.replace(load, form=form)))


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
