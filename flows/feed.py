"""Captured requests into Kafka, as an intake would send them: keyed by session id, stamped with the receive time."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from confluent_kafka import Producer

from flows.captures import CaptureCounts, read_captures
from operators.decode import Limits, Message, decode
from schemas.items import Item, Kind, Rejected


class Fed(msgspec.Struct):
    """What was sent."""

    messages: int = 0
    bytes: int = 0
    sessions: set[tuple[str, str]] = msgspec.field(default_factory=set)


def feed(bootstrap: str, topic: str, paths: Iterable[Path], *, shift_ms: int = 0, copies: int = 1) -> Fed:
    """Send all captures in order of their receive time (moved by `shift_ms`), each message `copies` times."""
    producer = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": 16_777_216, "linger.ms": 20})
    fed = Fed()
    failed: list[str] = []

    def delivered(error: object, _: object) -> None:
        if error is not None:
            failed.append(str(error))

    for captured in read_captures(list(paths), CaptureCounts()):
        for session, message in keyed_by_session(captured.message):
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
                            key=session[1].encode(),
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
            if session[1]:
                fed.sessions.add(session)
    left = producer.flush(60)
    if failed or left:
        raise RuntimeError(f"{len(failed) + left} messages were not delivered: {failed[:1]}")
    return fed


def keyed_by_session(message: Message) -> Iterator[tuple[tuple[str, str], Message]]:
    """The message whole when it is of one session, else cut into one message a session."""
    results = decode(message, Limits())
    items = [result for result in results if isinstance(result, Item)]
    sessions = {(item.app_id, item.session_id) for item in items}
    if len(sessions) <= 1 or (any(item.kind == Kind.SEGMENT for item in items) and len(items) == 1):
        yield (next(iter(sessions)) if sessions else ("", "")), message
        return
    for session in sorted(sessions):
        bodies = [item.body for item in items if (item.app_id, item.session_id) == session]
        yield session, msgspec.structs.replace(message, value=_joined(message.type, bodies))
    for result in results:
        if isinstance(result, Rejected):
            yield ("", ""), msgspec.structs.replace(message, value=result.raw)


def _joined(kind: str | None, bodies: list[bytes]) -> bytes:
    if kind == "datadog.rum":
        return b"\n".join(bodies)
    return b"[" + b",".join(bodies) + b"]"
