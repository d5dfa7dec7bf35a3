"""`replay_recording` with its `replay_event`: one segment of a replay, numbered from 0 over all pages of the tab.

    {"segment_id":3}\\n        one line of JSON
    x\\x9c…                    the events as a JSON array, zlib; plain with `useCompression: false`

Source: `prepareRecordingData` and `sendReplayRequest` of `@sentry/replay` 7 to 11. In buffer mode (`replay_type`) the
first segment reaches back up to a minute before its error. A segment is flushed every 5 s; what a performance span or
slow click tells lies before that, so it does not say when the segment begins.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress

from operators.families.sentry.entries import sentry_entries
from operators.families.sentry.lines import About
from operators.families.sentry.recording import RECORDING
from operators.families.sentry.records import CUSTOM, open_segment, segment_body
from operators.families.sentry.times import stamp_us
from operators.families.sentry.visitor import client_of
from operators.replay.records import NoRecords, Record
from operators.replay.scan import is_snapshot, scan_records
from operators.rows.paths import child
from operators.rows.values import Attributes, decode_object, text_of_id
from operators.wire.inflate import inflate
from operators.wire.unusable import JSON_ERRORS, Limits, Unusable, checked_id, identity, is_time_ms, json_refusal
from schemas.items import COUNT_MAX, NOT_NUMBERED, Family, Item, Kind, RejectReason, SegmentMeta
from schemas.units import MS_PER_DAY, US_PER_MS

_HEAD_BYTES_MAX = 4 << 10


def sentry_segment(  # noqa: PLR0913 - what a segment consists of
    ids: tuple[str, str],
    event: tuple[Attributes, bytes],
    recording: bytes,
    around: About,
    received_ms: int,
    limits: Limits,
) -> Item:
    """`ids`: (project, replay); `event`: the replay_event and its JSON, both empty objects where there is none.

    Raises Unusable.
    """
    said, event_json = event
    app_id, replay_id = checked_id("project", ids[0], limits), checked_id("replay id", ids[1], limits)
    number, events = _split(recording, limits)
    number = _numbered(said.get("segment_id")) if number == NOT_NUMBERED else number
    raw = segment_body(replay_id, number, event_json, events)
    try:
        _, _, records, others = open_segment(raw)
    except NoRecords as error:
        raise Unusable(RejectReason.INVALID_FIELD, str(error)) from None
    except JSON_ERRORS as error:
        raise json_refusal(error) from None
    if not records:
        raise Unusable(RejectReason.INVALID_FIELD, "no rrweb events")
    if len(others) > limits.lines_per_message:
        raise Unusable(RejectReason.INVALID_TIME, f"{len(others)} rrweb events without a usable kind or time")
    start_ms, end_ms = _span_ms(records, stamp_us(said.get("timestamp")))
    sdk = child(said, "sdk")
    meta = SegmentMeta(
        view_id=replay_id,
        index_in_view=number,
        start_ms=start_ms,
        end_ms=end_ms,
        records_count=len(records),
        has_full_snapshot=any(map(is_snapshot, records)),
        creation_reason=text_of_id(said.get("replay_type")),
        raw_bytes=len(raw),
        encoding="identity",
        sdk_name=text_of_id(sdk.get("name")) or around.sdk_name,
        sdk_version=text_of_id(sdk.get("version")) or around.sdk_version,
    )
    page_url = text_of_id(child(said, "request").get("url"))
    scan = scan_records(raw, records, len(others), RECORDING, meta, sentry_entries(records, page_url))
    return Item(
        app_id=app_id,
        session_id=replay_id,
        kind=Kind.SEGMENT,
        family=Family.SENTRY,
        begin_us=start_ms * US_PER_MS,
        end_us=end_ms * US_PER_MS,
        received_ms=received_ms,
        ident=identity(Kind.SEGMENT, replay_id, f"{number}/{start_ms}", *(() if number >= 0 else (scan.raw_digest,))),
        opens=meta.has_full_snapshot,
        ends=False,
        body=raw,
        segment=meta,
        scan=scan,
        client=client_of(said),
    )


def _split(recording: bytes, limits: Limits) -> tuple[int, bytes]:
    """The number in the first line, and the events behind it, inflated."""
    head, _, events = recording.partition(b"\n") if recording.startswith(b"{") else (b"", b"", recording)
    number = NOT_NUMBERED
    if len(head) <= _HEAD_BYTES_MAX:
        with suppress(ValueError, RecursionError):  # the event has it, too
            number = _numbered(decode_object(head).get("segment_id"))
    if not events.strip():
        raise Unusable(RejectReason.EMPTY_BODY, "a recording without events")
    return number, inflate(events, limits.inflated_bytes).strip()


def _numbered(value: object) -> int:
    is_number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= COUNT_MAX
    return value if is_number and isinstance(value, int) else NOT_NUMBERED


def _span_ms(records: Sequence[Record], flushed_us: int | None) -> tuple[int, int]:
    """First and last ms. What is dated a day or more off the sending was dated by a broken clock or number."""
    near = _times_ms(records, flushed_us) or _times_ms(records, None)
    if not near:
        raise Unusable(RejectReason.INVALID_TIME, "no rrweb event has a usable time")
    page = _times_ms([one for one in records if one.type != CUSTOM], flushed_us) or [max(near)]
    return min(page), max(near)


def _times_ms(records: Iterable[Record], flushed_us: int | None) -> list[int]:
    times_ms = [int(one.timestamp) for one in records if one.timestamp is not None and is_time_ms(one.timestamp)]
    if flushed_us is None:
        return times_ms
    return [one for one in times_ms if abs(one - flushed_us // US_PER_MS) < MS_PER_DAY]
