"""The declared tables in the words of other engines: Hive DDL, and table inputs of the AWS Glue catalog.

`sessions` and `views` are defined as `sessions_all` and `views_all`, because a row in them may be superseded; in the
DDL a view of the plain name has the latest revision of each. What a view adds to its table (seconds, names that are no
keywords) the other tables have in a view called `<table>_view`.
"""

from collections.abc import Iterable

from schemas.engine_views import expressions, extras
from schemas.fields import Field, Table
from schemas.keys import TABLES as FOLDER
from schemas.tables import REVISED, TABLES

_TYPES = {
    "string": "string",
    "int64": "bigint",
    "double": "double",
    "bool": "boolean",
    "timestamp": "timestamp",
    "map<string,string>": "map<string,string>",
    "binary": "binary",
}
_FIRST_DAY = "2025-01-01"  # Athena projects days from here to today
_FORMAT = "org.apache.hadoop.hive.ql.io.parquet"


def hive_ddl(location: str, classes: Iterable[int]) -> str:
    """`CREATE` statements. `location`: the lake; `classes`: retention days in use, which Athena wants to know."""
    days = sorted(classes)
    statements = [_create_table(table, location, days) for table in TABLES.values()]
    views = [_create_view(table) for table in TABLES.values() if table.is_revised or any(extras(table))]
    return "\n".join([*statements, *views])


def glue_tables(location: str, classes: Iterable[int]) -> list[dict[str, object]]:
    """What `aws glue create-table --table-input` takes, one a table."""
    days = sorted(classes)
    return [_glue_table(table, location, days) for table in TABLES.values()]


def table_name(table: str) -> str:
    return f"{table}_all" if table in REVISED else table


def view_name(table: str) -> str:
    """Of what has the latest rows, and what views add."""
    return table if table in REVISED else f"{table}_view"


def _create_table(table: Table, location: str, days: list[int]) -> str:
    columns = ",\n".join(
        f"  `{field.name}` {_TYPES[field.type]} COMMENT '{_quoted(comment_of(field))}'" for field in table.fields
    )
    properties = ",\n".join(f"  '{name}' = '{value}'" for name, value in _properties(table, location, days).items())
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS `{table_name(table.name)}` (\n{columns}\n)\n"
        f"COMMENT '{_quoted(table.doc)}'\n"
        "PARTITIONED BY (`retention` string, `dt` string)\n"
        f"STORED AS PARQUET\nLOCATION '{_folder(table, location)}'\nTBLPROPERTIES (\n{properties}\n);\n"
    )


def _create_view(table: Table) -> str:
    names = ", ".join(f"`{name}`" for name in [*(field.name for field in table.fields), "retention", "dt"])
    shown = ", ".join([names, *expressions(table, "`{}`".format)])
    if not table.is_revised:
        return f"CREATE VIEW IF NOT EXISTS `{view_name(table.name)}` AS\nSELECT {shown} FROM `{table.name}`;\n"
    same = ", ".join(f"`{name}`" for name in (*table.key, "dt"))
    return (
        f"CREATE VIEW IF NOT EXISTS `{table.name}` AS\nSELECT {shown} FROM (\n"
        f"  SELECT *, row_number() OVER (PARTITION BY {same} ORDER BY `revision` DESC) AS `newest`\n"
        f"  FROM `{table_name(table.name)}`\n) AS every_revision\nWHERE `newest` = 1;\n"
    )


def _glue_table(table: Table, location: str, days: list[int]) -> dict[str, object]:
    return {
        "Name": table_name(table.name),
        "Description": table.doc,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet", **_properties(table, location, days)},
        "PartitionKeys": [{"Name": "retention", "Type": "string"}, {"Name": "dt", "Type": "string"}],
        "StorageDescriptor": {
            "Columns": [
                {"Name": field.name, "Type": _TYPES[field.type], "Comment": comment_of(field)} for field in table.fields
            ],
            "Location": _folder(table, location),
            "InputFormat": f"{_FORMAT}.MapredParquetInputFormat",
            "OutputFormat": f"{_FORMAT}.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": f"{_FORMAT}.serde.ParquetHiveSerDe"},
        },
    }


def _properties(table: Table, location: str, days: list[int]) -> dict[str, str]:
    return {
        "replaylake.version": str(table.version),
        "projection.enabled": "true",
        "projection.retention.type": "enum",
        "projection.retention.values": ",".join(f"{one}d" for one in days),
        "projection.dt.type": "date",
        "projection.dt.format": "yyyy-MM-dd",
        "projection.dt.range": f"{_FIRST_DAY},NOW",
        "storage.location.template": f"{_folder(table, location)}retention=${{retention}}/dt=${{dt}}/",
    }


def _folder(table: Table, location: str) -> str:
    return f"{location.rstrip('/')}/{FOLDER}{table.name}/"


def comment_of(field: Field) -> str:
    """Meaning and unit; at most 255 characters, which is what the catalogs keep."""
    unit = f" ({field.unit})" if field.unit else ""
    return field.doc[: 255 - len(unit)] + unit


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'").replace(";", ",")
