"""Which shard a session belongs to, and how a decoded poll is split among shards.

A shard is one part of the job's state and output. It is chosen by the session's id alone, so whatever partition, topic
or key a message had, everything of a session meets in one place. The hash is the one of Kafka's Java client: a topic
keyed by session id, with as many partitions as there are shards, then needs no crossing from process to process.
"""

from collections.abc import Sequence

import msgspec

from operators.arrivals import DecodedPoll, Refused
from operators.windows.tracker import Arrival

_KNOWN_MAX = 200_000  # shards of session ids that are remembered; some 20 MB
_SEED = 0x9747B28C
_MULTIPLIER = 0x5BD1E995
_MASK = 0xFFFFFFFF
_POSITIVE = 0x7FFFFFFF


def murmur2(key: bytes) -> int:
    """The 32-bit hash of Kafka's Java client (org.apache.kafka.common.utils.Utils.murmur2), as an unsigned number."""
    state = (_SEED ^ len(key)) & _MASK
    whole = len(key) & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(key[start : start + 4], "little") * _MULTIPLIER & _MASK
        word = (word ^ word >> 24) * _MULTIPLIER & _MASK
        state = state * _MULTIPLIER & _MASK ^ word
    if rest := key[whole:]:
        state = (state ^ int.from_bytes(rest, "little")) * _MULTIPLIER & _MASK
    state = (state ^ state >> 13) * _MULTIPLIER & _MASK
    return state ^ state >> 15


def shard_of(session_id: str, shards: int) -> int:
    """The number of a session's shard, from 0: the partition that Java's default partitioner chooses for the id."""
    return (murmur2(session_id.encode(errors="surrogatepass")) & _POSITIVE) % shards


class Spread:
    """Whether sessions come from other readers than their shard's own; once seen, it stays so. One object a process.

    While it is off, a shard follows the clock of its own reader alone; once on, that of the slowest reader.
    """

    def __init__(self) -> None:
        self.is_on = False

    def turn_on(self) -> None:
        self.is_on = True


class ShardBatch(msgspec.Struct, frozen=True, array_like=True):
    """What one reader has for one shard; without arrivals it only tells the reader's clock.

    `is_spread`: see `Spread`. `is_last`: the reader's input is bounded and read. `has_read`: it has read something, or
    there is nothing to read.
    """

    reader: str
    shard: str
    clock_ms: int
    is_spread: bool
    arrivals: list[Arrival]
    refused: list[Refused]
    is_last: bool
    skipped: dict[str, int] = {}
    has_read: bool = False

    def __reduce__(self) -> tuple[object, ...]:
        """For the way to another process: many small objects cross slowly, one large one well."""
        return decode_batch, (msgspec.msgpack.encode(self),)


def decode_batch(content: bytes) -> ShardBatch:
    """A batch that came from another process."""
    return _BATCH.decode(content)


_BATCH = msgspec.msgpack.Decoder(ShardBatch)


class Router:
    """Splits the polls of this process's readers. There are as many readers as shards, with the same names."""

    def __init__(self, names: Sequence[str], spread: Spread, *, is_bounded: bool) -> None:
        self._names = list(names)
        self._spread = spread
        self._is_bounded = is_bounded
        self._introduced: set[str] = set()  # readers of which every shard has heard once
        self._known: dict[str, int] = {}

    def __call__(self, poll: DecodedPoll) -> list[ShardBatch]:
        """One batch for the reader's own shard, and for the others where they have a use for it.

        What is refused or skipped belongs to no session for sure, so it stays with the reader's own shard.
        """
        own = self._names.index(poll.reader)
        is_first = _has_read(poll) and poll.reader not in self._introduced
        if is_first:
            self._introduced.add(poll.reader)
        shares = self._shares(own, poll.arrivals)
        if shares is None:
            return [self._batch(poll, own, poll.arrivals)] + [
                self._batch(poll, other, [])
                for other in range(len(self._names))
                if other != own and (self._spread.is_on or is_first or (poll.is_last and self._is_bounded))
            ]
        self._spread.turn_on()
        return [self._batch(poll, shard, shares.get(shard, [])) for shard in range(len(self._names))]

    def _shares(self, own: int, arrivals: Sequence[Arrival]) -> dict[int, list[Arrival]] | None:
        """Arrivals by shard; None when all are of the reader's own."""
        if len(self._names) == 1:
            return None
        shards = {session_id: self._shard(session_id) for session_id in {one.item.session_id for one in arrivals}}
        if all(shard == own for shard in shards.values()):
            return None
        shares: dict[int, list[Arrival]] = {}
        for one in arrivals:
            shares.setdefault(shards[one.item.session_id], []).append(one)
        return shares

    def _shard(self, session_id: str) -> int:
        known = self._known.get(session_id)
        if known is None:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            known = self._known[session_id] = shard_of(session_id, len(self._names))
        return known

    def _batch(self, poll: DecodedPoll, shard: int, arrivals: list[Arrival]) -> ShardBatch:
        name = self._names[shard]
        is_own = name == poll.reader
        return ShardBatch(
            poll.reader,
            name,
            poll.clock_ms,
            self._spread.is_on,
            arrivals,
            poll.refused if is_own else [],
            poll.is_last,
            poll.skipped if is_own else {},
            _has_read(poll),
        )


def _has_read(poll: DecodedPoll) -> bool:
    return bool(poll.arrivals or poll.refused or poll.skipped) or poll.is_at_end or poll.is_last
