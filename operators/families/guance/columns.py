"""What each column of a Guance line takes: the attribute of its own name, and how its value becomes the column's."""

from typing import NamedTuple

from operators.rows.values import Converter, RowValue, converter, ms_as_ns, unchanged_type
from schemas.fields import Field
from schemas.items import LINE_TABLE
from schemas.tables import TABLES


class Columns(NamedTuple):
    """Columns of one kind by name: those of text, the type each takes unchanged, and what converts the others."""

    texts: frozenset[str]
    types: dict[str, type[RowValue]]
    converters: dict[str, Converter]


def _columns(table: str) -> Columns:
    fields = [field for field in TABLES[table].fields if field.guance and field.name not in ("time", "custom")]
    return Columns(
        texts=frozenset(field.name for field in fields if field.type == "string"),
        types={field.name: kept for field in fields if (kept := _unchanged_type(field)) is not None},
        converters={field.name: _converter(field) for field in fields},
    )


def _unchanged_type(field: Field) -> type[RowValue] | None:
    if field.name in _OWN_CONVERTERS:
        return None
    return int if field.unit == "ns" else unchanged_type(field)  # of numbers those that can be a duration


def _converter(field: Field) -> Converter:
    return _OWN_CONVERTERS.get(field.name) or converter(field)


# SDK 3 turns every other time of a page into ns and forgot this one.
_OWN_CONVERTERS: dict[str, Converter] = {"cumulative_layout_shift_time": ms_as_ns}
COLUMNS = {kind: _columns(table) for kind, table in LINE_TABLE.items()}
