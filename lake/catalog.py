"""The lake as a reader sees it: rows of a table, and of each window only its highest revision."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from lake.blob_reader import TAIL_READ_BYTES, BlobReader
from lake.styles import StyleShelf
from schemas.keys import partition_value
from sinks.store import ObjectMissing, ObjectStore
from sinks.swap import Days, visible_files
from sinks.table_files import decode
from sinks.tables import declared_columns

_TRIES = 10  # a folder is compacted once a day
T = TypeVar("T")
Row = dict[str, object]
_EVERYTHING: Mapping[str, str] = MappingProxyType({})
WindowKey = tuple[str, str, int]  # (app_id, session_id, session_part)


def table_keys(store: ObjectStore, table: str, days: Days | None = None) -> Iterator[str]:
    """Keys of the files that hold every row of a table once; `days`: only folders of these UTC days."""
    return (found.key for found in visible_files(store, [table], days)[table])


def each_file(store: ObjectStore, table: str, read: Callable[[str], T], days: Days | None = None) -> Iterator[T]:
    """`read` of every file of a table. Where a file has gone since it was listed, its folder is listed and read again,
    so that each row is met exactly once beside a compaction, and expiry disturbs nobody.
    """
    for folder, keys in groupby(table_keys(store, table, days), _folder):
        yield from _read_folder(store, table, folder, list(keys), read)


def _read_folder(store: ObjectStore, table: str, folder: str, keys: list[str], read: Callable[[str], T]) -> list[T]:
    for _ in range(_TRIES):
        try:
            return [read(key) for key in keys]
        except ObjectMissing:
            day = partition_value(folder, "dt") or ""
            keys = [key for key in table_keys(store, table, (day, day)) if _folder(key) == folder]
    return [read(key) for key in keys]


def _folder(key: str) -> str:
    return key.rpartition("/")[0]


def table_rows(store: ObjectStore, table: str, wanted: Mapping[str, str] = _EVERYTHING) -> list[Row]:
    """Rows of a table; `wanted`: values of columns, all of which a row must have."""
    return [row for rows in each_file(store, table, lambda key: read_rows(store, [key], table, wanted)) for row in rows]


def read_rows(
    store: ObjectStore, keys: Iterable[str], table: str, wanted: Mapping[str, str] = _EVERYTHING
) -> list[Row]:
    """Rows of some files of a table; `wanted` as in `table_rows`."""
    rows: list[Row] = []
    for key in keys:
        content = read_file(store, key, table)
        for column, value in wanted.items():
            content = content.filter(pc.equal(content[column], value))
        rows.extend(content.to_pylist())
    return rows


def read_file(store: ObjectStore, key: str, table: str) -> pa.Table:
    """One file with the columns of today's schema: what an older file lacks is null."""
    return declared_columns(decode(store.read(key)), table)


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

    def ids(key: str) -> Iterable[tuple[str, str]]:
        content = decode(store.read(key), ["app_id", "session_id"])
        return zip(content["app_id"].to_pylist(), content["session_id"].to_pylist(), strict=True)

    return {one for found in each_file(store, "sessions", ids) for one in found}


def session_rows(store: ObjectStore, table: str, app_id: str, session_id: str) -> list[Row]:
    """Every row of one session in a table. Only app and id together name a session."""
    return table_rows(store, table, {"app_id": app_id, "session_id": session_id})


def open_blob(store: ObjectStore, key: str, shelf: StyleShelf | None = None) -> BlobReader:
    """A reader of one blob, whose tail is read; it asks the store for ranges only. `shelf`: for several blobs."""
    shelf = shelf or StyleShelf(store)
    tail = store.read_tail(key, TAIL_READ_BYTES)
    return BlobReader(
        lambda offset, length: store.read_range(key, offset, length),
        tail.size,
        lambda digest: shelf.read(key, digest),
        tail.content,
    )
