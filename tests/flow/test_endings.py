"""A command ends as it says: the same exit code every time, whatever threads of libraries are still at work."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.main import app
from lake.catalog import session_keys
from sinks.store import LocalStore
from tests.conftest import LONG, REPOSITORY

_MANY, _FEW = (50, 6) if LONG else (10, 1)  # Arrow's threads are still at work at the end of the first kind


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Path:
    folder = tmp_path_factory.mktemp("endings") / "lake"
    done = CliRunner().invoke(app, ["backfill", str(samples / "guance" / "gc-charts.jsonl.gz"), "--lake", str(folder)])
    assert done.exit_code == 0
    return folder


@pytest.mark.slow
@pytest.mark.timeout(3600 if LONG else 600)  # on a machine that is busy with other things
def test_every_way_to_end_has_its_exit_code_every_time(lake: Path, tmp_path: Path) -> None:
    _, session = min(session_keys(LocalStore(lake)))
    none = str(tmp_path / "none")
    many = [
        (0, ["verify"]),
        (0, ["show", session]),
        (1, ["show", "nobody"]),
        (0, ["export", session]),
        (1, ["export", "nobody"]),
    ]
    few = [
        (0, ["sessions"]),
        (2, ["sessions", "--where", "nothing=1"]),
        (0, ["sql", "select count(*) from views"]),
        (1, ["sql", "select nothing from views"]),
        (0, ["compact", "--dry-run"]),
        (0, ["erase", "--session", session, "--dry-run"]),
        (1, ["erase", "--session", "nobody", "--dry-run"]),
        (1, ["retention", "plan"]),  # a local lake has no rules
        (0, ["retention", "sweep", "--dry-run"]),
        (0, ["retention", "holds"]),
        (0, ["tables", "--ddl", "hive"]),
    ]
    wrong = [
        *(["verify"], ["sessions"], ["show", "x"], ["export", "x"], ["sql", "select 1"], ["serve", "--port", "0"]),
        *(["compact"], ["erase", "--app", "x"], ["tables", "--ddl", "glue"]),
        *(["retention", one] for one in ("plan", "apply", "verify", "sweep", "migrate", "holds")),
        *(["retention", one, "--app", "x"] for one in ("hold", "release")),
    ]
    assert _endings([[*command, "--lake", str(lake)] for _, command in many], _MANY) == [
        {code: _MANY} for code, _ in many
    ]
    assert _endings([[*command, "--lake", str(lake)] for _, command in few], _FEW) == [{code: _FEW} for code, _ in few]
    assert _endings([[*command, "--lake", none] for command in wrong], 1) == [{1: 1} for _ in wrong]


@pytest.mark.parametrize("command", ["sessions", "verify"])
def test_what_cannot_be_written_is_a_failure(lake: Path, command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "flows.cli", command, "--lake", str(lake)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("No space left on device")


@pytest.mark.parametrize("command", ["sessions --json", "tables"])  # less and more than a buffer
def test_a_reader_that_has_seen_enough_is_no_failure(lake: Path, command: str) -> None:
    line = f"{sys.executable} -m flows.cli {command} --lake {lake} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_a_lake_without_sessions_says_so(tmp_path: Path) -> None:
    LocalStore(tmp_path).put({"_job/owner.json": b'{"version":1,"job_id":"x"}'})
    for command in ("sessions", "verify"):
        done = CliRunner().invoke(app, [command, "--lake", str(tmp_path)])
        assert done.exit_code == 0
        assert done.output.rstrip().endswith(("yet", "has no sessions yet"))
        assert str(tmp_path) in done.output


def test_erase_of_what_is_not_there_is_no_success(lake: Path) -> None:
    [(app_id, session)] = list(session_keys(LocalStore(lake)))[:1]
    for wrong in (
        ["--session", session[:8]],
        ["--session", session, "--app", "other"],
        ["--session", "nobody", "--app", app_id],
        ["--app", "other"],
        ["--user-email", "nobody@example.test"],
    ):
        done = CliRunner().invoke(app, ["erase", *wrong, "--dry-run", "--lake", str(lake)])
        assert done.exit_code == 1, wrong
        assert str(done.exception).startswith("nothing of "), wrong
        assert str(lake) in str(done.exception)


def _endings(commands: list[list[str]], times: int) -> list[dict[int, int]]:
    """Exit codes of each command, and how often each came."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.flow.endings", str(times)],
        cwd=REPOSITORY,
        input=json.dumps(commands),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [{int(code): count for code, count in one.items()} for one in json.loads(done.stdout)]
