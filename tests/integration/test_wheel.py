"""The wheel in an environment that has nothing else: what is in it, the command, the page's player, the demo."""

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.integration.test_image import PLAYER, REPOSITORY

PACKAGES = {"flows", "intake", "lake", "operators", "schemas", "sinks", "viewer"}
UV = Path(sysconfig.get_path("scripts")) / "uv"
WITHOUT_CACHE = "uv's cache has not all packages: `make setup` without a cache of its own fills it"

pytestmark = pytest.mark.skipif(not PLAYER.is_dir(), reason="no player in viewer/page/vendor: run `make setup`")


def _uv(*arguments: str | Path, environment: Path | None = None) -> str:
    """Run uv without a network: tests stay on this machine."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "VIRTUAL_ENV"))}
    if environment is not None:
        variables["VIRTUAL_ENV"] = str(environment)
    command: list[str | Path] = [UV, *arguments, "--offline"]
    done = subprocess.run(command, cwd=REPOSITORY, env=variables, capture_output=True, text=True, check=False)
    if re.search("network (connectivity is|was) disabled", done.stderr.lower()):
        pytest.skip(WITHOUT_CACHE)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    _uv("build", "--wheel", "--quiet", "--out-dir", folder)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`replaylake` of an environment into which only the wheel was installed, at the versions of the lock file."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    _uv("venv", "--quiet", "--python", sys.executable, folder)
    for arguments in (
        ("sync", "--active", "--frozen", "--no-dev", "--all-extras", "--no-install-project", "--quiet"),
        ("pip", "install", "--quiet", "--no-deps", wheel),
        ("pip", "check", "--quiet"),  # what the wheel says it needs is what was installed
    ):
        _uv(*arguments, environment=folder)
    return folder / "bin" / "replaylake"


def test_the_wheel_has_the_packages_the_player_the_samples_and_nothing_of_the_workshop(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == PACKAGES
    assert {"viewer/page/index.html", "viewer/page/vendor/replay.js", "viewer/page/vendor/replay.css"} <= set(names)
    assert sum(name.startswith("flows/samples/") and name.endswith(".jsonl.gz") for name in names) == len(
        list((REPOSITORY / "samples").glob("*/*.jsonl.gz"))
    )
    odd = [name for name in names if re.search(r"node_modules|tests?/|\.ts$|package.*\.json|__pycache__", name)]
    assert odd == []


def test_the_command_says_its_version(command: Path, wheel: Path) -> None:
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    assert done.stdout == f"replaylake {wheel.name.split('-')[1]}\n", done.stderr


@pytest.mark.slow
def test_the_demo_runs_from_an_empty_environment(command: Path, tmp_path: Path) -> None:
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([command, "demo"], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ sessions$", done.stdout, re.MULTILINE)
    assert list((tmp_path / "demo-lake" / "tables" / "sessions").rglob("*.parquet"))
