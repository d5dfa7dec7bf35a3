"""What the source needs of a broker: one reader's view of the topics. `flows/kafka_log.py` is the real one."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from operators.input.positions import Extent
from operators.input.receive_clock import Input


class Record(msgspec.Struct, frozen=True, gc=False):
    """One message. `stamp_ms`: epoch ms as it says, -1 when it says nothing; `value`: None is a tombstone.

    `headers`: never changed, messages with the same may share one.
    """

    topic: str
    partition: int
    offset: int
    stamp_ms: int
    headers: Mapping[str, bytes]  # names in lower case
    value: bytes | None


class End(msgspec.Struct, frozen=True):
    """A partition is read to its end: to this offset, whether or not messages fill all of the way."""

    topic: str
    partition: int
    offset: int


class Gone(msgspec.Struct, frozen=True):
    """The offset that was asked for is not, or no longer, on the broker."""

    topic: str
    partition: int


Event = Record | End | Gone


class TopicLog(Protocol):
    """Partitions of topics, read from given offsets on. Of one thread, except for `known_end`."""

    outages: int  # how often the broker was seen to be away

    def assign(self, positions: Mapping[Input, int]) -> None:
        """Read exactly these partitions from now on, each from its offset."""

    def poll(self, count: int) -> list[Event]:
        """What has come, up to `count` events, without waiting. Messages of a partition come in order.

        Raises SourceError for what will not get better.
        """

    def extent(self, place: Input) -> Extent | None:
        """First and next offset of a partition, asked now; None when the broker does not answer. May block for 5 s."""

    def known_end(self, place: Input) -> int | None:
        """The next offset of a partition as of the last fetch; None before. From any thread."""

    def commit(self, positions: Mapping[Input, int]) -> None:
        """Tell the group's offsets, for the tools that show lag; the job itself never reads them."""

    def close(self) -> None:
        """Read no more."""
