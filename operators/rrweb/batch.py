"""One stored segment or batch opened for playing: each record by itself, so that a bad one costs no other."""

from collections import Counter
from typing import NamedTuple

import msgspec

from operators.replay.recording import Recording, replay_body
from operators.replay.records import NoRecords
from operators.rrweb.json_shape import ShapeError, Skip, parse
from operators.rrweb.track import ConversionError, Event
from operators.wire.unusable import JSON_ERRORS


class Batch(msgspec.Struct, frozen=True):
    """`view_id`: empty where the segment itself names none: all of these are one view. `records`: parsed, of any shape.
    `skipped`: those that are no JSON or too deep.
    """

    view_id: str
    index_in_view: int  # or NOT_NUMBERED
    records: list[object]
    skipped: Counter[str]


class ViewEvents(NamedTuple):
    """One view's (rrweb: window's) events before the gate, sorted by time; and what of its records is not in them."""

    view_id: str
    events: list[Event]
    skipped: Counter[str]

    @property
    def start_ms(self) -> int:
        return int(self.events[0]["timestamp"])

    @property
    def end_ms(self) -> int:
        return int(self.events[-1]["timestamp"])


def read_batch(raw: bytes, recording: Recording) -> Batch:
    """Open a segment. Raises ConversionError for what is none of the family."""
    try:
        body = replay_body(raw, recording)
        texts = body.texts()
    except NoRecords as error:
        raise ConversionError(str(error)) from error
    except JSON_ERRORS as error:
        raise ConversionError(f"not readable as JSON: {error}") from error
    if not body.view_id and not texts:
        raise ConversionError("a segment without a view and without records")
    skipped: Counter[str] = Counter()
    if body.is_cut:
        skipped[Skip.TOO_DEEP] += 1
    records: list[object] = []
    for text in texts:
        try:
            records.append(parse(text))
        except ShapeError as fault:
            skipped[fault.reason] += 1
    return Batch(body.view_id, body.index_in_view, records, skipped)
