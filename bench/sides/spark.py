"""A peer: Spark Structured Streaming makes the session table and the five line tables of a Kafka topic.

Runs in an environment of its own, so it imports nothing of the project. Two queries, each with one batch over all that
is there: session windows of 15 minutes with first and last view, visitor and counts, written when the watermark has
passed them; and every line with the attributes of our columns, as files by kind and day. It does less than the job:
copies stay, every state of a view is a row, no limit of 4 hours, no units, no unknown attributes, no quarantine.

Several topics one after the other in one JVM: the first is cold. Prints CPU of each (user and system, JVM and Python).
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession  # type: ignore[import-not-found]  # has an environment of its own
from pyspark.sql import functions as f

_GAP, _LATENESS = "15 minutes", "5 minutes"
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    given = json.loads(sys.argv[1])
    spark = _session(given["jars"], given["work"])
    java = int(spark._jvm.java.lang.ProcessHandle.current().pid())  # noqa: SLF001 - the one way to the JVM
    found = [{"cpu_seconds": _cpu_seconds(java), "wall_seconds": 0.0, "items": 0}]  # of the start
    for number, topic in enumerate(given["topics"]):
        cpu, started = _cpu_seconds(java), time.monotonic()
        items = _tables(spark, topic, given["columns"], Path(given["work"]) / str(number))
        spent = _cpu_seconds(java) - cpu
        found.append({"cpu_seconds": spent, "wall_seconds": time.monotonic() - started, "items": items})
    print(json.dumps({"jobs": found, "peak_bytes": _peak_bytes(java)}), flush=True)
    spark.stop()


def _session(jars: list[str], work: str) -> SparkSession:
    fixed = {
        "spark.jars": ",".join(jars),
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.local.dir": f"{work}/local",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.parquet.compression.codec": "zstd",
    }
    builder = SparkSession.builder.master("local[1]")
    for name, value in fixed.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def _tables(spark: SparkSession, topic: dict[str, Any], columns: dict[str, Any], work: Path) -> int:
    """Both queries, to their ends; the number of lines."""
    lines = _lines(spark, topic, columns)
    items = _run(lines.drop("at"), work / "lines", ["measurement", "day"])
    _run(_sessions(lines, columns), work / "sessions", ["day"])
    return items


def _lines(spark: SparkSession, topic: dict[str, Any], columns: dict[str, Any]) -> DataFrame:
    of = {place: ", ".join(f"{name}: {kind}" for name, kind in columns[place].items()) for place in ("tags", "fields")}
    schema = f"measurement STRING, time DOUBLE, tags STRUCT<{of['tags']}>, fields STRUCT<{of['fields']}>"
    read = {
        "kafka.bootstrap.servers": topic["bootstrap"], "subscribe": topic["name"], "startingOffsets": "earliest",
    }  # fmt: skip
    raw = spark.readStream.format("kafka").options(**read).load()
    line = raw.select(f.from_json(f.col("value").cast("string"), schema).alias("line"))
    flat = line.select("line.measurement", "line.time", "line.tags.*", "line.fields.*")
    at = f.timestamp_millis(f.col("time").cast("long"))
    return flat.withColumn("at", at).withColumn("day", f.to_date(at))


def _sessions(lines: DataFrame, columns: dict[str, Any]) -> DataFrame:
    begin = f.col("at")
    end = f.timestamp_millis((f.col("time") + f.coalesce("time_spent", "duration", f.lit(0)) / 1e6).cast("long"))
    view = [one for name in columns["view"] for one in (
        f.min_by(name, begin).alias(f"first_{name}"), f.max_by(name, begin).alias(f"last_{name}"),
    )]  # fmt: skip
    counts = [f.count_if(f.col("measurement") == kind).alias(f"{kind}_count") for kind in columns["kinds"]]
    visitor = [f.max_by(name, begin).alias(name) for name in columns["visitor"]]
    window = f.session_window("at", _GAP)
    grouped = lines.withWatermark("at", _LATENESS).groupBy("app_id", "session_id", window)
    made = grouped.agg(f.min(begin).alias("start"), f.max(end).alias("end"), *view, *counts, *visitor)
    return made.drop("session_window").withColumn("day", f.to_date("start"))


def _run(frame: DataFrame, work: Path, partitions: list[str]) -> int:
    writer = frame.writeStream.format("parquet").outputMode("append").partitionBy(*partitions)
    options = {"path": str(work / "files"), "checkpointLocation": str(work / "state")}
    query = writer.options(**options).trigger(availableNow=True).start()
    query.awaitTermination()
    return sum(int(one["numInputRows"]) for one in query.recentProgress)


def _cpu_seconds(java: int) -> float:
    used = os.times()
    fields = Path(f"/proc/{java}/stat").read_text().rpartition(")")[2].split()
    return used.user + used.system + (int(fields[11]) + int(fields[12])) / _TICKS


def _peak_bytes(java: int) -> int:
    lines = Path(f"/proc/{java}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
