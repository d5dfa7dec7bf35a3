"""Replay segments through the whole flow, beside the codecs that no implementation can do without."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from bench.clones import Recording, capture_files, recordings
from bench.options import Options
from bench.results import Figure, figure
from bench.spent import Spent, run_side
from bench.topic import Topic, fill
from bench.traffic import START_MS, Sent, merged
from flows.demo.servers import start_broker
from schemas.units import MIB

ABOUT = (
    "Replay segments of real recordings, cloned as ever new sessions and put on the topic as the intake does, through "
    "the whole flow: broker, decode, windows, recovery, packs, order, copies removed, one seekable blob a session, "
    "index rows. Beside it the codecs alone, in one thread and on the same bytes: inflate what the SDK sent, and "
    "compress each session with zstd as its blob is."
)
_BASE = "inflate and zstd alone"
_APART_MS = 20_000  # a new clone every 20 s of the receive clock


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Raw (inflated) MB per CPU second."""
    whole = [one.replay_only() for one in recordings(capture_files())]
    wanted_bytes = options.size(250, 2_500) * MIB
    spent: dict[str, list[Spent]] = defaultdict(list)
    with start_broker() as broker:
        broker.create_topic("replay", 1)
        topic = fill(broker.bootstrap, "replay", 1, merged(_clones(whole, wanted_bytes)))
        for _ in range(options.rounds):
            for side, found in _round(topic):
                spent[side].append(found)
    raw_mb = spent[_BASE][0].more["raw_bytes"] / 1e6
    per_cpu = {side: [raw_mb / one.cpu_seconds for one in rounds] for side, rounds in spent.items()}
    stored = {
        "blobs of the flow": [one.more["blob_bytes"] / 1e6 for one in spent["whole flow"]],
        "zstd alone": [one.more["stored_bytes"] / 1e6 for one in spent[_BASE]],
    }
    parameters: dict[str, str | float] = {
        "recordings": len(whole),
        "segments": topic.messages,
        "raw MB": raw_mb,
        "sent MB": topic.bytes / 1e6,
        "sessions": spent["whole flow"][0].more["windows"],
    }
    return parameters, [
        figure("raw MB per CPU second", "MB/s", _BASE, per_cpu),
        figure("stored", "MB", "zstd alone", stored, "Zstd alone also compresses the copies that the flow removes."),
    ]


def _round(topic: Topic) -> Iterator[tuple[str, Spent]]:
    given = {"topic": msgspec.to_builtins(topic)}
    yield "whole flow", run_side("flow", given)
    yield _BASE, run_side("codecs", {**given, "how": "both"})
    yield "inflate alone", run_side("codecs", {**given, "how": "inflate"})


def _clones(whole: Sequence[Recording], wanted_bytes: int) -> Iterator[tuple[int, Sequence[Sent]]]:
    """Every recording in turn, until there is enough."""
    made_bytes, number = 0, 0
    while made_bytes < wanted_bytes:
        recording = whole[number % len(whole)]
        start_ms = START_MS + number * _APART_MS
        yield start_ms, recording.clone(number, start_ms)
        made_bytes += recording.raw_bytes
        number += 1
