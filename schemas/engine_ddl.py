"""Views for engines that read the lake's files without a Hive catalog, or beside one: DuckDB, ClickHouse, Trino.

Each view has every column of the table, the partition (`dt`, `retention`), what `schemas.engine_views` adds, and the
promoted keys of `custom`. Of a table with revisions it has the latest of each row. Its window has `dt` in it, which all
revisions of a row share: so a filter on `dt` goes down to the files, and an engine leaves the other days alone.
"""

from collections.abc import Iterable, Sequence

from schemas.ddl import comment_of, table_name, view_name
from schemas.engine_views import expressions, extras
from schemas.fields import Field, Table
from schemas.keys import TABLES as FOLDER
from schemas.promoted import Promoted, expression, of_table
from schemas.tables import TABLES

_CLICKHOUSE_TYPES = {
    "string": "String",
    "int64": "Int64",
    "double": "Float64",
    "bool": "Bool",
    "timestamp": "DateTime64(6, 'UTC')",
    "map<string,string>": "Map(String, Nullable(String))",
    "binary": "String",
}
_PARTITION = {"dt": "UTC day of receipt; filter on it", "retention": "Days that the row lives, as `14d`"}


def duckdb_ddl(location: str, tables: Iterable[str], promoted: Sequence[Promoted] = ()) -> str:
    """`create view` and `comment on` statements. `location`: the lake; `tables`: those that have files."""
    statements = []
    for table in map(TABLES.__getitem__, tables):
        files = (
            f"read_parquet({_text(_files(table, location))}, hive_partitioning = true, union_by_name = true, "
            "hive_types = {'dt': date, 'retention': varchar})"
        )
        own = [expression(one, "custom[{}]".format, _tried) for one in of_table(table, promoted)]
        columns = ", ".join(["*", *expressions(table, _double_quoted), *own])
        latest = (
            f"\nqualify row_number() over (partition by {', '.join(table.key)}, dt order by revision desc) = 1"
            if table.is_revised
            else ""
        )
        statements.append(
            f"create or replace view {table.name} as\nselect {columns}\nfrom {files}{latest};\n"
            f"comment on view {table.name} is {_text(table.doc)};"
        )
        statements += [
            f"comment on column {table.name}.{_double_quoted(name)} is {_text(doc)};"
            for name, doc in _comments(table, promoted)
        ]
    return "\n".join(statements)


def clickhouse_ddl(location: str, promoted: Sequence[Promoted] = ()) -> str:
    """`CREATE VIEW` statements over `s3(...)` or, for a local lake, `file(...)`. `location`: the lake."""
    return "\n".join(_clickhouse_view(table, location, promoted) for table in TABLES.values())


def trino_ddl(promoted: Sequence[Promoted] = ()) -> str:
    """`CREATE OR REPLACE VIEW` statements for Trino and Athena, on the tables of the Hive or Glue definitions.

    A table without revisions has that name already; its view is called `<table>_view`.
    """
    return "\n".join(
        _trino_view(table, promoted)
        for table in TABLES.values()
        if table.is_revised or any(extras(table)) or any(of_table(table, promoted))
    )


def _latest_rows(table: Table, source: str, names: list[str], quote: str) -> str:
    """A select of these columns from a table's latest revisions, in SQL that every engine with windows knows."""
    columns = ", ".join(f"{quote}{name}{quote}" for name in names)
    if not table.is_revised:
        return f"SELECT {columns} FROM {source}"
    same = ", ".join(f"{quote}{name}{quote}" for name in (*table.key, "dt"))
    return (
        f"SELECT {columns} FROM (\n"
        f"  SELECT *, row_number() OVER (PARTITION BY {same} ORDER BY {quote}revision{quote} DESC) AS newest\n"
        f"  FROM {source}\n) AS every_revision\nWHERE newest = 1"
    )


def _clickhouse_view(table: Table, location: str, promoted: Sequence[Promoted]) -> str:
    types = {field.name: _clickhouse_type(field) for field in table.fields} | {"dt": "Date", "retention": "String"}
    structure = ", ".join(f"{_backquoted(name)} {declared}" for name, declared in types.items())
    reader = "s3" if location.startswith("s3://") else "file"
    source = f"{reader}({_text(_files(table, location))}, 'Parquet', {_text(structure)})"
    for extra in extras(table):
        base = "Float64" if extra.is_seconds else types[extra.field.name]
        types[extra.name] = f"Nullable({base})" if extra.is_seconds and extra.field.nullable else base
    types |= {one.name: f"Nullable({_CLICKHOUSE_TYPES[one.type]})" for one in of_table(table, promoted)}
    commented = _comments(table, promoted)
    columns = ",\n".join(f"  {_backquoted(name)} {types[name]} COMMENT {_text(doc)}" for name, doc in commented)
    names = [*(field.name for field in table.fields), "dt", "retention"]
    rows = _latest_rows(table, source, names, "`")
    own = [expression(one, "custom[{}]".format, _or_null) for one in of_table(table, promoted)]
    shown = ", ".join(["*", *_clickhouse_extras(table), *own])
    return f"CREATE OR REPLACE VIEW {table.name} (\n{columns}\n) AS\nSELECT {shown} FROM (\n{rows}\n);\n"


def _clickhouse_extras(table: Table) -> list[str]:
    return [
        f"toFloat64({_backquoted(one.field.name)}) / 1e9 AS {one.name}"
        if one.is_seconds
        else f"{_backquoted(one.field.name)} AS {one.name}"
        for one in extras(table)
    ]


def _clickhouse_type(field: Field) -> str:
    known = _CLICKHOUSE_TYPES[field.type]
    return f"Nullable({known})" if field.nullable and not known.startswith("Map") else known


def _trino_view(table: Table, promoted: Sequence[Promoted]) -> str:
    names = [*(field.name for field in table.fields), "retention", "dt"]
    rows = _latest_rows(table, table_name(table.name), names, '"')
    own = [expression(one, "element_at(custom, {})".format, _tried) for one in of_table(table, promoted)]
    shown = ", ".join(["*", *expressions(table, _double_quoted), *own])
    return f"CREATE OR REPLACE VIEW {view_name(table.name)} AS\nSELECT {shown} FROM (\n{rows}\n) AS latest;\n"


def _tried(text: str) -> str:
    return f"try_cast({text} as double)"


def _or_null(text: str) -> str:
    return f"accurateCastOrNull({text}, 'Float64')"


def _comments(table: Table, promoted: Sequence[Promoted]) -> list[tuple[str, str]]:
    """Name and meaning of every column of a table's view, in its order."""
    return [
        *((field.name, comment_of(field)) for field in table.fields),
        *_PARTITION.items(),
        *((extra.name, extra.doc) for extra in extras(table)),
        *((one.name, one.doc) for one in of_table(table, promoted)),
    ]


def _files(table: Table, location: str) -> str:
    return f"{location.rstrip('/')}/{FOLDER}{table.name}/**/*.parquet"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _double_quoted(name: str) -> str:
    return f'"{name}"'


def _backquoted(name: str) -> str:
    return f"`{name}`"
