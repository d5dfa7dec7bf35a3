"""Converted recordings in the real rrweb-player in a real browser: nothing to complain about, and the right picture."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from operators.families.registry import family_of
from operators.rrweb.track import Track
from operators.tracks import to_rrweb
from tests.conftest import CHROMIUM
from tests.playback.raw_segments import segments_of

HERE = Path(__file__).parent
RECORDINGS = Path(os.environ.get("REPLAYLAKE_RECORDINGS", HERE.parent.parent / "samples"))


class Moment(NamedTuple):
    """What a viewer sees at a part of the track's length."""

    at: float
    texts: tuple[str, ...]
    elements: int  # at least


class Expected(NamedTuple):
    """What is known of a capture."""

    moments: tuple[Moment, Moment, Moment]
    added: str  # seen at one of the moments, and in no full snapshot: it came by a mutation
    is_masked: bool = False


SHOP_HOME = Moment(0.1, ("Hillside Outdoor", "Trail shoe 1", "Camp stove 6", "188.95 EUR"), 300)
SHOP_CART = Moment(0.5, ("Your cart", "Item 3", "Item 2", "Pay now"), 50)
SHOP_FAILED = Moment(0.8, ("Your cart", "Item 2", "Payment failed, try again"), 45)
MASKED = tuple(Moment(at, ("xxxxxxxxx\nxxxxx\nxxxxxxx\nxxxxxxxx",), 60) for at in (0.1, 0.5, 0.8))
QUOTES = ("dashboard", "Live quotes", "S0", "S11")

EXPECTED = {
    "gc-shop": Expected((SHOP_HOME, SHOP_CART, SHOP_FAILED), "Payment failed, try again"),
    "gc-multitab": Expected(
        (
            SHOP_HOME,
            Moment(0.5, ("Head lamp 4", "user0", "user29"), 120),
            Moment(0.8, ("Your cart", "Item 2", "Pay now"), 35),
        ),
        "user29",
    ),
    "gc-spa-json": Expected((MASKED[0], MASKED[1], MASKED[2]), "xxxxxxxxx", is_masked=True),
    "dd-shop": Expected(
        (
            SHOP_HOME,
            SHOP_CART,
            Moment(0.9, ("Question 24: how do I return an item?", "Shadow chat", "agent line 3"), 100),
        ),
        "agent line 3",
    ),
    "dd-spa-mask": Expected((MASKED[0], MASKED[1], MASKED[2]), "xxxxxxxxx", is_masked=True),
    "dd-todo-v5": Expected(
        (
            Moment(0.1, ("todos", "buy milk 0", "1 left"), 30),
            Moment(0.5, ("call the bank 6", "7 left", "Clear completed"), 60),
            Moment(0.8, ("write report 9", "5 left"), 80),
        ),
        "7 left",
    ),
    "ph-docs": Expected(
        (
            Moment(0.1, ("A magical documentation site generator.", "Gold Sponsor via Open Collective"), 170),
            Moment(0.5, ("Found 21 results", "reveal.js is an open source HTML presentation framework"), 220),
            Moment(0.8, ("Found 21 results", "5.41.0 (2018-"), 220),
        ),
        "Found 21 results",
    ),
    "ph-shop": Expected((SHOP_HOME, SHOP_CART, SHOP_FAILED), "Payment failed, try again"),
    "se-shop-v11": Expected(
        (
            Moment(0.1, ("Corner shop", "welcome number 1", "Buy a lamp"), 20),
            Moment(0.5, ("Corner shop", "tents number 3", "clicked 17"), 20),
            Moment(0.95, ("Corner shop", "welcome number 1"), 20),
        ),
        "tents number 3",
    ),
    "se-shop-v9-plain": Expected(
        (
            Moment(0.1, ("****** ****", "******* ****** *"), 20),
            Moment(0.5, ("****** ****", "***** ****** *"), 20),
            Moment(0.95, ("****** ****", "******* ****** *"), 20),
        ),
        "***** ****** *",
        is_masked=True,
    ),
    "rr-spa": Expected(
        (Moment(0.1, QUOTES, 70), Moment(0.5, ("Option 1", "Option 14", "Save"), 60), Moment(0.8, QUOTES, 70)),
        "Option 14",
    ),
    "rr-editor": Expected(
        (
            Moment(0.1, ("Scratch pad", "function f0(a){ return a*0 }"), 400),
            Moment(0.5, ("function f24(a){ return a*24 }",), 400),
            Moment(1.0, ("function f2(a){ return a*2 }", "ReferenceError"), 400),
        ),
        "function f24(a){ return a*24 }",
    ),
}


class Played(NamedTuple):
    """A capture as it was converted, and what the player made of it."""

    track: Track
    seen: list[dict[str, Any]]
    complaints: list[str]


def captures() -> dict[str, Path]:
    found = {path.name.removesuffix(".jsonl.gz"): path for path in RECORDINGS.rglob("*.jsonl.gz")}
    return {name: found[name] for name in EXPECTED if name in found}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    """Every capture's first track, played once; the screenshots stay in the run's temporary folder."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    if shutil.which("node") is None or not (HERE / "node_modules" / "rrweb-player").is_dir():
        pytest.skip("no Node or no node_modules: run `npm ci` in tests/playback")
    folder = tmp_path_factory.mktemp("playback")
    tracks = {name: first_track(path) for name, path in captures().items()}
    results = play(folder, tracks)
    return {name: Played(tracks[name], result["seen"], result["complaints"]) for name, result in results.items()}


def first_track(capture: Path) -> Track:
    family, segments = max(segments_of(capture).values(), key=lambda session: len(session[1]))
    return to_rrweb(family_of(family), segments)[0]


def play(folder: Path, tracks: dict[str, Track]) -> dict[str, dict[str, Any]]:
    recordings = []
    for name, track in tracks.items():
        events = folder / f"{name}.json"
        events.write_text(json.dumps(track.events))
        moments = [moment.at for moment in EXPECTED[name].moments]
        recordings.append({"name": name, "events": str(events), "moments": moments, "shots": str(folder / name)})
    job = folder / "job.json"
    job.write_text(json.dumps({"chromium": CHROMIUM, "recordings": recordings}))
    command = ["node", str(HERE / "play.mjs"), str(job)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert run.returncode == 0, run.stderr
    return {result["name"]: result for result in json.loads(run.stdout)}


def shown(seen: dict[str, Any]) -> str:
    return f"{seen['text']}\n{seen['shadow']}"


pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1000),
    pytest.mark.skipif(not captures(), reason="no recordings: set REPLAYLAKE_RECORDINGS to their folder"),
]
each_capture = pytest.mark.parametrize("name", captures())


@each_capture
def test_the_player_has_no_complaint(played: dict[str, Played], name: str) -> None:
    assert played[name].complaints == []
    assert played[name].track.skipped == {}


@each_capture
def test_three_moments_show_the_page_as_it_was(played: dict[str, Played], name: str) -> None:
    for moment, seen in zip(EXPECTED[name].moments, played[name].seen, strict=True):
        missing = [text for text in moment.texts if text not in shown(seen)]
        assert missing == [], f"at {moment.at}"
        assert seen["elements"] >= moment.elements


@each_capture
def test_what_mutations_added_is_there(played: dict[str, Played], name: str) -> None:
    added = EXPECTED[name].added
    full_snapshots = [event for event in played[name].track.events if event["type"] == 2]
    assert full_snapshots
    if not EXPECTED[name].is_masked:  # all masked words look alike
        assert added not in json.dumps(full_snapshots)
    assert any(added in shown(seen) for seen in played[name].seen)


@pytest.mark.parametrize("name", [name for name in captures() if EXPECTED[name].is_masked])
def test_masked_texts_stay_masked(played: dict[str, Played], name: str) -> None:
    for seen in played[name].seen:
        words = set(f"{shown(seen)} {' '.join(seen['values'])}".split())
        assert {word.strip("x*") for word in words} == {""}


@pytest.mark.parametrize("name", [name for name in captures() if name.endswith("-shop")])
def test_what_was_typed_into_the_cart_is_masked(played: dict[str, Played], name: str) -> None:
    cart = played[name].seen[1]
    assert any(value.startswith("***") for value in cart["values"])
    assert not any("@" in value for value in cart["values"])


@pytest.mark.skipif("dd-todo-v5" not in captures(), reason="no recording dd-todo-v5")
def test_only_ticked_boxes_are_ticked(played: dict[str, Played]) -> None:
    assert [seen["checked"] for seen in played["dd-todo-v5"].seen] == [0, 0, 5]
