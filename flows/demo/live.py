"""`replaylake demo --live`: broker, intake, job and viewer on this machine, for what a page of yours sends."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from flows.demo.run import TOPIC, DemoFailed
from flows.demo.servers import start_broker
from flows.server_process import LOOPBACK, dying_with_us, listens
from flows.settings import IntakeSettings
from flows.stopping import STOP

_PARTITIONS = 4
_POLL_SECONDS = 0.2
_READY_SECONDS = 30.0
_STOP_SECONDS = 40.0
_QUICK = {  # nobody who tries it waits for 15 minutes
    "REPLAYLAKE_SESSIONS__GAP_SECONDS": "60",
    "REPLAYLAKE_SESSIONS__LATENESS_SECONDS": "5",
    "REPLAYLAKE_RUN__EPOCH_SECONDS": "1",
}


def run_live(folder: Path, intake: IntakeSettings) -> None:
    """Serve until stopped; the lake stays in `folder`. The viewer's port follows the intake's. Raises DemoFailed."""
    port = intake.place()[1]
    if folder.exists():
        shutil.rmtree(folder)
    with tempfile.TemporaryDirectory(prefix="replaylake-demo-") as work, start_broker() as broker:
        broker.create_topic(TOPIC, _PARTITIONS)
        environment = {
            **_QUICK,
            **os.environ,
            "REPLAYLAKE_LAKE": str(folder.absolute()),
            "REPLAYLAKE_KAFKA__BOOTSTRAP": broker.bootstrap,
            "REPLAYLAKE_KAFKA__TOPICS": TOPIC,
            "REPLAYLAKE_RUN__RECOVERY_DIR": str(Path(work) / "recovery"),
            "REPLAYLAKE_SERVE__PORT": str(port + 1),
            "REPLAYLAKE_LOG__LEVEL": "warning",
        }
        with _running("run", environment) as job:
            _await({"run": job}, (folder / "_job").is_dir, "the job has made no lake")
            with _running("serve", environment) as viewer, _running("intake", environment) as taking:
                processes = {"run": job, "serve": viewer, "intake": taking}
                _await(processes, lambda: listens(port) and listens(port + 1), f"nothing on ports {port}, {port + 1}")
                _tell(port, folder, environment["REPLAYLAKE_SESSIONS__GAP_SECONDS"])
                while not STOP.wait(_POLL_SECONDS):
                    _check(processes)


def _tell(port: int, folder: Path, gap_seconds: str) -> None:
    print(f"Intake  http://{LOOPBACK}:{port}     SDKs send here: docs/snippets.md")
    print(f'Viewer  http://{LOOPBACK}:{port + 1}/    sessions that go on are under "Live now"')
    print(f"Lake    {folder}    a session is there a minute or so after its last sign of life (gap {gap_seconds} s)")
    print("Ctrl-C ends all of it; the lake stays", flush=True)


@contextmanager
def _running(command: str, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A command of ours as a process; stopped at the end of the block, with its epoch."""
    process = subprocess.Popen(
        dying_with_us([sys.executable, "-m", "flows.cli", command]),
        env=environment,
        start_new_session=True,  # Ctrl-C reaches us, and we tell them
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(processes: Mapping[str, "subprocess.Popen[bytes]"], is_ready: Callable[[], bool], lack: str) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not is_ready() and not STOP.wait(_POLL_SECONDS):
        _check(processes)
        if time.monotonic() > deadline:
            raise DemoFailed(f"{lack} after {_READY_SECONDS:.0f} s")


def _check(processes: Mapping[str, "subprocess.Popen[bytes]"]) -> None:
    for name, process in processes.items():
        if process.poll() is not None:
            raise DemoFailed(f"`replaylake {name}` ended with exit code {process.returncode}")
