"""From a poll of one partition to shard batches: decode every message, give each item to its session's shard."""

import msgspec

from operators.decode import Limits, Message, decode
from operators.sessions import Arrival
from schemas.items import Item, Rejected
from schemas.pack import key_hash


class Received(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One message as it came. `clock_ms`: the partition's receive clock once this message is counted in."""

    topic: str
    offset: int
    clock_ms: int
    message: Message


class Poll(msgspec.Struct, frozen=True, array_like=True):
    """What one look at a partition brought; without messages it only moves the clock. `seq` numbers the epoch."""

    partition: str
    seq: int
    clock_ms: int
    messages: list[Received]


class Refused(msgspec.Struct, frozen=True, array_like=True):
    """Input that cannot be used, and where it came from."""

    topic: str
    offset: int
    received_ms: int
    rejected: Rejected


class DecodedPoll(msgspec.Struct, frozen=True, array_like=True):
    """A poll with its messages decoded."""

    partition: str
    seq: int
    clock_ms: int
    arrivals: list[Arrival]
    refused: list[Refused]


class ShardBatch(msgspec.Struct, frozen=True, array_like=True):
    """A poll's share of one shard. Every shard gets one of every poll, because the clock moves for all."""

    seq: int
    clock_ms: int
    arrivals: list[Arrival]


def decode_poll(poll: Poll, limits: Limits) -> DecodedPoll:
    """Every message ends as arrivals, refusals, or both."""
    arrivals: list[Arrival] = []
    refused: list[Refused] = []
    for topic, offset, clock_ms, message in map(_fields, poll.messages):
        for result in decode(message, limits):
            if isinstance(result, Item):
                arrivals.append(Arrival(clock_ms, topic, offset, result))
            else:
                refused.append(Refused(topic, offset, message.received_ms, result))
    return DecodedPoll(poll.partition, poll.seq, poll.clock_ms, arrivals, refused)


def shard_batches(decoded: DecodedPoll, shard_count: int) -> list[tuple[str, ShardBatch]]:
    """(shard key `<partition>-<shard>`, batch) for every shard of the partition."""
    shares: list[list[Arrival]] = [[] for _ in range(shard_count)]
    for arrival in decoded.arrivals:
        item = arrival.item
        shares[key_hash(item.app_id, item.session_id) % shard_count].append(arrival)
    return [
        (f"{decoded.partition}-{number:02d}", ShardBatch(decoded.seq, decoded.clock_ms, share))
        for number, share in enumerate(shares)
    ]


def _fields(received: Received) -> tuple[str, int, int, Message]:
    return received.topic, received.offset, received.clock_ms, received.message
