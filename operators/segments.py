"""A replay segment of the Guance or Datadog SDK as an item: its header is trusted, its records are scanned.

What the SDKs send, zlib or plain, is kept as it came. Where the header is missing, the copy inside the segment stands
in.
"""

import msgspec

from operators.inflate import inflate, is_zlib
from operators.json_text import tolerant
from operators.replay_scan import scan
from operators.unusable import JSON_ERRORS, TIME_MAX_MS, Limits, Unusable, checked_id, identity, json_refusal, time_us
from schemas.items import Family, Item, Kind, RejectReason, SegmentMeta
from schemas.units import US_PER_MS


class _Id(msgspec.Struct, gc=False):
    id: str = ""


class _Sdk(msgspec.Struct, gc=False):
    name: str = ""
    version: str = ""


class _Segment(msgspec.Struct, gc=False):
    """The header that every segment repeats behind its records."""

    records: msgspec.Raw
    start: float | None = None
    end: float | None = None
    creation_reason: str = ""
    records_count: int = 0
    has_full_snapshot: bool = False
    index_in_view: int = 0
    app: _Id = msgspec.field(default_factory=_Id)
    application: _Id = msgspec.field(default_factory=_Id)
    session: _Id = msgspec.field(default_factory=_Id)
    view: _Id = msgspec.field(default_factory=_Id)
    sdk: _Sdk = msgspec.field(default_factory=_Sdk)


_decode_segment = tolerant(msgspec.json.Decoder(_Segment))
COUNT_MAX = (1 << 31) - 1  # of segments or records: what sums them up has 64 bits


def segment_item(  # noqa: PLR0913 - what a segment consists of
    family: Family, ids: tuple[str, str], meta: SegmentMeta, body: bytes, received_ms: int, limits: Limits
) -> Item:
    """Check the body and build the item. `ids`: (app_id, session_id). Raises Unusable.

    A number that cannot be is as absent; only the start is needed.
    """
    raw = _inflated(body, limits)
    begin_us = time_us("start", meta.start_ms)
    as_it_came = is_zlib(body)  # what the SDKs send; anything else is kept inflated
    meta = msgspec.structs.replace(
        meta,
        index_in_view=count_or_zero(meta.index_in_view),
        end_ms=end_or_start(meta.start_ms, meta.end_ms),
        records_count=count_or_zero(meta.records_count),
        raw_bytes=len(raw),
        encoding="zlib" if as_it_came else "identity",
    )
    return Item(
        app_id=checked_id("app_id", ids[0], limits),
        session_id=checked_id("session_id", ids[1], limits),
        kind=Kind.SEGMENT,
        family=family,
        begin_us=begin_us,
        end_us=meta.end_ms * US_PER_MS,
        received_ms=received_ms,
        ident=identity(
            Kind.SEGMENT, checked_id("view_id", meta.view_id, limits), f"{meta.index_in_view}/{meta.start_ms}"
        ),
        opens=meta.has_full_snapshot,
        ends=False,
        body=body if as_it_came else raw,
        segment=meta,
        scan=scan(raw, family, meta),
    )


def count_or_zero(number: float) -> int:
    """A count of a segment's header as it was sent, or 0 for one that cannot be."""
    return int(number) if 0 <= number <= COUNT_MAX and number == int(number) else 0


def end_or_start(start_ms: float, end_ms: float) -> int:
    """The end of a segment; its start, where the end cannot be: before the start, no time at all, or NaN."""
    return int(end_ms) if start_ms <= end_ms < TIME_MAX_MS else int(start_ms)


def self_described(family: Family, body: bytes, received_ms: int, limits: Limits) -> Item:
    """A segment that came without its header. Raises Unusable."""
    inner = _inner_header(body, limits)
    meta = SegmentMeta(
        view_id=inner.view.id,
        index_in_view=inner.index_in_view,
        start_ms=time_us("start", inner.start or 0) // US_PER_MS,
        end_ms=end_or_start(inner.start or 0, inner.end or 0),
        records_count=inner.records_count,
        has_full_snapshot=inner.has_full_snapshot,
        creation_reason=inner.creation_reason,
        raw_bytes=0,
        encoding="",
        sdk_name=inner.sdk.name,
        sdk_version=inner.sdk.version,
    )
    ids = inner.app.id or inner.application.id, inner.session.id
    return segment_item(family, ids, meta, body, received_ms, limits)


def describes_datadog(body: bytes, limits: Limits) -> bool:
    """Whether a segment without header was made by the Datadog SDK."""
    inner = _inner_header(body, limits)
    return bool(inner.application.id)


def _inner_header(body: bytes, limits: Limits) -> _Segment:
    try:
        return _decode_segment(_inflated(body, limits))
    except JSON_ERRORS as error:
        raise json_refusal(error) from None


def _inflated(body: bytes, limits: Limits) -> bytes:
    if not body:
        raise Unusable(RejectReason.EMPTY_BODY, "segment without content")
    return inflate(body, limits.inflated_bytes)
