"""`replaylake serve` as a process that is asked over HTTP, of this checkout or of another, to measure beside it."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import zstandard

from bench.spent import REPOSITORY

Parameters = dict[str, Any] | list[tuple[str, Any]]
Ask = Callable[[str, Parameters], Any]


_POLL_SECONDS = 0.05
BESIDE = "BENCH_BESIDE"  # a checkout with its .venv


def checkouts() -> dict[str, Path]:
    """What is measured: this checkout, as "", and the one that the environment names, as a comma and its commit."""
    beside = os.environ.get(BESIDE)
    return {"": REPOSITORY} | ({f", {_commit(Path(beside))}": Path(beside)} if beside else {})


def python(checkout: Path, *arguments: str) -> list[str]:
    """A command line of the checkout's Python that leaves no files there."""
    return [interpreter(checkout), "-B", *arguments]


def interpreter(checkout: Path) -> str:
    """The checkout's Python, or this one where it has none."""
    own = checkout / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


@contextmanager
def serving(
    lake: Path | str, work: Path, checkout: Path = REPOSITORY, settings: Mapping[str, str] | None = None
) -> Iterator[tuple[str, int]]:
    """Its address and process. `work`: for scratch files and its log; `settings`: by variable."""
    command = python(checkout, "-m", "flows.cli", "serve", "--lake", str(lake), "--port", "0")
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(work), "PYTHONPATH": str(checkout), **(settings or {})}
    log = work / "serve.log"
    with log.open("wb") as into, subprocess.Popen(
        command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL, stderr=into  # a pipe would fill up
    ) as process:  # fmt: skip
        try:
            yield _address(log, process), process.pid
        finally:
            process.terminate()


def _address(log: Path, process: "subprocess.Popen[bytes]") -> str:
    """Where it listens, which is the first thing that it says."""
    while True:
        has_ended = process.poll() is not None
        found = re.search(r"http://\S+(?=\s)", log.read_text())
        if found is not None:
            return found[0]
        if has_ended:
            raise RuntimeError(log.read_text())
        time.sleep(_POLL_SECONDS)


def client(url: str) -> Ask:
    """Asks one question after the other on one connection. Raises RuntimeError for an answer that is not 200."""
    ask = status_client(url)

    def asked(path: str, parameters: Parameters) -> Any:  # noqa: ANN401 - JSON
        status, answer = ask(path, parameters)
        if status != 200:
            raise RuntimeError(f"{path}: {status} {answer}")
        return answer

    return asked


def status_client(url: str, prefix: str = "/api/v1") -> Callable[[str, Parameters], tuple[int, Any]]:
    """The same with the status of each answer."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=600)

    def ask(path: str, parameters: Parameters) -> tuple[int, Any]:
        connection.request("GET", f"{prefix}{path}?{urlencode(parameters)}", headers={"Accept-Encoding": "zstd"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.getheader("content-encoding") is not None:
            body = zstandard.ZstdDecompressor().decompressobj().decompress(body)
        return answer.status, json.loads(body)

    return ask


def until_copied(url: str) -> None:
    """Wait until the server has made its copies of lines."""
    ask = status_client(url, "/health")
    while ask("/ready", {})[1].get("copies_missing", 0) != 0:  # null: not known yet
        time.sleep(_POLL_SECONDS)


def percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _commit(folder: Path) -> str:
    asked = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    )
    return asked.stdout.strip()
