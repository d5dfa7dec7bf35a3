"""From a poll of one reader to arrivals: every message decoded, each item with the clock at its place in the log."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from operators.client.request import Clients
from operators.decode import decode, unusable_records
from operators.windows.tracker import Arrival
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item, Rejected, Skipped


class Received(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One message as it came. `clock_ms`: the reader's receive clock once this message is counted in."""

    topic: str
    partition: int
    offset: int
    clock_ms: int
    message: Message


class Poll(msgspec.Struct, frozen=True, array_like=True):
    """What one look of a reader brought; without messages it only moves the clock.

    `is_last`: the input is bounded and read; once all readers say so, every window closes. `is_at_end`: nothing is left
    to read, for now.
    """

    reader: str
    clock_ms: int
    messages: list[Received]
    is_last: bool = False
    is_at_end: bool = False


class Refused(msgspec.Struct, frozen=True, array_like=True):
    """Input that cannot be used, and where it came from."""

    topic: str
    partition: int
    offset: int
    received_ms: int
    rejected: Rejected


class DecodedPoll(msgspec.Struct, frozen=True, array_like=True):
    """A poll with its messages decoded. `skipped`: how often what is understood and not kept came, by reason."""

    reader: str
    clock_ms: int
    arrivals: list[Arrival]
    refused: list[Refused]
    is_last: bool
    skipped: dict[str, int] = {}
    is_at_end: bool = False


def decode_poll(poll: Poll, limits: Limits, clients: Clients) -> DecodedPoll:
    """Every message ends as arrivals, refusals, what is skipped, or several of them."""
    arrivals: list[Arrival] = []
    refused: list[Refused] = []
    skipped: Counter[str] = Counter()
    for one in poll.messages:
        message = one.message
        client = clients.of(message.headers) if message.headers else None
        for result in decode(message, limits):
            if isinstance(result, Item):
                item = result if client is None else msgspec.structs.replace(result, client=client)
                arrivals.append(Arrival(one.clock_ms, one.topic, one.partition, one.offset, item))
                if result.scan is None:
                    continue
                parts: Iterable[Rejected] = unusable_records(result, limits)
            elif isinstance(result, Skipped):
                skipped[result.reason] += 1
                continue
            else:
                parts = (result,)
            refused.extend(Refused(one.topic, one.partition, one.offset, message.received_ms, part) for part in parts)
    return DecodedPoll(poll.reader, poll.clock_ms, arrivals, refused, poll.is_last, dict(skipped), poll.is_at_end)
