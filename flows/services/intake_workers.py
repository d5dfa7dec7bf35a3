"""Several processes of the intake on one address: started together, stopped together, each replaced when it dies."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from flows.local_cluster import Member, ProcessDied, shifted
from flows.logs import LOGGER
from flows.server_process import dying_with_us
from flows.settings import ConfigurationError, Settings
from flows.stopping import STOP

_LOOK_SECONDS = 1.0  # also the pause before a process that died is started again
_MARGIN_SECONDS = 5.0

_log = logging.getLogger(LOGGER)


def run_workers(settings: Settings, arguments: Sequence[str]) -> None:
    """Run `replaylake intake ARGUMENTS` in `intake.workers` processes until a stop.

    Each serves metrics and health at the configured port plus its number. One that is told before it can hear ends by
    the signal; it had taken nothing yet. Raises ConfigurationError, and ProcessDied for one that could not end well.
    """
    numbers = range(settings.intake.workers)
    members = [Member(_start(settings, number, arguments)) for number in numbers]
    while not STOP.wait(_LOOK_SECONDS):
        for number in numbers:
            code = members[number].poll()
            if code == ConfigurationError.exit_code:
                STOP.set()
            elif code is not None:
                why = members[number].last_words() or "it did not say why"
                _log.error("intake process %d ended with code %d (%s); it is started again", number, code, why)
                members[number] = Member(_start(settings, number, arguments))
    for member in members:
        if member.poll() is None:
            member.process.terminate()
    _check([(_ended(settings, member.process), member.last_words()) for member in members])


def _check(endings: Sequence[tuple[int, str]]) -> None:
    for code, said in endings:
        if code == ConfigurationError.exit_code:
            raise ConfigurationError(said)
    for number, (code, said) in enumerate(endings):
        if code not in {0, -signal.SIGTERM}:
            raise ProcessDied(f"intake process {number}: {said or f'ended with code {code}'}")


def _start(settings: Settings, number: int, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        dying_with_us([sys.executable, "-m", "flows.cli", "intake", *arguments]),
        env=os.environ
        | {"REPLAYLAKE_HTTP__ADDRESS": shifted(settings.http, number), "REPLAYLAKE_INTAKE__WORKERS": "1"},
        start_new_session=True,  # Ctrl-C reaches us, and we tell them
        stderr=subprocess.PIPE,
    )


def _ended(settings: Settings, member: subprocess.Popen[bytes]) -> int:
    try:
        return member.wait(settings.intake.stop_seconds + settings.intake.confirm_seconds + _MARGIN_SECONDS)
    except subprocess.TimeoutExpired:
        member.kill()
        return member.wait()
