"""What contributors are told: hooks that are the checks, decisions with a date, paths and targets that exist."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
GUIDES = ["CONTRIBUTING.md", "SECURITY.md", ".github/pull_request_template.md"]
STATUS = re.compile(r"# (\d+)\. .+\n\nStatus: (?:accepted|superseded by \d+,) \d{4}-\d\d-\d\d\b.*\n\n")
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()}


def _hooks() -> list[dict[str, Any]]:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    return [hook for repository in yaml.safe_load(text)["repos"] for hook in repository["hooks"]]


def test_hooks_run_the_checks_of_make_check_in_the_project_s_environment() -> None:
    python, page = re.findall(r"for tool in (.+); do", MAKEFILE)
    lists = {".venv/bin": python, "tests/viewer/node_modules/.bin": page}
    checks = [
        f"{folder}/{quoted or plain}"
        for folder, tools in lists.items()
        for quoted, plain in re.findall(r'"([^"]+)"|(\S+)', tools)
    ]
    assert [hook["entry"] for hook in _hooks()] == checks
    assert {hook["language"] for hook in _hooks()} == {"system"}  # nothing is fetched


def test_pre_commit_accepts_the_file() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-config", str(ROOT / ".pre-commit-config.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name[:4])
def test_a_decision_has_its_number_a_status_and_a_date(page: Path) -> None:
    found = STATUS.match(page.read_text(encoding="utf-8"))
    assert found, f"{page.name} does not begin with `# N. Title` and `Status: accepted YYYY-MM-DD`"
    assert int(found[1]) == int(page.name[:4])


def test_no_two_decisions_have_one_number() -> None:
    assert len({page.name[:4] for page in DECISIONS}) == len(DECISIONS)


@pytest.mark.parametrize("guide", GUIDES)
def test_paths_and_targets_that_a_guide_names_exist(guide: str) -> None:
    text = (ROOT / guide).read_text(encoding="utf-8")
    for quoted in re.findall(r"`([^`\n]+)`", text):
        first, slash, _ = quoted.partition("/")
        if slash and first in FOLDERS and not re.search(r"[*…\s]|[A-Z]{2,}|N/", quoted):
            assert (ROOT / quoted).exists(), quoted
    for target in re.findall(r"`make ([a-z]+)", text):
        assert f"\n{target}:" in MAKEFILE, target


def test_each_folder_of_unit_tests_is_one_of_the_source() -> None:
    here = Path(__file__).parent
    folders = {file.parent.relative_to(here) for file in here.rglob("*.py")}
    assert [folder for folder in sorted(folders) if not (ROOT / folder).is_dir()] == []
