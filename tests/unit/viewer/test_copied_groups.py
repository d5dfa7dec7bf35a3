"""Groups of errors are the same whether they are counted in narrow copies or in the files of the lake."""

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from lake.line_tables import LineTables
from lake.read_limits import ReadLimits
from schemas.keys import table_key
from schemas.units import US_PER_MS
from sinks.store import LocalStore
from sinks.tables import Row, encode_rows
from tests.required_columns import required
from tests.serve.lakes import START_MS
from viewer import copied_counts, error_groups, line_copies
from viewer.error_groups import ErrorGroups
from viewer.filters import Wanted
from viewer.line_copies import LineCopies
from viewer.line_explorer import LineExplorer
from viewer.options import QuestionLimits
from viewer.questions import Questions

_DAYS = ("2026-11-19", "2026-11-20")
_HOUR_MS = 3_600_000
SORTED = ("count", "-count", "first_ms", "-first_ms", "last_ms", "-last_ms")
FILTERS = (
    Wanted(None),
    Wanted(frozenset({"shop"}), not_=("browser:Chrome",)),
    Wanted(None, "blog", is_=("error_type:TypeError", "error_type:")),
    Wanted(None, from_ms=START_MS - 7 * _HOUR_MS, to_ms=START_MS + 0.5),
    Wanted(None, from_ms=-(2.0**52), to_ms=2.0**52),
    Wanted(None, is_=("browser:Opera",)),
    Wanted(frozenset()),
)


def row(dice: random.Random) -> Row:
    """A session may have rows in both files, and a fingerprint be in both apps."""
    time_us = (START_MS + dice.randrange(-24 * _HOUR_MS, 2)) * US_PER_MS + dice.randrange(1000)
    given = {
        "session_id": f"s{dice.randrange(9)}",
        "session_part": dice.randrange(2),
        "app_id": dice.choice(("shop", "blog")),
        "time": dice.choice((time_us, None, START_MS * US_PER_MS)),
        "error_id": str(dice.random()),
        "error_fingerprint": dice.choice(("a", "b", "c", "", None)),
        "error_type": dice.choice(("TypeError", "", None)),
        "error_message": "it broke",
        "userid": dice.choice(("ada", "bob", "", None)),
        "version": dice.choice((None, "", *"1234567")),
        "browser": dice.choice(("Chrome", "Firefox", None)),
    }
    return {**required("errors"), "revision": 0, **given}


@pytest.fixture(params=range(2))
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> LocalStore:
    dice = random.Random(request.param)
    store = LocalStore(tmp_path / "lake")
    for day in _DAYS:
        store.put({table_key("errors", 14, day, "0"): encode_rows("errors", [row(dice) for _ in range(150)])})
    return store


@pytest.fixture
def tables(lake: LocalStore) -> Iterator[LineTables]:
    tables = LineTables(lake, ReadLimits(), lambda: 1000.0, 10)
    yield tables
    tables.close()


def test_copies_and_files_say_the_same(tables: LineTables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = LineExplorer(tables.scan, Questions(QuestionLimits()), 1 << 30)
    groups = ErrorGroups(lines, LineCopies(tmp_path / "copies", tables.scan, "lake"))
    asked = [(FILTERS[0], sort, limit) for sort, limit in itertools.product(SORTED, (3, 50))]
    asked += [(wanted, sort, 50) for wanted, sort in zip(FILTERS[1:], SORTED, strict=True)]
    in_copies = []
    files_alone = error_groups._in_files
    monkeypatch.setattr(error_groups, "_in_files", None)  # so that nothing but copies can answer
    for few, table_max in ((512, 1 << 20), (1, 1 << 20), (1, 1)):  # the ways in which groups are told apart
        monkeypatch.setattr(copied_counts, "_FEW_GROUPS", few)
        monkeypatch.setattr(copied_counts, "_TABLE_MAX", table_max)
        in_copies.append([groups.page(*one) for one in asked])
    monkeypatch.setattr(error_groups, "_in_files", files_alone)
    monkeypatch.setattr(line_copies, "can_be_asked", lambda *_: False)
    in_files = [groups.page(*one) for one in asked]
    for found in in_copies:
        for one, own, other in zip(asked, found, in_files, strict=True):
            assert own == other, one
    assert in_files[0]["total"] == 10
