"""Guance lines by the compiled leaf, set up by what is declared here; None without it."""

from typing import TYPE_CHECKING

from operators.families.guance.columns import COLUMNS
from operators.native import LEAF
from operators.rows.values import (
    Converter,
    as_text,
    boolean,
    double,
    identifier,
    int64,
    json_text,
    ms_as_ns,
    nanoseconds,
    string,
    timestamp_us,
)
from schemas.items import LINE_KINDS, LINE_TABLE, Family, Item, Kind
from schemas.tables import TABLES

if TYPE_CHECKING:
    from replaylake_native import GuanceLines

# The leaf has each of these again, for scalars, under this name. A new converter needs one.
_NAMES: dict[Converter, str] = {
    string: "text",
    json_text: "text",
    identifier: "id",
    int64: "int",
    nanoseconds: "ns",
    ms_as_ns: "ms as ns",
    double: "double",
    boolean: "bool",
    timestamp_us: "time",
}


def _sources(kind: Kind) -> list[tuple[str, int, str]]:
    """What a kind reads: the name of an attribute, the number of its column, the conversion."""
    numbers = {field.name: number for number, field in enumerate(TABLES[LINE_TABLE[kind]].fields)}
    return [(name, numbers[name], _NAMES[convert]) for name, convert in COLUMNS[kind].converters.items()]


def _lines() -> "GuanceLines | None":
    if LEAF is None:
        return None
    measurements = [(name, kind, LINE_TABLE[kind], _sources(kind)) for name, kind in LINE_KINDS.items()]
    lines: GuanceLines = LEAF.module.GuanceLines(LEAF.tables, measurements, as_text, Item, Family.GUANCE)
    return lines


LINES = _lines()
