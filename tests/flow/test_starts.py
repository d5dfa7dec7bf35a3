"""A command that the tests fork is as one that is started."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import starts
from tests.starts import Process, run_command

_COMMAND = [sys.executable, "-m", "flows.cli"]


@pytest.fixture(autouse=True)
def _forks() -> None:
    if not starts._FORKS:
        pytest.skip("every start of this run is a true one")


@pytest.mark.parametrize("arguments", [["config"], ["verify", "--nonsense"], ["verify", "--lake", "nowhere"]])
def test_output_and_exit_code_are_those_of_a_true_start(arguments: list[str], tmp_path: Path) -> None:
    """Environment, folder, name of the program and the streams are, too."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(starts._ROOT), "REPLAYLAKE_LAKE": "there"}
    how: dict[str, Any] = {"cwd": tmp_path, "env": environment, "text": True, "capture_output": True}
    forked = run_command([*_COMMAND, *arguments], check=False, **how)
    started = subprocess.run([*_COMMAND, *arguments], check=False, **how)
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)
    assert forked.stdout + forked.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_it_runs_until_a_signal_ends_it(number: int, code: int, tmp_path: Path) -> None:
    environment = os.environ | {"REPLAYLAKE_KAFKA__BOOTSTRAP": "127.0.0.1:9"}
    with Process([*_COMMAND, "run"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as job:
        assert job.stderr is not None
        assert "Connection refused" in job.stderr.readline()
        assert (Path(f"/proc/{job.pid}/cwd").resolve(), job.poll()) == (tmp_path, None)
        with pytest.raises(subprocess.TimeoutExpired):
            job.wait(0.1)
        job.send_signal(number)
        job.communicate(timeout=60)
        assert job.returncode == code


def test_what_is_read_before_a_command_makes_it_a_true_start() -> None:
    environment = os.environ | {"PYTHONVERBOSE": "1"}
    done = run_command([*_COMMAND, "--version"], env=environment, capture_output=True, text=True, check=True)
    assert "import _frozen_importlib" in done.stderr
