"""Items of one session as an envelope again, for the intake: what was split by session, masked or given a visitor.

Such an item says in its header what stood around it, so that it is read as it was before:
`{"type": "span", "about": {…}, "visitor": {…}}`; a recording also has its `replay_event` there.
"""

from collections.abc import Iterable

import msgspec

from operators.families.sentry.envelope import write_envelope
from operators.families.sentry.lines import ABOUT, REPLAY_EVENT, REPLAY_RECORDING, VISITOR, About, stored_line
from operators.rows.values import Attributes
from operators.wire.json_text import tolerant
from schemas.items import Item


class _Segment(msgspec.Struct):
    replay_id: str
    segment_id: int
    events: msgspec.Raw
    replay_event: dict[str, object] = {}


_decode_segment = tolerant(msgspec.json.Decoder(_Segment))


def joined(items: Iterable[tuple[Item, bytes]]) -> bytes:
    """Each item with its body, which may have been changed."""
    return write_envelope({}, [_segment(item, body) if item.segment else _line(body) for item, body in items])


def _line(body: bytes) -> tuple[Attributes, bytes]:
    line = stored_line(body)
    header: Attributes = {"type": line.type, ABOUT: msgspec.to_builtins(line.about)}
    if line.visitor:
        header[VISITOR] = line.visitor
    return header, bytes(line.payload)


def _segment(item: Item, body: bytes) -> tuple[Attributes, bytes]:
    segment = _decode_segment(body)
    assert item.segment is not None
    about = About(replay_id=segment.replay_id, sdk_name=item.segment.sdk_name, sdk_version=item.segment.sdk_version)
    header: Attributes = {
        "type": REPLAY_RECORDING,
        ABOUT: msgspec.to_builtins(about),
        REPLAY_EVENT: segment.replay_event,
    }
    return header, b'{"segment_id":%d}\n%b' % (segment.segment_id, bytes(segment.events))
