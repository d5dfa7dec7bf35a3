"""The intake as a person starts it: `replaylake intake`, its metrics, kill -9, stop."""

import http.client
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from flows.server_process import LOOPBACK, dying_with_us, free_ports

_POLL_SECONDS = 0.05


class IntakeProcess:
    """A started intake, which listens once the constructor returns. `settings`: more of its environment."""

    def __init__(
        self, bootstrap: str, topic: str, folder: Path, settings: Mapping[str, str] | None = None, *, port: int = 0
    ) -> None:
        ports = free_ports(2)
        self.port = port or ports[0]
        self._http_port = ports[1]
        self._log = folder / "intake.log"
        environment = os.environ | {
            "REPLAYLAKE_KAFKA__BOOTSTRAP": bootstrap,
            "REPLAYLAKE_INTAKE__TOPIC": topic,
            "REPLAYLAKE_INTAKE__ADDRESS": f"{LOOPBACK}:{self.port}",
            "REPLAYLAKE_HTTP__ADDRESS": f"{LOOPBACK}:{self._http_port}",
            **(settings or {}),
        }
        command = dying_with_us([sys.executable, "-m", "flows.cli", "intake"])
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        self._wait_listens()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()

    def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, str]]:
        """Status and headers (names in lower case) of one request on a connection of its own."""
        status, answered, _ = self.ask("POST", path, body, headers)
        return status, answered

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one request."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def health(self, what: str = "ready") -> int:
        """The status of /health/live or /health/ready."""
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self._http_port}/health/{what}", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def metrics(self) -> dict[str, float]:
        """Every sample by its name with labels."""
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self._http_port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def children(self) -> list[int]:
        """Process ids of the workers, where there are several."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(number) for number in found.split()]

    def kill(self) -> None:
        """kill -9. Workers have a group of their own and die with their parent."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(60)

    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    def _wait_listens(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                if self.ask("GET", "/")[0] == http.client.NOT_FOUND:
                    return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the intake did not start (exit {self.process.poll()})\n{self.log()[-3000:]}")
            time.sleep(_POLL_SECONDS)


def cpu_seconds(process_id: int) -> float:
    """User and system time of a process so far, with all its threads."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
