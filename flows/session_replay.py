"""The job, read this first: the whole path from Kafka to the lake, one line per step.

`python -m bytewax.run flows.session_replay:flow` runs it on the settings of the environment; `replaylake run` does the
same with flags and a prepared recovery folder.
"""

import time
from collections.abc import Iterable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource
from prometheus_client import REGISTRY, CollectorRegistry

from flows.kafka_source import KafkaOptions, KafkaSource, SourceWatch, client_options, partition_names
from flows.metrics import JobMetrics
from flows.settings import ConfigurationError, Settings, load_settings
from flows.stopping import STOP, install_stop_handlers
from operators.arrivals import DecodedPoll, Poll, decode_poll
from operators.sessions import SessionTracker
from schemas.units import MS_PER_SECOND
from sinks.engine import LakeSink, Stopwatch, TrackerBuilder, WriterBuilder
from sinks.fence import Fence
from sinks.lake import LakeWriter
from sinks.notices import NoticeBoard
from sinks.open_store import open_store
from sinks.packs import PackStore
from sinks.steady import Patience, SteadyStore


class Job(msgspec.Struct):
    """A dataflow, its sink, which can publish what a finished run left pending, and what it tells about itself."""

    flow: Dataflow
    sink: LakeSink
    metrics: JobMetrics


def flow() -> Dataflow:
    """The streaming job on the effective settings, for `python -m bytewax.run`."""
    install_stop_handlers()
    return kafka_job(load_settings(), REGISTRY).flow  # the registry that the engine's web API shows


def kafka_job(settings: Settings, registry: CollectorRegistry | None = None) -> Job:
    """The streaming job. Raises SourceError when the broker or the topics are not as configured."""
    options = kafka_options(settings)
    partitions = partition_names(options)
    if len(settings.run.addresses) > len(partitions):
        raise ConfigurationError(
            f"run.addresses: {len(settings.run.addresses)} processes for {len(partitions)} partitions; some would idle"
        )
    metrics = JobMetrics(version("replaylake"), registry)
    source = kafka_source(options, partitions, metrics)
    return build(settings, source, partitions, metrics, journals=journal_folder(settings), is_bounded=False)


def kafka_range_job(settings: Settings, from_offset: int, to_offset: int) -> Job:
    """A bounded job over the same offsets of every partition; a shorter partition is read to its end."""
    options = kafka_options(settings)
    partitions = partition_names(options)
    places = [(topic, int(partition)) for topic in options.topics for partition in partitions]
    options = msgspec.structs.replace(
        options, start_offsets=dict.fromkeys(places, from_offset), end_offsets=dict.fromkeys(places, to_offset)
    )
    metrics = JobMetrics(version("replaylake"))
    return build(settings, kafka_source(options, partitions, metrics), partitions, metrics, is_bounded=True)


def build(  # noqa: PLR0913 - the one place where everything meets
    settings: Settings,
    source: FixedPartitionedSource[Poll, bytes],
    partitions: list[str],
    metrics: JobMetrics,
    *,
    is_bounded: bool,
    journals: Path | None = None,
) -> Job:
    """Wire a source to the lake. `is_bounded`: its end closes every session, and nothing is visible before.

    `journals`: folder for the state of sessions, beside the engine's own recovery; None for a job without.
    """
    timings = metrics.timings
    stopwatch = Stopwatch(time.perf_counter, timings.stage.observe, timings.publish.observe)
    build_tracker = tracker_builder(settings, metrics, len(partitions))
    build_writer = writer_builder(settings, metrics, is_bounded=is_bounded)
    sink = LakeSink(partitions, build_tracker, build_writer, journals, stopwatch, publish_early=not is_bounded)
    decode = partial(decode_poll, limits=settings.limits.decode())

    flow = Dataflow("session_replay")
    polls = op.input("input", flow, source)  # Poll: messages of one partition, its receive clock
    decoded = op.map("decode", polls, decode)  # DecodedPoll: items, refusals
    keyed = op.key_on("partition", decoded, _partition)  # ("0003", DecodedPoll): stays on the process that read it
    op.output("sessions_to_lake", keyed, sink)  # windows open and close; packs, tables and replays are written
    return Job(flow, sink, metrics)


def tracker_builder(settings: Settings, metrics: JobMetrics, partitions: int) -> TrackerBuilder:
    """How the sink makes the sessions of a partition."""
    rules, memo = settings.sessions.rules(), settings.sessions.memo_limits(partitions)

    def build_tracker(saved: Iterable[bytes]) -> SessionTracker:
        tracker = SessionTracker(rules, memo, saved)
        metrics.trackers.append(tracker)
        return tracker

    return build_tracker


def journal_folder(settings: Settings) -> Path:
    """Where the state of sessions is: a part of the recovery folder, moved with it."""
    return settings.run.recovery_dir / "sessions"


def writer_builder(settings: Settings, metrics: JobMetrics, *, is_bounded: bool) -> WriterBuilder:
    """How the sink makes the writer of a partition. A bounded run takes no partition away from a running job."""
    store = lake_store(settings)
    metrics.stores.append(store)
    retention, limits = settings.retention_rules(), settings.limits.lake()
    board = NoticeBoard(store, time.time)

    def build_writer(partition: str, incarnation: str, state: bytes) -> LakeWriter:
        cache = settings.cache_dir()
        packs = PackStore(store, cache / partition if cache else None, settings.run.cache_bytes)
        fence = Fence(store, partition, incarnation)
        if not is_bounded:
            fence.take()
        may_publish = _always if is_bounded else fence.check
        writer = LakeWriter(
            store, packs, partition, retention, limits, incarnation, state, may_publish, board, answers=not is_bounded
        )
        metrics.writers.append(writer)
        return writer

    return build_writer


def lake_store(settings: Settings) -> SteadyStore:
    """The lake's store as a job uses it: it waits out what is temporary, but not while the job is to stop."""
    patience = Patience(settings.run.store_patience_seconds, STOP)
    return SteadyStore(open_store(settings.lake, settings.s3.storage_options()), patience)


def kafka_options(settings: Settings) -> KafkaOptions:
    """The source's options from the settings."""
    kafka = settings.kafka
    return KafkaOptions(
        client=client_options(kafka.bootstrap, kafka.client),
        topics=tuple(kafka.topics),
        start=kafka.start,
        on_lost_offsets=kafka.on_lost_offsets,
        poll_messages=kafka.poll_messages,
        clock_margin_ms=settings.run.clock_margin_seconds * MS_PER_SECOND,
        outage_hold_ms=settings.run.outage_hold_seconds * MS_PER_SECOND,
        is_cluster=len(settings.run.addresses) > 1,
    )


def kafka_source(options: KafkaOptions, partitions: list[str], metrics: JobMetrics) -> KafkaSource:
    """The source, which tells `metrics` of its partitions."""
    timings = metrics.timings
    watch = SourceWatch(metrics.partitions.append, timings.epoch.observe, timings.commit.observe)
    return KafkaSource(options, partitions, watch)


def _always() -> None:
    """No other writer can be meant: a bounded run owns what it writes."""


def _partition(decoded: DecodedPoll) -> str:
    return decoded.partition
