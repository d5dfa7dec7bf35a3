"""The documentation as a site, strictly; and the links of the pages that are not in it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli.commands_doc import commands_markdown
from tests.docs.pages import DOCS, PAGES, ROOT

LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")


def _build(folder: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Not with `--quiet`, which would leave out the warnings that make a strict build fail."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_site_is_built_and_no_link_of_it_is_dead(tmp_path: Path) -> None:
    """A page that is in no chapter, a link to nowhere and an anchor that is not there are warnings, and so errors."""
    done = _build(ROOT, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "tutorial.html").is_file()


@pytest.mark.parametrize("link", ["nowhere.md", "settings.md#nothing", "../README.md"])
def test_a_dead_link_is_noticed(link: str, tmp_path: Path) -> None:
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    with (tmp_path / "docs" / "index.md").open("a", encoding="utf-8") as page:
        page.write(f"\n[dead]({link})\n")
    done = _build(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    assert link.partition("#")[0] in done.stderr


def test_the_site_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    text = "".join(page.read_text(encoding="utf-8") for page in tmp_path.rglob("*.html"))
    assert re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(?:https?:)?//[^"]+"', text) == []


@pytest.mark.parametrize("page", [page for page in PAGES if not page.is_relative_to(DOCS)], ids=lambda page: page.stem)
def test_links_of_pages_beside_the_site_lead_to_files(page: Path) -> None:
    found = [target for target, _ in LINK.findall(page.read_text(encoding="utf-8")) if ":" not in target]
    assert found
    assert [target for target in found if not (page.parent / target).exists()] == []


def test_the_page_about_the_commands_is_up_to_date() -> None:
    assert (DOCS / "commands.md").read_text(encoding="utf-8") == commands_markdown(), (
        "run: python -m flows.cli.commands_doc > docs/commands.md"
    )
