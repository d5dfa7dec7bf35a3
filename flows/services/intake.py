"""One process of the intake, wired: settings, clocks, masking, databases, producer, metrics, server."""

import logging
import resource
import time
from importlib.metadata import version

import uvloop

from flows.broker import made
from flows.http_server import serve
from flows.logs import LOGGER
from flows.settings import ConfigurationError, HttpSettings, Settings
from intake.guard import Guard
from intake.kafka import KafkaWriter
from intake.masking import Masking
from intake.metrics import IntakeMetrics
from intake.preparing import Preparer
from intake.server import ServerLimits, listening_socket, server
from intake.service import application
from intake.visitors import BadDatabase, Visitors
from schemas.units import MIB, MS_PER_SECOND

_OTHER_FILES = 256  # of the producer, the databases and the interpreter
_MESSAGE_ROOM = 1 * MIB  # for headers, keys and the batch around the largest message

_log = logging.getLogger(LOGGER)


class _Clocks:
    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def seconds(self) -> float:
        return time.monotonic()


class _Shown(IntakeMetrics):
    """Metrics, and health: ready means that the broker answers and has the topic."""

    writer: KafkaWriter | None = None

    def health(self, limits: HttpSettings, *, ready: bool) -> tuple[bool, dict[str, float]]:  # noqa: ARG002 - as the job's
        pending = {"pending_bytes": float(self.counts.pending_bytes)}
        if not ready:
            return True, pending
        return self.writer is not None and self.writer.is_ready(), pending


def producer_options(settings: Settings) -> dict[str, str | int | float | bool]:
    """Confirmed by all replicas, in order, once. What the operator sets wins, but for the last three."""
    wait_ms = int(settings.intake.confirm_seconds * MS_PER_SECOND)
    return {
        "linger.ms": 5,
        "compression.type": "lz4",
        "partitioner": "murmur2_random",  # as Java's clients: the job reads a topic of theirs and ours alike
        "message.max.bytes": 2 * settings.limits.message_bytes + _MESSAGE_ROOM,
        "queue.buffering.max.kbytes": 2 * settings.intake.pending_bytes // 1024,
        "reconnect.backoff.max.ms": 1000,  # a broker that is back is found at once
        "message.timeout.ms": wait_ms,
        **settings.kafka.client,
        **settings.intake.client,
        "bootstrap.servers": settings.kafka.bootstrap,
        "acks": "all",
        "enable.idempotence": True,
    }


def run_intake(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises ConfigurationError."""
    intake = settings.intake
    limits = settings.limits.decode()
    try:
        with Visitors(intake.geo_databases, keeps_address=intake.client_address) as visitors:
            masking = Masking(intake.mask.patterns, intake.mask.fields, intake.mask.replacement, limits)
            shown = _Shown(version("replaylake"), lambda: masking.count)
            preparer = Preparer(intake.policy(limits), masking, visitors)
            with serve(settings.http, shown):
                uvloop.run(_serve(settings, preparer, shown))
    except BadDatabase as error:
        raise ConfigurationError(f"intake.geo_databases: {error}") from error


def _connections(wanted: int) -> int:
    """As many of them as the system has open files for, those that are about to go included."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = 3 * wanted + _OTHER_FILES
    if soft < files:
        soft = min(files, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    found = min(wanted, (soft - _OTHER_FILES) // 3)
    if found < wanted:
        _log.warning("intake.connections is %d; the system's %d open files are enough for %d", wanted, soft, found)
    return found


async def _serve(settings: Settings, preparer: Preparer, shown: _Shown) -> None:
    intake = settings.intake
    try:
        listening = listening_socket(*intake.place())
    except OSError as error:
        raise ConfigurationError(f"intake.address: cannot listen on {intake.address}: {error.strerror}") from error
    options = producer_options(settings)
    writer = made(
        lambda: KafkaWriter(options, intake.topic or settings.kafka.topics[0]), options, "kafka.client, intake.client"
    )
    shown.writer = writer
    app = application(intake.policy(settings.limits.decode()), preparer, writer, shown.counts, _Clocks())
    limits = ServerLimits(
        idle_seconds=intake.idle_seconds, stop_seconds=intake.stop_seconds, trusted_proxies=intake.trusted_proxies
    )
    running = server(app, limits, Guard(intake.guard(_connections(intake.connections)), shown.counts.turned_away))
    try:
        await running.serve(sockets=[listening])
    finally:
        await writer.close(intake.confirm_seconds)
