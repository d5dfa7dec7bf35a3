"""The server of `replaylake serve`: its socket, scratch folder, audit log, secrets and clock."""

import logging
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import uvicorn

from flows.http_server import serve
from flows.settings import ConfigurationError, HttpSettings, ServeSettings, Settings
from intake.guard import Guard
from intake.policy import GuardLimits
from intake.refusals import STATUS
from lake.read_limits import ReadLimits
from schemas.keys import TABLES
from schemas.units import MIB
from sinks.open_store import open_lake, open_store
from sinks.steady import Patience, SteadyStore, StoreCounts
from sinks.store import ObjectStore, StoreUnavailable
from viewer.access import Access
from viewer.app import build
from viewer.audit import Audit
from viewer.gate import own_names
from viewer.metrics import ServeMetrics
from viewer.options import IndexLimits, QuestionLimits, ServeOptions
from viewer.parts import Viewer

_LINK_KEY_BYTES = 32
_NO_PATIENCE = Patience(0)  # who asks may ask again
_STOP_SECONDS = 5
_HEAD_BYTES = 1 * MIB  # what is too long is refused by us, in words


class _Shown(ServeMetrics):
    """Metrics, and health: ready means that the lake was read, and can be."""

    def __init__(self, release: str, store: StoreCounts, viewer: Viewer) -> None:
        super().__init__(release, store, viewer)

    def health(self, limits: HttpSettings, *, ready: bool) -> tuple[bool, dict[str, object]]:  # noqa: ARG002 - as the job's
        follower = self._viewer.follower
        standing = self._viewer.standing().model_dump(exclude={"status"})
        return not ready or follower.is_ready, {"lake_age_seconds": follower.age_seconds()} | standing


def run_server(settings: Settings, said: Callable[[str], None]) -> None:
    """Answer until SIGTERM or SIGINT; `said` gets the lake and the address.

    Raises ConfigurationError when the address is taken, NoLake.
    """
    serving = settings.serve
    lake, about = _lake(settings)
    with _listening(serving) as listener, _index_dir(serving) as folder, _audit(serving) as target:
        store = SteadyStore(lake, _NO_PATIENCE)
        viewer = Viewer(
            store,
            _access(serving),
            Audit(target, time.time),
            _options(settings, folder),
            time.time,
            SteadyStore(open_store(settings.source_maps_uri(), settings.s3.storage_options()), _NO_PATIENCE),
        )
        shown = _Shown(version("replaylake"), store.counts, viewer)
        host, port = listener.getsockname()[:2]
        said(f"{about} at http://{f'[{host}]' if ':' in host else host}:{port}/")
        guard = Guard(
            GuardLimits(serving.connections, head_seconds=serving.head_seconds, answer_seconds=serving.answer_seconds),
            lambda reason: shown.answered("head", STATUS[reason], 0.0),
        )
        config = uvicorn.Config(
            build(viewer, shown.answered),
            log_config=None,
            access_log=False,  # addresses hold the signatures of links
            server_header=False,
            proxy_headers=False,  # who asks is the peer itself; what a proxy says of it is read where that counts
            http=guard.h11,  # type: ignore[arg-type] # only called. httptools gives up at 64 KiB of address
            callback_notify=guard.look,
            timeout_notify=0,  # at every look of its own, which is each second
            h11_max_incomplete_event_size=_HEAD_BYTES,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        with serve(settings.http, shown):
            uvicorn.Server(config).run([listener])


def _lake(settings: Settings) -> tuple[ObjectStore, str]:
    """The lake, and what to call it. One that does not answer now is waited for."""
    options = settings.s3.storage_options()
    try:
        lake = open_lake(settings.lake, options)
        return lake, f"{settings.lake}{'' if lake.folders(TABLES) else ' (a new lake, no sessions yet)'}"
    except StoreUnavailable as error:
        logging.getLogger("replaylake.serve").warning("%s", error)
        return open_store(settings.lake, options), settings.lake


def _access(serving: ServeSettings) -> Access:
    key = serving.link_key.get_secret_value().encode() if serving.link_key else secrets.token_bytes(_LINK_KEY_BYTES)
    tokens = {name: token.known() for name, token in serving.tokens.items()}
    return Access(tokens, key, time.time, serving.proxy.known() if serving.proxy else None)


def _options(settings: Settings, folder: Path) -> ServeOptions:
    serving = settings.serve
    return ServeOptions(
        index_dir=folder,
        index=IndexLimits(serving.memory_bytes),
        questions=QuestionLimits(serving.questions_at_once, serving.wait_seconds, serving.question_seconds),
        reads=ReadLimits(
            cache_bytes=serving.read_cache_bytes,
            memory_bytes=serving.read_memory_bytes,
            scan_memory_bytes=serving.scan_memory_bytes,
            scan_bytes=serving.scan_bytes_max,
            at_once=serving.reads_at_once,
            question_bytes=serving.read_bytes_max,
            question_seconds=serving.read_seconds_max,
        ),
        refresh_seconds=serving.refresh_seconds,
        requests_at_once=serving.requests_at_once,
        link_seconds_max=serving.link_seconds_max,
        public_url=serving.public_url,
        origins=serving.allow_recorded_origins,
        app_names=serving.app_names,
        sign_in_seconds=serving.sign_in_seconds,
        lake=settings.lake,
        own_names=_own_names(serving),
        rules=settings.sessions.rules(),
    )


def _own_names(serving: ServeSettings) -> frozenset[str] | None:
    """Where a peer on this machine is believed, or nobody is asked, the server answers to its own names only."""
    if serving.proxy is not None and serving.proxy.is_on_this_machine:
        return own_names(serving.host) | ({urlsplit(serving.public_url).hostname or ""} - {""})
    return None if serving.asks_who else own_names(serving.host)


@contextmanager
def _listening(serving: ServeSettings) -> Iterator[socket.socket]:
    host = serving.host.strip("[]")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, serving.port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family)
    except OSError as error:
        raise ConfigurationError(f"serve: cannot listen on {host} port {serving.port}: {error.strerror}") from error
    with listener:
        yield listener


@contextmanager
def _index_dir(serving: ServeSettings) -> Iterator[Path]:
    """The folder of the index: one that stays, or one for this process."""
    if serving.index_dir is not None:
        yield serving.index_dir
        return
    with tempfile.TemporaryDirectory(prefix="replaylake-serve-", dir=serving.scratch_dir) as folder:
        yield Path(folder)


@contextmanager
def _audit(serving: ServeSettings) -> Iterator[IO[bytes]]:
    if serving.audit_file is None:
        yield sys.stdout.buffer
        return
    try:
        target = serving.audit_file.open("ab")
    except OSError as error:
        raise ConfigurationError(f"serve.audit_file: {error.strerror}: {serving.audit_file}") from error
    with target:
        yield target
