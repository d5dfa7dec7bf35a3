"""The job, read this first: the whole path from Kafka to the lake, one line per step.

`python -m bytewax.run flows.session_replay:flow` runs it on the settings of the environment; `replaylake run` does the
same with flags and a prepared recovery folder.
"""

from functools import partial

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource

from flows.kafka_source import KafkaOptions, KafkaSource, client_options, partition_names
from flows.settings import Settings, load_settings
from flows.stopping import install_stop_handlers
from operators.arrivals import DecodedPoll, Poll, decode_poll, shard_batches
from operators.engine import ShardLogic
from operators.sessions import ShardOutput
from schemas.units import MS_PER_SECOND
from sinks.engine import LakeInput, LakeSink, WriterBuilder
from sinks.lake import LakeWriter, Refusal
from sinks.open_store import open_store
from sinks.packs import PackStore


class Job(msgspec.Struct):
    """A dataflow and its sink, which can publish what a finished run left pending."""

    flow: Dataflow
    sink: LakeSink


def flow() -> Dataflow:
    """The streaming job on the effective settings, for `python -m bytewax.run`."""
    install_stop_handlers()
    return kafka_job(load_settings()).flow


def kafka_job(settings: Settings) -> Job:
    """The streaming job. Raises SourceError when the broker or the topics are not as configured."""
    options = kafka_options(settings)
    partitions = partition_names(options)
    return build(settings, KafkaSource(options, partitions), partitions, is_bounded=False)


def kafka_range_job(settings: Settings, from_offset: int, to_offset: int) -> Job:
    """A bounded job over the same offsets of every partition; a shorter partition is read to its end."""
    options = kafka_options(settings)
    partitions = partition_names(options)
    places = [(topic, int(partition)) for topic in options.topics for partition in partitions]
    options = msgspec.structs.replace(
        options, start_offsets=dict.fromkeys(places, from_offset), end_offsets=dict.fromkeys(places, to_offset)
    )
    return build(settings, KafkaSource(options, partitions), partitions, is_bounded=True)


def build(
    settings: Settings, source: FixedPartitionedSource[Poll, bytes], partitions: list[str], *, is_bounded: bool
) -> Job:
    """Wire a source to the lake. `is_bounded`: its end closes every session, and nothing is visible before."""
    sink = LakeSink(partitions, writer_builder(settings), publish_early=not is_bounded)
    decode = partial(decode_poll, limits=settings.limits.decode())
    route = partial(shard_batches, shard_count=settings.sessions.shards)
    shard = partial(ShardLogic, settings.sessions.rules(), settings.sessions.memo_ms, drain_at_eof=is_bounded)

    flow = Dataflow("session_replay")
    polls = op.input("input", flow, source)  # Poll: messages of one partition, its receive clock
    decoded = op.map("decode", polls, decode)  # DecodedPoll: items, refusals
    batches = op.flat_map("route", decoded, route)  # ("0003-07", ShardBatch): one per shard
    outputs = op.stateful_batch("sessions", batches, shard)  # ("0003-07", ShardOutput): items, closed windows
    kept = op.map("to_partition", outputs, _to_partition)  # ("0003", ShardOutput)
    refused = op.map("refusals", decoded, _to_refusals)  # ("0003", [Refusal]): every poll, so that epochs publish
    op.output("lake", op.merge("lake_input", kept, refused), sink)
    return Job(flow, sink)


def writer_builder(settings: Settings) -> WriterBuilder:
    """How the sink makes the writer of a partition."""
    store = open_store(settings.lake, settings.s3.storage_options())
    retention, limits = settings.retention_rules(), settings.limits.lake()

    def build_writer(partition: str, incarnation: str, state: bytes) -> LakeWriter:
        cache = settings.cache_dir()
        packs = PackStore(store, cache / partition if cache else None, settings.run.cache_bytes)
        return LakeWriter(store, packs, partition, retention, limits, incarnation, state)

    return build_writer


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
    )


def _to_partition(keyed: tuple[str, ShardOutput]) -> tuple[str, LakeInput]:
    key, output = keyed
    return key.rpartition("-")[0], output


def _to_refusals(decoded: DecodedPoll) -> tuple[str, LakeInput]:
    number = int(decoded.partition) if decoded.partition.isdigit() else 0
    refusals = [Refusal(one.topic, number, one.offset, one.received_ms, one.rejected) for one in decoded.refused]
    return decoded.partition, refusals
