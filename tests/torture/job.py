"""The job as a process that can be killed: start, look at its metrics, kill, stop."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from flows.demo.servers import Broker, S3Server
from flows.server_process import LOOPBACK, free_ports, listens
from sinks.s3 import S3Store
from sinks.store import LocalStore, ObjectStore
from tests.starts import Process

Samples = dict[str, float]  # sum over all labels, by sample name; `<name>:count` and `<name>:min` over them
STARTED: "list[JobProcess]" = []  # by the test that runs; its end is theirs
_COMMITTED = "replaylake_last_commit_timestamp_seconds"
RULES = {  # minutes made seconds, so that sessions close all the time
    "REPLAYLAKE_SESSIONS__GAP_SECONDS": "3",
    "REPLAYLAKE_SESSIONS__CAP_SECONDS": "30",
    "REPLAYLAKE_SESSIONS__LATENESS_SECONDS": "1",
    "REPLAYLAKE_SESSIONS__END_GRACE_SECONDS": "1",
    "REPLAYLAKE_SESSIONS__SETTLE_SECONDS": "1",
    "REPLAYLAKE_RUN__CLOCK_MARGIN_SECONDS": "5",  # the time that the generator, the broker and their threads may take
    "REPLAYLAKE_RUN__OUTAGE_HOLD_SECONDS": "15",
    "REPLAYLAKE_RUN__EPOCH_SECONDS": "1",
}


class Place(msgspec.Struct, frozen=True):
    """Where a job reads and writes. `extra`: more of its environment."""

    broker: Broker
    lake: str
    recovery: Path
    s3: S3Server | None = None
    endpoint_url: str = ""  # of a proxy before the S3 server
    extra: Mapping[str, str] = {}

    def environment(self) -> dict[str, str]:
        found = {
            **os.environ,
            **RULES,
            "REPLAYLAKE_LAKE": self.lake,
            "REPLAYLAKE_KAFKA__BOOTSTRAP": self.broker.bootstrap,
            "REPLAYLAKE_KAFKA__TOPICS": '["rum"]',
            "REPLAYLAKE_RUN__RECOVERY_DIR": str(self.recovery),
            **self.extra,
        }
        if self.s3 is not None:
            found |= {
                "REPLAYLAKE_S3__ENDPOINT_URL": self.endpoint_url or self.s3.endpoint_url,
                "REPLAYLAKE_S3__KEY": self.s3.access_key,
                "REPLAYLAKE_S3__SECRET": self.s3.secret_key,
            }
        return found

    def store(self) -> ObjectStore:
        return S3Store(self.lake, self.s3.storage_options()) if self.s3 else LocalStore(Path(self.lake))


class JobProcess:
    """A started `replaylake run`, of one process or a cluster on this machine."""

    def __init__(self, place: Place, processes: int = 1, arguments: Sequence[str] = ()) -> None:
        self._processes = processes
        self._ports = adjacent_ports(processes)
        self.port = self._ports[0]
        environment = place.environment() | {"REPLAYLAKE_HTTP__ADDRESS": f"{LOOPBACK}:{self._ports[0]}"}
        command = [sys.executable, "-m", "flows.cli", "run", "--processes", str(processes), *arguments]
        self._log = place.recovery.with_suffix(".log")
        self._log_start = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = Process(command, env=environment, stderr=log, stdout=log)
        STARTED.append(self)

    def end(self) -> None:
        """However it is: a test that failed leaves no process behind."""
        if self._process.poll() is not None:
            return  # its number may be another process's by now
        for child in [self._process.pid, *_children(self._process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._process.wait()

    def log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]

    def log(self) -> str:
        """All that this process has said."""
        return self._log.read_bytes()[self._log_start :].decode(errors="replace")

    def poll(self) -> int | None:
        return self._process.poll()

    def kill(self, chance: random.Random) -> str:
        """kill -9 of a process of the job, chosen by chance; says which. Returns when all of them are gone."""
        children = _children(self._process.pid) if self._processes > 1 else []
        victim = chance.choice([self._process.pid, *children])
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        self._process.wait(30)
        for child in children:
            _await_end(child)
        return "the supervisor" if victim == self._process.pid and children else "a process"

    def await_up(self, seconds: float = 120.0) -> None:
        """Until it works: all processes answer, and something is committed."""
        deadline = time.monotonic() + seconds
        while not (samples := self.samples()) or not samples.get(f"{_COMMITTED}:count"):
            assert self.poll() is None, f"the job ended by itself\n{self.log_tail()}"
            assert time.monotonic() < deadline, self.log_tail()
            time.sleep(0.1)

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        self._process.terminate()

    def await_end(self, seconds: float) -> int | None:
        """The exit code; None when it still runs after that time."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, seconds: float = 200.0) -> tuple[int, float]:
        """SIGTERM; the exit code and the seconds until then."""
        begun = time.monotonic()
        self._process.terminate()
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError(f"no end {seconds:.0f} s after SIGTERM\n{self.log_tail()}") from None
        return code, time.monotonic() - begun

    def samples(self) -> Samples | None:
        """The metrics of all processes together; None while one of them does not answer."""
        total: Samples = {}
        for port in self._ports:
            try:
                with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=5) as answer:
                    text = answer.read().decode()
            except OSError:
                return None
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    count, least = f"{sample.name}:count", f"{sample.name}:min"
                    total[sample.name] = total.get(sample.name, 0.0) + sample.value
                    total[count] = total.get(count, 0) + 1
                    total[least] = min(sample.value, total.get(least, sample.value))
        return total

    def await_idle(self, seconds: float = 900.0) -> Samples:
        """Wait until everything is read and every session is closed, and all of that is committed."""
        deadline = time.monotonic() + seconds
        quiet_at: float | None = None  # when that was seen first; what is then in flight is in the next commit
        while time.monotonic() < deadline:
            assert self.poll() is None, f"the job ended by itself\n{self.log_tail()}"
            looked_at, samples = time.time(), self.samples()
            if samples is None or not _is_all_read(samples) or samples["replaylake_open_sessions"]:
                quiet_at = None
            elif quiet_at is None:
                quiet_at = looked_at
            elif samples[f"{_COMMITTED}:min"] > quiet_at:
                return samples
            time.sleep(0.3)
        raise AssertionError(f"not idle after {seconds:.0f} s: {self.samples()}\n{self.log_tail()}")


def _is_all_read(samples: Samples) -> bool:
    """Whether every partition is known to have no more messages."""
    partitions = samples.get("replaylake_messages_total:count")
    known = samples.get("replaylake_lag_messages:count"), samples.get(f"{_COMMITTED}:count")
    is_known = partitions is not None and known == (partitions, partitions)
    return is_known and samples["replaylake_lag_messages"] == 0


def adjacent_ports(count: int) -> list[int]:
    while True:
        first = free_ports(1)[0]
        ports = list(range(first, first + count))
        if not any(listens(port) for port in ports):
            return ports


def _children(process_id: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _await_end(process_id: int) -> None:
    deadline = time.monotonic() + 30
    while Path(f"/proc/{process_id}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
