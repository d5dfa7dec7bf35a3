"""Several processes of the job on this machine, as one: started together, stopped together, dead together."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from flows.logs import LOGGER
from flows.server_process import LOOPBACK, dying_with_us, free_ports
from flows.settings import HttpSettings, Settings
from flows.stopping import stop_requested
from schemas.errors import TryAgain

_POLL_SECONDS = 0.1

_log = logging.getLogger(LOGGER)


class ProcessDied(TryAgain):
    """A process of the cluster ended before it was told to; all are ended, a restart continues."""


def run_local_cluster(settings: Settings, processes: int, arguments: Sequence[str]) -> None:
    """Run `replaylake run ARGUMENTS` that many times as one cluster, until a stop. Raises ProcessDied.

    Each serves metrics and health at the configured port plus its number.
    """
    addresses = [f"{LOOPBACK}:{port}" for port in free_ports(processes)]
    members = [_start(settings, addresses, number, arguments) for number in range(processes)]
    is_told = False
    try:
        while any(member.poll() is None for member in members):
            if stop_requested() and not is_told:
                is_told = True
                for member in members:
                    member.send_signal(signal.SIGTERM)
            _check(members, (None, 0, -signal.SIGTERM) if is_told else (None, 0))
            time.sleep(_POLL_SECONDS)
        _check(members, (0, -signal.SIGTERM) if is_told else ())
    finally:
        _end(members)


def _check(members: Sequence[subprocess.Popen[bytes]], fine: Sequence[int | None]) -> None:
    """Raises ProcessDied for the first process that is in another state. SIGTERM before the handler is set is fine."""
    for number, member in enumerate(members):
        if member.poll() not in fine:
            raise ProcessDied(
                f"process {number} of {len(members)} ended with code {member.returncode}; the others are ended too. "
                "Nothing is lost: start again"
            )


def _start(settings: Settings, addresses: list[str], number: int, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    members = [option for address in addresses for option in ("--address", address)]
    return subprocess.Popen(
        dying_with_us([sys.executable, "-m", "flows.cli", "run", *arguments, *members, "--process-id", str(number)]),
        env=os.environ | {"REPLAYLAKE_HTTP__ADDRESS": shifted(settings.http, number)},
        start_new_session=True,  # Ctrl-C reaches us, and we tell them
    )


def shifted(http: HttpSettings, number: int) -> str:
    """The address of metrics and health of one process of several."""
    if not http.address:
        return ""
    host, port = http.place()
    return f"{host}:{port + number}"


def _end(members: Sequence[subprocess.Popen[bytes]]) -> None:
    """Nobody outlives the cluster. A killed process loses nothing, and one whose peer has died can only fail."""
    for member in members:
        if member.poll() is None:
            member.kill()
        member.wait()
