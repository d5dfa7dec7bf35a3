"""`/metrics`, `/health/live` and `/health/ready` of one process of the job or the intake."""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Protocol, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from flows.settings import ConfigurationError, HttpSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Shown(Protocol):
    """What there is to show. `health` says whether all is well, and what this rests on."""

    registry: CollectorRegistry

    def health(self, limits: HttpSettings, *, ready: bool) -> tuple[bool, Mapping[str, object]]: ...


@contextmanager
def serve(settings: HttpSettings, metrics: Shown) -> Iterator[None]:
    """Answer while the block lasts; does nothing without an address. Raises ConfigurationError when it is taken."""
    if not settings.address:
        yield
        return
    host, port = settings.place()
    try:
        server = make_server(host, port, _App(settings, metrics), _Server, _QuietHandler)
    except OSError as error:
        raise ConfigurationError(f"http.address: cannot listen on {settings.address}: {error.strerror}") from error
    thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True  # a client that never ends its request must not hold up a stop


class _QuietHandler(WSGIRequestHandler):
    timeout = 10  # seconds for a request to come in

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """A probe every few seconds is no news."""


class _App:
    """The three pages."""

    def __init__(self, settings: HttpSettings, metrics: Shown) -> None:
        self._settings = settings
        self._metrics = metrics
        self._exposition = make_wsgi_app(metrics.registry)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return cast("Iterable[bytes]", self._exposition(environ, start_response))
        if path in {"/health", "/health/ready", "/health/live"}:
            is_well, ages = self._metrics.health(self._settings, ready=path != "/health/live")
            status = "200 OK" if is_well else "503 Service Unavailable"
            body = json.dumps({"status": "ok" if is_well else "failing", **ages}).encode()
        else:
            status, body = "404 Not Found", b'{"paths": ["/metrics", "/health/live", "/health/ready"]}'
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]
