"""The job beside Spark and Flink, which a user would pick instead: the same topic, session table and line tables."""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
from pyarrow.dataset import dataset

from bench.options import Options
from bench.results import Figure, figure
from bench.sides.duckdb_batch import VIEW, VISITOR, columns_of_lines, texts_in_fields
from bench.sides.flink import statements
from bench.spent import REPOSITORY, Spent, run_side
from bench.topic import Topic, fill
from bench.traffic import Load, traffic
from flows.demo.apache_kafka import start_apache_kafka
from flows.demo.servers import Broker
from schemas.units import MIB

ABOUT = (
    "RUM lines of one Apache Kafka topic of one partition, read by the job as it is, and by Spark Structured Streaming "
    "(one core) and Flink SQL (an embedded cluster with parallelism 1), each with a heap of 1 GiB. They make a session "
    "table and five line tables and do less: no copies removed, every state of a view a row, no limit of 4 hours, no "
    "quarantine, no revisions. Spark makes each of the two in one batch; Flink reads the topic once for both, with a "
    "checkpoint every 10 s, as the job has an epoch. Each handles the small topic, the small one again and the large "
    "one in one JVM: the first with its start is cold, the last is warm, and the slope is what a line more costs "
    "between the last two; their compilers work on in all of them, so the slope flatters them and the warm run does "
    "not. CPU is user and system time without the broker's. Needs a JDK of version 17 and Maven, and takes 0.5 GB from "
    "PyPI and 0.2 from Maven."
)
SPARK = "pyspark==4.2.0"
FLINK = "2.2.0"  # as bench/peers/flink.xml has it
_OURS, _SPARK, _FLINK = "Replay Lake", "Spark", "Flink"
_SQL_TYPES = {"VARCHAR": "STRING", "BIGINT": "BIGINT", "DOUBLE": "DOUBLE", "BOOLEAN": "BOOLEAN"}
_POMS = {
    "kafka-libs": "docker/kafka/pom.xml",
    "peers-spark": "bench/peers/spark.xml",
    "peers-flink": "bench/peers/flink.xml",
}
_HEAP = "-Xmx1g"  # as Spark's driver


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Microseconds of CPU a line; peak memory."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with start_apache_kafka(_jars("kafka-libs")) as broker, tempfile.TemporaryDirectory() as folder:
        small = _topic(broker, "small", options.size(500, 1_000), options)
        large = _topic(broker, "large", options.size(1_500, 3_000), options)
        columns = _columns(Path(folder), options)
        classpath = _compiled(Path(folder))
        for _ in range(options.rounds):
            sides = _ours(small, large), _spark(small, large, columns), _flink(small, large, columns, classpath)
            for figure_name, side, value in chain(*sides):
                found[figure_name][side].append(value)
    parameters: dict[str, str | float] = {
        "lines, small": small.lines,
        "lines, large": large.lines,
        "spark": SPARK,
        "flink": FLINK,
    }
    return parameters, [
        figure(name, "MiB" if "memory" in name else "us/line", _OURS, sides) for name, sides in found.items()
    ]


def _ours(small: Topic, large: Topic) -> list[tuple[str, str, float]]:
    before = _children_cpu()
    first = run_side("flow", {"topic": msgspec.to_builtins(small)})
    cold = _children_cpu() - before
    last = run_side("flow", {"topic": msgspec.to_builtins(large)})
    return _figures(_OURS, cold, [first, last], last.peak_bytes, (small, large))


def _spark(small: Topic, large: Topic, columns: dict[str, Any]) -> list[tuple[str, str, float]]:
    topics = [msgspec.to_builtins(one) for one in (small, small, large)]
    jars = sorted(map(str, _jars("peers-spark").glob("*.jar")))
    with tempfile.TemporaryDirectory(prefix="replaylake-bench-") as work:
        arguments = json.dumps({"columns": columns, "jars": jars, "topics": topics, "work": work})
        side = str(REPOSITORY / "bench" / "sides" / "spark.py")
        done = subprocess.run([*_python(), side, arguments], capture_output=True, text=True, check=False, cwd=work)
    if done.returncode:
        raise RuntimeError(f"Spark ended with {done.returncode}:\n{done.stderr[-3000:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    start, *jobs = [Spent(one["items"], one["cpu_seconds"], one["wall_seconds"], 0) for one in said["jobs"]]
    if [one.items for one in jobs] != [small.messages, small.messages, large.messages]:
        raise RuntimeError(f"Spark read {[one.items for one in jobs]} lines")
    cold = start.cpu_seconds + jobs[0].cpu_seconds
    return _figures(_SPARK, cold, jobs[1:], said["peak_bytes"], (small, large))


def _flink(small: Topic, large: Topic, columns: dict[str, Any], classpath: str) -> list[tuple[str, str, float]]:
    topics = (small, small, large)
    with tempfile.TemporaryDirectory(prefix="replaylake-bench-") as work:
        folders = [Path(work) / str(number) for number in range(len(topics))]
        files = [folder.with_suffix(".sql") for folder in folders]
        for file, topic, folder in zip(files, topics, folders, strict=True):
            file.write_text(statements(topic, columns, folder))
        command = ["java", _HEAP, "-cp", classpath, "Flink", *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=work)
        if done.returncode:
            raise RuntimeError(f"Flink ended with {done.returncode}:\n{done.stderr[-3000:]}")
        written = [dataset(folder / "lines", format="parquet").count_rows() for folder in folders]
    if written != [topic.lines for topic in topics]:
        raise RuntimeError(f"Flink wrote {written} lines")
    said = json.loads(done.stdout.splitlines()[-1])
    start, *jobs = [Spent(0, one["cpu_seconds"], one["wall_seconds"], 0) for one in said["jobs"]]
    return _figures(_FLINK, start.cpu_seconds + jobs[0].cpu_seconds, jobs[1:], said["peak_bytes"], (small, large))


def _compiled(folder: Path) -> str:
    """The class path with Flink and our program for it. Raises RuntimeError without a compiler."""
    if not shutil.which("javac"):
        raise RuntimeError("peers: needs a JDK (javac)")
    jars = f"{_jars('peers-flink')}/*"
    program = REPOSITORY / "bench" / "peers" / "Flink.java"
    subprocess.run(["javac", "-cp", jars, "-d", str(folder), str(program)], check=True)
    return f"{jars}:{folder}"


def _figures(
    side: str, cold: float, warm: list[Spent], peak_bytes: int, topics: tuple[Topic, Topic]
) -> list[tuple[str, str, float]]:
    small, large = topics
    more = warm[1].cpu_seconds - warm[0].cpu_seconds
    return [
        ("CPU a line, warm, the large topic", side, 1e6 * warm[1].cpu_seconds / large.lines),
        ("CPU a line, slope from small to large", side, 1e6 * more / (large.lines - small.lines)),
        ("CPU a line, cold, start included, the small topic", side, 1e6 * cold / small.lines),
        ("peak memory of the process", side, peak_bytes / MIB),
    ]


def _topic(broker: Broker, name: str, sessions: int, options: Options) -> Topic:
    broker.create_topic(name, 1)
    return fill(broker.bootstrap, name, 1, traffic(_load(sessions, options)))


def _load(sessions: int, options: Options) -> Load:
    return Load(sessions=sessions, lines_per_session=80, hours=2, seed=options.seed)


def _columns(folder: Path, options: Options) -> dict[str, Any]:
    """What Spark and Flink read of a line: the attributes that DuckDB reads."""
    jsonl = folder / "sample.jsonl"
    with jsonl.open("wb") as file:
        file.writelines(one.value + b"\n" for one in traffic(_load(50, options)))
    places = columns_of_lines(texts_in_fields(str(jsonl)))
    types = {place: {name: _SQL_TYPES[kind] for name, kind in found.items()} for place, found in places.items()}
    kinds = ["view", "action", "error", "resource", "long_task"]
    return {**types, "view": list(VIEW), "visitor": list(VISITOR), "kinds": kinds}


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _python() -> list[str]:
    """A Python with PySpark, in an environment that uv makes once and keeps."""
    uv = str(REPOSITORY / ".venv" / "bin" / "uv")
    return [
        uv,
        "run",
        "--quiet",
        "--no-project",
        "--isolated",
        "--python",
        sys.executable,
        "--with",
        SPARK,
        "python",
        "-P",
    ]


def _jars(name: str) -> Path:
    """The folder of jars; Maven fills it once. Raises RuntimeError without Java or Maven."""
    folder = REPOSITORY / ".work" / name
    if not any(folder.glob("*.jar")):
        if not (shutil.which("java") and shutil.which("mvn")):
            raise RuntimeError("peers: needs Java 17 and Maven")
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
        subprocess.run(["mvn", "-B", "-q", "-ntp", "-f", str(REPOSITORY / _POMS[name]), *goal], check=True)
    return folder
