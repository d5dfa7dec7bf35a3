"""From a poll of one partition to arrivals: every message decoded, each item with the clock at its place in the log."""

from collections import Counter

import msgspec

from operators.decode import Limits, Message, decode
from operators.segments import unusable_records
from operators.sessions import Arrival
from schemas.items import Item, Rejected, Skipped


class Received(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One message as it came. `clock_ms`: the partition's receive clock once this message is counted in."""

    topic: str
    offset: int
    clock_ms: int
    message: Message


class Poll(msgspec.Struct, frozen=True, array_like=True):
    """What one look at a partition brought; without messages it only moves the clock. `seq` numbers the epoch.

    `is_last`: the input is bounded and read; every window closes.
    """

    partition: str
    seq: int
    clock_ms: int
    messages: list[Received]
    is_last: bool = False


class Refused(msgspec.Struct, frozen=True, array_like=True):
    """Input that cannot be used, and where it came from."""

    topic: str
    offset: int
    received_ms: int
    rejected: Rejected


class DecodedPoll(msgspec.Struct, frozen=True, array_like=True):
    """A poll with its messages decoded. `skipped`: how often what is understood and not kept came, by reason."""

    partition: str
    seq: int
    clock_ms: int
    arrivals: list[Arrival]
    refused: list[Refused]
    is_last: bool
    skipped: dict[str, int] = {}


def decode_poll(poll: Poll, limits: Limits) -> DecodedPoll:
    """Every message ends as arrivals, refusals, what is skipped, or several of them."""
    arrivals: list[Arrival] = []
    refused: list[Refused] = []
    skipped: Counter[str] = Counter()
    for one in poll.messages:
        for result in decode(one.message, limits):
            if isinstance(result, Item):
                arrivals.append(Arrival(one.clock_ms, one.topic, one.offset, result))
                parts = unusable_records(result, limits)
                refused.extend(Refused(one.topic, one.offset, one.message.received_ms, part) for part in parts)
            elif isinstance(result, Skipped):
                skipped[result.reason] += 1
            else:
                refused.append(Refused(one.topic, one.offset, one.message.received_ms, result))
    return DecodedPoll(poll.partition, poll.seq, poll.clock_ms, arrivals, refused, poll.is_last, dict(skipped))
