"""The readers over a broker in memory: what of the topics is read, from where, and what is refused."""

import time

import pytest

from flows.broker import SourceError, TopicFacts
from flows.machine_clock import MachineClock
from flows.seldom import Seldom
from flows.topic_source import Begin, Reader, SourceOptions, SourceWatch
from flows.topics import Topics
from operators.input.positions import OnLost
from operators.input.receive_clock import ClockRules, Input
from tests.contract.memory_log import MemoryBroker, MemoryLog

NOW_MS = 1_795_000_000_000
RULES = ClockRules(ahead_ms=120_000, margin_ms=5_000, outage_hold_ms=60_000)
RUM = "rum"


class Clock(MachineClock):
    """A machine whose clock is set by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.ms = NOW_MS

    def now_ms(self) -> int:
        return self.ms


class Job:
    """The readers of a job as the engine drives them: polls, epochs, restarts from what an epoch has saved."""

    def __init__(self, broker: MemoryBroker, readers: int = 1, **options: object) -> None:
        self.broker = broker
        self.clock = Clock()
        self.names = [f"{number:04d}" for number in range(readers)]
        self.options = {"on_lost": OnLost.STOP, "begin": {}} | options
        self.topics = Topics(broker.facts())
        self.read: list[tuple[str, int, int]] = []
        self.saved: list[bytes | None] = [None] * readers
        self.start()

    def start(self, **options: object) -> None:
        """Also again: from the last epoch, with what the broker has by now."""
        self.options |= options
        self.topics = Topics(self.broker.facts())
        watch = SourceWatch(lambda _: None, lambda _: None, lambda _: None)
        made = SourceOptions(poll_messages=100, clock=RULES, **self.options)  # type: ignore[arg-type]
        self.readers = [
            Reader(
                made,
                name,
                (number, len(self.names)),
                self.topics,
                MemoryLog(self.broker),
                saved,
                self.clock,
                watch,
                Seldom(),
            )
            for number, (name, saved) in enumerate(zip(self.names, self.saved, strict=True))
        ]

    def look(self, facts: dict[str, TopicFacts] | None = None) -> None:
        """As the thread that looks at the topics does."""
        self.topics.refresh(facts or self.broker.facts())

    def poll(self) -> list[tuple[str, int, int]]:
        """What has come since the last call: (topic, partition, offset)."""
        found = []
        for reader in self.readers:
            for _ in range(3):
                for poll in reader.next_batch():
                    found += [(one.topic, one.partition, one.offset) for one in poll.messages]
        self.read += found
        return found

    def epoch(self) -> None:
        self.poll()
        self.saved = [reader.snapshot() for reader in self.readers]
        self.poll()  # the engine asks again, so the epoch is committed

    def idle(self) -> None:
        """Long enough for a look at the wall clock."""
        for reader in self.readers:
            reader._last_poll_at = 0.0
            reader.next_batch()

    def clocks(self) -> list[int]:
        return [reader.clock_ms for reader in self.readers]

    def lag(self) -> int:
        return sum(sum(reader.lags().values()) for reader in self.readers)


def broker_with(partitions: int, messages: int = 0) -> MemoryBroker:
    broker = MemoryBroker()
    broker.create_topic(RUM, partitions)
    for number in range(partitions):
        send(broker, number, messages)
    return broker


def send(broker: MemoryBroker, partition: int, count: int = 1, stamp_ms: int = NOW_MS - 1000, topic: str = RUM) -> None:
    for _ in range(count):
        broker.send((topic, partition), b"{}", stamp_ms)


def test_every_partition_has_one_reader_whatever_their_numbers() -> None:
    for partitions in (1, 2, 3, 5, 8):
        job = Job(broker_with(partitions, 2), readers=3)
        assert sorted(job.poll()) == [(RUM, number, offset) for number in range(partitions) for offset in range(2)]


def test_topics_may_have_other_numbers_of_partitions() -> None:
    broker = broker_with(3, 1)
    broker.create_topic("replay", 5)
    for number in range(5):
        send(broker, number, topic="replay")
    assert len(Job(broker, readers=5).poll()) == 8


def test_a_restart_goes_on_behind_what_the_last_epoch_has_read() -> None:
    job = Job(broker_with(2, 3), readers=2)
    job.epoch()
    send(job.broker, 1, 2)
    job.poll()  # of an epoch that was never committed
    job.start()
    assert job.poll() == [(RUM, 1, 3), (RUM, 1, 4)]


def test_where_the_first_start_decided_to_begin_holds_after_a_restart() -> None:
    """`latest` means what was the end then; a partition that had nothing to read does not ask again."""
    broker = broker_with(2, 3)
    begin: dict[Input, Begin] = {(RUM, 0): Begin(3, "id-1"), (RUM, 1): Begin(3, "id-1")}
    job = Job(broker, readers=2, begin=begin)
    send(broker, 0)
    job.epoch()
    send(broker, 1, 2)
    job.start()
    assert job.poll() == [(RUM, 1, 3), (RUM, 1, 4)]


@pytest.mark.parametrize("is_running", [True, False])
def test_partitions_that_are_added_are_read_from_their_beginning(is_running: bool) -> None:  # noqa: FBT001 - a case
    broker = broker_with(2, 1)
    begin: dict[Input, Begin] = {(RUM, 0): Begin(1, "id-1"), (RUM, 1): Begin(1, "id-1")}  # as for latest
    job = Job(broker, readers=2, begin=begin)
    job.epoch()
    broker.add_partitions(RUM, 5)
    for number in range(2, 5):
        send(broker, number)
    if is_running:
        job.look()
    else:
        job.start()
    assert sorted(job.poll()) == [(RUM, 2, 0), (RUM, 3, 0), (RUM, 4, 0)]
    send(broker, 0)
    assert job.poll() == [(RUM, 0, 1)]


def test_the_end_of_a_transaction_lets_the_wall_clock_lead_and_is_no_lag() -> None:
    broker = broker_with(1, 2)
    broker.end_transaction((RUM, 0))
    job = Job(broker)
    job.epoch()
    assert job.lag() == 0
    job.clock.ms += 60_000
    job.idle()
    assert job.clocks() == [NOW_MS + 60_000 - RULES.margin_ms]
    assert broker.committed == {(RUM, 0): 3}


def test_retention_of_what_never_was_a_message_is_no_loss() -> None:
    """Markers and what was aborted at the end of a partition, deleted later."""
    broker = broker_with(1, 2)
    for _ in range(3):
        broker.end_transaction((RUM, 0))
    job = Job(broker)
    job.epoch()
    broker.delete_before((RUM, 0), 5)
    job.start()
    send(broker, 0)
    assert job.poll() == [(RUM, 0, 5)]


def test_a_range_may_begin_behind_the_end_of_a_partition() -> None:
    broker = broker_with(2, 2)
    send(broker, 0, 6)
    begin, ends = (dict.fromkeys(((RUM, 0), (RUM, 1)), one) for one in (Begin(4), 6))
    job = Job(broker, begin=begin, end_offsets=ends)
    [reader] = job.readers
    polls = reader.next_batch() + reader.next_batch()
    assert [(one.partition, one.offset) for poll in polls for one in poll.messages] == [(0, 4), (0, 5)]
    assert [poll.is_last for poll in polls] == [False, True]


def test_what_is_not_read_yet_holds_the_clock() -> None:
    broker = broker_with(1, 2)
    job = Job(broker)
    job.poll()
    send(broker, 0, stamp_ms=NOW_MS - 900)
    job.readers[0]._last_poll_at = 0.0
    job.readers[0]._follow_wall_clock(NOW_MS)
    assert job.clocks() == [NOW_MS - 1000]


@pytest.mark.parametrize("messages", [1, 10], ids=["shorter", "longer"])
@pytest.mark.parametrize("is_running", [True, False])
def test_a_topic_that_was_made_again_stops_the_job(messages: int, is_running: bool) -> None:  # noqa: FBT001 - a case
    job = Job(broker_with(1, 5))
    job.epoch()
    again(job.broker, messages)
    job.look()
    with pytest.raises(SourceError, match=r"partition 0: the topic was deleted and made again.*on-lost-offsets"):
        job.poll() if is_running else job.start()


@pytest.mark.parametrize("messages", [1, 10], ids=["shorter", "longer"])
@pytest.mark.parametrize("is_running", [True, False])
def test_a_topic_made_again_is_read_from_where_it_was_told(messages: int, is_running: bool) -> None:  # noqa: FBT001
    for policy, expected in ((OnLost.EARLIEST, messages), (OnLost.LATEST, 0)):
        job = Job(broker_with(1, 5), on_lost=policy)
        job.epoch()
        again(job.broker, messages)
        if is_running:
            job.look()
        else:
            job.start()
        assert len(job.poll()) == expected
        send(job.broker, 0, 2)
        assert len(job.poll()) == 2
        job.epoch()
        job.start(on_lost=OnLost.STOP)  # the option is taken away, and all is as ever
        send(job.broker, 0)
        assert len(job.poll()) == 1


def again(broker: MemoryBroker, messages: int) -> None:
    broker.delete_topic(RUM)
    broker.create_topic(RUM, 1)
    send(broker, 0, messages)


@pytest.mark.parametrize("is_running", [True, False])
def test_messages_deleted_before_they_were_read_stop_the_job_or_not(is_running: bool) -> None:  # noqa: FBT001 - a case
    for policy in OnLost:
        job = Job(broker_with(1, 2), on_lost=policy)
        job.epoch()
        send(job.broker, 0, 5)
        job.broker.delete_before((RUM, 0), 4)
        send(job.broker, 0, 1)
        if policy is OnLost.STOP:
            with pytest.raises(SourceError, match="2 messages from offset 2 on were deleted"):
                job.poll() if is_running else job.start()
            continue
        if not is_running:
            job.start()
        job.poll()
        assert job.poll() == []
        expected = [4, 5, 6, 7] if policy is OnLost.EARLIEST else []
        assert [offset for _, _, offset in job.read[2:]] == expected


def test_fewer_partitions_than_the_state_knows_are_a_loss() -> None:
    job = Job(broker_with(4, 1), readers=4)
    job.epoch()
    job.broker.delete_topic(RUM)
    job.broker.create_topic(RUM, 2)
    with pytest.raises(SourceError, match=r"topic 'rum' partition \d"):
        job.start()
    send(job.broker, 1)
    job.start(on_lost=OnLost.EARLIEST)
    assert job.poll() == [(RUM, 1, 0)]


def test_a_topic_that_is_no_longer_read_is_forgotten() -> None:
    broker = broker_with(1, 1)
    broker.create_topic("old", 1)
    send(broker, 0, topic="old")
    job = Job(broker)
    job.epoch()
    broker.delete_topic("old")
    job.start()
    send(broker, 0)
    assert job.poll() == [(RUM, 0, 1)]


def test_a_topic_that_is_read_again_goes_on_where_it_was_left() -> None:
    """Also when several epochs and starts were between."""
    broker = broker_with(1, 1)
    broker.create_topic("old", 1)
    send(broker, 0, 3, topic="old")
    job = Job(broker)
    job.epoch()
    both, facts = broker.facts, {RUM: broker.facts()[RUM]}
    broker.facts = lambda: facts  # type: ignore[method-assign]
    for _ in range(2):
        job.start()
        send(broker, 0)
        job.epoch()
    send(broker, 0, topic="old")
    broker.facts = both  # type: ignore[method-assign]
    job.start()
    assert job.poll() == [("old", 0, 3)]


def test_tombstones_are_counted_and_not_decoded() -> None:
    broker = broker_with(1)
    broker.send((RUM, 0), None, NOW_MS)
    broker.send((RUM, 0), b"{}", NOW_MS)
    job = Job(broker)
    assert job.poll() == [(RUM, 0, 1)]
    assert job.readers[0].tombstones == 1


def test_stamps_that_cannot_be_are_counted_by_reason() -> None:
    broker = broker_with(1, 1)
    for stamp_ms in (0, -1, NOW_MS + 86_400_000, NOW_MS // 1000):
        send(broker, 0, stamp_ms=stamp_ms)
    job = Job(broker)
    job.poll()
    assert job.readers[0].replaced_stamps == {"too_old": 2, "missing": 1, "ahead": 1}
    assert job.clocks() == [NOW_MS - 1000]


def test_a_saved_clock_that_is_ahead_is_put_right_at_the_start() -> None:
    """As after a run on a machine whose clock was ten hours ahead."""
    job = Job(broker_with(1, 1))
    job.clock.ms = NOW_MS + 36_000_000
    job.poll()
    job.idle()
    job.epoch()
    assert job.clocks()[0] > NOW_MS + 30_000_000
    job.clock.ms = NOW_MS
    job.start()
    assert job.clocks() == [NOW_MS]
    assert job.readers[0].corrections == 1


def test_a_clock_that_is_set_back_under_a_running_job_is_followed() -> None:
    job = Job(broker_with(1, 1))
    job.poll()
    job.idle()
    job.clock.ms = NOW_MS - 3_600_000
    job.idle()
    assert job.clocks()[0] <= NOW_MS - 3_600_000


def test_a_partition_that_was_added_waits_for_its_leader() -> None:
    broker = broker_with(1)
    job = Job(broker)
    job.epoch()
    broker.add_partitions(RUM, 2)
    broker.is_away = True
    job.look()
    assert job.poll() == []
    broker.is_away = False
    send(broker, 1)
    job.readers[0]._look_again_at = 0.1
    assert job.poll() == [(RUM, 1, 0)]


def test_a_broker_that_is_away_at_the_start_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.topic_source._PATIENCE_SECONDS", 0.0)
    broker = broker_with(1)
    broker.is_away = True
    with pytest.raises(SourceError, match=r"kafka\.bootstrap: no answer about partition 0"):
        Job(broker)


def waits(job: Job, seconds: float) -> dict[Input, float]:
    """As if this time had passed since whatever has happened."""
    return {place: waited for reader in job.readers for place, waited in reader._waits.seconds(seconds).items()}


def later(seconds: float) -> float:
    return time.monotonic() + seconds


def test_a_partition_that_is_behind_and_has_no_leader_is_waited_for() -> None:
    job = Job(broker_with(3, 2), readers=3)
    job.poll()
    assert waits(job, later(500)) == {}
    job.start()
    job.broker.leaderless.add((RUM, 1))
    job.poll()
    assert {place: waited > 400 for place, waited in waits(job, later(500)).items()} == {(RUM, 1): True}
    job.broker.leaderless.clear()
    job.poll()
    assert waits(job, later(500)) == {}


def test_a_partition_that_loses_its_leader_at_its_end_is_waited_for_while_it_is_asked_for_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = Job(broker_with(1, 2))
    job.poll()
    job.broker.leaderless.add((RUM, 0))
    now = time.monotonic()
    for passed in (0, 100, 200):
        job.clock.ms += 100_000  # beyond `outage_hold_ms`
        monkeypatch.setattr("flows.topic_source.time.monotonic", lambda at=now + passed: at)
        job.idle()
    assert waits(job, now + 200) == {(RUM, 0): 200.0}
    job.broker.leaderless.clear()
    job.clock.ms += 100_000
    job.idle()
    assert waits(job, now + 500) == {}


def test_what_nobody_answered_is_forgotten_once_the_wall_clock_does_not_lead() -> None:
    """The partition is at its end, and another one brings messages: nobody waits for it."""
    job = Job(broker_with(2, 2))
    job.poll()
    job.broker.leaderless.add((RUM, 0))
    job.idle()
    assert waits(job, later(0)).keys() == {(RUM, 0)}
    send(job.broker, 1)
    job.poll()
    assert waits(job, later(500)) == {}


def test_a_store_that_is_away_makes_no_partition_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(broker_with(1, 2))
    job.broker.leaderless.add((RUM, 0))
    [reader] = job.readers
    now = time.monotonic()
    monkeypatch.setattr("flows.topic_source.time.monotonic", lambda: now + 900)
    reader.next_batch()
    assert reader.waits()[RUM, 0] < 1
