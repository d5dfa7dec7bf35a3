"""One replay segment: inflate it, read the few facts its records hold for the index, make it one line."""

import codecs
import re
import zlib
from collections.abc import Iterable

import msgspec
from xxhash import xxh3_128_digest

from operators.json_text import tolerant
from operators.replay_styles import StyleMark, mark, styles_of
from schemas.items import Family, RejectReason, SegmentMeta
from schemas.units import KIB


class ReplaySegment(msgspec.Struct, frozen=True):
    """A segment as it arrived. `body` is the SDK's JSON, compressed as `meta.encoding` says."""

    meta: SegmentMeta
    family: Family
    body: bytes


class SegmentError(Exception):
    """A segment cannot be used. Does not leave the replay cut, which turns it into a value."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class SegmentScan(msgspec.Struct, frozen=True):
    """What was read from a segment's records. Times: client clock, epoch ms."""

    raw_bytes: int
    raw_digest: bytes  # of the inflated JSON: tells copies from different segments whatever their compression
    line_bytes: int  # as stored: with exactly one line end
    records_count: int
    snapshot_times_ms: tuple[int, ...]
    input_times_ms: tuple[int, ...]  # records made by the visitor's hand
    url: str | None  # of the first Meta record
    styles: tuple[StyleMark, ...] = ()  # of its full snapshots


class _Record(msgspec.Struct, gc=False):
    """`data` stays unparsed: a full snapshot is skipped over, not built."""

    type: int
    timestamp: float | None = None  # null when the SDK computed NaN
    data: msgspec.Raw = msgspec.Raw(b"null")


class _SdkSegment(msgspec.Struct):
    records: list[_Record]


class _Properties(msgspec.Struct):
    data: list[_Record] | None = msgspec.field(default=None, name="$snapshot_data")
    items: list[_Record] | None = msgspec.field(default=None, name="$snapshot_items")


class _RrwebSegment(msgspec.Struct):
    """`events` of a plain batch, or a PostHog message with its records one level down."""

    events: list[_Record] | None = None
    properties: _Properties | None = None


class _Incremental(msgspec.Struct):
    source: int


class _Meta(msgspec.Struct):
    href: str


_decode_sdk_segment = tolerant(msgspec.json.Decoder(_SdkSegment))
_decode_rrweb_segment = tolerant(msgspec.json.Decoder(_RrwebSegment))
_INCREMENTAL = msgspec.json.Decoder(_Incremental)
_META = msgspec.json.Decoder(_Meta)

_FULL_SNAPSHOT, _INCREMENTAL_SNAPSHOT, _META_RECORD = 2, 3, 4  # the same in every family
_FRUSTRATION = 9  # Guance: made from clicks
_CHANGE = 12  # Datadog 7: what other families say with sources 0, 5 and 8 of an incremental snapshot
# Mouse move, mouse interaction, scroll, input, touch move, drag. Not 4 (resize) and 7 (media): pages do these alone.
_INPUT_SOURCES = frozenset({1, 2, 3, 5, 6, 12})
_INPUT_CHANGE = re.compile(rb"\s*\[\s*12\s*,")  # a change of kind 12: the value of a form field

_SOURCE_FIRST = re.compile(rb'\{"source":(\d{1,3})[,}]')  # as every SDK writes it: the rest need not be read
_UTF8_STEP = 16 * KIB  # the text that a step makes stays in the processor's cache

_BREAKS_TO_SPACES = bytes.maketrans(b"\r\n", b"  ")


def inflate(segment: ReplaySegment, limit_bytes: int) -> bytes:
    """The segment's JSON. What would inflate beyond the limit is given up there, not inflated. Raises SegmentError."""
    raw = segment.body if segment.meta.encoding == "identity" else _inflate_zlib(segment.body, limit_bytes)
    if len(raw) > limit_bytes:
        raise SegmentError(RejectReason.INFLATED_TOO_LARGE, f"more than {limit_bytes} bytes")
    return raw


def scan(raw: bytes, family: Family, meta: SegmentMeta, *, find_styles: bool = False) -> SegmentScan:
    """Read a segment's records as far as the index needs them. Raises SegmentError."""
    try:
        _check_utf8(raw)
        return _scan(raw, family, meta, find_styles=find_styles)
    except msgspec.ValidationError as error:
        raise SegmentError(RejectReason.INVALID_FIELD, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SegmentError(RejectReason.MALFORMED_JSON, str(error)) from error
    except RecursionError as error:  # decode, which let it through, may have stood higher on the stack
        raise SegmentError(RejectReason.MALFORMED_JSON, "nested too deep") from error


def style_texts(raw: bytes, family: Family) -> Iterable[bytes]:
    """The styles of a segment that could be scanned, each once for every full snapshot that has it."""
    return _styles(_records(raw, family))


def to_line(raw: bytes) -> bytes:
    """The segment as one line. JSON has no raw line breaks but between tokens, where a space means the same."""
    line = raw.removesuffix(b"\n")
    if b"\n" in line or b"\r" in line:
        line = line.translate(_BREAKS_TO_SPACES)
    return line + b"\n"


def _inflate_zlib(body: bytes, limit_bytes: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise SegmentError(RejectReason.CORRUPT_COMPRESSION, str(error)) from error
    if len(raw) <= limit_bytes and not stream.eof:
        raise SegmentError(RejectReason.CORRUPT_COMPRESSION, f"zlib stream cut short after {len(raw)} bytes")
    if stream.unused_data:
        raise SegmentError(RejectReason.CORRUPT_COMPRESSION, f"{len(stream.unused_data)} bytes after the zlib stream")
    return raw


def _scan(raw: bytes, family: Family, meta: SegmentMeta, *, find_styles: bool) -> SegmentScan:
    records = _records(raw, family)
    return SegmentScan(
        raw_bytes=len(raw),
        raw_digest=xxh3_128_digest(raw),
        line_bytes=len(raw) + (not raw.endswith(b"\n")),
        records_count=len(records),
        snapshot_times_ms=tuple(_snapshot_times(records, meta)),
        input_times_ms=tuple(_input_times(records, family, meta)),
        url=next((url for record in records if (url := _url(record))), None),
        styles=tuple(dict.fromkeys(map(mark, _styles(records)))) if find_styles else (),
    )


def _styles(records: Iterable[_Record]) -> Iterable[bytes]:
    for record in records:
        if record.type == _FULL_SNAPSHOT:
            yield from styles_of(record.data)


def _check_utf8(raw: bytes) -> None:
    """The JSON decoder skips over texts without a look; one bad byte would make the whole blob unreadable."""
    if raw.isascii():
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(raw), _UTF8_STEP):
        decoder.decode(raw[start : start + _UTF8_STEP])
    decoder.decode(b"", final=True)


def _records(raw: bytes, family: Family) -> list[_Record]:
    if family is not Family.RRWEB:
        return _decode_sdk_segment(raw).records
    message = _decode_rrweb_segment(raw)
    properties = message.properties or _Properties()
    for records in (message.events, properties.data, properties.items):
        if records is not None:
            return records
    raise SegmentError(RejectReason.INVALID_FIELD, "no list of events")


def _time_ms(record: _Record, meta: SegmentMeta) -> int | None:
    """A record's time; None for a time outside of its segment, which a broken clock or number made."""
    if record.timestamp is None or not meta.start_ms <= record.timestamp <= meta.end_ms:
        return None
    return int(record.timestamp)


def _snapshot_times(records: Iterable[_Record], meta: SegmentMeta) -> Iterable[int]:
    """A full snapshot counts whatever its time is, since frames are cut at them."""
    for record in records:
        if record.type == _FULL_SNAPSHOT:
            time_ms = _time_ms(record, meta)
            yield meta.start_ms if time_ms is None else time_ms


def _input_times(records: Iterable[_Record], family: Family, meta: SegmentMeta) -> Iterable[int]:
    for record in records:
        time_ms = _time_ms(record, meta)
        if time_ms is not None and _is_input(record, family):
            yield time_ms


def _is_input(record: _Record, family: Family) -> bool:
    if record.type == _INCREMENTAL_SNAPSHOT:
        return _source(record) in _INPUT_SOURCES
    if family is Family.GUANCE:
        return record.type == _FRUSTRATION
    return family is Family.DATADOG and record.type == _CHANGE and _changes_input(record)


def _source(record: _Record) -> int | None:
    first = _SOURCE_FIRST.match(record.data)
    if first:
        return int(first[1])
    try:
        return _INCREMENTAL.decode(record.data).source
    except msgspec.ValidationError:
        return None  # stored as it is; a record of unknown shape is only no sign of the visitor


def _changes_input(record: _Record) -> bool:
    try:
        changes = msgspec.json.decode(record.data, type=list[msgspec.Raw])
    except msgspec.ValidationError:
        return False
    return any(_INPUT_CHANGE.match(change) for change in changes)


def _url(record: _Record) -> str | None:
    if record.type != _META_RECORD:
        return None
    try:
        return _META.decode(record.data).href
    except msgspec.ValidationError:
        return None
