"""Workflows and the version: valid by GitHub's schema, of targets that exist; one version, wherever it stands."""

import importlib.util
import json
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from flows.cli.main import app
from tests.conftest import part_of
from tests.torture.__main__ import INPUTS, SCENARIOS

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


version = _script("version")


def _workflow(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text("utf-8"))
    return loaded


@pytest.mark.parametrize("file", [*WORKFLOWS, ROOT / ".github" / "dependabot.yml"], ids=lambda file: file.stem)
def test_a_file_is_valid_by_its_schema(file: Path) -> None:
    schema = "vendor.dependabot" if file.stem == "dependabot" else "vendor.github-workflows"
    checker = Path(sysconfig.get_path("scripts")) / "check-jsonschema"
    command: list[str | Path] = [checker, "--builtin-schema", schema, file]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_what_a_workflow_runs_is_there(file: Path) -> None:
    jobs = _workflow(file.stem)["jobs"].values()
    commands = "\n".join(step["run"] for job in jobs for step in job["steps"] if "run" in step)
    targets, scripts = re.findall(r"^make ([a-z]+)", commands, re.MULTILINE), re.findall(r"\.ci/[\w.]+", commands)
    assert targets or scripts
    assert [target for target in targets if f"\n{target}:" not in MAKEFILE] == []
    assert [script for script in scripts if not (ROOT / script).is_file()] == []


def test_changes_are_tested_on_both_pythons_and_both_machines() -> None:
    matrix = _workflow("ci")["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12"]
    assert [machine.endswith("-arm") for machine in matrix["machine"]] == [False, True]


def test_the_parts_of_the_tests_are_together_all_of_them() -> None:
    pieces, slow = {str(number) for number in range(20)}, {"3", "7", "8", "12", "13"}
    parts = [part_of(pieces, slow, part) for part in _workflow("ci")["jobs"]["test"]["strategy"]["matrix"]["part"]]
    assert sorted(piece for part in parts for piece in part) == sorted(pieces)
    assert sorted(len(part & slow) for part in parts) == [1, 2, 2]
    assert part_of(pieces, slow, "1/1") == pieces
    with pytest.raises(pytest.UsageError):
        part_of(pieces, slow, "0/3")


def test_the_nightly_torture_has_every_scenario_that_there_is() -> None:
    jobs = _workflow("nightly")["jobs"]
    for job, known in {"torture": [*SCENARIOS], "torture-kafka": [*INPUTS]}.items():
        rows = jobs[job]["strategy"]["matrix"]["scenario"]
        assert sorted(name for row in rows for name in row.split()) == sorted(known)


def test_the_nightly_run_has_the_long_form_of_every_test_that_has_one() -> None:
    named = re.findall(r"tests/\S+\.py", _workflow("nightly")["jobs"]["long"]["steps"][-1]["run"])
    tests = [
        path
        for path in ROOT.glob("tests/*/test_*.py")
        if re.search(r"^from tests.conftest import .*\bLONG\b", path.read_text(), re.MULTILINE)
    ]
    assert sorted(named) == sorted(str(path.relative_to(ROOT)) for path in tests)


def test_the_version_is_the_same_everywhere() -> None:
    assert version.faults(ROOT) == []
    assert CliRunner().invoke(app, ["--version"]).stdout.strip() == f"replaylake {version.version(ROOT)}"


def test_a_new_version_is_written_everywhere_and_takes_the_unreleased_lines(tmp_path: Path) -> None:
    for name in ["pyproject.toml", "CHANGELOG.md", *(name for name, _ in version.FOLLOWERS)]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    version.change(tmp_path, "7.8.9", "2027-01-02")
    assert version.version(tmp_path) == "7.8.9"
    assert version.faults(tmp_path) == []
    changelog = (tmp_path / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "\n## Unreleased\n\n## 7.8.9 - 2027-01-02\n\n### Added\n" in changelog
    assert version.notes(tmp_path).startswith("### Added")
    for name, _ in version.FOLLOWERS:  # a version of something else is left alone
        changed = (tmp_path / name).read_text().replace("7.8.9", version.version(ROOT))
        assert changed == (ROOT / name).read_text()


def test_a_place_that_was_forgotten_is_told(tmp_path: Path) -> None:
    for name in ["pyproject.toml", *(name for name, _ in version.FOLLOWERS)]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    compose = tmp_path / "docker" / "compose.yaml"
    compose.write_text(compose.read_text().replace(f"replaylake:{version.version(ROOT)}", "replaylake:0.0.9", 1))
    assert len(version.faults(tmp_path)) == 1
    assert "docker/compose.yaml" in version.faults(tmp_path)[0]


def test_the_list_of_what_is_in_the_wheel_has_python_and_the_player() -> None:
    lock = json.loads((ROOT / "viewer/page/package-lock.json").read_text())["packages"]
    player = {part["name"]: part for part in _script("sbom").page_part()}
    assert player["@rrweb/replay"]["version"] == lock["node_modules/@rrweb/replay"]["version"]
    assert player["@rrweb/replay"]["purl"].startswith("pkg:npm/%40rrweb/replay@")
    assert all(len(part["hashes"][0]["content"]) == 128 for part in player.values())  # SHA-512
    python = {part["name"] for part in _script("sbom").python_part()["components"]}
    assert {"bytewax", "pyarrow", "duckdb", "fastapi"} <= python
    assert not {"pytest", "mypy"} & python
