"""One process of the intake: uvicorn on a socket that it may share, until it is told to stop."""

import socket

import uvicorn
from starlette.types import ASGIApp

from intake.guard import Guard


class ServerLimits:
    """How the server bounds what it is asked for. `trusted_proxies`: whose X-Forwarded-For is believed."""

    def __init__(self, *, idle_seconds: int, stop_seconds: int, trusted_proxies: list[str]) -> None:
        self.idle_seconds = idle_seconds
        self.stop_seconds = stop_seconds
        self.trusted_proxies = trusted_proxies


def listening_socket(host: str, port: int) -> socket.socket:
    """Shared with other processes that ask the same (Linux spreads the connections). Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening


def server(app: ASGIApp, limits: ServerLimits, guard: Guard) -> uvicorn.Server:
    """SIGTERM: accept no more, answer what was begun, then end. uvicorn installs that itself."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http=guard.httptools,  # type: ignore[arg-type] # uvicorn only calls it
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # what is not HTTP is counted, not logged
            access_log=False,
            server_header=False,
            proxy_headers=bool(limits.trusted_proxies),
            forwarded_allow_ips=limits.trusted_proxies,
            timeout_keep_alive=limits.idle_seconds,
            callback_notify=guard.look,
            timeout_notify=0,  # at every look of its own, which is each second
            timeout_graceful_shutdown=limits.stop_seconds,
        )
    )
