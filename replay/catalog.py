"""The lake as a reader sees it: rows of a table, and of each window only its highest revision."""

import io
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from replay.reader import BlobReader
from schemas.keys import TABLES, partition_value
from schemas.tables import arrow_schema
from sinks.store import ObjectStore

Row = dict[str, object]
WindowKey = tuple[str, str, int]  # (app_id, session_id, session_part)


def table_keys(store: ObjectStore, table: str, days: tuple[str, str] | None = None) -> Iterator[str]:
    """Keys of a table's files; `days`: only folders of these UTC days, first and last included."""
    for found in store.list(f"{TABLES}{table}/"):
        day = partition_value(found.key, "dt") or ""
        if found.key.endswith(".parquet") and (days is None or days[0] <= day <= days[1]):
            yield found.key


def read_rows(store: ObjectStore, keys: Iterable[str], table: str, wanted: tuple[str, str] | None = None) -> list[Row]:
    """Rows of some files of a table; `wanted` (column, value) reads only these rows."""
    rows: list[Row] = []
    for key in keys:
        content = read_file(store, key, table)
        if wanted is not None:
            content = content.filter(pc.equal(content[wanted[0]], wanted[1]))
        rows.extend(content.to_pylist())
    return rows


def read_file(store: ObjectStore, key: str, table: str) -> pa.Table:
    """One file with the columns of today's schema: what an older file lacks is null."""
    return conform(pq.read_table(io.BytesIO(store.read(key))), table)


def conform(content: pa.Table, table: str) -> pa.Table:
    """Rows of a table with the columns of today's schema, in its order."""
    schema = arrow_schema(table)
    if content.schema.equals(schema):
        return content
    arrays = [
        content[field.name].cast(field.type) if field.name in content.column_names
        else pa.nulls(content.num_rows, field.type)
        for field in schema
    ]  # fmt: skip
    return pa.Table.from_arrays(arrays, schema=schema)


def latest_sessions(rows: Iterable[Row]) -> list[Row]:
    """Of each window the row with the highest revision, newest session first."""
    latest: dict[WindowKey, Row] = {}
    for row in rows:
        key = window_key(row)
        if key not in latest or int(str(row["revision"])) > int(str(latest[key]["revision"])):
            latest[key] = row
    return sorted(latest.values(), key=lambda row: (str(row["start"]), str(row["session_id"])), reverse=True)


def latest_views(rows: Iterable[Row]) -> list[Row]:
    """Of each view the row with the highest revision."""
    latest: dict[tuple[WindowKey, str], Row] = {}
    for row in rows:
        key = window_key(row), str(row["view_id"])
        if key not in latest or int(str(row["revision"])) > int(str(latest[key]["revision"])):
            latest[key] = row
    return list(latest.values())


def window_key(row: Row) -> WindowKey:
    return str(row["app_id"]), str(row["session_id"]), int(str(row["session_part"]))


def session_keys(store: ObjectStore) -> set[tuple[str, str]]:
    """(app_id, session_id) of every session in the lake."""
    found: set[tuple[str, str]] = set()
    for key in table_keys(store, "sessions"):
        content = pq.read_table(io.BytesIO(store.read(key)), columns=["app_id", "session_id"])
        found |= set(zip(content["app_id"].to_pylist(), content["session_id"].to_pylist(), strict=True))
    return found


def session_rows(store: ObjectStore, table: str, session_id: str) -> list[Row]:
    """Every row of one session in a table."""
    return read_rows(store, table_keys(store, table), table, ("session_id", session_id))


def open_blob(store: ObjectStore, key: str) -> BlobReader:
    """A reader of one blob; it asks the store for ranges only."""
    return BlobReader(lambda offset, length: store.read_range(key, offset, length), store.size(key))
