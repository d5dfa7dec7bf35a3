"""Commands of the project as processes of their own, which are forks of one that has imported them and run nothing.

Imports are most of the CPU of a short command. `Process` and `run_command` are used as those of `subprocess`, and start
truly what a fork cannot be: another program, or one with LD_PRELOAD, settings of Python, a session of its own. In the
nightly run, and outside pytest, all starts are true. A test of the start or end of the interpreter asks `subprocess`.
"""

import atexit
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

_ROOT = Path(__file__).parent.parent
_FORKS = sys.platform == "linux" and "PYTEST_VERSION" in os.environ and not os.environ.get("LONG_TESTS")
_OF_THE_START = ("LD_", "MALLOC_", "PYTHON")  # variables that are read before a command is
_WITHOUT_THREADS = {"JE_ARROW_MALLOC_CONF": "background_thread:false", "OPENBLAS_NUM_THREADS": "1"}
_DECODING = {"backfill", "run"}
_READS = ("pandas", "pyarrow.dataset")  # PyArrow takes pandas where it is, as here
_IMPORTED_LATE = {  # by command, what is slow to import and comes with its work in any case
    **dict.fromkeys(("sessions", "show", "export", "verify"), _READS),
    **dict.fromkeys(_DECODING, ("pyarrow.compute",)),
    "erase": ("pandas", "pyarrow.compute"),
    "intake": ("flows.services.intake",),
    "serve": ("flows.services.serve",),
}
_MOST_BYTES = 1 << 17
_NUMBER_BYTES = 4


class Process(subprocess.Popen[Any]):
    """As `subprocess.Popen`; `python -m flows.cli ...` is a fork."""

    _answer = -1  # where a fork's number comes from, and how it has ended

    def _execute_child(  # noqa: PLR0913 - what Popen calls
        self,
        args: Sequence[str],
        executable: str | None,
        preexec_fn: object,
        close_fds: object,
        pass_fds: object,
        cwd: str | None,
        env: Mapping[str, str] | None,
        *rest: Any,  # what only a true start knows, and the ends of pipes
    ) -> None:
        pipes: tuple[int, ...] = rest[3:9]
        *_, has_new_session, _ = rest
        environment = dict(os.environ if env is None else env)
        if preexec_fn or pass_fds or has_new_session or not _can_be_a_fork(args, environment):
            super()._execute_child(args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *rest)  # type: ignore[misc]
            return
        self._answer, theirs = os.pipe()
        request = {"arguments": args[2:], "folder": os.fspath(cwd or Path.cwd()), "environment": environment}
        of_the_child = pipes[0], pipes[3], pipes[5]
        streams = [number if pipe == -1 else pipe for number, pipe in enumerate(of_the_child)]
        try:
            socket.send_fds(_forks(), [json.dumps(request, default=os.fspath).encode()], [*streams, theirs])
        finally:
            os.close(theirs)
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]
        self.pid = self._number()
        self._child_created = True

    def _internal_poll(self, _deadstate: int | None = None) -> int | None:
        found: int | None = super()._internal_poll(_deadstate, _waitpid=self._waited)  # type: ignore[misc]
        return found

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        return self._waited(self.pid, wait_flags)

    def _waited(self, process_id: int, flags: int) -> tuple[int, int]:
        """As os.waitpid."""
        if self._answer == -1:
            return os.waitpid(process_id, flags)
        answer = select.poll()
        answer.register(self._answer, select.POLLIN)
        if not answer.poll(0 if flags & os.WNOHANG else None):
            return 0, 0
        status = self._number()
        os.close(self._answer)
        return process_id, status

    def _number(self) -> int:
        found = os.read(self._answer, _NUMBER_BYTES)
        if not found:
            raise RuntimeError("the process that forks commands has ended")
        return int.from_bytes(found, "little")


def run_command(
    command: Sequence[str], *, capture_output: bool = False, check: bool, timeout: float | None = None, **how: Any
) -> "subprocess.CompletedProcess[Any]":
    """`subprocess.run` without an input."""
    if capture_output:
        how |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Process(command, **how) as process:
        try:
            output, errors = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(command, process.returncode, output, errors)
    if check:
        done.check_returncode()
    return done


def _can_be_a_fork(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    return (
        _FORKS
        and list(command[:3]) == [sys.executable, "-m", "flows.cli"]
        and all(
            os.environ.get(name) == value or name == "PYTHONPATH"
            for name, value in environment.items()
            if name.startswith(_OF_THE_START)
        )
    )


@cache
def _forks() -> socket.socket:
    """Where requests go: to one process for all tests of this one, which ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.starts", str(theirs.fileno())],
            cwd=_ROOT,
            env=os.environ | _WITHOUT_THREADS,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )

    @atexit.register
    def end() -> None:
        ours.close()
        process.wait()

    return ours


def _fork_for_all(requests: socket.socket) -> None:
    """Answers each request with the number of a new process, and with its status when it has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: those that were forked hear it
    running: dict[int, tuple[int, int]] = {}
    while True:
        ready, _, _ = select.select([requests.fileno(), *running], [], [])
        for watched in running.keys() & set(ready):
            process_id, answer = running.pop(watched)
            _answer(answer, os.waitpid(process_id, 0)[1])
            os.close(watched)
            os.close(answer)
        if requests.fileno() not in ready:
            continue
        message, numbers, _, _ = socket.recv_fds(requests, _MOST_BYTES, _NUMBER_BYTES)
        if not message:
            return
        request = json.loads(message)
        _import_for(request["arguments"], request["environment"])
        *streams, answer = numbers
        process_id = os.fork()
        if process_id == 0:
            others = [*numbers, *running, *(one for _, one in running.values()), requests.detach()]
            _become(request, streams, others)
        for stream in streams:
            os.close(stream)
        _answer(answer, process_id)
        running[os.pidfd_open(process_id)] = process_id, answer


def _answer(there: int, number: int) -> None:
    with suppress(BrokenPipeError):
        os.write(there, number.to_bytes(_NUMBER_BYTES, "little"))


def _import_for(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """What this command imports in any case. Afterwards there must be one thread: a fork has no other."""
    from flows.cli.commands import COMMANDS  # noqa: PLC0415 - nothing that a test imports with this file

    command = next((one for one in arguments[1:] if one in COMMANDS), None)
    if command:
        import_module(f"flows.cli.{COMMANDS[command].place.partition(':')[0]}")
        for late in _IMPORTED_LATE.get(command, ()):
            import_module(late)
    if command in _DECODING:
        from operators.client.user_agent import _resolver  # noqa: PLC0415 - half a second, with the first text

        _resolver()
    if any(one.startswith("s3://") for one in (environment.get("REPLAYLAKE_LAKE", ""), *arguments)):
        import_module("sinks.s3")
    threads = [(one / "comm").read_text().strip() for one in Path("/proc/self/task").iterdir()]
    if len(threads) > 1:
        raise RuntimeError(f"a library has begun threads when it was imported, so this cannot fork: {threads}")


def _become(request: Mapping[str, Any], streams: Sequence[int], others: Sequence[int]) -> NoReturn:
    """What `python -m` would be there."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        for other in others:
            os.close(other)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        module, *sys.argv[1:] = request["arguments"]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except BaseException:  # noqa: BLE001 - a command ends its process by itself; all else is shown
        traceback.print_exc()
    os._exit(1)


if __name__ == "__main__":
    _fork_for_all(socket.socket(fileno=int(sys.argv[1])))
    os._exit(0)  # as a command ends: libraries need not take themselves apart
