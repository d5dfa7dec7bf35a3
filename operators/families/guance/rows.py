"""Guance lines as rows: `{"measurement", "tags", "fields", "time"}`, whose names are the columns' own."""

from typing import Annotated, cast

import msgspec

from operators.families.guance.columns import COLUMNS
from operators.families.guance.native import LINES
from operators.rows.values import (
    Attributes,
    Converter,
    LineRow,
    Row,
    decode_object,
    keep,
    timestamp_us,
)
from operators.wire.unusable import DURATION_MAX_NS
from schemas.items import LINE_KINDS, Kind

_Int64 = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]


class _UsualLine(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A line just as the SDK makes it. Decoding into it proves the types in C, so most values need no other look."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, str | bool | _Int64 | float]
    time: int | float


_TOP_LEVEL = {"measurement", "tags", "fields", "time"}
_decode_usual = msgspec.json.Decoder(_UsualLine).decode


def guance_row(body: bytes) -> LineRow:
    """The row of a line. Raises ValueError for what is none, or of an unknown measurement."""
    found = None if LINES is None else LINES.row(body)
    return plain_guance_row(body) if found is None else LineRow(found[0], found[1])


def plain_guance_row(body: bytes) -> LineRow:
    """The same without the compiled leaf."""
    try:
        line = _decode_usual(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return unusual_guance_row(decode_object(body))
    kind = _kind(line.measurement)
    columns = COLUMNS[kind]
    tags, fields = line.tags, line.fields
    time_us = timestamp_us(line.time)
    if time_us is None or not columns.texts.issuperset(tags) or not fields.keys().isdisjoint(tags):
        return unusual_guance_row(msgspec.structs.asdict(line))
    row = cast("Row", tags)  # every tag is a text column under its own name
    row.update(fields)
    types, converters = columns.types, columns.converters
    custom: dict[str, str] = {}
    unsure = [
        name
        for name, value in fields.items()
        if type(value) is not types.get(name) or (type(value) is int and not -1 < value < DURATION_MAX_NS)
    ]
    for name in unsure:
        convert = converters.get(name)
        converted = None if convert is None else convert(fields[name])
        if converted is None:
            keep(custom, name, row.pop(name))
        else:
            row[name] = converted
    row["time"] = time_us
    if custom:
        row["custom"] = custom
    return LineRow(kind, row)


def unusual_guance_row(line: Attributes) -> LineRow:
    """The same for a line of any shape, slowly: SDK 2, own tags, wrong types, names that are tag and field."""
    kind = _kind(line.get("measurement"))
    row: Row = {}
    custom: dict[str, str] = {}
    tags, fields = line.get("tags"), line.get("fields")
    if isinstance(tags, dict):
        _read(tags, COLUMNS[kind].converters, row, custom)
    else:
        keep(custom, "tags", tags)
    if isinstance(fields, dict):
        if isinstance(tags, dict):
            fields = _set_twins_apart(tags, fields, custom)
        _read(fields, COLUMNS[kind].converters, row, custom)
    else:
        keep(custom, "fields", fields)
    time_us = timestamp_us(line.get("time"))
    if time_us is None:
        keep(custom, "time", line.get("time"))
    else:
        row["time"] = time_us
    for name in line.keys() - _TOP_LEVEL:
        keep(custom, name, line[name])
    if custom:
        row["custom"] = custom
    return LineRow(kind, row)


def _kind(measurement: object) -> Kind:
    kind = LINE_KINDS.get(measurement) if isinstance(measurement, str) else None
    if kind is None:
        raise ValueError(f"unknown measurement: {str(measurement)[:80]!r}")
    return kind


def _read(attributes: Attributes, converters: dict[str, Converter], row: Row, custom: dict[str, str]) -> None:
    for name, value in attributes.items():
        convert = converters.get(name)
        converted = None if convert is None else convert(value)
        if converted is None:
            keep(custom, name, value)
        else:
            row[name] = converted


def _set_twins_apart(tags: Attributes, fields: Attributes, custom: dict[str, str]) -> Attributes:
    """The fields without those that a tag of the same name hides; these go to `custom` if they say otherwise."""
    twins = fields.keys() & tags.keys()
    for name in sorted(twins):
        if fields[name] != tags[name]:
            keep(custom, f"fields.{name}", fields[name])
    return {name: value for name, value in fields.items() if name not in twins}
