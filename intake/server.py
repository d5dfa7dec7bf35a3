"""One process of the intake: uvicorn on a socket that it may share, until it is told to stop."""

import socket

import uvicorn
from starlette.types import ASGIApp


class ServerLimits:
    """How the server bounds what it is asked for. `trusted_proxies`: whose X-Forwarded-For is believed."""

    def __init__(self, *, connections: int, stop_seconds: int, trusted_proxies: list[str]) -> None:
        self.connections = connections
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


def server(app: ASGIApp, limits: ServerLimits) -> uvicorn.Server:
    """SIGTERM: accept no more, answer what was begun, then end. uvicorn installs that itself."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(limits.trusted_proxies),
            forwarded_allow_ips=limits.trusted_proxies,
            limit_concurrency=limits.connections,
            timeout_graceful_shutdown=limits.stop_seconds,
        )
    )
