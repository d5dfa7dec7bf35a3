"""`replaylake serve` over a lake on disk, as a process of its own; also of another checkout, to measure beside it."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.spent import REPOSITORY

BESIDE = "BENCH_BESIDE"  # a checkout with its .venv


def checkouts() -> dict[str, Path]:
    """What is measured: this checkout, as "", and the one that the environment names, as a comma and its commit."""
    beside = os.environ.get(BESIDE)
    return {"": REPOSITORY} | ({f", {_commit(Path(beside))}": Path(beside)} if beside else {})


def python(checkout: Path, *arguments: str) -> list[str]:
    """A command line of the checkout's Python. It leaves no files there."""
    return [str(checkout / ".venv" / "bin" / "python"), "-B", *arguments]


@contextmanager
def serving(lake: Path, work: Path, checkout: Path = REPOSITORY) -> Iterator[tuple[str, int]]:
    """Its address and process; `work`: for scratch files."""
    command = python(checkout, "-m", "flows.cli", "serve", "--lake", str(lake), "--port", "0")
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(work)}
    with subprocess.Popen(
        command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        try:
            found = re.search(r"http://\S+", process.stderr.readline().decode())
            if found is None:
                raise RuntimeError(process.stderr.read().decode())
            yield found[0], process.pid
        finally:
            process.terminate()
            process.communicate()


def _commit(folder: Path) -> str:
    asked = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    )
    return asked.stdout.strip()
