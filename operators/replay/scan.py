"""One replay segment: read the few facts its records hold, inflate it, make it one line."""

import codecs
from collections.abc import Iterable, Sequence
from itertools import chain

import msgspec
from xxhash import xxh3_128_digest
from zlib_ng import zlib_ng

from operators.native import LEAF
from operators.replay.recording import Recording, open_body
from operators.replay.records import NoRecords, Record
from operators.replay.styles import choose, marks_of, styles_of
from operators.wire.unusable import JSON_ERRORS, Unusable, json_refusal
from schemas.items import Item, RejectReason, SegmentMeta, SegmentScan
from schemas.units import KIB


class ReplaySegment(msgspec.Struct, frozen=True):
    """A segment as it arrived. `body` is the SDK's JSON, compressed as `meta.encoding` says."""

    meta: SegmentMeta
    recording: Recording
    body: bytes
    scan: SegmentScan

    def inflated(self) -> bytes:
        """The JSON, which was proved to be whole when the segment was scanned."""
        if self.meta.encoding == "identity":
            return self.body
        return zlib_ng.decompress(self.body, bufsize=self.meta.raw_bytes)


class _Meta(msgspec.Struct):
    href: str


_META = msgspec.json.Decoder(_Meta)

_FULL_SNAPSHOT, _META_RECORD = 2, 4  # the same in every family
_TIMES_MAX = 4_096  # of inputs or snapshots in one segment, which lasts some seconds
_URL_MAX = 8_192  # characters; of a longer one the index has nothing, the segment all
_UTF8_STEP = 16 * KIB  # the text that a step makes stays in the processor's cache

_BREAKS_TO_SPACES = bytes.maketrans(b"\r\n", b"  ")


def replay_segment(item: Item, recording: Recording) -> ReplaySegment:
    """An item of kind SEGMENT. `recording`: of its family."""
    assert item.segment is not None
    assert item.scan is not None
    return ReplaySegment(item.segment, recording, item.body, item.scan)


def scan(raw: bytes, recording: Recording, meta: SegmentMeta) -> SegmentScan:
    """Read the records of a segment, inflated. Raises Unusable."""
    try:
        _, _, records, others = open_body(raw, recording)
    except NoRecords as error:
        raise Unusable(RejectReason.INVALID_FIELD, str(error)) from None
    except JSON_ERRORS as error:
        raise json_refusal(error) from None
    return scan_records(raw, records, len(others), recording, meta)


def scan_records(  # noqa: PLR0913 - what a segment consists of
    raw: bytes,
    records: Sequence[Record],
    unusable_count: int,
    recording: Recording,
    meta: SegmentMeta,
    recorded: bytes = b"",
) -> SegmentScan:
    """The same, for who has decoded them already. `recorded`: what they tell, encoded. Raises Unusable."""
    _check_utf8(raw)
    snapshots = list(filter(is_snapshot, records))
    return SegmentScan(
        raw_digest=xxh3_128_digest(raw),
        line_bytes=len(raw) + (not raw.endswith(b"\n")),
        records_count=len(records),
        snapshot_times_ms=_thinned(_snapshot_times(snapshots, meta)),
        input_offsets_ms=_thinned(_input_offsets(records, recording, meta)),
        url=next((url for record in records if record.type == _META_RECORD and (url := _url(record))), None),
        styles=tuple(choose(chain.from_iterable(marks_of(record.data) for record in snapshots))),
        unusable_count=unusable_count,
        recorded=recorded,
    )


def is_snapshot(record: Record) -> bool:
    """Whether playing can begin with it; the number is the same in every family."""
    return record.type == _FULL_SNAPSHOT


def style_texts(raw: bytes, recording: Recording) -> Iterable[bytes]:
    """The styles of a scanned segment, each once for every full snapshot that has it.

    How deep JSON may be nested depends on the stack: what could be scanned may be too deep here, and then has none.
    """
    try:
        snapshots = filter(is_snapshot, open_body(raw, recording).records)
        return [bytes(style) for record in snapshots for style in styles_of(record.data)]
    except RecursionError:
        return []


def to_line(raw: bytes) -> bytes:
    """The segment as one line. JSON has no raw line breaks but between tokens, where a space means the same."""
    end = raw.find(b"\n")
    if b"\r" not in raw and end in (-1, len(raw) - 1):  # as the SDKs write it
        return raw if end >= 0 else raw + b"\n"
    return raw.removesuffix(b"\n").translate(_BREAKS_TO_SPACES) + b"\n"


def _check_utf8(raw: bytes) -> None:
    """The JSON decoder skips over texts without a look; one bad byte would make the whole blob unreadable."""
    if raw.isascii() or (LEAF is not None and LEAF.module.is_utf8(raw)):
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(raw), _UTF8_STEP):
            decoder.decode(raw[start : start + _UTF8_STEP])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise Unusable(RejectReason.MALFORMED_JSON, str(error)) from None


def _thinned(times_ms: Iterable[int]) -> tuple[int, ...]:
    """As they are. Of more than anybody makes in a segment, the first of every ms, 10 ms, 100 ms, and so on.

    Otherwise a few kB of compressed nonsense would become much in memory.
    """
    found = list(times_ms)
    step_ms = 1
    while len(found) > _TIMES_MAX:
        found = list({time_ms // step_ms: time_ms for time_ms in sorted(found, reverse=True)}.values())[::-1]
        step_ms *= 10
    return tuple(found)


def _snapshot_times(snapshots: Iterable[Record], meta: SegmentMeta) -> Iterable[int]:
    """A full snapshot counts whatever its time is, since frames are cut at them."""
    for record in snapshots:
        time_ms = record.timestamp
        is_known = time_ms is not None and meta.start_ms <= time_ms <= meta.end_ms
        yield int(time_ms) if time_ms is not None and is_known else meta.start_ms


def _input_offsets(records: Iterable[Record], recording: Recording, meta: SegmentMeta) -> Iterable[int]:
    """Not of times outside of the segment, which a broken clock or number made."""
    test_of, start_ms, end_ms = recording.inputs.get, meta.start_ms, meta.end_ms
    times_ms = [
        record.timestamp for record in records if (is_input := test_of(record.type)) is not None and is_input(record)
    ]
    return [int(time_ms) - start_ms for time_ms in times_ms if time_ms is not None and start_ms <= time_ms <= end_ms]


def _url(record: Record) -> str | None:
    try:
        url = _META.decode(record.data).href
    except (msgspec.MsgspecError, RecursionError):
        return None
    return url if len(url) <= _URL_MAX else None
