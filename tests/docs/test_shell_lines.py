"""Shell lines of the documentation run as they stand there, on the lake that the sample recordings give."""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import s3fs

from flows.demo.servers import S3Server
from flows.server_process import LOOPBACK, free_ports, listens
from tests.docs.pages import PAGES, ROOT, Block, indented_commands, marked, shell_blocks

RUN_BY = re.compile(r"run by (tests/\S+\.py)")
REASON = re.compile(r"not run: \S.{10,}")
MARKS = {"runs: lake", "runs: server", "runs: client", *(f"runs: tutorial{what}" for what in ("", " start", " serve"))}
SAMPLES = sorted((ROOT / "samples").glob("*/*.jsonl.gz"))


class Place:
    """A folder with `demo-lake` in it, and the same lake as `s3://my-bucket/rum`, which is the configured one."""

    def __init__(self, folder: Path, s3: S3Server) -> None:
        self.folder = folder
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(folder),
            "REPLAYLAKE_LAKE": "s3://my-bucket/rum",
            "REPLAYLAKE_S3__ENDPOINT_URL": s3.endpoint_url,
            "REPLAYLAKE_S3__KEY": s3.access_key,
            "REPLAYLAKE_S3__SECRET": s3.secret_key,
            "REPLAYLAKE_RETENTION__DAYS": "3650",  # the samples are of November 2026, whatever day it is
        }

    def run(self, text: str, more: Mapping[str, str] | None = None) -> str:
        """What a shell prints that does these lines and stops at the first that fails."""
        command = ["bash", "-euo", "pipefail", "-c", text]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment | dict(more or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, s3: S3Server) -> Place:
    made = Place(tmp_path_factory.mktemp("docs"), s3)
    s3fs.S3FileSystem(**s3.storage_options()).makedirs("my-bucket", exist_ok=True)  # a lost answer is asked for again
    for lake in ("demo-lake", "s3://my-bucket/rum"):
        made.run(f"replaylake backfill --lake {lake} {' '.join(map(str, SAMPLES))}")
    return made


@pytest.fixture(scope="module")
def names(place: Place) -> Mapping[str, str]:
    """What the lines call $APP, $SESSION and $ANOTHER."""
    query = "select app_id, session_id from sessions where session_has_replay order by start limit 2"
    rows = place.run(f'replaylake sql --lake demo-lake --csv "{query}"').split()[1:]
    (app, session), (_, another) = (row.split(",") for row in rows)
    return {"APP": app, "SESSION": session, "ANOTHER": another}


@pytest.mark.parametrize("block", shell_blocks(), ids=lambda block: block.place)
def test_who_runs_a_block_or_why_nobody_does_is_said_above_it(block: Block) -> None:
    by = RUN_BY.fullmatch(block.mark)
    assert block.mark in MARKS or REASON.fullmatch(block.mark) or by, f"says {block.mark!r}"
    if by:
        named = (ROOT / by[1]).read_text(encoding="utf-8")
        assert block.page.name in named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_command_hides_in_an_indented_block(page: Path) -> None:
    assert indented_commands(page) == []


@pytest.mark.slow
@pytest.mark.parametrize("block", marked("runs: lake"), ids=lambda block: block.place)
def test_lines_about_a_lake_run(block: Block, place: Place, names: Mapping[str, str]) -> None:
    place.run(block.text, names)


def test_the_output_in_the_readme_is_what_comes_out(place: Place) -> None:
    [block] = [one for one in shell_blocks() if one.page.name == "README.md" and one.language == "console"]
    command, _, output = block.text.partition("┌")
    assert place.run(command.removeprefix("$ ")).strip() == f"┌{output}".strip()


@contextmanager
def _served(line: str, place: Place) -> Iterator[int]:
    """The port of a server that a line starts; it is told to stop at the end, and must say that all went well."""
    [port] = free_ports(1)
    environment = place.environment | {"REPLAYLAKE_SERVE__PORT": str(port)}
    with subprocess.Popen(["bash", "-c", f"exec {line}"], cwd=place.folder, env=environment) as server:
        try:
            deadline = time.monotonic() + 60
            while not listens(port):
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield port
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0


@pytest.mark.slow
@pytest.mark.parametrize("block", marked("runs: server"), ids=lambda block: block.place)
def test_lines_that_start_a_server_do_and_others_can_ask_it(block: Block, place: Place) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine")
    with _served(block.text, place) as port:
        for asking in marked("runs: client"):
            assert "127.0.0.1:8080" in asking.text
            assert place.run(asking.text.replace("127.0.0.1:8080", f"{LOOPBACK}:{port}")).startswith("{")


def test_every_kind_of_mark_is_in_use() -> None:
    assert {block.mark for block in shell_blocks() if block.mark.startswith("runs: ")} == MARKS
