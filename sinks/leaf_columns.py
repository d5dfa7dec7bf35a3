"""Columns that the compiled leaf has filled, as Arrow's arrays: it lays their buffers out as Arrow does."""

from collections.abc import Sequence

import pyarrow as pa

_OFFSET_BYTES = 4

Column = tuple[int, Sequence[bytes | None]]  # (nulls, buffers: validity, then values, or offsets and bytes)


def arrow_array(column_type: pa.DataType, rows: int, column: Column | None) -> pa.Array:
    """One column. None: no row has a value. Of a map the buffers are its own, then those of its keys and its values."""
    if column is None:
        return pa.nulls(rows, column_type)
    nulls, parts = column
    buffers = [None if part is None else pa.py_buffer(part) for part in parts]
    if not pa.types.is_map(column_type):
        return pa.Array.from_buffers(column_type, rows, buffers, nulls)
    texts = [_texts(buffers[2:4]), _texts(buffers[4:6])]
    entries = pa.StructArray.from_arrays(texts, fields=[column_type.key_field, column_type.item_field])
    return pa.Array.from_buffers(column_type, rows, buffers[:2], nulls, children=[entries])


def _texts(buffers: Sequence[pa.Buffer]) -> pa.Array:
    return pa.Array.from_buffers(pa.string(), buffers[0].size // _OFFSET_BYTES - 1, [None, *buffers])
