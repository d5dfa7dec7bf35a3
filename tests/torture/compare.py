"""Two lakes, row by row and byte by byte."""

import hashlib
import io

import msgspec
import pyarrow.parquet as pq

from lake.catalog import table_keys
from schemas.keys import FENCES, OWNER, PACKS, PUBLISHED, REPLAYS, STAGING, TABLES, is_style
from schemas.tables import TABLES as TABLE_SPECS
from sinks.store import ObjectStore


class Content(msgspec.Struct):
    """A lake: rows of each table in a fixed order, digests of blobs and styles, how much of the rest is there."""

    tables: dict[str, list[str]]
    blobs: dict[str, str]
    styles: dict[str, str]
    staged: int
    packs: int
    others: list[str]

    def summary(self) -> str:
        rows = ", ".join(f"{len(rows):,} {table}" for table, rows in self.tables.items())
        replays = f"{len(self.blobs):,} blobs, {len(self.styles):,} styles"
        return f"{rows}; {replays}; left for lifecycle: {self.staged} staged, {self.packs} packs"


def content(store: ObjectStore) -> Content:
    """Everything a lake holds."""
    tables = {}
    for table in TABLE_SPECS:
        rows: list[str] = []
        for key in table_keys(store, table):
            rows += map(repr, pq.ParquetFile(io.BytesIO(store.read(key))).read().to_pylist())
        tables[table] = sorted(rows)
    listed = [found.key for found in store.list("")]
    replays = {key: hashlib.sha256(store.read(key)).hexdigest() for key in listed if key.startswith(REPLAYS)}
    known = (TABLES, REPLAYS, STAGING, PACKS, OWNER, FENCES, PUBLISHED)
    return Content(
        tables,
        {key: digest for key, digest in replays.items() if not is_style(key)},
        {key: digest for key, digest in replays.items() if is_style(key)},
        sum(key.startswith(STAGING) for key in listed),
        sum(key.startswith(PACKS) for key in listed),
        [key for key in listed if not key.startswith(known)],
    )


def differences(calm: Content, tortured: Content) -> list[str]:
    """One line for each table or blob that is not the same; rows as multisets."""
    found = []
    for table, rows in calm.tables.items():
        if tortured.tables[table] != rows:
            missing, surplus = _difference(rows, tortured.tables[table]), _difference(tortured.tables[table], rows)
            found.append(f"{table}: {len(missing)} rows missing, {len(surplus)} surplus: {missing[:1]} {surplus[:1]}")
    found += [f"{key}: blob differs" for key in calm.blobs if tortured.blobs.get(key) != calm.blobs[key]]
    found += [f"{key}: blob too many" for key in tortured.blobs.keys() - calm.blobs.keys()]
    found += [f"{key}: style differs" for key, _ in sorted(calm.styles.items() ^ tortured.styles.items())]
    return found + [f"{key}: nobody knows this object" for key in tortured.others]


def _difference(rows: list[str], others: list[str]) -> list[str]:
    left = dict.fromkeys(rows, 0)
    for row in rows:
        left[row] += 1
    for row in others:
        if row in left:
            left[row] -= 1
    return [row for row, count in left.items() for _ in range(max(0, count))]
