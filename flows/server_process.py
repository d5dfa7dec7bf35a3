"""One server as a child process: free ports, start, wait until it is ready, stop it for sure."""

import importlib.util
import os
import random
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import MustAct

LOOPBACK = "127.0.0.1"
STOP_SECONDS = 10.0  # SeaweedFS takes 2 s to 4 s
GRPC_OFFSET = 10_000  # SeaweedFS serves gRPC at the HTTP port + 10,000; the other servers leave the twin unused

_FIRST_PORT = 12_000
_LAST_PORT = 22_000  # its twin stays below 32,768, where Linux begins to hand out ports to outgoing connections
_POLL_SECONDS = 0.05
_LOG_TAIL_LINES = 15
_KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "TMPDIR", "JAVA_HOME")  # no AWS_... or KAFKA_... of the user leaks in

# Runs between us and the server: asks the kernel (PR_SET_PDEATHSIG = 1) to SIGKILL this process when its parent dies,
# which outlives the exec. A preexec_fn could do the same, but is not safe in a process with threads.
_DIE_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    raise SystemExit("parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class ServerError(MustAct):
    """A server could not be started: no executable, it exited, or it was not ready in time."""


@dataclass(frozen=True)
class ServerCommand:
    """What to start and how to see that it serves.

    `awaits` is asked every 50 ms what the server still lacks, must not block for long, and says "" when it serves.
    """

    name: str
    arguments: Sequence[str]  # the first is the absolute path of the executable
    environment: Mapping[str, str]
    awaits: Callable[[], str]
    ready_seconds: float = 30.0
    stop_seconds: float = STOP_SECONDS  # after SIGTERM; then it is killed


@contextmanager
def running(command: ServerCommand) -> Iterator[int]:
    """Run the server while the block lasts; yields its process id. Its output goes to a file that dies with it.

    Call it from a thread that lives as long as the server: the kernel's parent-death signal follows that thread.
    Raises ServerError with the end of the server's output when it does not become ready.
    """
    with tempfile.TemporaryDirectory(prefix="replaylake-server-") as scratch:
        log = Path(scratch) / "output.log"
        process = _spawn(command, log)
        try:
            _wait_ready(process, command, log)
            yield process.pid
        finally:
            _stop(process, command.stop_seconds)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing uses now, nor their gRPC twins. Random, so that parallel runs rarely meet."""
    ports: list[int] = []
    for port in random.sample(range(_FIRST_PORT, _LAST_PORT), k=_LAST_PORT - _FIRST_PORT):
        if len(ports) == count:
            return ports
        if _is_free(port) and _is_free(port + GRPC_OFFSET):
            ports.append(port)
    raise ServerError(f"no {count} free ports in {_FIRST_PORT}..{_LAST_PORT} on {LOOPBACK}")


def listens(port: int) -> bool:
    """Whether something accepts connections on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def executable(override: str, packaged: Path, package: str) -> str:
    """The server's binary: the one named by the environment variable `override`, else the one in the pip package."""
    named = os.environ.get(override)
    path = Path(named) if named else packaged
    if os.access(path, os.X_OK) and path.is_file():
        return str(path.absolute())
    if named:
        raise ServerError(f"{override}={named} is not an executable file")
    raise ServerError(f"no {path.name} executable: install replaylake[demo] (package {package}) or set {override}")


def package_file(module: str, *parts: str) -> Path:
    """Where a file inside an installed package is, or would be if the package were installed."""
    spec = importlib.util.find_spec(module)
    folders = spec.submodule_search_locations if spec else None
    return Path(folders[0] if folders else module, *parts)


def script_file(name: str) -> Path:
    """Where the installed packages put their command-line programs."""
    return Path(sysconfig.get_path("scripts"), name)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def dying_with_us(arguments: Sequence[str]) -> list[str]:
    """The same command line, for a process that the kernel kills when the calling thread's process dies (Linux)."""
    guard = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid())] if sys.platform == "linux" else []
    return [*guard, *arguments]


def _spawn(command: ServerCommand, log: Path) -> subprocess.Popen[bytes]:
    inherited = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    with log.open("wb") as output:
        return subprocess.Popen(
            dying_with_us(command.arguments),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env={**inherited, **command.environment},
            start_new_session=True,  # Ctrl-C in a terminal reaches the job alone; its servers stop after it
        )


def _wait_ready(process: subprocess.Popen[bytes], command: ServerCommand, log: Path) -> None:
    deadline = time.monotonic() + command.ready_seconds
    while awaited := command.awaits():
        if process.poll() is not None:
            raise ServerError(f"{command.name} exited with {process.returncode}{_tail(log)}")
        if time.monotonic() > deadline:
            seconds = command.ready_seconds
            raise ServerError(f"{command.name} was not ready after {seconds:.0f} s: {awaited}{_tail(log)}")
        time.sleep(_POLL_SECONDS)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    return "".join(f"\n  {line}" for line in lines)


def _stop(process: subprocess.Popen[bytes], seconds: float) -> None:
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
