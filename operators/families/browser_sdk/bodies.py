"""Where the records of a Guance or Datadog segment are: {"records": [...], "view": {"id"}, "index_in_view", ...}."""

import msgspec

from operators.replay.records import (
    Opened,
    Record,
    ReplayBody,
    first_list,
    index_of,
    is_object,
    raw_id,
)
from operators.wire.json_text import tolerant
from schemas.items import NOT_NUMBERED

CONTENT_NAMES = frozenset({"records"})
MIN_MATCH = 4  # of zstd: quicker and smaller than the level's 5 (docs/decisions/0003-replay-blob-compression.md)


class _Body(msgspec.Struct, gc=False):
    records: msgspec.Raw = msgspec.Raw()
    view: msgspec.Raw = msgspec.Raw()
    index_in_view: msgspec.Raw = msgspec.Raw()


class _View(msgspec.Struct, gc=False):
    id: msgspec.Raw = msgspec.Raw()


class _UsualView(msgspec.Struct, gc=False):
    id: str = ""


class _UsualBody(msgspec.Struct, gc=False):
    """As SDKs write it: all of it is read at once, most of a segment only skipped over."""

    records: list[Record]
    view: _UsualView = msgspec.field(default_factory=_UsualView)
    index_in_view: int = NOT_NUMBERED


_body = tolerant(msgspec.json.Decoder(_Body))
_view = tolerant(msgspec.json.Decoder(_View))
_usual_body = tolerant(msgspec.json.Decoder(_UsualBody))


def read_usual(raw: bytes) -> Opened:
    """All at once, as the SDKs write it. Raises msgspec's errors for anything else."""
    body = _usual_body(raw)
    return Opened(body.view.id, max(NOT_NUMBERED, body.index_in_view), body.records, [])


def read(raw: bytes) -> ReplayBody:
    """Whatever shape the rest has. Raises NoRecords, and msgspec's errors for what is not JSON."""
    body = _body(raw)
    view = _view(bytes(body.view)) if is_object(body.view) else _View()
    return ReplayBody(
        raw_id(view.id), index_of(body.index_in_view), first_list(body.records), needs_times=False, is_cut=False
    )
