"""The streaming job as a person starts it: `replaylake run`, its metrics, kill -9, stop."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from bench.serving import interpreter
from bench.spent import REPOSITORY, memory_bytes
from bench.topic import Topic
from flows.server_process import LOOPBACK, free_ports, listens

Metrics = dict[str, float]  # summed over labels and processes
LOOK_SECONDS = 0.25  # while the job works: answering takes time of its own


class Job:
    """A started job of one process or a cluster on this machine. `settings`: more of its environment."""

    def __init__(
        self,
        topic: Topic,
        folder: Path,
        settings: Mapping[str, str] | None = None,
        processes: int = 1,
        checkout: Path = REPOSITORY,
    ) -> None:
        folder.mkdir(exist_ok=True)
        self._ports = _adjacent_ports(processes)
        self._log = folder / "job.log"
        environment = os.environ | {
            "REPLAYLAKE_LAKE": str(folder / "lake"),
            "REPLAYLAKE_KAFKA__BOOTSTRAP": topic.bootstrap,
            "REPLAYLAKE_KAFKA__TOPICS": f'["{topic.name}"]',
            "REPLAYLAKE_RUN__RECOVERY_DIR": str(folder / "recovery"),
            "REPLAYLAKE_HTTP__ADDRESS": f"{LOOPBACK}:{self._ports[0]}",
            **(settings or {}),
        }
        environment["PYTHONPATH"] = str(checkout)
        command = [interpreter(checkout), "-m", "flows.cli", "run", "--processes", str(processes)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=checkout, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()

    @property
    def process_id(self) -> int:
        """Of the one process."""
        return self._process.pid

    def kill(self) -> None:
        """kill -9 of every process of the job."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        self._process.terminate()
        if self._process.wait(120) != 0:
            raise RuntimeError(f"the job ended with {self._process.returncode}\n{self._tail()}")

    def is_ready(self) -> bool:
        """Whether every process says so: it has committed an epoch."""
        return all(_get(port, "health/ready") is not None for port in self._ports)

    def metrics(self) -> Metrics | None:
        """Of all processes together; None while one of them does not answer."""
        total: Metrics = {}
        for port in self._ports:
            text = _get(port, "metrics")
            if text is None:
                return None
            for line in text.splitlines():
                if not line.startswith("#"):
                    name, _, value = line.rpartition(" ")
                    name = name.partition("{")[0]
                    total[name] = total.get(name, 0.0) + float(value)
        return total

    def peak_bytes(self) -> int:
        """Of the one process."""
        return memory_bytes("VmHWM", str(self._process.pid))

    def wait(self, reached: Callable[[], object], seconds: float, look_seconds: float = 0.05) -> None:
        """Until something holds. Raises RuntimeError when the job ends before, or the time is over."""
        deadline = time.monotonic() + seconds
        while not reached():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the job did not get there (exit {self._process.poll()})\n{self._tail()}")
            time.sleep(look_seconds)

    def wait_read(self, messages: int, seconds: float) -> None:
        """Until so many messages were read and an epoch was committed after that."""
        read_at = 0.0

        def committed() -> bool:
            nonlocal read_at
            found = self.metrics() or {}
            if found.get("replaylake_messages_total", 0) < messages:
                return False
            read_at = read_at or time.time()
            return _oldest_commit(self._ports) > read_at

        self.wait(committed, seconds, LOOK_SECONDS)

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]


def _oldest_commit(ports: list[int]) -> float:
    stamps = []
    for port in ports:
        lines = (_get(port, "metrics") or "").splitlines()
        stamps += [
            float(x.rpartition(" ")[2]) for x in lines if x.startswith("replaylake_last_commit_timestamp_seconds{")
        ]
    return min(stamps, default=0.0)


def _get(port: int, path: str) -> str | None:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/{path}", timeout=5) as answer:
            text: str = answer.read().decode()
            return text
    except (urllib.error.URLError, OSError):
        return None


def _adjacent_ports(count: int) -> list[int]:
    while True:
        first = free_ports(1)[0]
        ports = list(range(first, first + count))
        if not any(listens(port) for port in ports):
            return ports
