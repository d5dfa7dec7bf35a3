"""Reads nested events by the paths that the tables declare: each attribute to its column, the rest to `custom`."""

from collections.abc import Callable
from typing import NamedTuple

from operators.rows.values import Attributes, Converter, Row, RowValue, converter, keep, unchanged_type
from schemas.fields import Field, is_copied
from schemas.items import LINE_TABLE, Kind
from schemas.tables import TABLES


class Column(NamedTuple):
    """Where an attribute goes. `unchanged`: the type that fits without a look at the value."""

    name: str
    unchanged: type[RowValue] | None
    convert: Converter


class Paths(NamedTuple):
    """One object of an event: its attributes that are columns, and the objects below it that have some."""

    prefix: str
    columns: dict[str, Column]
    branches: dict[str, "Paths"]


def paths_by_kind(source: Callable[[Field], str]) -> dict[Kind, Paths]:
    """For each kind the columns that are plain copies; `source` picks the family's source of a field."""
    return {kind: _paths(TABLES[table].fields, source) for kind, table in LINE_TABLE.items()}


def read_paths(node: Attributes, paths: Paths, row: Row, custom: dict[str, str]) -> None:
    """Move every attribute of `node` into `row` or `custom`."""
    prefix, columns, branches = paths
    for name, value in node.items():
        column = columns.get(name)
        if column is not None:
            target, unchanged, convert = column
            if type(value) is unchanged:
                row[target] = value
            elif (converted := convert(value)) is not None:
                row[target] = converted
            else:
                keep(custom, prefix + name, value)
        elif isinstance(value, dict) and name in branches:
            read_paths(value, branches[name], row, custom)
        else:
            keep(custom, prefix + name, value)


def pick_paths(node: Attributes, paths: Paths, row: Row, custom: dict[str, str]) -> None:
    """Move only the attributes of `node` that have a column; leave out the rest."""
    prefix, columns, branches = paths
    for name, column in columns.items():
        value = node.get(name)
        converted = column.convert(value)
        if converted is None:
            keep(custom, prefix + name, value)
        else:
            row[column.name] = converted
    for name, branch in branches.items():
        below = node.get(name)
        if isinstance(below, dict):
            pick_paths(below, branch, row, custom)


def child(node: Attributes, name: str) -> Attributes:
    """The object under a name; empty if there is none."""
    value = node.get(name)
    return value if isinstance(value, dict) else {}


def _paths(fields: tuple[Field, ...], source: Callable[[Field], str]) -> Paths:
    root = Paths("", {}, {})
    for field in fields:
        if is_copied(source(field)) and field.name != "custom":
            *above, name = source(field).split(".")
            node = root
            for part in above:
                node = node.branches.setdefault(part, Paths(f"{node.prefix}{part}.", {}, {}))
            node.columns[name] = _column(field)
    return root


def _column(field: Field) -> Column:
    unchanged = unchanged_type(field)
    # The whole numbers and floats of JSON can be larger than a column: those are always looked at.
    return Column(field.name, unchanged if unchanged in (str, bool) else None, converter(field))
