"""A page is the same whether its edge is known from copies, from some copies and some files, or from files alone."""

import random
from typing import Any

from schemas.keys import FIRST_REVISIONS
from tests.unit.lake.test_table_scan import put
from tests.unit.viewer.test_found_windows import Lake
from viewer.copied_edge import CopiedEdge
from viewer.filters import Wanted
from viewer.line_explorer import LineExplorer
from viewer.listed import LINES
from viewer.options import QuestionLimits
from viewer.paging import order
from viewer.questions import Questions

MS = 1_000_000
DURATIONS = (None, -MS, 0, 1, MS - 1, MS, MS + 1, 3 * MS, 3 * MS + 1, 8 * MS, 2**52, 2**52 + 1)
PAGES = ("/cart", "/home", None, "")
FILTERS = (
    Wanted(None),
    Wanted(None, is_=("view_path_group:/cart",)),
    Wanted(None, is_=("view_path_group:",), not_=("browser:Chrome",)),
    Wanted(None, gt=("duration:0",)),
    Wanted(None, gt=(f"duration:{MS}", f"duration:{3 * MS}")),
    Wanted(frozenset({"a1"}), gt=(f"duration:{MS}",)),
    Wanted(None, is_=("view_path_group:/none",)),
)
ELSEWHERE = (
    Wanted(None, gt=("duration:1",)),
    Wanted(None, gt=("duration:",)),
    Wanted(None, gt=(f"duration:{-MS}",)),
    Wanted(None, gt=("resource_transfer_size:1",)),
    Wanted(None, is_=("userid:u",)),
    Wanted(None, text="a"),
)


def put_resources(lake: Lake, name: str, dice: random.Random) -> None:
    rows = (
        {
            "resource_id": None if n % 7 == 0 else "r",
            "session_id": f"{name}-{n}",
            "app_id": f"a{dice.randrange(2)}",
            "duration": dice.choice(DURATIONS),
            "view_path_group": dice.choice(PAGES),
            "browser": dice.choice(("Chrome", "Safari", None)),
        }
        for n in range(40)
    )
    put(lake.store, "resources", name, *rows)


def pages(lines: LineExplorer, table: str, wanted: Wanted, sort: str, limit: int) -> list[Any]:
    """The first page and the one behind it."""
    first: dict[str, Any] = lines.page(table, wanted, sort, limit, "")
    return [first, first["next"] and lines.page(table, wanted, sort, limit, first["next"])]


def edge_of(lake: Lake, table: str, wanted: Wanted, sort: str, limit: int) -> tuple[int, int | None] | None:
    of = LINES[table]
    with lake.lines.asking(wanted, of) as ask:
        return CopiedEdge(lake.copies)(ask, wanted, order(sort, of), limit)


def test_pages_of_copies_are_those_of_files(lake: Lake) -> None:
    dice = random.Random(1)
    in_copies = LineExplorer(lake.tables.scan, Questions(QuestionLimits()), 1 << 30, CopiedEdge(lake.copies))
    put_resources(lake, "0", dice)
    put_resources(lake, "1", dice)
    assert edge_of(lake, "resources", Wanted(None), "-duration", 5) is None
    lake.make_copies()
    for name in ("", "2"):  # all in copies, then one that has none
        if name:
            put_resources(lake, name, dice)
            lake.clock.seconds += 60
        for wanted in FILTERS:
            assert edge_of(lake, "resources", wanted, "-duration", 5) is not None, wanted
            for limit in (5, 30, 200):
                expected = pages(lake.lines, "resources", wanted, "-duration", limit)
                assert pages(in_copies, "resources", wanted, "-duration", limit) == expected, (wanted, limit)
        for wanted in ELSEWHERE:
            assert edge_of(lake, "resources", wanted, "-duration", 5) is None, wanted
        assert edge_of(lake, "resources", Wanted(None), "duration", 5) is None
        assert edge_of(lake, "resources", Wanted(None), "-time", 5) is None


def test_the_edge_is_as_near_as_steps_tell(lake: Lake) -> None:
    durations = (None, 5 * MS, 4 * MS, 4 * MS - 1, 3 * MS)
    put(lake.store, "resources", "0", *({"resource_id": str(n), "duration": n} for n in durations))
    lake.make_copies()
    edges = [edge_of(lake, "resources", Wanted(None), "-duration", limit) for limit in range(1, 6)]
    assert edges == [(5, 4 * MS + 1), (5, 3 * MS + 1), (5, 3 * MS + 1), (5, 2 * MS + 1), (5, None)]


def test_rows_that_are_replaced_do_not_count(lake: Lake) -> None:
    in_copies = LineExplorer(lake.tables.scan, Questions(QuestionLimits()), 1 << 30, CopiedEdge(lake.copies))
    views = [{"view_id": str(n), "loading_time": n * MS} for n in range(9)]
    put(lake.store, "views", f"0{FIRST_REVISIONS}", *views)
    put(lake.store, "views", f"1{FIRST_REVISIONS}", {"view_id": "v", "loading_time": 3 * MS})
    lake.make_copies()
    for number in (2, 3):
        for limit in (1, 3, 20):
            expected = pages(lake.lines, "views", Wanted(None), "-loading_time", limit)
            assert pages(in_copies, "views", Wanted(None), "-loading_time", limit) == expected
            assert expected[0]["total"] == 10
        put(lake.store, "views", str(number), {"view_id": "8", "loading_time": 0, "revision": number})
        lake.clock.seconds += 60
        if number == 2:
            lake.make_copies()
