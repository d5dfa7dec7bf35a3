"""What scanning, ordering, cutting and indexing need to know of how a family of SDKs records a page."""

from collections.abc import Callable, Mapping

import msgspec

from operators.replay.records import Opened, Record, ReplayBody, shallow
from schemas.items import Family

InputTest = Callable[[Record], bool]


class Recording(msgspec.Struct, frozen=True, eq=False):
    """How a family records. One of it for each family, which is told from the others by identity."""

    number: Family
    name: str  # in blobs and in column `source`
    read: Callable[[bytes], ReplayBody]  # the JSON of a segment; raises NoRecords, and msgspec's errors
    read_usual: Callable[[bytes], Opened | None]  # at once, where it is as the SDK writes it; else None, or raises
    inputs: Mapping[int, InputTest]  # by type of record: whether it is of the visitor's hand
    numbers_segments: bool  # `index_in_view` counts them, so that holes and copies can be told
    names_views: bool  # `view_id` is a view; else it is a browser window, which is a track by itself
    min_match: int | None  # of zstd, where another than its level's compresses better (docs/decisions/0003)


def open_body(raw: bytes, recording: Recording) -> Opened:
    """The body of a segment or batch, inflated, and its records. Raises as `replay_body`."""
    try:
        opened = recording.read_usual(raw)
    except (msgspec.ValidationError, RecursionError):
        opened = None
    if opened is not None:
        return opened
    body = replay_body(raw, recording)
    return Opened(body.view_id, body.index_in_view, *body.usable())


def replay_body(raw: bytes, recording: Recording) -> ReplayBody:
    """The body of a segment or batch, inflated. Raises NoRecords, and msgspec's errors for what is not JSON."""
    body, is_cut = shallow(raw, recording.read)
    return msgspec.structs.replace(body, is_cut=True) if is_cut else body
