"""The pages that people read, and the blocks in them. Above a shell block stands who runs it, or why nobody does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(DOCS.rglob("*.md"))]
SHELL = {"sh", "console", "bash", "shell"}
_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]+?) -->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_COMMAND = re.compile(
    r"^ *(?:\$ )?(?:make|replaylake|docker|kubectl|curl|pip|uv|python3?|npm|export|git) \S", re.MULTILINE
)
_INDENTED = re.compile(r"(?:\A|\n\n)((?: {4}\S[^\n]*\n)+)")


class Block(NamedTuple):
    """A fenced block. `mark`: what the comment above it says; empty without one."""

    page: Path
    mark: str
    language: str
    text: str

    @property
    def place(self) -> str:
        """For the name of a test."""
        return f"{self.page.stem}: {self.text.strip().splitlines()[0][:50]}"


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield Block(page, found["mark"] or "", found["language"], found["text"])


def shell_blocks() -> list[Block]:
    """Every block with commands, also where nobody says that it is of a shell."""
    every = [block for page in PAGES for block in blocks(page)]
    return [one for one in every if one.language in SHELL or (not one.language and _COMMAND.search(one.text))]


def marked(mark: str) -> list[Block]:
    """The blocks with this mark."""
    return [block for page in PAGES for block in blocks(page) if block.mark == mark]


def indented_commands(page: Path) -> list[str]:
    """Commands in blocks that are indented and so have no mark; they should be fenced."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [found[1] for found in _INDENTED.finditer(text) if _COMMAND.search(found[1])]
