"""docs/tutorial.md, done by a reader who pastes what stands there: only ports are others, and the wait is shorter."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.server_process import LOOPBACK, free_ports, listens
from tests.browser.closed_loop import HERE, missing
from tests.conftest import CHROMIUM
from tests.docs.pages import DOCS, blocks
from tests.torture.job import adjacent_ports

PAGE = list(blocks(DOCS / "tutorial.md"))
WAIT_SECONDS = 280

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200), pytest.mark.skipif(bool(missing()), reason=missing())]


def _only(mark: str) -> str:
    [text] = [block.text for block in PAGE if block.mark == mark]
    return text


def _until(is_done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_done():
        assert time.monotonic() < deadline, f"{what} after {WAIT_SECONDS} s"
        time.sleep(0.2)


@contextmanager
def _terminal(line: str, folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """A terminal in which a line runs until Ctrl-C."""
    with subprocess.Popen(["bash", "-c", f"exec {line}"], cwd=folder, env=environment) as process:
        try:
            yield
            assert process.poll() is None
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode in (0, 130, -signal.SIGINT)


def test_a_reader_of_the_tutorial_gets_the_answers_that_it_promises(tmp_path: Path) -> None:
    intake, viewer = adjacent_ports(2)
    [site] = free_ports(1)
    ports = {"127.0.0.1:8080": f"{LOOPBACK}:{intake}", "127.0.0.1:8081": f"{LOOPBACK}:{viewer}", "8000": str(site)}

    def moved(text: str) -> str:
        return re.sub("|".join(map(re.escape, ports)), lambda found: ports[found[0]], text)

    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "REPLAYLAKE_INTAKE__ADDRESS": f"{LOOPBACK}:{intake}",
        "REPLAYLAKE_SESSIONS__GAP_SECONDS": "10",
    }
    file = next(block for block in PAGE if block.mark.startswith("runs: tutorial page "))
    (tmp_path / file.mark.rpartition(" ")[2]).write_text(moved(file.text), encoding="utf-8")
    with (
        _terminal(_only("runs: tutorial start"), tmp_path, environment),
        _terminal(moved(_only("runs: tutorial serve")), tmp_path, environment),
    ):
        _until(lambda: all(map(listens, (intake, viewer, site))), "not everything listens")
        assert _visited(tmp_path, f"http://{LOOPBACK}:{site}/shop.html", viewer), "nobody is live"
        _until(lambda: _sessions(tmp_path, environment) == 1, "the session is not in the lake")
        said = [
            subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.text],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for block in PAGE
            if block.mark == "runs: tutorial"
        ]
    errors, clicks, by_duckdb, files = said
    assert "brokenFunction is not defined" in errors
    assert "/shop.html" in errors
    assert "Buy a lamp" in clicks
    assert "my-shop" in by_duckdb
    assert files.count(".jsonl.zst") == 1
    assert "the lake is consistent" in files


def _visited(folder: Path, page: str, viewer: int) -> list[dict[str, object]]:
    """Clicks around; the sessions that the viewer then says are live."""
    job = folder / "tutorial.json"
    live = f"http://{LOOPBACK}:{viewer}/api/v1/live"
    what = {"chromium": CHROMIUM, "page": page, "live": live, "modules": str(HERE / "node_modules")}
    job.write_text(json.dumps(what))
    command = ["node", str(HERE / "tutorial.mjs"), str(job)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr
    found: list[dict[str, object]] = json.loads(run.stdout)
    return found


def _sessions(folder: Path, environment: Mapping[str, str]) -> int:
    command = ["replaylake", "sessions", "--lake", "my-lake", "--json"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return len(json.loads(done.stdout))
