"""A peer: the statements with which Flink SQL makes the session table and the five line tables of a Kafka topic.

`bench/peers/Flink.java` runs them. One job reads the topic once for both: session windows of 15 minutes with first and
last view, visitor and counts, written when the watermark has passed them; and every line with the attributes of our
columns, as files by kind and day. It does less than the job, as `bench/sides/spark.py` says of Spark.
"""

from pathlib import Path
from typing import Any

from bench.topic import Topic

_BETWEEN = "\n;\n"  # as the Java side splits them


def statements(topic: Topic, columns: dict[str, Any], work: Path) -> str:
    """All statements for one topic."""
    attributes = {name: kind for place in ("tags", "fields") for name, kind in columns[place].items()}
    line = {"measurement": "STRING", "time": "DOUBLE", **attributes}
    of_view = {f"{end}_{name}": f"{end}_by(`{name}`, `time`)" for name in columns["view"] for end in ("first", "last")}
    visitor = {name: f"last_by(`{name}`, `time`)" for name in columns["visitor"]}
    counts = {f"{kind}_count": f"count(*) FILTER (WHERE measurement = '{kind}')" for kind in columns["kinds"]}
    asked = {
        "app_id": "app_id", "session_id": "session_id", "start": "min(begins_at)", "end": "max(ends_at)",
        **of_view, **visitor, **counts, "day": "date_format(min(begins_at), 'yyyy-MM-dd')",
    }  # fmt: skip
    types = dict.fromkeys(asked, "STRING") | dict.fromkeys(counts, "BIGINT")
    types |= {name: attributes[name] for name in visitor} | dict.fromkeys(("start", "end"), "TIMESTAMP_LTZ(3)")
    return _BETWEEN.join([
        "DROP TEMPORARY VIEW IF EXISTS flat",
        *(f"DROP TEMPORARY TABLE IF EXISTS {name}" for name in ("lines", "line_files", "session_files")),
        _source(topic, columns),
        _flat(columns),
        _files("line_files", line | {"day": "STRING"}, work / "lines", "measurement, `day`"),
        _files("session_files", types, work / "sessions", "`day`"),
        f"""EXECUTE STATEMENT SET BEGIN
INSERT INTO line_files SELECT {_quoted(line)}, date_format(begins_at, 'yyyy-MM-dd') FROM flat;
INSERT INTO session_files SELECT {", ".join(asked.values())}
FROM SESSION(TABLE flat PARTITION BY (app_id, session_id), DESCRIPTOR(begins_at), INTERVAL '15' MINUTE)
GROUP BY app_id, session_id, window_start, window_end;
END""",
    ])  # fmt: skip


def _source(topic: Topic, columns: dict[str, Any]) -> str:
    tags, fields = (_typed(columns[place]) for place in ("tags", "fields"))
    return f"""CREATE TEMPORARY TABLE lines (
measurement STRING, `time` DOUBLE, tags ROW<{tags}>, fields ROW<{fields}>,
begins_at AS to_timestamp_ltz(CAST(`time` AS BIGINT), 3), WATERMARK FOR begins_at AS begins_at - INTERVAL '5' MINUTE
) WITH ('connector' = 'kafka', 'topic' = '{topic.name}', 'properties.bootstrap.servers' = '{topic.bootstrap}',
'properties.group.id' = 'flink', 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',
'format' = 'json')"""


def _flat(columns: dict[str, Any]) -> str:
    attributes = ", ".join(f"{place}.`{name}`" for place in ("tags", "fields") for name in columns[place])
    spent = "CAST(coalesce(fields.time_spent, fields.duration, 0) / 1000000 AS BIGINT)"
    until = f"to_timestamp_ltz(CAST(`time` AS BIGINT) + {spent}, 3)"
    asked = f"measurement, `time`, {attributes}, begins_at, {until} AS ends_at"
    return f"CREATE TEMPORARY VIEW flat AS SELECT {asked} FROM lines"


def _files(name: str, types: dict[str, str], folder: Path, partitions: str) -> str:
    return f"""CREATE TEMPORARY TABLE {name} ({_typed(types)}) PARTITIONED BY ({partitions})
WITH ('connector' = 'filesystem', 'path' = '{folder}', 'format' = 'parquet', 'parquet.compression' = 'ZSTD')"""


def _typed(types: dict[str, str]) -> str:
    return ", ".join(f"`{name}` {kind}" for name, kind in types.items())


def _quoted(names: dict[str, Any]) -> str:
    return ", ".join(f"`{name}`" for name in names)
