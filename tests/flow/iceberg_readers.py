"""Tables of the lake through Iceberg, as PyIceberg, Polars and DuckDB read them: the rows that count, as text."""

import warnings
from collections.abc import Callable
from datetime import datetime

import duckdb
import polars as pl
import pyarrow as pa
from pyiceberg.table import Table

from schemas.tables import TABLES

Reader = Callable[[Table, str], list[str]]


def by_pyiceberg(table: Table, name: str) -> list[str]:
    return as_text(table.scan().to_arrow(), name)


def by_duckdb(table: Table, name: str) -> list[str]:
    scanned = table.scan().to_arrow_batch_reader()  # noqa: F841 - DuckDB finds it by its name
    with duckdb.connect() as connection:
        return as_text(connection.sql("select * from scanned").to_arrow_table(), name)


def by_polars(table: Table, name: str) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its planner in Rust is another package, and it says so each time
        return as_text(pl.scan_iceberg(table).collect().to_arrow(), name)


READERS: dict[str, Reader] = {"pyiceberg": by_pyiceberg, "duckdb": by_duckdb, "polars": by_polars}


def as_text(rows: pa.Table, name: str) -> list[str]:
    """What names a row and what changes with its revision; as much of the others as every engine writes alike."""
    key = TABLES[name].key
    wanted = [*key, *(field.name for field in TABLES[name].fields if field.type == "int64" and field.name not in key)]
    return sorted(repr(tuple(map(_alike, row.values()))) for row in rows.select(wanted).to_pylist())


def _alike(value: object) -> object:
    """Engines name UTC differently."""
    return value.timestamp() if isinstance(value, datetime) else value
