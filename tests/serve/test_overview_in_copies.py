"""The overview says the same whether it is counted in narrow copies or in the files of the lake."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lake.line_tables import LineTables
from lake.read_limits import ReadLimits
from sinks.store import LocalStore
from tests.serve.conftest import GUANCE
from viewer import copied_counts, line_copies
from viewer.error_groups import ErrorGroups
from viewer.explorer import Row
from viewer.filters import Wanted
from viewer.line_copies import LineCopies
from viewer.line_explorer import LineExplorer
from viewer.options import IndexLimits
from viewer.overview import Overview
from viewer.session_index import SessionIndex


class Asked:
    """Overviews of a lake, of copies on disk as far as they are made."""

    def __init__(self, lake: Path, work: Path) -> None:
        store = LocalStore(lake)
        self.index = SessionIndex(store, work / "index", IndexLimits())
        self.index.refresh()
        self.tables = LineTables(store, ReadLimits(), lambda: 0.0, 10)
        lines = LineExplorer(self.tables.scan, self.index.questions, 1 << 30)
        self.copies = LineCopies(work / "copies", self.tables.scan, store.uri)
        self._overview = Overview(self.index, lines, ErrorGroups(lines, self.copies), self.copies)

    def of(self, wanted: Wanted) -> Row:
        return self._overview.of(wanted, 3)

    def users(self, condition: str, *params: object) -> int:
        found = self.index.ask(f"SELECT count(DISTINCT userid) FROM sessions WHERE {condition}", params)
        return int(str(found[0][0]))

    def close(self) -> None:
        self.tables.close()
        self.index.close()


@pytest.fixture
def asked(lake: Path, tmp_path: Path) -> Iterator[Asked]:
    asked = Asked(lake, tmp_path)
    yield asked
    asked.close()


def filters(first_ms: float, last_ms: float) -> list[Wanted]:
    middle_ms = (first_ms + last_ms) / 2
    return [
        Wanted(None),
        Wanted(frozenset({GUANCE})),
        Wanted(frozenset()),
        Wanted(None, GUANCE, from_ms=middle_ms),
        Wanted(None, to_ms=middle_ms),
        Wanted(None, from_ms=first_ms, to_ms=first_ms),
        Wanted(None, is_=("browser:Chrome", "browser:Firefox"), not_=("os:iOS",)),
        Wanted(None, is_=("country:",)),
        Wanted(None, is_=("version:", "device:PC"), not_=("env:",)),
        Wanted(None, not_=("version:", "browser:Chrome")),
    ]


@pytest.mark.parametrize("is_on_disk", [False, True])
def test_copies_and_files_say_the_same(asked: Asked, monkeypatch: pytest.MonkeyPatch, is_on_disk: bool) -> None:  # noqa: FBT001
    if is_on_disk:
        monkeypatch.setattr(line_copies, "_LEAST_BYTES", 0)
        asked.copies.look()
        while asked.copies.make():
            pass
        monkeypatch.setattr(line_copies, "_REST_BYTES", -1)
    ((first_us, last_us),) = asked.index.ask('SELECT min("start"), max("start") FROM sessions')
    every = filters(int(str(first_us)) / 1000, int(str(last_us)) / 1000)
    in_copies = [asked.of(wanted) for wanted in every]
    monkeypatch.setattr(line_copies, "can_be_asked", lambda *_: False)
    assert in_copies == [asked.of(wanted) for wanted in every]
    assert in_copies[0]["slowest_resources"]
    assert in_copies[0]["slowest_pages"]


def test_groups_are_the_same_whether_they_are_few_or_many(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    few = asked.of(Wanted(None))
    monkeypatch.setattr(copied_counts, "_FEW_GROUPS", 1)
    assert asked.of(Wanted(None)) == few


def test_visitors_are_the_users_of_the_sessions(asked: Asked) -> None:
    told: dict[str, Any] = asked.of(Wanted(None))
    assert told["visitors"]["value"] == asked.users("TRUE") > 1
    for name, rows in told["breakdowns"].items():
        for row in rows:
            assert row["visitors"]["value"] == asked.users(f"{name} IS NOT DISTINCT FROM ?", row["value"])
