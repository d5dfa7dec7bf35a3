"""How the Datadog SDK records a page: numbered segments of trees, since version 7 of changes in tables."""

import re

import msgspec

from operators.families.browser_sdk import bodies
from operators.replay.inputs import INCREMENTAL, has_input_source
from operators.replay.recording import Recording
from operators.replay.records import Record
from schemas.items import Family

_CHANGE = 12  # what other families say with sources 0, 5 and 8 of an incremental record
_INPUT_CHANGE = re.compile(rb"\s*\[\s*12\s*,")  # a change of kind 12: the value of a form field
_ANY_12 = re.compile(rb"\[\s*12\s*,")


def _changes_input(record: Record) -> bool:
    if not _ANY_12.search(record.data):  # most changes: they need not be taken apart
        return False
    try:
        changes = msgspec.json.decode(record.data, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError):
        return False
    return any(_INPUT_CHANGE.match(change) for change in changes)


RECORDING = Recording(
    number=Family.DATADOG,
    name="datadog",
    read=bodies.read,
    read_usual=bodies.read_usual,
    inputs={INCREMENTAL: has_input_source, _CHANGE: _changes_input},
    numbers_segments=True,
    names_views=True,
    min_match=bodies.MIN_MATCH,
)
