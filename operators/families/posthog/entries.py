"""What batches of PostHog and of plain rrweb tell beside the picture, and whose of the two SDKs an item is."""

from collections.abc import Iterable

import msgspec

from operators.recorded.recorder import Recorder
from operators.replay.records import Record
from operators.rrweb.entries import add_page, custom_event, read_page_event, rrweb_entries
from operators.wire.json_text import tolerant
from schemas.items import Item
from schemas.recorded import Page

RRWEB_SDK, POSTHOG_SDK = "rrweb", "posthog"  # names for batches that tell none
_ROUTES = frozenset({"$pageview", "$url_changed"})  # of a single-page app; its other tags are about recording itself


class _Address(msgspec.Struct, gc=False):
    href: str


_address = tolerant(msgspec.json.Decoder(_Address))


def entries_of(records: Iterable[Record], event: str) -> bytes:
    """The entries of a batch, encoded. `event`: of PostHog's message; empty for a plain batch."""
    return rrweb_entries(records, _read_event if event else read_page_event)


def sdk_of(item: Item) -> str:
    """Lines are events of PostHog."""
    return RRWEB_SDK if item.segment is not None and item.segment.sdk_name == RRWEB_SDK else POSTHOG_SDK


def _read_event(recorder: Recorder, data: msgspec.Raw, at_us: int) -> None:
    event = custom_event(bytes(data))
    if event.tag in _ROUTES:
        add_page(recorder, Page(at_us, _address(bytes(event.payload)).href))
