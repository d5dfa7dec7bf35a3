"""A replay segment of the Guance or Datadog SDK as an item: its header is trusted, its records are scanned.

What the SDKs send, zlib or plain, is kept as it came. Where the header is missing, or a number in it cannot be, the
copy inside the segment or its records stand in.
"""

import msgspec

from operators.replay.recording import Recording, open_body
from operators.replay.records import NoRecords, Opened, shallow
from operators.replay.scan import is_snapshot, scan_records
from operators.rows.paths import child
from operators.rows.values import decode_object, text_of_id
from operators.wire.inflate import inflate, is_zlib
from operators.wire.json_text import tolerant, with_numbers
from operators.wire.unusable import (
    JSON_ERRORS,
    Limits,
    Unusable,
    checked_id,
    identity,
    is_time_ms,
    json_refusal,
    time_us,
)
from schemas.items import COUNT_MAX, NOT_NUMBERED, Item, Kind, RejectReason, SegmentMeta
from schemas.units import MS_PER_DAY


class _Id(msgspec.Struct, gc=False):
    id: str = ""


class _Sdk(msgspec.Struct, gc=False):
    name: str = ""
    version: str = ""


class _Segment(msgspec.Struct, gc=False):
    """The header that every segment repeats behind its records."""

    start: float | None = None
    end: float | None = None
    creation_reason: str = ""
    records_count: float | None = None
    has_full_snapshot: bool | None = None
    index_in_view: float | None = None
    app: _Id = msgspec.field(default_factory=_Id)
    application: _Id = msgspec.field(default_factory=_Id)
    session: _Id = msgspec.field(default_factory=_Id)
    view: _Id = msgspec.field(default_factory=_Id)
    sdk: _Sdk = msgspec.field(default_factory=_Sdk)


_decode_segment = tolerant(msgspec.json.Decoder(_Segment))


class Header(msgspec.Struct, frozen=True):
    """What stands beside a segment, as it was sent: any number may be one that cannot be, or none (None)."""

    view_id: str = ""
    index_in_view: float | None = None
    start_ms: float | None = None
    end_ms: float | None = None
    records_count: float | None = None
    has_full_snapshot: bool | None = None
    creation_reason: str = ""
    sdk_name: str = ""
    sdk_version: str = ""


def segment_item(  # noqa: PLR0913 - what a segment consists of
    recording: Recording, ids: tuple[str, str], header: Header, body: bytes, received_ms: int, limits: Limits
) -> Item:
    """Check the body and build the item. `ids`: (app_id, session_id). Raises Unusable.

    A number that cannot be is as absent; only the start is needed.
    """
    raw = _inflated(body, limits)
    found, whole = _opened(raw, recording, limits)
    as_it_came = whole is raw and is_zlib(body)  # what the SDKs send; anything else is kept inflated
    known = _known(header, found)
    known = msgspec.structs.replace(known, raw_bytes=len(whole), encoding="zlib" if as_it_came else "identity")
    scan = scan_records(whole, found.records, len(found.others), recording, known)
    view_id = checked_id("view_id", known.view_id, limits)
    place = f"{known.index_in_view}/{known.start_ms}"
    numbered = known.index_in_view != NOT_NUMBERED
    return Item(
        app_id=checked_id("app_id", ids[0], limits),
        session_id=checked_id("session_id", ids[1], limits),
        kind=Kind.SEGMENT,
        family=recording.number,
        begin_us=time_us("start", known.start_ms),
        end_us=time_us("end", known.end_ms),
        received_ms=received_ms,
        ident=identity(Kind.SEGMENT, view_id, place, *(() if numbered else (scan.raw_digest,))),
        opens=known.has_full_snapshot,
        ends=False,
        body=body if as_it_came else whole,
        segment=known,
        scan=scan,
    )


def self_described(recording: Recording, body: bytes, received_ms: int, limits: Limits) -> Item:
    """A segment that came without its header. Raises Unusable."""
    inner = _inner_header(body, limits)
    header = Header(
        view_id=inner.view.id,
        index_in_view=inner.index_in_view,
        start_ms=inner.start,
        end_ms=inner.end,
        records_count=inner.records_count,
        has_full_snapshot=inner.has_full_snapshot,
        creation_reason=inner.creation_reason,
        sdk_name=inner.sdk.name,
        sdk_version=inner.sdk.version,
    )
    ids = inner.app.id or inner.application.id, inner.session.id
    return segment_item(recording, ids, header, body, received_ms, limits)


def describes_datadog(body: bytes, limits: Limits) -> bool:
    """Whether a segment without header was made by the Datadog SDK."""
    inner = _inner_header(body, limits)
    return bool(inner.application.id)


def number_of(value: object) -> float | None:
    """A number as sent, also one in a text; None for anything else."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _opened(raw: bytes, recording: Recording, limits: Limits) -> tuple[Opened, bytes]:
    """The records, and the JSON: as it came but for what is no JSON in it."""
    try:
        found, whole = with_numbers(raw, lambda text: open_body(text, recording))
    except NoRecords as error:
        raise Unusable(RejectReason.INVALID_FIELD, str(error)) from None
    except JSON_ERRORS as error:
        raise json_refusal(error) from None
    if len(found.others) > limits.lines_per_message:
        raise Unusable(RejectReason.INVALID_TIME, f"{len(found.others)} records without a usable kind or time")
    return found, whole


def _known(header: Header, found: Opened) -> SegmentMeta:
    """The header with what can be; an impossible number costs itself, and the records say what it should have been."""
    times_ms = [one.timestamp for one in found.records if one.timestamp is not None]
    if times_ms and not (is_time_ms(min(times_ms)) and is_time_ms(max(times_ms))):
        times_ms = list(filter(is_time_ms, times_ms))
    start_ms = _time_ms(header.start_ms, min(times_ms, default=None))
    if start_ms is None:
        raise Unusable(RejectReason.INVALID_TIME, f"start is {header.start_ms!r:.40}, and no record has a time")
    end_ms = _time_ms(header.end_ms, max(times_ms, default=None))
    index = _count(header.index_in_view)
    index = _count(found.index_in_view) if index is None else index
    count = _count(header.records_count)
    claimed = header.has_full_snapshot
    return SegmentMeta(
        view_id=header.view_id or found.view_id,
        index_in_view=NOT_NUMBERED if index is None else index,
        start_ms=start_ms,
        end_ms=max(start_ms, end_ms or 0),
        records_count=len(found.records) if count is None else count,
        has_full_snapshot=any(map(is_snapshot, found.records)) if claimed is None else claimed,
        creation_reason=header.creation_reason,
        raw_bytes=0,
        encoding="",
        sdk_name=header.sdk_name,
        sdk_version=header.sdk_version,
    )


def _time_ms(claim: float | None, recorded_ms: float | None) -> int | None:
    """The claim in whole ms if it can be a time, and near what the records say; else what they say."""
    if claim is not None and is_time_ms(claim) and (recorded_ms is None or abs(claim - recorded_ms) < MS_PER_DAY):
        return int(claim)
    return None if recorded_ms is None else int(recorded_ms)


def _count(claim: float | None) -> int | None:
    return int(claim) if claim is not None and 0 <= claim <= COUNT_MAX else None


def _inner_header(body: bytes, limits: Limits) -> _Segment:
    raw = _inflated(body, limits)
    try:
        return with_numbers(raw, lambda text: shallow(text, _header)[0])[0]
    except JSON_ERRORS as error:
        raise json_refusal(error) from None


def _header(raw: bytes) -> _Segment:
    try:
        return _decode_segment(raw)
    except msgspec.ValidationError:
        return _odd_header(raw)


def _odd_header(raw: bytes) -> _Segment:
    """The same for a header of any shape: null and what has a wrong type are as absent."""
    try:
        sent = decode_object(raw)
    except ValueError as error:
        raise msgspec.DecodeError(str(error)) from None
    sdk = child(sent, "sdk")
    reason, has_full_snapshot = sent.get("creation_reason"), sent.get("has_full_snapshot")
    return _Segment(
        start=number_of(sent.get("start")),
        end=number_of(sent.get("end")),
        creation_reason=reason if isinstance(reason, str) else "",
        records_count=number_of(sent.get("records_count")),
        has_full_snapshot=has_full_snapshot if isinstance(has_full_snapshot, bool) else None,
        index_in_view=number_of(sent.get("index_in_view")),
        app=_Id(text_of_id(child(sent, "app").get("id"))),
        application=_Id(text_of_id(child(sent, "application").get("id"))),
        session=_Id(text_of_id(child(sent, "session").get("id"))),
        view=_Id(text_of_id(child(sent, "view").get("id"))),
        sdk=_Sdk(text_of_id(sdk.get("name")), text_of_id(sdk.get("version"))),
    )


def _inflated(body: bytes, limits: Limits) -> bytes:
    if not body:
        raise Unusable(RejectReason.EMPTY_BODY, "segment without content")
    return inflate(body, limits.inflated_bytes)
