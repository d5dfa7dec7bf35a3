"""Rows to files of tables: columns of the declared schema, sorted, one per table, retention class and day."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

from operators.native import LEAF
from schemas.keys import FIRST_REVISIONS
from schemas.tables import REVISED, TABLES, arrow_schema
from sinks.leaf_columns import arrow_array
from sinks.table_files import encode

if TYPE_CHECKING:
    from replaylake_native import Columns

Row = dict[str, object]
Folder = tuple[str, int, str]  # (table, retention days, day)

_LOOSE_MAX = 4_000


class _Pile(msgspec.Struct):
    """Rows of one folder, in the order in which they came: those that are columns already, then the others.

    `growing`: columns that the compiled leaf fills; what it does not take is loose until it is settled.
    """

    table: str
    settled: list[pa.Table] = msgspec.field(default_factory=list)
    growing: "Columns | None" = None
    loose: list[Row] = msgspec.field(default_factory=list)

    def add(self, rows: list[Row]) -> int:
        """How many of them are loose now."""
        if self.growing is not None and not self.loose:
            rows = rows[self.growing.add(rows) :]
        self.loose += rows
        return len(rows)

    def settle(self, *, is_last: bool) -> None:
        """Let no row be loose. `is_last`: and no column grow."""
        if self.growing is not None and len(self.growing) and (is_last or self.loose):
            self.settled.append(_grown(self.table, self.growing))
        if self.loose:
            self.settled.append(_of_dictionaries(self.table, self.loose))
            self.loose = []

    def take(self) -> pa.Table:
        """All of it, given away."""
        self.settle(is_last=True)
        settled, self.settled = self.settled, []
        return pa.concat_tables(settled).combine_chunks()


class Rows(msgspec.Struct):
    """Rows waiting to be written, by folder. `added`: all since the start, by table.

    A row as a dictionary takes five times what it takes in columns, so no more than `loose_max` of them are kept so.
    """

    piles: dict[Folder, _Pile] = msgspec.field(default_factory=dict)
    count: int = 0
    added: dict[str, int] = msgspec.field(default_factory=dict)
    loose_max: int = _LOOSE_MAX
    _loose: int = 0

    def add(self, table: str, retention_days: int, day: str, rows: list[Row]) -> None:
        """Raises ValueError for a column that the table does not declare, now or later."""
        folder = table, retention_days, day
        pile = self.piles.get(folder)
        if pile is None:
            pile = self.piles[folder] = _Pile(table, growing=_columns(table))
        self._loose += pile.add(rows)
        self.count += len(rows)
        self.added[table] = self.added.get(table, 0) + len(rows)
        if self._loose >= self.loose_max:
            self._settle()

    def take(self) -> Iterator[tuple[Folder, bytes, str]]:
        """Encode and forget everything, folder by folder in a fixed order; with the end of the file's name."""
        piles, self.piles, self.count, self._loose = self.piles, {}, 0, 0
        for folder in sorted(piles):
            yield folder, *_file(folder[0], piles.pop(folder).take())

    def _settle(self) -> None:
        for pile in self.piles.values():
            pile.settle(is_last=False)
        self._loose = 0


def encode_rows(table: str, rows: Sequence[Row]) -> bytes:
    """One file. Raises ValueError for a column that the table does not declare."""
    return _file(table, as_declared(table, rows))[0]


def _file(table: str, content: pa.Table) -> tuple[bytes, str]:
    """A file of rows that nobody else holds, and the end of its name."""
    import pyarrow.compute as pc  # noqa: PLC0415 - slow to import, and no start needs it

    is_first = table in REVISED and not any(content["revision"].unique().to_pylist())
    order = pc.sort_indices(content, sort_keys=[(name, "ascending") for name in TABLES[table].sort_by])
    schema, columns = content.schema, content.columns
    del content  # a column goes as soon as it is sorted: large tables are not there twice
    for number, column in enumerate(columns):
        columns[number] = pc.call_function("take", [column, order])
    return encode(pa.Table.from_arrays(columns, schema=schema)), FIRST_REVISIONS if is_first else ""


def as_declared(table: str, rows: Sequence[Row]) -> pa.Table:
    """Rows with every column of the table, of its type. Raises ValueError for a column that it does not declare."""
    columns = _columns(table)
    if columns is None or not rows or columns.add(list(rows)) < len(rows):
        return _of_dictionaries(table, rows)
    return _grown(table, columns)


def _of_dictionaries(table: str, rows: Sequence[Row]) -> pa.Table:
    """The same by Arrow, which does not know the leaf's rows."""
    return _as_declared(table, rows if LEAF is None else [dict(row) for row in rows])


def _columns(table: str) -> "Columns | None":
    """What fills columns row by row; None where the compiled leaf does not."""
    return None if LEAF is None else LEAF.tables.columns(table)


def _grown(table: str, columns: "Columns") -> pa.Table:
    schema = arrow_schema(table)
    count = len(columns)
    arrays = [arrow_array(field.type, count, one) for field, one in zip(schema, columns.take(), strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _as_declared(table: str, rows: Sequence[Row]) -> pa.Table:
    """The same of dictionaries, without the compiled leaf."""
    schema = arrow_schema(table)
    filled = set().union(*rows)
    if not filled.issubset(schema.names):
        raise ValueError(f"table {table!r} has no column {sorted(filled.difference(schema.names))}")
    kept = pa.struct([field for field in schema if field.name in filled])
    structs = pa.array(map(_with_pairs, rows), kept, size=len(rows))
    arrays = [
        structs.field(field.name) if field.name in filled else pa.nulls(len(rows), field.type) for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def declared_columns(content: pa.Table, table: str) -> pa.Table:
    """A file's rows with the columns of today's schema: what an older file lacks is null."""
    schema = arrow_schema(table)
    if content.schema.equals(schema):
        return content
    there = {field.name: place for place, field in enumerate(content.schema)}
    arrays = []
    for field in schema:
        if field.name not in there:
            arrays.append(pa.nulls(content.num_rows, field.type))
            continue
        column = content.column(there[field.name])
        arrays.append(column if column.type.equals(field.type) else column.cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _with_pairs(row: Row) -> Row:
    """The row with its map as Arrow takes one."""
    custom = row.get("custom")
    return {**row, "custom": list(custom.items())} if isinstance(custom, dict) else row
