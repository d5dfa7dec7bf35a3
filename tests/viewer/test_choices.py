"""What people choose for themselves, and stacks in the sources; in Chromium."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.viewer.test_viewer import APP_NAMES, drive, seen_in, shots

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, recordings_or_samples: Any) -> dict[str, Any]:
    """Every scenario of choices.mjs, run once."""
    return drive(shots(tmp_path_factory), recordings_or_samples, ["choices"])


@pytest.fixture
def seen(run: dict[str, Any]) -> Any:
    """As in test_viewer.py."""
    return lambda name: seen_in(run, name)


def test_a_stack_is_shown_in_the_sources_with_the_recorded_one_below(seen: Any) -> None:
    stacks = seen("stacks")
    (frame,) = stacks["frames"]
    assert frame["file"] == "src/checkout.ts:3:5"
    assert frame["number"] == 1
    assert "throw new TypeError('payment failed');" in frame["meant"]
    assert "/shop/cart.html:3:524" in stacks["recorded"]


def test_without_a_source_map_the_recorded_stack_stays_and_says_why(seen: Any) -> None:
    stacks = seen("stacks")
    assert stacks["without"] == "No source map of release 1.4.2 for cart.html."
    assert "/shop/cart.html:3:524" in stacks["raw"]


def test_times_are_those_of_the_zone_that_was_chosen(seen: Any) -> None:
    zones = seen("zones")
    utc, shanghai, link = (_minutes(zones[name]) for name in ("utc", "shanghai", "link"))
    assert [(there - here) % 1440 for here, there in zip(utc, shanghai, strict=True)] == [8 * 60] * 3
    assert [(here - there) % 1440 for here, there in zip(utc, link, strict=True)] == [210] * 3
    assert zones["kept"] == zones["shanghai"]
    assert zones["unknown"] == zones["shanghai"]  # a zone that there is not: the one of the browser
    assert parse_qs(urlsplit(zones["url"]).query)["tz"] == ["Asia/Shanghai"]
    assert parse_qs(urlsplit(zones["session"]).query)["tz"] == ["America/St_Johns"]


def test_a_range_is_written_in_the_zone_that_was_chosen(seen: Any) -> None:
    asked = seen("zones")["range"]
    assert (int(asked["from"]), int(asked["to"])) == (1_795_219_200_000, 1_795_224_600_000)  # 00:00 to 01:30 UTC


def _minutes(times: list[str]) -> list[int]:
    """Minutes of the day of `21 Nov, 14:00:05`."""
    clocks = [time.split()[-1].split(":") for time in times]
    return [int(hour) * 60 + int(minute) for hour, minute, _ in clocks]


def test_columns_are_moved_by_dragging_and_by_keys(seen: Any) -> None:
    columns = seen("columns")
    before, dragged, by_key = (columns[name] for name in ("before", "dragged", "byKey"))
    assert dragged.index("Browser") == before.index("Type") < before.index("Browser")
    assert by_key.index("Browser") == dragged.index("Browser") - 1
    assert sorted(by_key) == sorted(before)
    assert columns["focused"] == "Browser"


def test_a_column_keeps_the_width_that_it_was_given(seen: Any) -> None:
    columns = seen("columns")
    assert columns["wider"] == pytest.approx(60, abs=3)
    assert columns["narrower"] == pytest.approx(columns["wider"] - 16, abs=2)
    assert columns["kept"] == columns["narrower"]
    assert columns["back"] == pytest.approx(0, abs=2)


def test_an_app_is_called_by_its_name_and_asked_for_by_its_id(seen: Any) -> None:
    names = seen("names")
    (app_id,) = APP_NAMES
    assert "Garden shop" in names["options"]
    assert app_id not in names["options"]
    assert parse_qs(urlsplit(names["url"]).query)["app"] == [app_id]
    assert "Garden shop" in names["cells"]
    assert app_id not in names["cells"]
    assert "Garden shop" in names["head"]


def test_the_page_speaks_the_language_that_was_chosen_else_the_browser_s(seen: Any) -> None:
    languages = seen("languages")
    assert languages["english"]["lang"] == "en"
    assert languages["chinese"]["lang"] == languages["own"] == "zh"
    assert languages["english"]["tabs"][1] == "Sessions"
    assert languages["chinese"]["tabs"][1] == "会话"
    assert "会话" in languages["chinese"]["total"]
    assert any("错误" in chip for chip in languages["chips"])


def test_no_english_of_the_page_is_left_in_chinese(seen: Any) -> None:
    left = seen("languages")["left"]
    data = re.compile(r"Garden shop|appid_[0-9a-f]{12}|phc_\w+|Ada Example|GET .*|https?:.*")
    words = {view: [one for one in found if not data.fullmatch(one)] for view, found in left.items()}
    assert words == {"list": [], "overview": [], "player": []}


def test_clicks_of_many_sessions_stand_on_a_picture_of_the_page(seen: Any) -> None:
    clicks = seen("clickMap")
    assert "table=clicks" in clicks["url"]
    assert any(one.startswith("/shop/cart.html (") for one in clicks["pages"])
    counts = dict(clicks["rows"])
    assert counts["#pay"] == max(counts.values())
    assert clicks["total"] == f"{sum(counts.values())} clicks"
    placed = clicks["placed"]
    assert placed["off"] == pytest.approx([0, 0], abs=2)
    assert placed["boxes"] >= 6
    assert placed["dots"] >= placed["boxes"]
    assert placed["sandbox"] == "allow-same-origin"
    assert "is=action_name%3APay+now" in clicks["there"]
    assert "table=actions" in clicks["back"]


@pytest.mark.parametrize("width", [1440, 1024, 400])
@pytest.mark.parametrize(("views", "count"), [("Lists", 5), ("Rest", 7), ("Opened", 9)])
def test_no_view_is_in_the_way_of_assistive_technology(seen: Any, views: str, count: int, width: int) -> None:
    found = seen(f"accessible{views}{width}")
    assert len(found) == 2 * count
    assert {view: told for view, told in found.items() if told} == {}
