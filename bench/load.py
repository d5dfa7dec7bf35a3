"""A topic full of Guance RUM lines of real shape and size, the same for the same numbers."""

import random
from pathlib import Path

import msgspec
from confluent_kafka import Producer

from flows.captures import CaptureCounts, read_captures
from operators.decode import Limits, decode
from schemas.items import Item, Kind

_SAMPLE = Path(__file__).parent.parent / "samples" / "guance" / "gc-spa-json.jsonl.gz"
_START_MS = 1_795_000_000_000


def send(bootstrap: str, topic: str, *, lines: int, sessions: int) -> int:
    """One line a message, sessions interleaved over ten minutes each; returns the bytes sent."""
    templates = _templates()
    chance = random.Random(1)
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 50, "queue.buffering.max.messages": 200_000})
    size = 0
    for number in range(lines):
        session = chance.randrange(sessions)
        template = templates[chance.randrange(len(templates))]
        time_ms = _START_MS + number * 600_000 // lines
        value = template % (b"%08d-bench" % session, b"%08d" % number, time_ms)
        size += len(value)
        while True:
            try:
                producer.produce(topic, value, key=str(session), headers=[("type", b"guance.rum")], timestamp=time_ms)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush(60)
    return size


def _templates() -> list[bytes]:
    """Lines of a real session with holes for session, line number and time."""
    found = []
    for captured in read_captures([_SAMPLE], CaptureCounts()):
        for item in decode(captured.message, Limits()):
            if isinstance(item, Item) and item.kind in (Kind.RESOURCE, Kind.ACTION, Kind.ERROR, Kind.LONG_TASK):
                row = msgspec.json.decode(item.body)
                row["tags"]["session_id"], row["time"] = "@S@", "@T@"
                place = row["fields"] if item.kind == Kind.ACTION else row["tags"]
                place[f"{Kind(item.kind).name.lower()}_id"] = "@N@"
                text = msgspec.json.encode(row).replace(b"%", b"%%")
                found.append(text.replace(b"@S@", b"%b").replace(b"@N@", b"%b").replace(b'"@T@"', b"%d"))
    return [text for text in found if _order(text) == ["S", "N", "T"]]


def _order(text: bytes) -> list[str]:
    return ["S", "N", "T"] if text.replace(b"%%", b"").count(b"%") == 3 and b'"session_id":"%b"' in text else []
