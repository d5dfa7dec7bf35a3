"""Every sentence of docs/promises.md names tests that exist, and no test of the page is left out."""

import ast
import re

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "promises.md"
ROWS = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ") and "---" not in line]


def _tests() -> set[str]:
    """Names of the tests that look at what Chromium has seen."""
    return {
        one.name
        for file in (ROOT / "tests" / "viewer").glob("test_*.py")
        for one in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")
    }


def test_every_sentence_has_a_test_that_exists() -> None:
    rows = [row for row in ROWS if row != "| sentence | test |"]
    assert len(rows) > 40
    known = _tests()
    for row in rows:
        named = set(re.findall(r"`(test_\w+)`", row))
        assert named, row
        assert named <= known, f"{row}: {named - known}"


def test_every_test_of_the_page_is_of_a_sentence() -> None:
    assert _tests() - set(re.findall(r"`(test_\w+)`", "\n".join(ROWS))) == set()
