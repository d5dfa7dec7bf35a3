"""`replaylake serve` as a process of its own, as a measurement asks it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.spent import REPOSITORY


@contextmanager
def serving(
    lake: str, work: Path, settings: Mapping[str, str] | None = None, code: Path = REPOSITORY
) -> Iterator[tuple[str, int]]:
    """Its URL and process. `settings`: of its environment; `code`: another checkout of the project."""
    command = [sys.executable, "-m", "flows.cli", "serve", "--lake", lake, "--port", "0"]
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(work), **(settings or {})}
    with subprocess.Popen(
        command, cwd=code, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
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
