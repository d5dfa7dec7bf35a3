"""Several processes of the intake on one address: started together, stopped together, each replaced when it dies."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from flows.local_cluster import shifted
from flows.logs import LOGGER
from flows.server_process import dying_with_us
from flows.settings import Settings
from flows.stopping import STOP

_LOOK_SECONDS = 1.0  # also the pause before a process that died is started again
_WRONG_CONFIGURATION = 2
_MARGIN_SECONDS = 5.0

_log = logging.getLogger(LOGGER)


def run_workers(settings: Settings, arguments: Sequence[str]) -> int:
    """Run `replaylake intake ARGUMENTS` in `intake.workers` processes until a stop. Returns the worst exit code.

    Each serves metrics and health at the configured port plus its number. One that is told before it can hear ends by
    the signal; it had taken nothing yet.
    """
    numbers = range(settings.intake.workers)
    members = [_start(settings, number, arguments) for number in numbers]
    while not STOP.wait(_LOOK_SECONDS):
        for number in numbers:
            code = members[number].poll()
            if code == _WRONG_CONFIGURATION:
                STOP.set()
            elif code is not None:
                _log.error("intake process %d ended with code %d; it is started again", number, code)
                members[number] = _start(settings, number, arguments)
    codes = {_ended(settings, member) for member in _told(members)} - {0, -signal.SIGTERM}
    return max(map(abs, codes), default=0)


def _start(settings: Settings, number: int, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        dying_with_us([sys.executable, "-m", "flows.cli", "intake", *arguments]),
        env=os.environ
        | {"REPLAYLAKE_HTTP__ADDRESS": shifted(settings.http, number), "REPLAYLAKE_INTAKE__WORKERS": "1"},
        start_new_session=True,  # Ctrl-C reaches us, and we tell them
    )


def _told(members: Sequence[subprocess.Popen[bytes]]) -> Sequence[subprocess.Popen[bytes]]:
    for member in members:
        if member.poll() is None:
            member.terminate()
    return members


def _ended(settings: Settings, member: subprocess.Popen[bytes]) -> int:
    try:
        return member.wait(settings.intake.stop_seconds + settings.intake.confirm_seconds + _MARGIN_SECONDS)
    except subprocess.TimeoutExpired:
        member.kill()
        return member.wait()
