"""Writes docs/tables.md from the declared tables: `python -m schemas.tables_doc > docs/tables.md`."""

import sys
from collections.abc import Iterator

from schemas.fields import Field, Table, is_copied
from schemas.tables import TABLES

_HEAD = """\
# Tables

Made from the declarations in `schemas/` by `python -m schemas.tables_doc`; do not edit.

Timestamps are UTC in microseconds. Any column can be null. The sources say which attribute of an SDK's line fills the
column: a plain name is a copy, *from* means worked out of it, `-` that this family does not send it.
"""

_COLUMN_HEAD = (
    "| column | type | unit | meaning | Guance | Datadog | PostHog |\n| --- | --- | --- | --- | --- | --- | --- |"
)
_COMPUTED_HEAD = "| column | type | unit | meaning |\n| --- | --- | --- | --- |"


def tables_markdown() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(_section(table) for table in TABLES.values())])


def _section(table: Table) -> str:
    return "\n".join(_section_lines(table)) + "\n"


def _section_lines(table: Table) -> Iterator[str]:
    has_sources = any(field.guance or field.datadog or field.posthog for field in table.fields)
    yield f"## {table.name}\n"
    yield f"{table.doc} Version {table.version}, sorted by {', '.join(f'`{name}`' for name in table.sort_by)}.\n"
    yield _COLUMN_HEAD if has_sources else _COMPUTED_HEAD
    for field in table.fields:
        yield _row(field, has_sources=has_sources)


def _row(field: Field, *, has_sources: bool) -> str:
    cells = [f"`{field.name}`", field.type, field.unit or "-", field.doc]
    if has_sources:
        cells += [_source(source) for source in (field.guance, field.datadog, field.posthog)]
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
