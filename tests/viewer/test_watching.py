"""The player beyond playing: tabs, what is missing, console and network, details, files of a moment; in Chromium."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.viewer.test_viewer import drive, seen_in, shots

TIMES = "\N{MULTIPLICATION SIGN}"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, recordings_or_samples: Path) -> dict[str, Any]:
    """Every scenario of watching.mjs, run once."""
    return drive(shots(tmp_path_factory), recordings_or_samples, ["watching"])


@pytest.fixture
def seen(run: dict[str, Any]) -> Any:
    """As in test_viewer.py."""
    return lambda name: seen_in(run, name)


def test_the_player_follows_the_visitor_from_tab_to_tab_unless_told_not_to(seen: Any) -> None:
    tabs = seen("followsTabs")
    pages = [name.split(" · ")[1] for name in tabs["followed"]]
    assert set(pages) == {"/shop/", "/todo/"}
    assert pages[-1] == "/shop/"  # back again, at 0:32
    assert len(pages) < 10  # not for every look
    assert re.fullmatch(r"Now in Tab \d · /\w+/", tabs["note"])
    assert tabs["jumped"].endswith("/todo/")
    assert tabs["isOff"]
    assert tabs["stayed"] == "Tab 1 · /shop/"
    assert tabs["isOn"]


def test_what_is_missing_is_told_in_the_panel_on_the_time_line_and_at_events(seen: Any) -> None:
    missing = seen("tellsWhatIsMissing")
    assert missing["lines"][0] == "1 segment of the recording never arrived"
    assert re.fullmatch(r"Nothing was recorded from 1:05 to 1:07 \(2(\.\d)? s\)", missing["lines"][1])
    assert re.fullmatch(r"Not loaded: 1 image of http://shop\.localhost:\d+", missing["lines"][2])
    assert re.fullmatch(r'\[serve\]\nallow_recorded_origins = \["http://shop\.localhost:\d+"\]', missing["setting"])
    assert missing["copied"] == missing["setting"]
    assert missing["gaps"] == 1
    assert missing["unseen"] == 1
    assert "Not recorded for" in missing["tip"]
    assert missing["lost"] == 1
    assert "/shop/" in missing["words"]
    assert "not recorded" in missing["words"]
    assert missing["nowhere"].startswith("Not recorded: no picture of this page arrived")
    assert missing["note"] == "Not recorded: nothing arrived from 1:05 to 1:07"
    assert "Not recorded for" in missing["spoken"]
    assert missing["stood"] in {65, 66, 67}
    assert missing["after"] < 5  # nothing comes after the gap: from the beginning


def test_lost_blobs_canvases_fonts_and_images_are_told_with_their_origins(seen: Any) -> None:
    losses = seen("tellsEveryLoss")
    assert losses["lines"] == [
        "The blob replays/x of the recording is gone",
        "Not shown: 1 drawing on a canvas",
        *[line for line in losses["lines"] if line.startswith("Nothing was recorded")],
        "Not loaded: 1 style sheet of https://cdn.example",
        "Not loaded: 1 font of https://fonts.example",
        "Not loaded: 2 images of https://img.example",
    ]
    assert '["https://cdn.example","https://fonts.example","https://img.example"]' in losses["setting"]
    assert losses["hatched"] == 2
    assert losses["canvas"]
    assert losses["gaps"] >= 1
    assert losses["unseen"] == 2


def test_a_recording_of_which_nothing_is_left_says_so(seen: Any) -> None:
    said = seen("nothingIsLeft")["said"]
    assert "This session was recorded, but nothing of it can be played" in said
    assert "the blob replays/x of the recording is gone" in said


def test_the_head_and_the_player_tell_one_length(seen: Any) -> None:
    found = seen("lengths")
    for name, length, clock in (
        ("gc-shop", "1 min 08 s", "1:08"),
        ("dd-shop", "1 min 10 s", "1:10"),
        ("gc-cap4h", "4 h 00 min", "4:00:00"),
        ("gc-clock-return", "6.3 s", "0:06"),
    ):
        one = found["seen"][name]
        assert length in one["head"], name
        assert one["clock"].endswith(f" / {clock}"), name
    assert found["line"].startswith("The recording goes on for 16 min")
    assert re.search(r" / 16:\d\d$", found["tail"])


def test_space_pauses_wherever_the_focus_is(seen: Any) -> None:
    space = seen("spacePauses")
    assert space["seen"] == {place: [True, False] for place in space["seen"]}
    assert len(space["seen"]) == 6
    assert space["panels"] == 0
    assert space["speed"] == f"1.5{TIMES}"


def test_the_pointer_is_where_the_recording_has_it_or_hidden(seen: Any) -> None:
    places = seen("pointer")
    shown = {name: place for name, place in places.items() if place["isShown"]}
    assert len(shown) >= 5
    assert [name for name, place in shown.items() if (place["left"], place["top"]) == (0, 0)] == []
    assert all(place["left"] is not None for place in shown.values())


def test_playing_begins_a_second_before_what_was_jumped_to(seen: Any) -> None:
    jumped = seen("aSecondBefore")
    minutes, seconds = map(int, jumped["wanted"].split(":"))
    assert 0 <= minutes * 60 + seconds + 1 - jumped["began"] <= 2.2
    assert jumped["marked"]
    assert jumped["exact"].startswith(jumped["wanted"])
    assert jumped["steps"] == 1


def test_half_and_eight_times_the_speed(seen: Any) -> None:
    speeds = seen("speeds")
    assert speeds[f"0.5{TIMES}"] == pytest.approx(0.5, rel=0.2)
    assert speeds[f"8{TIMES}"] == pytest.approx(8, rel=0.2)


def test_address_size_long_times_equal_errors_and_loading(seen: Any) -> None:
    around = seen("surroundings")
    assert around["loading"] == {"veil": "Loading …", "icon": 1, "tabs": False}
    assert re.fullmatch(r"http://shop\.localhost:\d+/shop/product\.html\?id=\d", around["address"])
    assert around["link"] == around["address"]
    assert re.fullmatch(rf"1280 {TIMES} 800 · \d+ %", around["size"])
    assert around["overlaps"] == 0
    assert around["long"] > 10
    payments = [text for text in around["errors"] if "pay" in text.lower()]
    assert len(payments) == 2, around["errors"]  # two errors that alternate, each once with its number
    assert all(re.search(r"\d times", text) for text in payments)


def test_console_and_network_stand_beside_the_picture_in_time_with_it(seen: Any) -> None:
    beside = seen("beside")
    console, network = beside["console"], beside["network"]
    assert console["rows"] == 20
    assert sum(int(group.split()[-1]) for group in console["groups"]) == 20
    assert console["withoutErrors"] == 20 - int(console["groups"][0].split()[-1])
    assert all("payment failed" in text for text in console["found"])
    assert console["found"]
    assert network["rows"] == 65
    assert console["marked"] <= console["now"].split(" / ")[0]
    assert network["failed"]
    assert all(status >= "400" for status in network["failed"])
    assert all("/api/pay" in text for text in network["found"])
    assert network["later"] == 0  # at the end everything has happened
    assert beside["isKept"]


def test_details_of_an_entry_open_beside_the_picture(seen: Any) -> None:
    details = seen("detailsBeside")
    assert details["still"]  # it plays on
    assert "undefined_zoom_lib" in details["title"]
    assert "ReferenceError" in details["stack"]
    assert details["times"] == 7
    assert details["isClosed"]
    assert "event-more" in details["focus"]
    assert details["byKey"].strip() == details["marked"]
    assert "tab=replay" in details["url"]


def test_a_moment_becomes_a_picture_and_a_page_by_itself(seen: Any) -> None:
    moment = seen("moments")
    assert [name.rsplit(".", 1)[1] for name in moment["names"]] == ["png", "html"]
    assert moment["size"] == [1280, 800]
    assert moment["colours"] > 50
    assert f"1280 {TIMES} 800" in moment["facts"]
    assert "/shop/cart.html" in moment["facts"]
    assert "Ada" not in moment["facts"]  # who it was does not stand in it
    assert moment["table"] > 10
    assert moment["failed"] > 3
    assert moment["sandbox"] == ""
    assert "Your cart" in moment["recorded"]
    assert "Pay now" in moment["recorded"]
    assert moment["scripts"] == 0


def test_a_moment_of_a_hostile_recording_neither_runs_nor_calls_out(seen: Any) -> None:
    moment = seen("hostileMoment")
    assert set(moment["flags"]) == {None}
    assert moment["addresses"] == []
    assert moment["handlers"] == 0
    assert "seen by the watcher" in moment["text"]


@pytest.mark.parametrize("scheme", ["Light", "Dark"])
def test_nothing_of_the_player_is_in_the_way_of_assistive_technology(seen: Any, scheme: str) -> None:
    accessible = seen(f"accessible{scheme}")
    assert {view: found for view, found in accessible["found"].items() if found} == {}
    assert len(accessible["found"]) == 18
    assert {view: by for view, by in accessible["overflow"].items() if by > 0} == {}
