"""Messages to Kafka, confirmed by all replicas: the only import of the broker's client here.

One thread a process waits for confirmations and hands them to the event loop in bunches, so that a request costs no
thread and a burst of confirmations wakes the loop once.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from intake.refusals import Refusal, Refused
from operators.requests import Keyed

_POLL_SECONDS = 0.5
_METADATA_SECONDS = 2.0
_KEY_BYTES_MAX = 1024  # the job refuses ids that are longer than 128 characters

# The broker does not know this producer any more, or not in this state; librdkafka alone would go on failing for ever
# (a broker that was restored), or has given up (a fatal error). A new producer has a new identity.
_LOST_IDENTITY = {
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.INVALID_PRODUCER_ID_MAPPING,
    KafkaError.UNKNOWN_PRODUCER_ID,
    KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
    KafkaError._FATAL,
}

_log = logging.getLogger("replaylake")


class _Request:
    """The messages of one request that are not confirmed yet."""

    __slots__ = ("errors", "future", "left", "producer")

    def __init__(self, future: asyncio.Future[None], messages: int, producer: Producer) -> None:
        self.future = future
        self.left = messages
        self.producer = producer
        self.errors: list[KafkaError] = []


class KafkaWriter:
    """An idempotent producer of one topic. Make it, use it and close it in the event loop's thread."""

    def __init__(self, options: Mapping[str, str | int | float | bool], topic: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._options = options
        self._topic = topic
        self._confirmed: deque[tuple[_Request, KafkaError | None]] = deque()
        self._is_told = False  # the loop knows that there are confirmations
        self._is_closed = threading.Event()
        self._is_failing = False
        self._producer = self._new_producer()
        self._replaced: deque[Producer] = deque()
        self._thread = threading.Thread(target=self._poll, name="kafka", daemon=True)
        self._thread.start()

    async def write(self, messages: Sequence[Keyed]) -> None:
        """Returns when the broker has them all. Raises Refused, and then it may have some."""
        request = _Request(self._loop.create_future(), len(messages), self._producer)

        def confirmed(error: KafkaError | None, _: Delivered) -> None:
            self._confirmed.append((request, error))
            if not self._is_told:
                self._is_told = True
                self._loop.call_soon_threadsafe(self._take_confirmed)

        for number, one in enumerate(messages):
            try:
                self._produce(one, confirmed)
            except Refused:
                request.left -= len(messages) - number  # those before it are confirmed to nobody
                raise
        await request.future
        if request.errors:
            raise Refused(_reason(request.errors))

    def is_ready(self) -> bool:
        """Whether the broker answers and has the topic. Blocks for up to 2 s: not for the event loop."""
        try:
            found = self._producer.list_topics(self._topic, timeout=_METADATA_SECONDS).topics[self._topic]
        except (KafkaException, KeyError):
            return False
        return found.error is None and bool(found.partitions)

    async def close(self, seconds: float) -> None:
        """Wait for what is on its way to the broker, and end. What is not confirmed then was never acknowledged."""
        left = await asyncio.to_thread(self._producer.flush, seconds)
        if left:
            _log.warning("stopped with %d messages unconfirmed; their senders were not told that they arrived", left)
        self._is_closed.set()
        await asyncio.to_thread(self._thread.join)

    def _produce(self, one: Keyed, confirmed: Callable[[KafkaError | None, Delivered], None]) -> None:
        message = one.message
        headers: list[tuple[str, str | bytes | None]] = [("type", message.type), *message.headers.items()]
        try:
            self._producer.produce(
                self._topic,
                message.value,
                key=one.session_id.encode(errors="replace")[:_KEY_BYTES_MAX] or None,
                headers=headers,
                timestamp=message.received_ms,
                on_delivery=confirmed,
            )
        except BufferError as error:
            raise Refused(Refusal.BUSY) from error
        except KafkaException as error:
            raise Refused(_reason([error.args[0]])) from error

    def _new_producer(self) -> Producer:
        # Its log repeats every refused connection; what matters is said once, by `_say`.
        return Producer({"partitioner": "murmur2_random", **self._options, "error_cb": self._say, "log_level": 0})

    def _poll(self) -> None:
        while not self._is_closed.is_set():
            self._producer.poll(_POLL_SECONDS)
            while self._replaced:
                old = self._replaced.popleft()
                old.purge()  # what it still held fails now: its senders retry
                old.flush(_POLL_SECONDS)

    def _take_confirmed(self) -> None:
        self._is_told = False  # before looking: what comes later tells again
        failed = None
        while self._confirmed:
            request, error = self._confirmed.popleft()
            failed = error
            if error is not None:
                request.errors.append(error)
                if error.code() in _LOST_IDENTITY and request.producer is self._producer:
                    self._replaced.append(self._producer)
                    self._producer = self._new_producer()
            request.left -= 1
            if request.left == 0 and not request.future.done():
                request.future.set_result(None)
        self._say(failed)

    def _say(self, error: KafkaError | None) -> None:
        """Once when it begins and once when it is over, whoever notices first."""
        if (error is not None) == self._is_failing:
            return
        self._is_failing = error is not None
        if error is not None:
            _log.error("the broker is not acknowledging: %s; senders are told to retry", error.str())
        else:
            _log.info("the broker confirms again")


def _reason(errors: Sequence[KafkaError]) -> Refusal:
    """Only a message that the broker will never take is not worth another try."""
    if all(error.code() == KafkaError.MSG_SIZE_TOO_LARGE for error in errors):
        return Refusal.TOO_LARGE
    return Refusal.BROKER
