"""The in-memory twin of a broker and of `flows/kafka_log.py`; tests/contract/test_logs.py holds both to one suite."""

from collections.abc import Mapping

import msgspec

from flows.broker import TopicFacts
from flows.topic_log import End, Event, Gone, Record
from operators.input.positions import Extent
from operators.input.receive_clock import Input


class Entry(msgspec.Struct, frozen=True):
    """A message; or, without `record`, the marker that ends a transaction."""

    offset: int
    record: Record | None


class MemoryBroker:
    """Topics in memory. Not thread-safe."""

    def __init__(self) -> None:
        self.is_away = False
        self.leaderless: set[Input] = set()
        self.committed: dict[Input, int] = {}
        self._ids: dict[str, str] = {}
        self._partitions: dict[str, int] = {}
        self._entries: dict[Input, list[Entry]] = {}
        self._next: dict[Input, int] = {}
        self._made = 0

    def create_topic(self, name: str, partitions: int) -> None:
        """Also again, after `delete_topic`."""
        self._made += 1
        self._ids[name] = f"id-{self._made}"
        self._partitions[name] = 0
        self.add_partitions(name, partitions)

    def delete_topic(self, name: str) -> None:
        for place in [one for one in self._entries if one[0] == name]:
            del self._entries[place], self._next[place]
        del self._ids[name], self._partitions[name]

    def add_partitions(self, name: str, total: int) -> None:
        for number in range(self._partitions[name], total):
            self._entries[name, number], self._next[name, number] = [], 0
        self._partitions[name] = total

    def send(self, place: Input, value: bytes | None, stamp_ms: int, headers: dict[str, bytes] | None = None) -> None:
        self._append(place, Record(*place, self._next[place], stamp_ms, headers or {}, value))

    def end_transaction(self, place: Input) -> None:
        """A marker, which takes an offset and is no message."""
        self._append(place, None)

    def delete_before(self, place: Input, offset: int) -> None:
        """As retention does."""
        self._entries[place] = [entry for entry in self._entries[place] if entry.offset >= offset]

    def facts(self) -> dict[str, TopicFacts]:
        return {
            name: TopicFacts(name, self._ids[name], tuple(range(count))) for name, count in self._partitions.items()
        }

    def extent(self, place: Input) -> Extent | None:
        if self.is_away or place in self.leaderless or place not in self._entries:
            return None
        entries, end = self._entries[place], self._next[place]
        return Extent(entries[0].offset if entries else end, end)

    def read(self, place: Input, offset: int) -> list[Entry]:
        return [entry for entry in self._entries.get(place, []) if entry.offset >= offset]

    def _append(self, place: Input, record: Record | None) -> None:
        self._entries[place].append(Entry(self._next[place], record))
        self._next[place] += 1


class MemoryLog:
    """One reader's view of a `MemoryBroker`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.outages = 0
        self._broker = broker
        self._positions: dict[Input, int] = {}
        self._told_end: set[Input] = set()

    def assign(self, positions: Mapping[Input, int]) -> None:
        self._positions = dict(positions)
        self._told_end = set()

    def poll(self, count: int) -> list[Event]:
        if self._broker.is_away:
            self.outages += 1
            return []
        found: list[Event] = []
        for place in self._positions:
            found += self._of(place, count - len(found))
        return found

    def extent(self, place: Input) -> Extent | None:
        return self._broker.extent(place)

    def known_end(self, place: Input) -> int | None:
        extent = self._broker.extent(place)
        return None if extent is None else extent.high

    def commit(self, positions: Mapping[Input, int]) -> None:
        self._broker.committed |= positions

    def close(self) -> None:
        self._positions = {}

    def _of(self, place: Input, count: int) -> list[Event]:
        extent = self._broker.extent(place)
        if extent is None or count <= 0:
            return []
        if not extent.low <= self._positions[place] <= extent.high:
            return [Gone(*place)]
        found: list[Event] = []
        for entry in self._broker.read(place, self._positions[place])[:count]:
            self._positions[place] = entry.offset + 1
            self._told_end.discard(place)
            if entry.record is not None:
                found.append(entry.record)
        if self._positions[place] == extent.high and place not in self._told_end:
            self._told_end.add(place)
            found.append(End(*place, extent.high))
        return found
