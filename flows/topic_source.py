"""The source: a fixed number of readers over whatever partitions the topics have, each with its clock.

Reader k of n reads the partitions k, k + n, k + 2n, … of every topic. So the parts that the engine knows never change,
partitions may come and go, and with as many readers as partitions each reads one.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.broker import SourceError
from flows.logs import LOGGER
from flows.machine_clock import MachineClock
from flows.seldom import Seldom
from flows.stopping import STOP, stop_requested
from flows.topic_log import Gone, Record, TopicLog
from flows.topics import Topics
from operators.arrivals import Poll, Received
from operators.input.positions import Extent, Loss, OnLost, after_loss, go_on, refused
from operators.input.receive_clock import ClockRules, Input, ReceiveClock, StampFault
from operators.input.waits import Waits
from operators.wire.message import Message

_IDLE_WAIT = timedelta(milliseconds=50)
_BUSY_SECONDS = 0.001  # so soon after a poll with messages there are more
_AGAIN_SECONDS = 1.0  # a partition that was just added may have no leader yet
_PATIENCE_SECONDS = 15.0
_TICK_SECONDS = 0.5  # an idle reader moves its clock this often
_AWAY_SECONDS = 10.0  # the engine was elsewhere for so long, as with a store that is away: no partition was silent
_KINDS_KEPT = 64  # texts of the header `type`
_STATE_VERSION = 2  # 1 was of one partition number of every topic

_log = logging.getLogger(LOGGER)


class Begin(msgspec.Struct, frozen=True):
    """Where the first start decided to begin a partition, and the id that its topic had."""

    offset: int
    topic_id: str | None = None


class SourceOptions(msgspec.Struct, frozen=True):
    """How to read. `begin`: where partitions begin, if not at their beginning; `end_offsets`: of a bounded run."""

    poll_messages: int
    clock: ClockRules
    on_lost: OnLost
    begin: Mapping[Input, Begin] = {}
    end_offsets: Mapping[Input, int] | None = None
    is_cluster: bool = False  # a stop must then wait for one more epoch, see `Reader`


class SourceWatch(msgspec.Struct, frozen=True):
    """Who is told of a reader: when it is built, how long an epoch took, how long its commit took (seconds)."""

    built: "Callable[[Reader], None]"
    epoch: Callable[[float], None]
    commit: Callable[[float], None]


class _MessageHeaders(msgspec.Struct, frozen=True):
    """Headers as a message has them."""

    headers: Mapping[str, bytes]
    type: str | None
    others: dict[str, bytes]


class TopicSource(FixedPartitionedSource[Poll, bytes]):
    """All readers of the topics; `open_log` makes the view of one."""

    def __init__(  # noqa: PLR0913 - what a reader is made of
        self,
        options: SourceOptions,
        readers: Sequence[str],
        topics: Topics,
        open_log: Callable[[], TopicLog],
        clock: MachineClock,
        watch: SourceWatch,
    ) -> None:
        self._options = options
        self._readers = list(readers)
        self._topics = topics
        self._open_log = open_log
        self._clock = clock
        self._watch = watch
        self._seldom = Seldom()

    def list_parts(self) -> list[str]:
        return self._readers

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> "Reader":
        share = self._readers.index(for_part), len(self._readers)
        log = self._open_log()
        reader = Reader(
            self._options, for_part, share, self._topics, log, resume_state, self._clock, self._watch, self._seldom
        )
        self._watch.built(reader)
        self._topics.watch()
        return reader


class _Place(msgspec.Struct, array_like=True):
    """A partition in the state: the next offset, the running maximum of its stamps."""

    topic: str
    topic_id: str | None
    partition: int
    position: int
    head_ms: int


class _State(msgspec.Struct, array_like=True):
    version: int
    clock_ms: int
    places: list[_Place]


class Reader(StatefulSourcePartition[Poll, bytes]):
    """One reader. Its state: clock, and of each partition the topic's id, the next offset, the clock's share.

    A stop ends the input at once in a single process, which publishes its last epoch after the engine has ended. In a
    cluster a process cannot know that the others have committed, so there the input goes on without messages into one
    more epoch, whose beginning publishes the last one.
    """

    def __init__(  # noqa: PLR0913 - what a reader is made of
        self,
        options: SourceOptions,
        name: str,
        share: tuple[int, int],
        topics: Topics,
        log: TopicLog,
        resume_state: bytes | None,
        clock: MachineClock,
        watch: SourceWatch,
        seldom: Seldom,
    ) -> None:
        self.name = name
        self._options = options
        self._share = share
        self._topics = topics
        self._log = log
        self._machine = clock
        self._watch = watch
        # For metrics: totals since the start, monotonic times, a Unix time (0.0 is never).
        self.messages, self.message_bytes, self.tombstones, self.corrections = 0, 0, 0, 0
        self.replaced_stamps: dict[str, int] = {}
        self.looked_at, self.committed_at, self.committed_unix = time.monotonic(), 0.0, 0.0
        self._epochs = 0
        self._stop_epoch: int | None = None  # the one in which a stop was first seen
        self._is_last_poll_sent = False
        self._epoch_began = time.monotonic()
        self._snapshot_at: float | None = None
        self._last_poll_at = 0.0
        self._seen_outages = 0
        self._seldom = seldom
        self._look_again_at: float | None = None
        self._waits = Waits()
        self._looked_until = time.monotonic()
        self._positions: dict[Input, int] = {}
        self._highs: dict[Input, int] = {}  # where a partition ended when it was taken up
        self._ends: dict[Input, int] = {}  # how far a partition was found to reach without more messages
        self._left: list[_Place] = []  # of topics that are no longer in kafka.topics, in case they are again
        self._committing: dict[Input, int] = {}
        self._committed: dict[Input, int] = {}
        saved = _restored(resume_state)
        self._headers = _read_headers({})
        self._clock = ReceiveClock(options.clock, saved.clock_ms)
        self._ids: dict[str, str | None] = {place.topic: place.topic_id for place in saved.places}
        for place in saved.places:
            self._clock.add((place.topic, place.partition), place.head_ms)
            self._positions[place.topic, place.partition] = place.position
        if options.end_offsets is None:
            self._put_right(self._machine.now_ms())
        self._seen_version = topics.version
        with self._telling():
            self._follow_topics(is_first=True)

    @property
    def clock_ms(self) -> int:
        """The receive clock, epoch ms."""
        return self._clock.clock_ms

    def next_batch(self) -> list[Poll]:
        away_seconds = time.monotonic() - self._looked_until
        if away_seconds > _AWAY_SECONDS:
            self._waits.pause(away_seconds)
        try:
            with self._telling():
                return self._next()
        finally:
            self._looked_until = time.monotonic()

    def _next(self) -> list[Poll]:
        self._note_look()
        if self._is_past_end():
            return self._drain()
        if stop_requested():
            return self._last_polls()
        if self._seen_version != self._topics.version or time.monotonic() > (self._look_again_at or math.inf):
            self._seen_version = self._topics.version
            self._follow_topics(is_first=False)
        wall_ms = self._machine.now_ms()
        received = self._read(wall_ms)
        if received or not self._clock.is_at_end():  # the wall clock does not lead, so nobody needs to be asked
            for place in self._positions:
                self._waits.answered(place)
        if not received:
            if time.monotonic() - self._last_poll_at < _TICK_SECONDS:
                return []
            self._follow_wall_clock(wall_ms)
        self._last_poll_at = time.monotonic()
        return [Poll(self.name, self.clock_ms, received, is_at_end=self._clock.is_at_end())]

    def next_awake(self) -> datetime | None:
        if time.monotonic() - self._last_poll_at < _BUSY_SECONDS:
            return None
        return datetime.now(UTC) + _IDLE_WAIT

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """In a cluster the engine complains of the process that ends, and that may be all that is seen."""
        try:
            yield
        except SourceError as error:
            if self._options.is_cluster:
                _log.error("%s", error)
            raise

    def snapshot(self) -> bytes:
        # Called once at the end of each epoch: what is read from here on belongs to the next one.
        self._epochs += 1
        self._snapshot_at = time.monotonic()
        self._watch.epoch(self._snapshot_at - self._epoch_began)
        self._committing = self._reached()
        places = [self._saved_place(place, position) for place, position in self._positions.items()]
        return msgspec.msgpack.encode(_State(_STATE_VERSION, self.clock_ms, places + self._left))

    def _saved_place(self, place: Input, position: int) -> _Place:
        return _Place(place[0], self._ids.get(place[0]), place[1], position, self._clock.heads[place])

    def close(self) -> None:
        self._log.close()

    def lags(self) -> dict[Input, int]:
        """Messages not read yet, by partition, as of the last fetch. From any thread."""
        found = {}
        for place, position in self._reached().items():
            high = self._log.known_end(place) or self._highs.get(place)  # where nothing was fetched: as it was found
            if high is not None or place in self._ends:
                found[place] = max(0, (high or 0) - position)
        return found

    def waits(self) -> dict[Input, float]:
        """Seconds for which a partition that is behind has brought nothing, or nobody has answered for it.

        From any thread.
        """
        return self._waits.seconds(self._looked_until)

    def _reached(self) -> dict[Input, int]:
        """How far each partition is read: markers of transactions take offsets too, and never come as messages."""
        return {place: max(offset, self._ends.get(place, 0)) for place, offset in list(self._positions.items())}

    def _note_look(self) -> None:
        self.looked_at = time.monotonic()
        if self._snapshot_at is not None:  # the engine asks for input again, so the last epoch is committed
            self._watch.commit(self.looked_at - self._snapshot_at)
            self.committed_at, self.committed_unix = self.looked_at, time.time()
            self._epoch_began, self._snapshot_at = self.looked_at, None
            if self._options.end_offsets is None:
                moved = {one: at for one, at in self._committing.items() if self._committed.get(one) != at and at > 0}
                self._log.commit(moved)
                self._committed |= moved

    def _read(self, wall_ms: int) -> list[Received]:
        received: list[Received] = []
        now = time.monotonic()
        last: Input | None = None
        for event in self._log.poll(self._options.poll_messages):
            place = event.topic, event.partition
            if place not in self._positions:
                continue  # of an assignment before
            if isinstance(event, Record):
                if place != last:
                    self._waits.came(place, now)
                    last = place
                one = self._receive(event, place, wall_ms)
                if one is not None:
                    received.append(one)
                continue
            last = None
            if isinstance(event, Gone):
                self._handle_gone(place)
            else:
                self._ends[place] = event.offset
                # What has no messages (markers, what was aborted) is passed too: once retention deletes it, nothing
                # that was unread is gone.
                self._positions[place] = max(self._positions[place], event.offset)
                self._clock.end(place)
                self._waits.ended(place)
        return received

    def _receive(self, record: Record, place: Input, wall_ms: int) -> Received | None:
        offset, value, headers, clock = record.offset, record.value, record.headers, self._clock
        ends = self._options.end_offsets
        if ends is not None and offset >= (end := ends.get(place, 0)):
            self._ends[place] = end
            return None
        if offset < self._positions[place]:
            return None  # a broker may send a batch again after a reconnect
        self._positions[place] = offset + 1
        stamp = clock.stamp(place, record.stamp_ms, wall_ms)
        if stamp.fault is not None:
            self._tell_stamp(record, stamp.fault)
        self.messages += 1
        if value is None:
            self.tombstones += 1
            return None
        self.message_bytes += len(value)
        known = self._headers
        if headers is not known.headers:
            known = self._headers = _read_headers(headers)
        body = Message(known.type, known.others, value, stamp.received_ms)
        return Received(record.topic, record.partition, offset, clock.clock_ms, body)

    def _tell_stamp(self, record: Record, fault: StampFault) -> None:
        self.replaced_stamps[fault] = self.replaced_stamps.get(fault, 0) + 1
        if self._seldom.may("stamps"):
            _log.warning(
                "a timestamp cannot be (%s: %s), the message counts as received now: topic %s, partition %d, offset %d",
                fault, record.stamp_ms, record.topic, record.partition, record.offset,
            )  # fmt: skip

    def _follow_topics(self, *, is_first: bool) -> None:
        """Take up the partitions of this reader's share that are new; see that the known ones are still the same."""
        mine, of = self._share
        before = dict(self._positions)
        self._look_again_at = None
        facts = self._topics.facts
        for topic, known in facts.items():
            is_other = self._is_other(self._ids.get(topic), known.topic_id)
            wanted = {(topic, number) for number in known.partitions if number % of == mine}
            for place in [one for one in self._positions if one[0] == topic and one not in wanted]:
                self._lose(place, Loss(f"the topic has no such partition any more, the state is at offset "
                                       f"{self._positions[place]} of it"), None)  # fmt: skip
            for place in sorted(wanted):
                if is_first or is_other or place not in self._positions:
                    extent = self._extent(place, is_first=is_first)
                    if extent is None:
                        self._look_again_at = time.monotonic() + _AGAIN_SECONDS
                        self._waits.unanswered(place, time.monotonic())
                    else:
                        self._waits.answered(place)
                        self._take_up(place, known.topic_id, extent, is_other_topic=is_other)
            if self._look_again_at is None or not is_other:
                self._ids[topic] = known.topic_id if known.topic_id is not None else self._ids.get(topic)
        for place in [one for one in self._positions if one[0] not in facts]:
            self._left.append(self._saved_place(place, self._positions[place]))
            self._forget(place)
        if is_first or self._positions != before:
            self._assign()

    def _assign(self) -> None:
        ended = {} if self._options.end_offsets is None else self._ends
        assigned = {place: at for place, at in self._positions.items() if place not in ended}
        for place in assigned:
            self._waits.expect(place, time.monotonic())
        self._log.assign(assigned)

    def _extent(self, place: Input, *, is_first: bool) -> Extent | None:
        """What the broker has of a partition; a job that starts waits for it. Raises SourceError."""
        patience = time.monotonic() + (_PATIENCE_SECONDS if is_first else 0.0)
        while (extent := self._log.extent(place)) is None and is_first:
            if time.monotonic() > patience:
                raise SourceError(f"kafka.bootstrap: no answer about partition {place[1]} of topic {place[0]!r}")
            STOP.wait(_AGAIN_SECONDS)
        return extent

    def _take_up(self, place: Input, topic_id: str | None, extent: Extent, *, is_other_topic: bool) -> None:
        saved = self._positions.get(place)
        self._highs[place] = extent.high
        begin = self._options.begin.get(place) if saved is None else None
        if begin is not None:
            saved, is_other_topic = begin.offset, self._is_other(begin.topic_id, topic_id)
        loss = go_on(saved, extent, is_other_topic=is_other_topic) if saved is not None else None
        if loss is not None and self._options.end_offsets is None:
            self._lose(place, loss, extent)
            return
        if place not in self._clock.heads:
            self._clock.add(place)
        self._positions[place] = extent.low if saved is None else max(saved, extent.low)
        if self._options.end_offsets is not None and self._positions[place] > extent.high:
            self._ends[place] = self._positions[place]  # shorter than where the range begins: nothing to read

    def _handle_gone(self, place: Input) -> None:
        """The broker does not have the next offset any more."""
        extent = self._log.extent(place)
        if extent is not None:  # else it will be refused again
            self._lose(place, refused(self._positions[place], extent), extent)
        self._assign()

    def _lose(self, place: Input, loss: Loss, extent: Extent | None) -> None:
        """Do as was decided about unread messages that are gone. Raises SourceError when nobody has decided."""
        topic, number = place
        text = f"topic {topic!r} partition {number}: {loss.detail}"
        policy = self._options.on_lost
        if policy is OnLost.STOP:
            raise SourceError(
                f"{text}. Nothing was skipped. Choose where to go on, with `replaylake run --on-lost-offsets earliest` "
                "(the oldest message that is there) or `latest` (what comes from now on), see 'Lost offsets' in "
                "docs/operations.md"
            )
        goal = after_loss(policy, extent) if extent is not None else None
        _log.warning("%s; going on %s", text, "without it" if goal is None else f"at offset {goal} ({policy})")
        self._forget(place)
        if goal is not None:
            self._clock.add(place)
            self._positions[place] = goal

    def _forget(self, place: Input) -> None:
        self._clock.remove(place)
        self._waits.ended(place)
        for known in (self._positions, self._highs, self._ends, self._committed):
            known.pop(place, None)

    @staticmethod
    def _is_other(before: str | None, now: str | None) -> bool:
        return before is not None and now is not None and before != now

    def _follow_wall_clock(self, wall_ms: int) -> None:
        """Let the sessions of silent partitions close, once the broker confirms that nothing is left to read."""
        if self._options.end_offsets is not None:
            return
        self._put_right(wall_ms)
        if self._log.outages != self._seen_outages:
            self._seen_outages = self._log.outages
            self._clock.outage(wall_ms)
            for place in self._positions:
                self._waits.unanswered(place, time.monotonic())
        if self._clock.may_follow(wall_ms) and self._is_at_end(wall_ms):
            self._clock.follow(wall_ms)

    def _put_right(self, wall_ms: int) -> None:
        ahead_ms = self.clock_ms - wall_ms
        if self._clock.put_right(wall_ms):
            self.corrections += 1
            _log.warning(
                "reader %s: the receive clock was %.0f s ahead of this machine's clock and is put right",
                self.name, ahead_ms / 1000,
            )  # fmt: skip

    def _is_at_end(self, wall_ms: int) -> bool:
        for place, position in self._reached().items():
            extent = self._log.extent(place)
            if extent is None:
                self._clock.outage(wall_ms)
                self._waits.unanswered(place, time.monotonic())
                return False
            self._waits.answered(place)
            if extent.high > position:
                self._waits.expect(place, time.monotonic())
                return False
        return True

    def _drain(self) -> list[Poll]:
        """The bounded range is read: one poll that says so, then the end."""
        if self._is_last_poll_sent:
            raise StopIteration
        self._is_last_poll_sent = True
        return [Poll(self.name, self.clock_ms, [], is_last=True)]

    def _last_polls(self) -> list[Poll]:
        """Polls without messages until an epoch has ended, then one that belongs to the next."""
        if self._options.end_offsets is not None:
            raise InterruptedError("stopped before the end: nothing was published; run it again")
        if not self._options.is_cluster or self._is_last_poll_sent:
            raise StopIteration
        if time.monotonic() - self._last_poll_at < _TICK_SECONDS:
            return []
        self._last_poll_at = time.monotonic()
        if self._stop_epoch is None:
            self._stop_epoch = self._epochs
        self._is_last_poll_sent = self._epochs > self._stop_epoch
        return [Poll(self.name, self.clock_ms, [])]

    def _is_past_end(self) -> bool:
        ends = self._options.end_offsets
        if ends is None:
            return False
        return all(place in self._ends or at >= ends.get(place, 0) for place, at in self._positions.items())


def _read_headers(headers: Mapping[str, bytes]) -> _MessageHeaders:
    kind = headers.get("type")
    others = {name: value for name, value in headers.items() if name != "type"}
    return _MessageHeaders(headers, _text(kind) if kind else None, others)


@lru_cache(_KINDS_KEPT)
def _text(kind: bytes) -> str:
    return kind.decode(errors="replace")


def _restored(state: bytes | None) -> _State:
    if state is None:
        return _State(_STATE_VERSION, 0, [])
    saved = msgspec.msgpack.decode(state, type=_State)
    if saved.version != _STATE_VERSION:
        raise SourceError(f"source state has version {saved.version}, this release reads {_STATE_VERSION}")
    return saved
