"""`replaylake tables`: what the lake's tables are, for people and for the catalogs of other engines."""

import json
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import msgspec
import typer
from rich.markup import escape

from flows.cli.options import JsonOption, LakeOption, opened_lake, settings_with
from flows.shown import console, plain_table
from schemas.ddl import glue_tables, hive_ddl
from schemas.engine_ddl import clickhouse_ddl, duckdb_ddl, trino_ddl
from schemas.keys import TABLES as FOLDER
from schemas.tables import TABLES
from sinks.lifecycle import prefixes_in_use
from sinks.store import ObjectStore


class Dialect(StrEnum):
    """Whose words."""

    HIVE = "hive"
    GLUE = "glue"
    TRINO = "trino"
    DUCKDB = "duckdb"
    CLICKHOUSE = "clickhouse"


def tables(
    ddl: Annotated[Dialect | None, typer.Option(help="definitions for an engine; `glue`: table inputs")] = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The tables and their columns, or their definitions for other engines.

    `hive`: tables and views for Hive, Spark, and Athena's and Trino's catalogs; `trino`: views for Trino and Athena on
    these tables; `duckdb`, `clickhouse`: views on the files themselves.

    Example: replaylake tables --ddl hive --lake s3://my-bucket/rum > tables.sql
    """
    settings = settings_with(lake)
    if ddl is not None:
        store, retention, promoted = opened_lake(settings), settings.retention_rules(), settings.tables.promoted()
        in_use = {days for prefix, days in prefixes_in_use(store).items() if prefix.startswith("tables/")}
        classes = in_use | retention.rum_classes() | retention.replay_classes()
        written: dict[Dialect, Callable[[], str]] = {
            Dialect.HIVE: lambda: hive_ddl(store.uri, classes).rstrip(),
            Dialect.GLUE: lambda: json.dumps(glue_tables(store.uri, classes), indent=2),
            Dialect.TRINO: lambda: trino_ddl(promoted),
            Dialect.DUCKDB: lambda: duckdb_ddl(store.uri, _with_files(store), promoted),
            Dialect.CLICKHOUSE: lambda: clickhouse_ddl(store.uri, promoted),
        }
        print(written[ddl]())
        return
    if as_json:
        print(json.dumps([msgspec.to_builtins(table) | {"version": table.version} for table in TABLES.values()]))
        return
    shown = plain_table("table", "column", "type", "unit", "meaning")
    for table in TABLES.values():
        for field in table.fields:
            shown.add_row(table.name, field.name, field.type, field.unit, escape(field.doc))
    console().print(shown)


def _with_files(store: ObjectStore) -> list[str]:
    found = set(store.folders(FOLDER))
    return [table for table in TABLES if table in found]
