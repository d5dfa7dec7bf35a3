"""Spark, run by the tests with the engines' own Python: settings and queries in, rows out, as JSON.

stdin: {"jars": [...], "conf": {...}, "views": [SQL], "queries": [SQL]}
last line of stdout: {"rows": [...], "files": [...]}
"""

import json
import os
import sys

from pyspark.sql import SparkSession


def main() -> None:
    asked = json.load(sys.stdin)
    os.environ["JAVA_TOOL_OPTIONS"] = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"  # a short life is not worth more
    builder = SparkSession.builder.master("local[2]").config("spark.jars", ",".join(asked["jars"]))
    fixed = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
    }
    for name, value in (fixed | asked["conf"]).items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    for view in asked["views"]:
        spark.sql(view)
    rows, files = [], []
    for query in asked["queries"]:
        frame = spark.sql(query)
        rows.append([list(row) for row in frame.collect()])
        files.append(_files(spark))
    print(json.dumps({"rows": rows, "files": files}, default=str))


def _files(spark: SparkSession) -> int | None:
    """Data files that the scan of the last query planned to read, by Spark's own metrics; None where it has none.

    Each plan that Spark has made on the way to the last one has the metric again.
    """
    executions = spark._jsparkSession.sharedState().statusStore()
    spark._jsc.sc().listenerBus().waitUntilEmpty()
    known = executions.executionsList()
    last = max((known.apply(number) for number in range(known.size())), key=lambda one: one.executionId())
    metrics = [last.metrics().apply(number) for number in range(last.metrics().size())]
    wanted = [metric.accumulatorId() for metric in metrics if metric.name() == "number of result data files"]
    values = executions.executionMetrics(last.executionId())
    found = [values.get(number).get() for number in wanted if values.contains(number)]
    return max(int(value.replace(",", "")) for value in found) if found else None


if __name__ == "__main__":
    main()
