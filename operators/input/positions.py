"""Where reading of a partition goes on: what the state remembers, held against what the broker has. Values only."""

from enum import StrEnum
from typing import NamedTuple

import msgspec


class Extent(NamedTuple):
    """Offsets of a partition on the broker: the first that is there, and the next to come."""

    low: int
    high: int


class OnLost(StrEnum):
    """What to do when unread messages are gone from the broker."""

    STOP = "stop"
    EARLIEST = "earliest"  # go on with the oldest that is there
    LATEST = "latest"  # go on with what comes from now on


class Loss(msgspec.Struct, frozen=True):
    """The remembered place is no longer one of this log. `detail`: what is lost, in words."""

    detail: str


def go_on(saved: int, extent: Extent, *, is_other_topic: bool) -> Loss | None:
    """Whether reading can go on at `saved`, the next offset to read. `is_other_topic`: it was made again since.

    An offset beyond the end is for the broker to refuse: some brokers say less than they have when asked for it.
    """
    if is_other_topic:
        return Loss(f"the topic was deleted and made again; what was unread of the old one from offset {saved} is lost")
    if saved < extent.low:
        return Loss(f"{extent.low - saved} messages from offset {saved} on were deleted before they were read")
    return None


def refused(position: int, extent: Extent) -> Loss:
    """The broker has refused to give what comes at `position`."""
    return go_on(position, extent, is_other_topic=False) or Loss(
        f"reading was at offset {position}, the partition ends at {extent.high}: it was made again or restored; what "
        "was unread of the old one is lost"
    )


def after_loss(policy: OnLost, extent: Extent) -> int | None:
    """Where to go on after a loss; None: a person must decide."""
    return {OnLost.STOP: None, OnLost.EARLIEST: extent.low, OnLost.LATEST: extent.high}[policy]
