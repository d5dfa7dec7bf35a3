"""What the dataflow is made of, from the settings: readers, decoding, shards, and what the job tells about itself."""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

import msgspec
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource
from prometheus_client import CollectorRegistry

from flows.broker import SourceError, TopicFacts, look_up_topics
from flows.decoding import Decode
from flows.job_input import open_input, part_names
from flows.kafka_log import KafkaLog, KafkaProbe
from flows.machine_clock import MachineClock
from flows.metrics import JobMetrics
from flows.recovery_folder import QUARANTINE_STOP
from flows.session_replay import session_replay
from flows.settings import KafkaSettings, Settings
from flows.stopping import STOP
from flows.topic_source import Begin, SourceOptions, SourceWatch, TopicSource
from flows.topics import Topics
from operators.arrivals import Poll
from operators.client.request import Clients
from operators.input.positions import OnLost
from operators.input.receive_clock import ClockRules, Input
from operators.shards import Router, Spread, shard_of
from operators.windows.memos import SessionKey
from operators.windows.tracker import SessionTracker
from schemas.units import MS_PER_SECOND
from sinks.engine import LakeSink, Stopwatch, TrackerBuilder, WriterBuilder
from sinks.fence import Fence
from sinks.notices import NoticeBoard
from sinks.open_store import open_store
from sinks.packs import PackStore
from sinks.steady import Patience, SteadyStore
from sinks.writer import LakeWriter, ShardPlace

_START_TRIES = 3

Known = tuple[SessionKey, int, int]  # (app and session, number of its next part, end in us of what belongs before it)


class Job(msgspec.Struct):
    """A dataflow, its sink, which can publish what a finished run left pending, and what it tells about itself."""

    flow: Dataflow
    sink: LakeSink
    metrics: JobMetrics


class State(msgspec.Struct, frozen=True):
    """Whose state the job works with. `journals`: folder of open sessions; None for a job that need not survive.

    `known`: sessions that an earlier job has closed, for a job that took its lake over.
    """

    job_id: str = ""
    journals: Path | None = None
    known: Callable[[], Iterable[Known]] = tuple


def kafka_job(
    settings: Settings,
    *,
    job_id: str = "",
    known: Callable[[], Iterable[Known]] = tuple,
    is_new: bool = False,
    registry: CollectorRegistry | None = None,
) -> Job:
    """The streaming job. `is_new`: its state belongs to no lake yet.

    Raises SourceError, or ConfigurationError when the state is of something else.
    """
    client = client_options(settings.kafka)
    facts = look_up_topics(client, settings.kafka.topics)
    probe = KafkaProbe(client)
    found = open_input(settings, facts, lambda place: first_offset(probe, settings.kafka, place), is_new=is_new)
    topics = Topics(facts, lambda: look_up_topics(client, settings.kafka.topics), settings.kafka.metadata_seconds)
    metrics = JobMetrics(version("replaylake"), registry)
    options = msgspec.structs.replace(source_options(settings), begin=found.begin())
    source = kafka_source(options, client, found.names, topics, metrics, probe)
    state = State(job_id, journal_folder(settings), known)
    return build(settings, source, found.names, metrics, state, is_bounded=False)


def kafka_range_job(settings: Settings, from_offset: int, to_offset: int) -> Job:
    """A bounded job over the same offsets of every partition; a shorter partition is read to its end."""
    facts = look_up_topics(client_options(settings.kafka), settings.kafka.topics)
    places = [(topic, number) for topic, one in facts.items() for number in one.partitions]
    begin = dict.fromkeys(places, Begin(from_offset))
    ends = dict.fromkeys(places, to_offset)
    return bounded_kafka_job(settings, facts, begin, ends, JobMetrics(version("replaylake")))


def bounded_kafka_job(  # noqa: PLR0913 - what a bounded run may differ in
    settings: Settings,
    facts: dict[str, TopicFacts],
    begin: dict[Input, Begin],
    ends: dict[Input, int],
    metrics: JobMetrics,
    state: State | None = None,
) -> Job:
    """A job over ranges of partitions, which ends when they are read."""
    client = client_options(settings.kafka)
    names = part_names(max(max(topic.partitions) + 1 for topic in facts.values()))
    options = msgspec.structs.replace(source_options(settings), begin=begin, end_offsets=ends)
    source = kafka_source(options, client, names, Topics(facts), metrics, KafkaProbe(client))
    return build(settings, source, names, metrics, state or State(), is_bounded=True)


def build(  # noqa: PLR0913 - the one place where everything meets
    settings: Settings,
    source: FixedPartitionedSource[Poll, bytes],
    names: list[str],
    metrics: JobMetrics,
    state: State,
    *,
    is_bounded: bool,
) -> Job:
    """Wire a source to the lake. `names`: of the readers, and of as many shards.

    `is_bounded`: the end of the input closes every session, and nothing is visible before.
    """
    timings = metrics.timings
    stopwatch = Stopwatch(time.perf_counter, timings.stage.observe, timings.publish.observe)
    spread = Spread()
    sink = LakeSink(
        names,
        spread,
        tracker_builder(settings, metrics, names, state.known),
        writer_builder(settings, metrics, state.job_id, is_bounded=is_bounded),
        state.journals,
        stopwatch,
        is_bounded=is_bounded,
    )
    mark = None if is_bounded else settings.run.recovery_dir / QUARANTINE_STOP
    clients = Clients(keeps_text=settings.run.keep_user_agent)
    decode = Decode(settings.limits.decode(), settings.limits.share(), clients, mark)
    router = Router(names, spread, is_bounded=is_bounded)
    return Job(session_replay(source, decode, router, sink), sink, metrics)


def tracker_builder(
    settings: Settings, metrics: JobMetrics, shards: Sequence[str], known: Callable[[], Iterable[Known]] = tuple
) -> TrackerBuilder:
    """How the sink makes the sessions of a shard."""
    rules, memo = settings.sessions.rules(), settings.sessions.memo_limits(len(shards))

    @cache
    def known_by_shard() -> dict[int, list[Known]]:
        found: dict[int, list[Known]] = {}
        for one in known():
            found.setdefault(shard_of(one[0][1], len(shards)), []).append(one)
        return found

    def build_tracker(shard: str, saved: Iterable[bytes] | None) -> SessionTracker:
        tracker = SessionTracker(rules, memo, saved or ())
        if saved is None:
            tracker.seed(known_by_shard().get(shards.index(shard), []))
        metrics.trackers.append(tracker)
        return tracker

    return build_tracker


def journal_folder(settings: Settings) -> Path:
    """Where the state of sessions is: a part of the recovery folder, moved with it."""
    return settings.run.recovery_dir / "sessions"


def writer_builder(settings: Settings, metrics: JobMetrics, job_id: str, *, is_bounded: bool) -> WriterBuilder:
    """How the sink makes the writer of a shard. A bounded run takes no shard away from a running job."""
    store = lake_store(settings)
    metrics.stores.append(store)
    retention, limits = settings.retention_rules(), settings.limits.lake()
    board = NoticeBoard(store, time.time)

    def build_writer(shard: str, incarnation: str, state: bytes) -> LakeWriter:
        cache_folder = settings.cache_dir()
        packs = PackStore(store, cache_folder / shard if cache_folder else None, settings.run.cache_bytes)
        fence = None if is_bounded else Fence(store, shard, incarnation, job_id)
        place = ShardPlace(store, packs, shard, incarnation, fence)
        writer = LakeWriter(place, retention, limits, state, board)
        metrics.writers.append(writer)
        return writer

    return build_writer


def lake_store(settings: Settings) -> SteadyStore:
    """The lake's store as a job uses it: it waits out what is temporary, but not while the job is to stop."""
    patience = Patience(settings.run.store_patience_seconds, STOP)
    return SteadyStore(open_store(settings.lake, settings.s3.storage_options()), patience)


def source_options(settings: Settings) -> SourceOptions:
    """How the settings want the topics to be read."""
    kafka, run = settings.kafka, settings.run
    return SourceOptions(
        poll_messages=kafka.poll_messages,
        clock=ClockRules(
            ahead_ms=kafka.stamp_ahead_seconds * MS_PER_SECOND,
            margin_ms=run.clock_margin_seconds * MS_PER_SECOND,
            outage_hold_ms=run.outage_hold_seconds * MS_PER_SECOND,
        ),
        on_lost=OnLost(kafka.on_lost_offsets),
        is_cluster=len(run.addresses) > 1,
    )


def kafka_source(  # noqa: PLR0913 - what a source is made of
    options: SourceOptions,
    client: dict[str, object],
    readers: Sequence[str],
    topics: Topics,
    metrics: JobMetrics,
    probe: KafkaProbe,
) -> TopicSource:
    """The source over Kafka, which tells `metrics` of its readers."""
    timings = metrics.timings
    watch = SourceWatch(metrics.readers.append, timings.epoch.observe, timings.commit.observe)
    return TopicSource(options, readers, topics, lambda: KafkaLog(client, probe), MachineClock(), watch)


def client_options(kafka: KafkaSettings) -> dict[str, object]:
    """librdkafka options of everything that talks to the broker; what the user has set wins."""
    return {"bootstrap.servers": kafka.bootstrap, **kafka.client}


def first_offset(probe: KafkaProbe, kafka: KafkaSettings, place: Input) -> int | None:
    """Where the first start of a job begins a partition; None: at its beginning, whatever that is by then."""
    start_ms = kafka.start_ms()
    if kafka.start in {None, "earliest"}:
        return None
    for _ in range(_START_TRIES):
        if start_ms is not None:
            at = probe.offset_at(place, start_ms)
        else:
            extent = probe.extent(place)
            at = None if extent is None else extent.high
        if at is not None:
            return at
    raise SourceError(f"kafka.bootstrap: no answer about partition {place[1]} of topic {place[0]!r}")
