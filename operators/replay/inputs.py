"""Which incremental records are of the visitor's hand: the sources that all recorders number alike."""

import re

import msgspec

from operators.replay.records import Record

INCREMENTAL = 3
# Mouse move, mouse interaction, scroll, input, touch move, drag. Not 4 (resize) and 7 (media): pages do these alone.
_SOURCES = frozenset({1, 2, 3, 5, 6, 12})
_SOURCE_TEXTS = frozenset(b"%d" % source for source in _SOURCES)
_SOURCE_FIRST = re.compile(rb'\{"source":(\d{1,3})[,}]')  # as every SDK writes it: the rest need not be read


class _Incremental(msgspec.Struct):
    source: int


_decode = msgspec.json.Decoder(_Incremental).decode


def has_input_source(record: Record) -> bool:
    """Of an incremental record: whether its source is one of the visitor's."""
    first = _SOURCE_FIRST.match(record.data)
    return first[1] in _SOURCE_TEXTS if first else _source(record) in _SOURCES


def _source(record: Record) -> int | None:
    try:
        return _decode(record.data).source
    except (msgspec.MsgspecError, RecursionError):
        return None  # stored as it is; a record of unknown shape is only no sign of the visitor
