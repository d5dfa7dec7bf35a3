"""Values for the columns of a table that cannot be null, for rows that are made up."""

from schemas.tables import TABLES

_VALUES: dict[str, object] = {"string": "", "int64": 0, "double": 0.0, "bool": False, "timestamp": 0, "binary": b""}


def required(table: str) -> dict[str, object]:
    return {field.name: _VALUES[field.type] for field in TABLES[table].fields if not field.nullable}
