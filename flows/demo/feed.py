"""Captured requests into Kafka, as an intake would send them: keyed by session id, stamped with the receive time."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
from confluent_kafka import Producer

from flows.broker import client_log
from flows.captures import CaptureCounts, read_captures
from operators.requests import keyed_by_session
from operators.wire.unusable import Limits


class Fed(msgspec.Struct):
    """What was sent."""

    messages: int = 0
    bytes: int = 0
    sessions: set[tuple[str, str]] = msgspec.field(default_factory=set)


def feed(bootstrap: str, topic: str, paths: Iterable[Path], *, shift_ms: int = 0, copies: int = 1) -> Fed:
    """Send all captures in order of their receive time (moved by `shift_ms`), each message `copies` times."""
    options = {"bootstrap.servers": bootstrap, "message.max.bytes": 16_777_216, "linger.ms": 20}
    producer = Producer(options | {"partitioner": "murmur2_random"}, logger=client_log())  # as the intake
    fed = Fed()
    failed: list[str] = []

    def delivered(error: object, _: object) -> None:
        if error is not None:
            failed.append(str(error))

    for captured in read_captures(list(paths), CaptureCounts()):
        for keyed in keyed_by_session(captured.message, Limits()):
            message = keyed.message
            headers: list[tuple[str, str | bytes | None]] = [
                ("type", (message.type or "").encode()),
                *message.headers.items(),
            ]
            for _ in range(copies):
                while True:
                    try:
                        producer.produce(
                            topic,
                            message.value,
                            key=keyed.session_id.encode(),
                            headers=headers,
                            timestamp=message.received_ms + shift_ms,
                            on_delivery=delivered,
                        )
                        break
                    except BufferError:
                        producer.poll(0.1)
            producer.poll(0)
            fed.messages += copies
            fed.bytes += len(message.value) * copies
            if keyed.session_id:
                fed.sessions.add((keyed.app_id, keyed.session_id))
    left = producer.flush(60)
    if failed or left:
        raise RuntimeError(f"{len(failed) + left} messages were not delivered: {failed[:1]}")
    return fed
