"""Several processes of the job on this machine, as one: started together, stopped together, dead together."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from flows.logs import LOGGER, error_said
from flows.server_process import LOOPBACK, dying_with_us, free_ports
from flows.settings import ConfigurationError, HttpSettings, Settings
from flows.stopping import stop_requested
from schemas.errors import TryAgain

_POLL_SECONDS = 0.1
_WORDS_SECONDS = 2.0  # for the last lines of a process that has ended

_log = logging.getLogger(LOGGER)


class ProcessDied(TryAgain):
    """A process of the cluster ended before it was told to; all are ended, a restart continues."""


def run_local_cluster(settings: Settings, processes: int, arguments: Sequence[str]) -> None:
    """Run `replaylake run ARGUMENTS` that many times as one cluster, until a stop. Raises ProcessDied.

    Each serves metrics and health at the configured port plus its number.
    """
    addresses = [f"{LOOPBACK}:{port}" for port in free_ports(processes)]
    members = [Member(_start(settings, addresses, number, arguments)) for number in range(processes)]
    is_told = False
    try:
        while any(member.poll() is None for member in members):
            if stop_requested() and not is_told:
                is_told = True
                for member in members:
                    member.process.send_signal(signal.SIGTERM)
            _check(members, (None, 0, -signal.SIGTERM) if is_told else (None, 0))
            time.sleep(_POLL_SECONDS)
        _check(members, (0, -signal.SIGTERM) if is_told else ())
    finally:
        _end(members)


class Member:
    """A process of several that say the same: its lines go on to standard error, but for its last words."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self._last_words = ""
        self._thread = threading.Thread(target=self._forward, name="lines", daemon=True)
        self._thread.start()

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self.process.poll()

    def last_words(self) -> str:
        """Why it ended, as it said itself; "" when it did not."""
        self._thread.join(_WORDS_SECONDS)
        return self._last_words

    def _forward(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                said = error_said(line)
                if said:
                    self._last_words = said
                else:
                    sys.stderr.buffer.write(line)
                    sys.stderr.buffer.flush()


def _check(members: Sequence[Member], fine: Sequence[int | None]) -> None:
    """Raises ProcessDied, or ConfigurationError, for a process that is in another state, best one that says why.

    SIGTERM before the handler is set is fine.
    """
    dead = [(number, member) for number, member in enumerate(members) if member.poll() not in fine]
    if not dead:
        return
    number, member = next((one for one in dead if one[1].last_words()), dead[0])
    code, said = member.poll(), member.last_words()
    if code == ConfigurationError.exit_code and said:
        raise ConfigurationError(said)
    why = f": {said}" if said else f" ended with code {code}. Nothing is lost: start again"
    raise ProcessDied(f"process {number} of {len(members)}{why}")


def _start(settings: Settings, addresses: list[str], number: int, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    members = [option for address in addresses for option in ("--address", address)]
    return subprocess.Popen(
        dying_with_us([sys.executable, "-m", "flows.cli", "run", *arguments, *members, "--process-id", str(number)]),
        env=os.environ | {"REPLAYLAKE_HTTP__ADDRESS": shifted(settings.http, number)},
        start_new_session=True,  # Ctrl-C reaches us, and we tell them
        stderr=subprocess.PIPE,
    )


def shifted(http: HttpSettings, number: int) -> str:
    """The address of metrics and health of one process of several."""
    if not http.address:
        return ""
    host, port = http.place()
    return f"{host}:{port + number}"


def _end(members: Sequence[Member]) -> None:
    """Nobody outlives the cluster. A killed process loses nothing, and one whose peer has died can only fail."""
    for member in members:
        if member.poll() is None:
            member.process.kill()
        member.process.wait()
