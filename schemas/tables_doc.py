"""Writes docs/tables.md from the declared tables: `python -m schemas.tables_doc > docs/tables.md`."""

import sys
from collections.abc import Iterator

from schemas.fields import Field, Table, is_copied
from schemas.tables import TABLES

_HEAD = """\
# Tables

Made from the declarations in `schemas/` by `python -m schemas.tables_doc`; do not edit.

Timestamps are UTC in microseconds. A column with `no` under *null* has a value in every row. *Since* is the version of
the table that brought the column: files of earlier versions do not have it. The sources say which attribute of an SDK's
line fills the column: a plain name is a copy, *from* means worked out of it, `-` that this family does not send it.
What signals mean is in [signals.md](signals.md).

## How a schema changes

- A new version only adds columns, behind all others, and is one of the tables that they are added to: the others stay
  at theirs (up to 3 all went up together). No column is renamed, removed, moved, or given another type or
  unit.
- A column that was added can be null in any row, because older files do not have it.
- Each file says its table and version (`replaylake.table`, `replaylake.version` in the metadata of the schema), each
  column its unit, meaning and version. Files are not rewritten for a new version.
- So files of all versions in one folder are one table: by name, with null where a file lacks a column. DuckDB:
  `union_by_name = true`; Polars: `missing_columns="insert"` and the schema of the newest file; pyarrow: the unified
  schema.
- A reader of an older release does not see new columns and finds all others where they were.

## A key of `custom` as a column

What a page sends of its own is in `custom`, as text. A setting makes a typed column of it, in the views of
`replaylake sql`
and of `replaylake tables --ddl trino`, `duckdb` and `clickhouse`, for rows of any age:

```toml
[tables.promote.order_value]
key = "context.order.value"
type = "double"     # or "string", "bool"; what does not fit is null
```

`custom` stays as it is. How, and what it costs: [decision 18](decisions/0018-promoted-keys.md).

## Golden files

One file of each table and version is kept in `tests/golden/`; tests read them together.

## Keys and joins

What names a row, and what a row shares with the key of another table. `replaylake verify` checks that no key is there
twice. A row is not named where its key has null, nor a segment whose `index_in_view` is 0 or -1: not every SDK has ids.
All revisions of a row of `sessions` and `views` are filed under one day, so whoever looks for the latest may look at
each `dt` for itself (`verify` checks that, too); all other tables only grow, and their `revision` says which revision
of the window brought the row. A replay segment is filed under the day of its session, every other row under the day it
was received on.

"""

_COLUMN_HEAD = (
    "| column | type | unit | null | since | meaning | Guance | Datadog | PostHog | Sentry |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)
_COMPUTED_HEAD = "| column | type | unit | null | since | meaning |\n| --- | --- | --- | --- | --- | --- |"


def tables_markdown() -> str:
    """The whole page."""
    return "\n".join([_HEAD + _keys() + "\n", *(_section(table) for table in TABLES.values())])


def _keys() -> str:
    rows = ["| table | key | joins |", "| --- | --- | --- |"]
    for table in TABLES.values():
        names = [f"`{name}`" for name in table.key] or ["-"]
        key = ", ".join(names) + ("; the highest `revision` counts" if table.is_revised else "")
        joins = [f"`{join.table}` by {', '.join(f'`{name}`' for name in join.columns)}" for join in table.joins]
        rows.append(f"| `{table.name}` | {key} | {'; '.join(joins) or '-'} |")
    return "\n".join(rows)


def _section(table: Table) -> str:
    return "\n".join(_section_lines(table)) + "\n"


def _section_lines(table: Table) -> Iterator[str]:
    has_sources = any(field.guance or field.datadog or field.posthog for field in table.fields)
    yield f"## {table.name}\n"
    yield f"{table.doc} Version {table.version}, sorted by {', '.join(f'`{name}`' for name in table.sort_by)}.\n"
    yield _COLUMN_HEAD if has_sources else _COMPUTED_HEAD
    for field in table.fields:
        yield _row(field, since=table.since, has_sources=has_sources)


def _row(field: Field, *, since: int, has_sources: bool) -> str:
    null = "yes" if field.nullable else "no"
    cells = [f"`{field.name}`", field.type, field.unit or "-", null, str(max(field.since, since)), field.doc]
    if has_sources:
        cells += [_source(source) for source in (field.guance, field.datadog, field.posthog, field.sentry)]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _source(source: str) -> str:
    if not source:
        return "-"
    if source.startswith("other "):
        return source
    if is_copied(source):
        return f"`{source}`"
    return "from " + ", ".join(f"`{path}`" for path in source.removeprefix("from ").split(", "))


if __name__ == "__main__":
    sys.stdout.write(tables_markdown())
