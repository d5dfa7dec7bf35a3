"""What an Iceberg manifest says about a file of the lake: where it is, its size, its day, and bounds of few columns.

Bounds are kept of times and of the app only: a manifest must not hold ids of sessions or persons, so that an erasure
need not look into it.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from pyiceberg.conversions import to_bytes
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.typedef import Record
from pyiceberg.types import PrimitiveType

from sinks.iceberg.catalog import DAY_COLUMNS, DAY_FIELD
from sinks.store import ObjectInfo, ObjectStore
from sinks.table_files import footer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT_MAX = 128
_POSITION_DELETES = (2147483546, 2147483545)  # ids that the specification gives to `file_path` and `pos`

Bounds = tuple[object, object]


class TableForm(msgspec.Struct, frozen=True):
    """What a table says about its files: name, columns, and ways to partition."""

    name: str
    schema: Schema
    specs: dict[int, PartitionSpec]


def data_file(store: ObjectStore, found: ObjectInfo, path: str, form: TableForm) -> DataFile:
    """The entry of a file. Raises ObjectMissing when it has gone."""
    schema = form.schema
    metadata = footer(store, found.key)
    bounds = {name: _bounds(metadata, name) for name in _bounded(schema, metadata)}
    spec_id, partition = _partition(bounds.get(DAY_COLUMNS.get(form.name, "")), form.specs)
    lower: dict[int, bytes] = {}
    upper: dict[int, bytes] = {}
    for name, found_bounds in bounds.items():
        field = schema.find_field(name)
        assert isinstance(field.field_type, PrimitiveType)
        if found_bounds is not None and not (isinstance(found_bounds[1], str) and len(found_bounds[1]) > _TEXT_MAX):
            lower[field.field_id] = to_bytes(field.field_type, _plain(found_bounds[0]))
            upper[field.field_id] = to_bytes(field.field_type, _plain(found_bounds[1]))
    made = _entry(DataFileContent.DATA, path, partition, metadata.num_rows, found.size, lower, upper)
    made.spec_id = spec_id
    return made


def delete_file(path: str, rows: int, size: int, data: DataFile) -> DataFile:
    """The entry of a file of positions, for data files that share the partition of `data`."""
    made = _entry(DataFileContent.POSITION_DELETES, path, data.partition, rows, size, {}, {})
    made.spec_id = data.spec_id
    return made


def position_field_ids() -> tuple[int, int]:
    return _POSITION_DELETES


def _entry(  # noqa: PLR0913 - what an entry says
    content: DataFileContent,
    path: str,
    partition: Record,
    rows: int,
    size: int,
    lower: dict[int, bytes],
    upper: dict[int, bytes],
) -> DataFile:
    return DataFile.from_args(
        content=content,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=partition,
        record_count=rows,
        file_size_in_bytes=size,
        column_sizes=None,
        value_counts=None,
        null_value_counts=None,
        nan_value_counts=None,
        lower_bounds=lower or None,
        upper_bounds=upper or None,
        key_metadata=None,
        split_offsets=None,
        equality_ids=None,
        sort_order_id=None,
    )


def _bounded(schema: Schema, metadata: Any) -> list[str]:  # noqa: ANN401 - pyarrow has no types
    there = {metadata.schema.column(number).path for number in range(metadata.num_columns)}
    return [
        field.name
        for field in schema.fields
        if field.name in there and (field.name == "app_id" or str(field.field_type) == "timestamptz")
    ]


def _bounds(metadata: Any, name: str) -> Bounds | None:  # noqa: ANN401 - pyarrow has no types
    """Least and greatest value in the file; None where that is not known, or there is none."""
    number = next(n for n in range(metadata.num_columns) if metadata.schema.column(n).path == name)
    found = [metadata.row_group(group).column(number).statistics for group in range(metadata.num_row_groups)]
    if any(one is None for one in found):
        return None
    filled = [one for one in found if one.has_min_max]
    if not filled or any(not one.has_min_max and one.num_values for one in found):
        return None
    return min(one.min for one in filled), max(one.max for one in filled)


def _partition(bounds: Bounds | None, specs: dict[int, PartitionSpec]) -> tuple[int, Record]:
    """Specification and value. A file without one day in its column is in none, and found by its bounds."""
    by_day = [spec_id for spec_id, spec in specs.items() if any(field.name == DAY_FIELD for field in spec.fields)]
    if bounds is None or not by_day or _day(bounds[0]) != _day(bounds[1]):
        return next(spec_id for spec_id, spec in specs.items() if not spec.fields), Record()
    return by_day[0], Record(_day(bounds[0]))


def _day(value: object) -> int:
    assert isinstance(value, datetime)
    return (value - _EPOCH).days


def _plain(value: object) -> Any:  # noqa: ANN401
    return (value - _EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value
