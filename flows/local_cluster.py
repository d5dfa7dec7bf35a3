"""Several processes of the job on this machine, as one: started together, stopped together, dead together."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from flows.logs import LOGGER
from flows.server_process import LOOPBACK, free_ports
from flows.settings import HttpSettings, Settings
from flows.stopping import stop_requested

_POLL_SECONDS = 0.1
_END_SECONDS = 10.0  # when one has died the others notice by themselves within 5 s

_log = logging.getLogger(LOGGER)


class ProcessDied(Exception):
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
            failed = [number for number, member in enumerate(members) if member.poll() not in {None, 0}]
            if failed:
                code = members[failed[0]].returncode
                raise ProcessDied(
                    f"process {failed[0]} of {processes} ended with code {code}; the others are ended too. "
                    "Nothing is lost: start again"
                )
            time.sleep(_POLL_SECONDS)
    finally:
        _end(members)
    if not is_told:
        raise ProcessDied("all processes ended by themselves")


def _start(settings: Settings, addresses: list[str], number: int, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    members = [option for address in addresses for option in ("--address", address)]
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run", *arguments, *members, "--process-id", str(number)],
        env=os.environ | {"REPLAYLAKE_HTTP__ADDRESS": _shifted(settings.http, number)},
        start_new_session=True,  # Ctrl-C reaches us, and we tell them
    )


def _shifted(http: HttpSettings, number: int) -> str:
    if not http.address:
        return ""
    host, port = http.place()
    return f"{host}:{port + number}"


def _end(members: Sequence[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + _END_SECONDS
    while any(member.poll() is None for member in members) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    for member in members:
        if member.poll() is None:
            _log.warning("killing process %d, which did not end by itself", member.pid)
            member.kill()
        member.wait()
