"""The intake without a broker as a process: `python -m tests.fuzz.socket_server PORT LIMITS`, the limits as JSON.

It answers whoever asks GET /counts with what was refused so far, and keeps no message.
"""

import sys
from collections.abc import Sequence

import msgspec
import uvloop
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from flows.server_process import LOOPBACK
from flows.services.intake import _Clocks
from intake.counts import Counts
from intake.guard import Guard
from intake.masking import Masking
from intake.policy import GuardLimits, Policy
from intake.preparing import Preparer
from intake.server import ServerLimits, listening_socket, server
from intake.service import application
from intake.visitors import Visitors
from operators.requests import Keyed
from operators.wire.unusable import Limits

IDLE_SECONDS = 2


class _Nowhere:
    async def write(self, messages: Sequence[Keyed]) -> None:
        pass


def main() -> None:
    port, limits = int(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=GuardLimits)
    policy = Policy(limits=Limits(), body_seconds=limits.body_seconds)
    counts = Counts(lambda _: None)
    preparer = Preparer(policy, Masking([], [], "", policy.limits), Visitors([], keeps_address=False))
    intake = application(policy, preparer, _Nowhere(), counts, _Clocks())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/counts":
            told = msgspec.json.encode({reason.value: count for reason, count in counts.refused.items()})
            await Response(told)(scope, receive, send)
        else:
            await intake(scope, receive, send)

    guard = Guard(limits, counts.turned_away)
    running = server(app, ServerLimits(idle_seconds=IDLE_SECONDS, stop_seconds=1, trusted_proxies=[]), guard)
    uvloop.run(running.serve(sockets=[listening_socket(LOOPBACK, port)]))


if __name__ == "__main__":
    main()
