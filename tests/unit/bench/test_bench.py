"""The benchmark's own parts: traffic that can be repeated, figures that are what was measured."""

from collections import Counter
from itertools import pairwise

import pytest

from bench.__main__ import MEASUREMENTS
from bench.goals import standing
from bench.render import PAGE, number, page, terminal
from bench.results import Place, Result, figure, load_all
from bench.traffic import Load, Sent, traffic
from operators.decode import decode
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item, Kind, RejectReason
from schemas.units import MIB

LOAD = Load(sessions=60, lines_per_session=40, hours=1, duplicate_share=0.05, late_final_share=0.1, oversize=1)


@pytest.fixture(scope="module")
def sent() -> list[Sent]:
    return list(traffic(LOAD))


def test_the_same_seed_gives_the_same_traffic_and_another_gives_other_traffic(sent: list[Sent]) -> None:
    assert list(traffic(LOAD)) == sent
    other = Load(sessions=60, lines_per_session=40, hours=1, seed=2)
    assert {one.value for one in traffic(other)}.isdisjoint(one.value for one in sent)


def test_traffic_comes_in_order_of_receipt_with_every_nuisance(sent: list[Sent]) -> None:
    results = [result for one in sent for result in decode(_message(one), Limits())]
    items = [one for one in results if isinstance(one, Item)]
    refused = [one.reason for one in results if not isinstance(one, Item)]
    assert [one.received_ms for one in sent] == sorted(one.received_ms for one in sent)
    assert refused == [RejectReason.TOO_LARGE]
    assert {item.kind for item in items} == {Kind.VIEW, Kind.ACTION, Kind.ERROR, Kind.RESOURCE, Kind.LONG_TASK}
    assert len({item.session_id for item in items}) == LOAD.sessions
    copies = Counter((item.session_id, item.kind, item.ident) for item in items if item.kind != Kind.VIEW)
    assert any(count > 1 for count in copies.values())
    assert any(late.begin_us < early.begin_us for early, late in pairwise(items))
    assert any(item.received_ms - item.begin_us // 1000 > 15 * 60_000 for item in items)


def test_lines_are_as_long_as_real_ones(sent: list[Sent]) -> None:
    sizes = sorted(len(one.value) for one in sent if len(one.value) < MIB)
    assert 1_200 < sizes[len(sizes) // 2] < 2_000


def test_a_ratio_is_of_one_round_to_the_baseline_of_the_same_round() -> None:
    found = figure("speed", "lines/s", "loop", {"loop": [100.0, 200.0], "flow": [50.0, 50.0]})
    assert found.ratios == {"flow": [0.5, 0.25]}


def test_a_result_shows_median_and_range() -> None:
    found = figure("speed", "lines/s", "loop", {"loop": [100.0, 100.0, 200.0], "flow": [50.0, 10.0, 20.0]})
    where = Place("cpu", 2, 4.0, "Linux", "3.11", {"bytewax": "1"}, "abc", "2026-11-21", 0.5)
    result = Result("lines", "About.", "make bench", {"rounds": 3, "lines": 44_000}, [found], where)
    assert "| flow | 20 | 10 to 50 | 0.1 | 0.1 to 0.5 |" in page({"lines": result}, ["lines"])
    assert "lines 44,000" in terminal(result)


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (0.05234, "0.0523"), (12.34, "12.3"), (999.9, "1,000"), (12_345.6, "12,346")]
)
def test_numbers_have_three_digits_or_all_before_the_point(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_goal_is_held_against_the_median_of_its_rounds() -> None:
    def said(ours: list[float], batch: list[float]) -> list[str]:
        found = figure("lines per CPU second", "", "", {"whole flow": ours, "DuckDB batch, line tables too": batch})
        where = Place("cpu", 2, 4.0, "Linux", "3.11", {}, "abc", "2026-11-21", 0.5)
        text = page({"lines": Result("lines", "About.", "make bench", {}, [found], where)}, ())
        return [line for line in text.splitlines() if line.startswith(("| lines", "| line protocol"))]

    assert said([10, 20, 30], [10, 40, 100]) == [
        "| lines, to DuckDB's batch of the same tables | at least 0.5 | 0.5 | yes |",
        "| line protocol, to the same lines in JSON | at most 1.3 |  | not measured |",
    ]
    assert "| at least 0.5 | 0.2 | **no** |" in said([10, 20, 30], [50, 100, 100])[0]


def test_every_goal_is_of_a_figure_of_its_result_where_that_is_kept() -> None:
    kept = load_all()
    assert [goal.what for goal, value in standing(kept) if value is None and goal.result in kept] == []


def test_the_page_is_made_from_the_kept_results() -> None:
    assert PAGE.read_text() == page(load_all(), MEASUREMENTS), "run `python -m bench --write-docs`"


def _message(one: Sent) -> Message:
    return Message(one.type.decode(), one.headers, one.value, one.received_ms)
