"""The job, read this first: the whole path from Kafka to the lake, one line per step.

`python -m bytewax.run flows.session_replay:flow` runs it on the settings of the environment; `replaylake run` does the
same with flags and a prepared recovery folder.
"""

from collections.abc import Callable
from operator import attrgetter

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource
from prometheus_client import REGISTRY

from flows.settings import load_settings
from flows.stopping import install_stop_handlers
from operators.arrivals import DecodedPoll, Poll
from operators.shards import ShardBatch
from sinks.engine import LakeSink


def session_replay(
    read: FixedPartitionedSource[Poll, bytes],
    decode: Callable[[Poll], DecodedPoll],
    key_by_session: Callable[[DecodedPoll], list[ShardBatch]],
    lake: LakeSink,
) -> Dataflow:
    """The dataflow. What it is made of comes from `flows/wiring.py`."""
    flow = Dataflow("session_replay")
    polls = op.input("read", flow, read)  # Poll: messages of a reader's partitions, its receive clock
    decoded = op.map("decode", polls, decode)  # DecodedPoll: items, refusals
    batches = op.flat_map("key_by_session", decoded, key_by_session)  # ShardBatch: murmur2(session id) chooses
    keyed = op.key_on("shard", batches, attrgetter("shard"))  # to the process of the shard; mostly the one that read it
    op.output("lake", keyed, lake)
    # In each shard, `sinks/engine.py: LakeShard` drives what comes next, inside the engine's output:
    #   begin      operators/opening.py            a new shard waits until every reader has read something
    #   clock      operators/input/shard_clock.py  when is everything read that may still belong to a window?
    #   windows    operators/windows/tracker.py    items join the windows of their session; windows become due
    #   keep       sinks/pack_buffer.py            bodies rest in packs until then
    #   assemble   operators/assemble.py           a window that is due becomes rows and a blob
    #   stage      sinks/writer.py: stage          at the end of the epoch: packs, bundles, the state that names them
    #   publish    sinks/publisher.py              once the engine has committed the epoch
    return flow


def flow() -> Dataflow:
    """The streaming job on the effective settings, for `python -m bytewax.run`."""
    from flows.wiring import kafka_job  # noqa: PLC0415 - it builds the dataflow above

    install_stop_handlers()
    return kafka_job(load_settings(), registry=REGISTRY).flow  # the registry that the engine's web API shows
