"""The explorers of what happened, search by it, groups of errors, the overview and people's habits; in Chromium."""

import re
from typing import Any

import pytest

from tests.viewer.test_viewer import drive, seen_in, shots

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, recordings_or_samples: Any) -> dict[str, Any]:
    """Every scenario of explorers.mjs, run once."""
    return drive(shots(tmp_path_factory), recordings_or_samples, ["explorers"])


@pytest.fixture
def seen(run: dict[str, Any]) -> Any:
    """As in test_viewer.py."""
    return lambda name: seen_in(run, name)


def test_each_tab_is_a_list_of_all_its_rows_with_chart_facets_and_columns(seen: Any) -> None:
    lists = seen("lists")
    tables = {"Long tasks": "long_tasks"}
    for name, found in lists["found"].items():
        table = tables.get(name, name.lower())
        assert found["total"] == lists["counted"][table], name
        assert found["rows"] == min(50, found["total"]), name
        assert found["current"] == name
        assert found["title"] == f"{name} · Replay Lake"
        assert ("table=" in found["url"]) == (name != "Sessions")
        if found["total"]:
            assert found["bars"] > 0, name
            assert len(found["facets"]) >= 3, name
    heads = {name: set(found["heads"]) for name, found in lists["found"].items()}
    assert {"Time", "Page", "LCP", "INP", "CLS", "Stayed"} <= heads["Views"]
    assert {"Time", "Action", "Type", "Frustration"} <= heads["Actions"]
    assert {"Time", "Message", "Type", "Version", "User"} <= heads["Errors"]
    assert {"Time", "Status", "Method", "Path", "Duration", "Size"} <= heads["Resources"]
    assert {"Time", "Duration", "Blocked"} <= heads["Long tasks"]


def test_the_first_list_loads_no_code_of_other_views(seen: Any) -> None:
    loaded = set(seen("lists")["loaded"])
    assert {"explorer.js", "list.js", "table.js"} <= loaded
    others = {"session.js", "player.js", "entry.js", "groups.js", "overview.js", "builder.js", "views.js", "csv.js"}
    assert not loaded & {*others, "session.css", "player.css", "overview.css"}


def test_values_of_lines_filter_exclude_compare_and_are_copied(seen: Any) -> None:
    found = seen("linesFilter")
    assert "is=error_message%3Apayment+failed" in found["url"]
    assert found["one"] + found["others"] == found["all"]
    assert found["one"] > 0
    assert found["copied"] == "payment failed"
    assert found["less"] > 0
    assert sum(found["pages"]) == found["actions"]
    assert set(found["pages"][:-1]) == {100}


def test_an_entry_opens_beside_the_list_with_its_source(seen: Any) -> None:
    entry = seen("entry")
    assert "entry=" in entry["url"]
    assert entry["title"] == entry["again"] == "payment failed"
    wanted = [
        "Play at that moment",
        "Session details",
        "Filter this session",
        "Copy session ID",
        "Sessions with this error",
    ]
    assert entry["source"] == wanted
    assert "TypeError: payment failed" in entry["stack"]
    assert entry["fields"] > 20
    assert re.fullmatch(r"[0-9a-f-]{36}", entry["copied"])
    assert {"Filter by this value", "Exclude this value", "Sessions with this", "Remove the column", "Copy"} <= set(
        entry["items"]
    )
    assert f"is=session_id%3A{entry['copied']}" in entry["filtered"]["url"]
    assert entry["filtered"]["total"] > 0
    assert "entry=" not in entry["closed"]
    assert "entry=" in entry["back"]
    assert entry["steps"] == 1  # the back button goes back


def test_an_entry_leads_to_the_sessions_that_have_the_same(seen: Any) -> None:
    there = seen("entry")["sessionsWith"]
    assert "has=errors.error_type%3ATypeError" in there["url"]
    assert there["total"] > 0
    assert any("with error" in chip and "TypeError" in chip for chip in there["chips"])


def test_the_replay_plays_at_the_moment_of_the_entry(seen: Any) -> None:
    played = seen("entry")["played"]
    assert played["at"] > 20
    assert re.search(r"pay|Pay", played["marked"])
    assert seen("entry")["timelines"] == 1, "a click opens one page"


def test_details_of_the_session_open_at_the_entry(seen: Any) -> None:
    details = seen("entry")["details"]
    assert details["open"] == ["payment failed"]
    assert details["isSeen"]


def test_a_view_beside_the_list_shows_how_it_loaded_and_what_happened_in_it(seen: Any) -> None:
    view = seen("entry")["view"]
    assert {"LCP", "CLS"} <= set(view["vitals"])
    assert [one.split()[0] for one in view["toggles"]] == ["All", "Fetch/XHR", "Others", "Failed"]
    assert view["falls"] > view["xhr"] >= 1
    assert view["there"]["title"] == view["request"]
    assert "table=resources" in view["there"]["url"]
    assert view["there"]["total"] == view["falls"]
    assert any("error" in part for part in view["parts"])
    assert any("action" in part for part in view["parts"])


def test_lists_and_entries_need_no_mouse(seen: Any) -> None:
    keys = seen("entryKeys")
    assert keys["isIn"]
    assert keys["row"] == 2
    assert keys["isBack"]
    assert "table=errors" in keys["errors"]
    assert keys["help"] > 10


def test_sessions_are_found_by_what_happened_in_them(seen: Any) -> None:
    built = seen("builder")
    assert any(one.startswith("TypeError") for one in built["suggested"])
    assert built["api"]["has"] == built["has"] < built["all"]
    assert built["api"]["both"] == built["both"] <= built["has"]
    assert built["has"] <= built["searched"] == built["api"]["searched"] < built["all"]
    assert built["never"] < built["both"]
    assert built["slow"] == built["api"]["slow"]
    assert [chip.split(" · ")[0] for chip in built["chips"]] == ["with error", "with view", "without action"]
    for part in (
        "has=errors.error_type%3ATypeError",
        "has=views.view_path%3A%2Fshop%2Fcart.html",
        "hasnot=actions.action_type%3Aclick",
    ):
        assert part in built["url"]


def test_numbers_are_compared_as_people_write_them(seen: Any) -> None:
    built = seen("builder")
    assert 0 < built["longer"] < built["all"]
    assert built["longer"] + built["shorter"] <= built["all"]
    assert built["between"] == built["api"]["between"] > 0
    assert "between=time_spent%3A30000000000%2C90000000000" in built["betweenUrl"]
    assert built["betweenChips"] == ["Duration: 30 s \N{EN DASH} 1 min 30 s"]
    assert built["cls"] < built["all"]
    assert built["problem"] == "Write it like 2.5 s."


def test_several_values_of_a_facet_are_alternatives(seen: Any) -> None:
    found = seen("alternatives")
    assert found["one"] == found["each"]["TypeError"]
    assert found["left"] >= 4
    assert found["two"] == sum(found["each"].values())
    assert found["told"].startswith("Not for sessions, taken off: error_type:TypeError")


def test_what_happened_is_offered_beside_the_sessions_and_counted_when_looked_at(seen: Any) -> None:
    found = seen("happened")
    assert found["counted"] == ["/api/v1/errors/facets"]
    assert re.fullmatch(r"TypeError: \d+ errors", found["lines"])
    assert "has=errors.error_type%3ATypeError" in found["url"]
    assert 0 < found["having"] < found["all"] == found["again"]
    assert found["without"] == found["all"] - found["having"]
    assert found["chips"] != found["never"]


def test_a_group_of_errors_leads_to_errors_sessions_and_the_moment(seen: Any) -> None:
    groups = seen("groups")
    assert "table=groups" in groups["url"]
    assert groups["total"] == groups["rows"] == groups["sparklines"]
    number, sessions, users = (int(cell) for cell in groups["cells"][3:6])
    assert number == groups["errors"]
    assert sessions == groups["sessions"]["total"] >= users > 0
    assert any(one.startswith("1.4.2") for one in groups["releases"])
    assert any(one.startswith("Chrome") for one in groups["releases"])
    assert "sort=-last_ms" in groups["sorted"]
    assert re.search(r"pay|Pay", groups["played"])


def test_every_number_of_the_overview_leads_to_what_it_counts(seen: Any) -> None:
    overview = seen("overview")
    assert overview["wrong"] == []
    assert overview["checked"] > 40
    tiles = {
        name: int(one["value"].replace(",", ""))
        for name, one in overview["tiles"].items()
        if "%" not in one["value"] and one["value"] != "\N{EN DASH}"
    }
    for name in ("Sessions", "Views", "Errors"):
        assert tiles[name] == overview["tile"][name] > 0
    broken = overview["tiles"]["Sessions with errors"]["hint"]
    assert broken == f"{overview['tile']['Sessions with errors']} sessions"
    for words in (
        "LCP",
        "INP",
        "CLS",
        "Top errors",
        "Slowest pages",
        "Slowest resources",
        "By version",
        "By browser",
        "By country",
        "By device",
    ):
        assert any(section.startswith(words) for section in overview["sections"]), words
    assert overview["there"]["total"] == tiles["Errors"]
    assert "table=errors" in overview["there"]["url"]
    assert len(overview["there"]["chips"]) == 1  # the filter holds


def test_people_find_their_way_back(seen: Any) -> None:
    habits = seen("habits")
    assert habits["saved"]
    assert habits["place"].startswith("15 / ")
    assert habits["next"].startswith("16 / ")
    assert habits["back"]["isSame"]
    assert habits["back"]["again"] == habits["back"]["top"] > 0
    assert habits["fits"]


def test_what_the_list_shows_is_a_file(seen: Any) -> None:
    csv = seen("habits")["csv"]
    assert csv["name"] == "errors.csv"
    assert csv["rows"] == csv["total"] > 0
    assert '"Message"' in csv["head"]


def test_a_list_is_read_again_and_its_columns_move(seen: Any) -> None:
    habits = seen("habits")
    assert "every=10" in habits["every"]
    assert habits["stays"]["again"] == habits["stays"]["first"]
    assert habits["stays"]["first"]["isFocused"]
    assert "range=15m" in habits["range"]
    assert habits["moved"] == ["time_spent", "start"]


def test_which_release_broke_checkout_who_was_hit_show_me(seen: Any) -> None:
    walk = seen("walk")
    assert walk["clicks"] < 10
    errors = {row[0]: int(row[3].replace(",", "")) for row in walk["rows"]}
    assert errors["1.4.2"] == 0 < errors["1.5.0"]
    assert walk["broke"] == ["1.5.0"]
    assert set(walk["hit"]) == {"Bo Example", "Bella Example"}
    assert re.search(r"pay|Pay", walk["marked"])


def test_the_same_walk_needs_no_mouse(seen: Any) -> None:
    walk = seen("walkByKeys")
    assert walk["hit"] == len(set(seen("walk")["hit"]))
    assert re.search(r"pay|Pay", walk["marked"])


@pytest.mark.parametrize("width", [1440, 1024, 400])
def test_nothing_is_in_the_way_of_assistive_technology_at_any_width(seen: Any, width: int) -> None:
    found = seen(f"accessibleExplorers{width}")
    assert len(found) == 2 * 6
    assert {view: told for view, told in found.items() if told} == {}
