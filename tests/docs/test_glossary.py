"""The glossary: every row is complete, no word twice, and what has a name in the lake has a row."""

import re

import pytest

from schemas import keys
from tests.docs.pages import DOCS

TEXT = (DOCS / "glossary.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| term"))
]
WORDS = {word.strip() for row in ROWS for word in row[0].split(",")}
ASKED = {
    *("pack", "bundle", "moment", "notice", "fence", "hold", "epoch", "incarnation", "memo"),
    *("shard", "journal", "blob", "frame", "style", "track", "swap"),
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_word_has_a_meaning_and_what_it_is_called_elsewhere(row: list[str]) -> None:
    assert len(row) == 4
    assert all(row[:3])


def test_no_word_has_two_rows() -> None:
    words = [word.strip() for row in ROWS for word in row[0].split(",")]
    assert sorted(words) == sorted(set(words))


@pytest.mark.parametrize("word", sorted(ASKED))
def test_the_words_that_strangers_asked_about_are_there(word: str) -> None:
    assert word in WORDS


def test_what_lies_in_the_job_s_folder_has_a_word() -> None:
    """`_job/fence/` is of the word "fence"; `published` is told with "staged"."""
    places = [str(value) for value in vars(keys).values() if isinstance(value, str) and value.startswith("_job/")]
    names = {re.split(r"[/.]", place)[1] for place in places}
    assert len(names) > 5
    others = {"notices": "notice", "receipts": "receipt", "compaction": "swap", "iceberg": "registrar"}
    assert {others.get(name, name) for name in names} <= WORDS
