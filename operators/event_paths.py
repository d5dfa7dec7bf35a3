"""Reads nested events by the paths that the tables declare: each attribute to its column, the rest to `custom`."""

from collections.abc import Callable
from typing import NamedTuple

from operators.row_values import Attributes, Converter, Row, RowValue, converter, keep, unchanged_type
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
    columns = paths.columns
    for name, value in node.items():
        column = columns.get(name)
        if column is not None:
            if type(value) is column.unchanged and type(value) is not int:
                row[column.name] = value  # type: ignore[assignment]  # mypy does not follow a type held in a variable
                continue
            converted = column.convert(value)
            if converted is not None:
                row[column.name] = converted
                continue
        elif isinstance(value, dict):
            branch = paths.branches.get(name)
            if branch is not None:
                read_paths(value, branch, row, custom)
                continue
        keep(custom, paths.prefix + name, value)


def pick_paths(node: Attributes, paths: Paths, row: Row, custom: dict[str, str]) -> None:
    """Move only the attributes of `node` that have a column; leave out the rest."""
    wanted = {name: node[name] for name in node.keys() & paths.columns.keys()}
    read_paths(wanted, paths, row, custom)
    for name, branch in paths.branches.items():
        pick_paths(child(node, name), branch, row, custom)


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
            node.columns[name] = Column(field.name, unchanged_type(field), converter(field))
    return root
