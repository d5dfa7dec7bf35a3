"""The records of a stored segment of Sentry: rrweb 2 events, all times in ms.

    {"replay_id": "…", "segment_id": 0, "replay_event": {…}, "events": […]}

The SDK sends the two parts as items of one envelope; here they are one object, each byte for byte as it came.
"""

import msgspec

from operators.families.sentry.times import to_ms
from operators.replay.records import NoRecords, Opened, Record, ReplayBody, first_byte, shallow
from operators.rows.values import text_of_id
from operators.wire.json_text import tolerant
from schemas.items import NOT_NUMBERED

CUSTOM = 5  # type of the records that are the SDK's own: breadcrumbs, performance spans, options


class _Body(msgspec.Struct, gc=False):
    events: msgspec.Raw = msgspec.Raw()
    replay_id: msgspec.Raw = msgspec.Raw()
    segment_id: msgspec.Raw = msgspec.Raw()


class _UsualBody(msgspec.Struct, gc=False):
    events: list[Record]
    replay_id: str
    segment_id: int


_body = tolerant(msgspec.json.Decoder(_Body))
_usual = tolerant(msgspec.json.Decoder(_UsualBody))
_id = tolerant(msgspec.json.Decoder(str | int | float | None))
_number = msgspec.json.Decoder(int | None).decode


def segment_body(replay_id: str, segment_id: int, replay_event: bytes, events: bytes) -> bytes:
    """The stored segment. `replay_event`: a JSON object; `events`: a JSON array."""
    head = msgspec.json.encode(replay_id), segment_id, replay_event
    return b'{"replay_id":%b,"segment_id":%d,"replay_event":%b,"events":%b}' % (*head, events)


def open_segment(raw: bytes) -> Opened:
    """The replay, the number and the records of a stored segment. Raises as `segment_parts`."""
    try:
        usual = _usual(raw)
    except (msgspec.ValidationError, RecursionError):
        usual = None
    if usual is not None and all(one.timestamp is not None and one.timestamp > 0 for one in usual.events):
        return Opened(usual.replay_id, max(NOT_NUMBERED, usual.segment_id), _in_ms(usual.events), [])
    parts = segment_parts(raw)
    records, others = parts.usable()
    return Opened(parts.view_id, parts.index_in_view, _in_ms(records), others)


def segment_parts(raw: bytes) -> ReplayBody:
    """The same with the records as JSON, as they came. Raises NoRecords, and msgspec's errors for what is not JSON."""
    body, is_cut = shallow(raw, _body)
    if first_byte(body.events) != b"[":
        raise NoRecords("no list of records")
    return ReplayBody(
        _text(body.replay_id), _count(body.segment_id), bytes(body.events), needs_times=True, is_cut=is_cut
    )


def record_in_ms(record: dict[str, object]) -> dict[str, object]:
    """A parsed record with its time in ms."""
    stamp = record.get("timestamp")
    if isinstance(stamp, bool) or not isinstance(stamp, int | float):
        return record
    found = to_ms(stamp)
    return record if found == stamp else {**record, "timestamp": found}


def _in_ms(records: list[Record]) -> list[Record]:
    for record in records:
        if record.timestamp is not None:
            record.timestamp = to_ms(record.timestamp)
    return records


def _text(raw: msgspec.Raw) -> str:
    try:
        return text_of_id(_id(bytes(raw))) if raw else ""
    except msgspec.MsgspecError:
        return ""


def _count(raw: msgspec.Raw) -> int:
    try:
        number = _number(bytes(raw)) if raw else None
    except msgspec.MsgspecError:
        return NOT_NUMBERED
    return number if number is not None and number >= 0 else NOT_NUMBERED
