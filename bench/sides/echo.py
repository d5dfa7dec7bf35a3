"""The least that the intake's server can do: read the body, say yes. `python -m bench.sides.echo PORT`."""

import sys

import uvloop
from starlette.types import Receive, Scope, Send

from flows.server_process import LOOPBACK
from intake.guard import Guard
from intake.policy import GuardLimits
from intake.server import ServerLimits, listening_socket, server


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    limits = ServerLimits(idle_seconds=5, stop_seconds=1, trusted_proxies=[])
    guard = Guard(GuardLimits(), lambda _: None)
    uvloop.run(server(application, limits, guard).serve(sockets=[listening_socket(LOOPBACK, int(sys.argv[1]))]))
