"""The page of `replaylake serve` in a real Chromium, on a lake made from real recordings."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
import pytest

from flows.server_process import free_ports
from sinks.source_maps import put_maps
from sinks.store import LocalStore
from tests.conftest import CHROMIUM
from tests.serve.conftest import GUANCE
from tests.serve.lakes import items_of, pack_of
from tests.source_maps import source_map
from tests.starts import Process, run_command
from tests.torture.traffic import recording, renamed
from tests.viewer import hostile, release

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OWN = {name: value for name, value in os.environ.items() if not name.startswith("REPLAYLAKE_")}
OPEN = "0be2c0de-0000-4000-8000-00000000beef"  # a session that is not closed
TOKEN = "a-token-of-the-test-that-nobody-guesses"

APP_NAMES = {"6f2a1c9e-0000-4000-8000-000000000001": "Garden shop"}  # the others have none
CHECKOUT = "export async function pay(cart) {\n  if (!ok) {\n    throw new TypeError('payment failed');\n  }\n}\n"
CHECKOUT_MAP = source_map({"webpack://shop/./src/checkout.ts": CHECKOUT}, [(400, 0, 2, 4)], line=3)  # of cart.html

# What is on the recorded page at a share of the replay's length.
FAMILIES: dict[str, dict[str, Any]] = {
    "gc-shop": {"at": 0.5, "texts": ["Your cart", "Item 3", "Pay now"]},
    "dd-shop": {"at": 0.9, "texts": ["Question 24: how do I return an item?", "agent line 3"]},
    "dd-todo-v5": {"at": 0.5, "texts": ["call the bank 6", "7 left", "Clear completed"]},
    "ph-docs": {"at": 0.5, "texts": ["Found 21 results"]},
    "ph-shop": {"at": 0.5, "texts": ["Your cart", "Pay now"]},
    "rr-spa": {"at": 0.5, "texts": ["Option 1", "Option 14", "Save"]},
    "rr-editor": {"at": 0.5, "texts": ["function f24(a){ return a*24 }"]},
}
SENTRY = {"se-kitchen-session": "9ccb94c0813e47c68bb36f7737ea0e73"}  # capture → its session
IDLE = {"gc-clock-return": 0, "gc-idle-visible": 0}  # capture → which of its sessions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, recordings_or_samples: Path) -> dict[str, Any]:
    """Every scenario of drive.mjs, run once; pictures stay in the run's temporary folder."""
    return drive(shots(tmp_path_factory), recordings_or_samples, ["explorer", "player", "security"])


def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run: its lake, pictures and results."""
    folder = Path(os.environ.get("VIEWER_SHOTS") or tmp_path_factory.mktemp("viewer"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def drive(folder: Path, recordings: Path, scripts: list[str]) -> dict[str, Any]:
    """What the scenarios of these scripts have seen, by name. Skips the test where a part is missing."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    if shutil.which("node") is None or not (HERE / "node_modules" / "playwright-core").is_dir():
        pytest.skip("no Node or no node_modules: run `npm ci` in tests/viewer")
    if not (ROOT / "viewer" / "page" / "vendor" / "replay.js").is_file():
        pytest.skip("no player in viewer/page/vendor: run `make setup`")
    evil = f"http://127.0.0.1:{free_ports(1)[0]}"
    files = captures(recordings)
    hostile.write_capture(folder / "hostile.jsonl.gz", evil)
    lake = folder / "lake"
    shutil.rmtree(lake, ignore_errors=True)
    backfill = [
        sys.executable,
        "-m",
        "flows.cli",
        "backfill",
        *map(str, files.values()),
        str(folder / "hostile.jsonl.gz"),
    ]
    run_command([*backfill, "--lake", str(lake)], check=True, capture_output=True, cwd=ROOT, env=OWN, timeout=600)
    visit = open_session(lake, files["gc-shop"], folder / "next.pack")
    guard = {"sha256": hashlib.sha256(TOKEN.encode()).hexdigest(), "apps": [hostile.APP]}
    with ExitStack() as servers:
        put_maps(LocalStore(lake / "sourcemaps"), GUANCE, "1.4.2", [("shop/cart.html.map", CHECKOUT_MAP)])
        origin = servers.enter_context(serving(lake, {"REPLAYLAKE_SERVE__APP_NAMES": json.dumps(APP_NAMES)}))
        others = {}
        if "explorers" in scripts:
            others = {"release": servers.enter_context(serving(_released(folder, files["gc-shop"])))}
        if "signing" in scripts:
            guarded = {"REPLAYLAKE_SERVE__TOKENS": json.dumps({"test": guard})}
            proxy = {"trusted": ["127.0.0.1"], "everyone": [hostile.APP]}
            none = _empty(folder / "none")
            others = {
                "guarded": servers.enter_context(serving(lake, guarded)),
                "proxied": servers.enter_context(serving(lake, {"REPLAYLAKE_SERVE__PROXY": json.dumps(proxy)})),
                "empty": servers.enter_context(serving(_empty(folder / "empty"))),
                "none": servers.enter_context(serving(none)),
            }
            shutil.rmtree(none)
        job = {
            "chromium": CHROMIUM, "files": scripts,
            "origin": origin, "evil": evil, "folder": str(folder), "root": str(ROOT),
            "sessions": sessions(recordings, origin),
            "families": FAMILIES, "idle": [name for name in IDLE if name in files],
            "open": visit, "others": others, "token": TOKEN, "lakes": str(folder),
        }  # fmt: skip
        if names := os.environ.get("VIEWER_SCENARIOS"):
            job["scenarios"] = names.split(",")
        (folder / "job.json").write_text(json.dumps(job))
        command = ["node", str(HERE / "drive.mjs"), str(folder / "job.json")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "results.json").write_text(done.stdout)
    results: dict[str, Any] = json.loads(done.stdout)
    return results


def _released(folder: Path, shop: Path) -> Path:
    """A lake of a shop whose checkout a release broke."""
    lake = folder / "released"
    shutil.rmtree(lake, ignore_errors=True)
    visits = release.write_captures(shop, folder)
    command = [sys.executable, "-m", "flows.cli", "backfill", *map(str, visits), "--lake", str(lake)]
    run_command(command, check=True, capture_output=True, cwd=ROOT, env=OWN, timeout=600)
    return lake


def _empty(lake: Path) -> Path:
    """A lake without sessions."""
    shutil.rmtree(lake, ignore_errors=True)
    (lake / "_job").mkdir(parents=True)
    (lake / "_job" / "owner.json").write_text("{}")
    return lake


def open_session(lake: Path, capture: Path, next_pack: Path) -> dict[str, str]:
    """A visit that goes on right now: one pack of it lies in the lake, the next one beside it."""
    messages = recording(capture)
    old = messages[0][0]
    now_ms = int((time.time() + 300) * 1000)  # it is looked at after other scenarios, and is to be live then
    clones = [renamed(message, old.encode(), OPEN.encode()) for _, message in messages]
    received = [msgspec.structs.replace(message, received_ms=now_ms) for message in clones if message is not None]
    first, then = pack_of(0, received[: len(received) // 2]), pack_of(1, received[len(received) // 2 :])
    LocalStore(lake).put(dict([first]))
    next_pack.write_bytes(then[1])
    (ids,) = {(item.app_id, item.session_id) for message in received for item in items_of(message)}
    return {"app": ids[0], "id": ids[1], "pack": str(next_pack), "target": str(lake / then[0])}


def captures(recordings: Path) -> dict[str, Path]:
    """The samples, and the idle captures where the full set of recordings is."""
    found = {path.name.removesuffix(".jsonl.gz"): path for path in (ROOT / "samples").glob("*/*.jsonl.gz")}
    full = {path.name.removesuffix(".jsonl.gz"): path for path in recordings.glob("*/*.jsonl.gz")}
    return found | {name: full[name] for name in IDLE if name in full}


def sessions(recordings: Path, origin: str) -> dict[str, dict[str, str]]:
    """Capture → its session and app."""
    with urlopen(f"{origin}/api/v1/sessions?limit=500") as answer:
        apps = {row["session_id"]: row["app_id"] for row in json.load(answer)["sessions"]}
    ids = {"hostile": hostile.SESSION, **SENTRY}
    for folder in (ROOT / "samples", recordings):
        for capture in json.loads((folder / "manifest.json").read_text())["captures"]:
            ids[capture["capture"]] = capture["sessions"][IDLE.get(capture["capture"], 0)]["session_id"]
    return {name: {"app": apps[session_id], "id": session_id} for name, session_id in ids.items() if session_id in apps}


@contextmanager
def serving(lake: Path, environment: dict[str, str] | None = None) -> Iterator[str]:
    command = [sys.executable, "-m", "flows.cli", "serve", "--lake", str(lake), "--port", "0"]
    server = Process(
        command, cwd=ROOT, env=OWN | (environment or {}), text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert server.stderr is not None
    try:
        address = next(found for line in server.stderr if (found := re.search(r"http://[\d.]+:\d+", line)))
        yield address[0]
    finally:
        server.terminate()
        server.wait(timeout=120)
        server.stderr.close()


@pytest.fixture
def seen(run: dict[str, Any]) -> Any:
    """`seen("name")`: what a scenario saw, when it went through without a complaint of the page."""
    return lambda name: seen_in(run, name)


def seen_in(run: dict[str, Any], name: str) -> Any:
    result = run[name]
    assert "error" not in result, result["error"]
    assert result["complaints"] == []
    assert result["outside"] == []
    return result["seen"]


def test_the_first_list_has_every_session_and_is_light(seen: Any) -> None:
    first = seen("firstList")
    assert first["rows"] == first["total"] >= 24
    assert first["play"] == first["rows"]
    assert {"Start", "Duration", "Type", "Pages", "Actions", "Errors", "Frustrations"} < set(first["heads"])
    assert {"First page", "Last page", "User", "Browser", "Country"} < set(first["heads"])
    assert first["cpu_ms"] < 2_000  # of the page's thread, 250 ms on a free machine: neighbours do not count
    assert first["bytes"] < 104_000


def test_filters_work_on_any_value_and_stand_in_the_address(seen: Any) -> None:
    filters = seen("filters")
    assert "is=browser%3AChrome" in filters["chrome"]["url"]
    assert 0 < filters["chrome"]["total"] < filters["all"]
    assert filters["isSame"]
    assert filters["copied"] == "Ada Example"
    assert filters["ada"] + filters["others"] <= filters["all"]
    assert 0 < filters["ada"] < filters["others"]
    assert "4 h 00 min" in filters["longest"]
    assert "User name" in filters["columns"]
    assert 0 < filters["found"] < filters["all"]


def test_a_brush_over_the_chart_zooms(seen: Any) -> None:
    zoomed = seen("chartZooms")
    assert 0 < zoomed["part"] < zoomed["all"]
    assert zoomed["from"] < zoomed["to"]


def test_pages_of_the_list_hold_every_session_once(seen: Any) -> None:
    paging = seen("paging")
    assert sum(paging["sizes"]) == paging["total"]
    assert set(paging["sizes"][:-1]) == {10}
    assert paging["back"]


def test_the_keyboard_is_enough(seen: Any) -> None:
    keyboard = seen("keyboard")
    assert keyboard["second"] == 1
    assert keyboard["help"] > 5
    assert "tab=timeline" in keyboard["details"]
    assert keyboard["back"].endswith("/?range=all")


def test_details_show_what_the_manifest_counts(seen: Any) -> None:
    details = seen("details")
    lines = {"Pages": 7, "Actions": 21, "Errors": 20, "Resources": 45, "Long tasks": 15}
    assert details["counts"] == {**lines, "Console": 0}
    assert details["onlyErrors"] == 20
    assert re.fullmatch(r"0:\d\d\s+\d\d:\d\d:\d\d.\d{3}", details["times"])
    assert "ReferenceError" in details["stack"]
    assert {"LCP", "INP", "CLS"} <= set(details["vitals"])
    assert details["falls"] == 7
    assert {"User name", "Close reason", "Browser", "SDK version"} <= set(details["properties"])
    assert 15 <= details["jumped_s"] <= 25


def test_nothing_is_in_the_way_of_assistive_technology(seen: Any) -> None:
    assert {view: found for view, found in seen("accessible").items() if found} == {}


def test_the_player_plays_and_keeps_its_place(seen: Any) -> None:
    played = seen("plays")
    assert "Hillside Outdoor" in played["first"]
    assert played["sandbox"] == "allow-same-origin"
    assert played["eight_seconds_took_ms"] < 7_000  # at four times the speed
    assert played["marks"]["errors"] == 20
    assert played["marks"]["rage"] == 2
    assert played["isListHidden"]
    assert played["isFull"]
    assert played["moved"] - 2 <= played["again"] <= played["moved"] + 15  # it plays on at four times the speed
    assert float(played["link"]["t"]) == pytest.approx(played["moved"], abs=1.5)
    assert played["link"]["sig"]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_plays(seen: Any, name: str) -> None:
    assert seen("families")[name] == {"missing": [], "note": ""}


def test_canvases_show_the_pictures_that_were_recorded_of_them(seen: Any) -> None:
    """The capture has four pictures a second of two canvases, 2D and WebGL."""
    canvases = seen("canvases")
    assert sorted(canvases["sizes"])[:2] == [[80, 80], [160, 80]]
    assert canvases["pictures"] >= 6
    for moment in ("early", "late"):
        images = [image for image, _, _ in canvases[moment]]
        assert any(image.startswith('url("data:image/webp;base64,') for image in images), moment
    assert "canvas" not in canvases["note"]


def test_tabs_of_one_session_play_apart(seen: Any) -> None:
    tabs = seen("tabs")
    assert len(tabs["names"]) == 2
    assert tabs["first"] != tabs["second"]


@pytest.mark.parametrize("name", IDLE)
def test_sixteen_idle_minutes_play_in_less_than_thirty_seconds(seen: Any, name: str) -> None:
    skipped = seen("skips").get(name)
    if skipped is None:
        pytest.skip(f"no recording {name}: REPLAYLAKE_RECORDINGS names the folder of the full set")
    assert skipped["isOn"]
    assert skipped["total_s"] > 960
    assert skipped["took_s"] < 30
    assert re.search(r"Skipped 16 min \d\d s of inactivity", skipped["said"])
    assert skipped["shading"] >= 1


def test_without_the_skip_idle_time_plays(seen: Any) -> None:
    idle = seen("doesNotSkip")
    assert not idle["isOn"]
    assert idle["idle"] + 2 <= idle["position"] < idle["idle"] + 15
    assert idle["after"] > idle["idle"] + 900  # and with it on again, it does not


def test_a_seek_loads_the_chunk_of_that_moment_first(seen: Any) -> None:
    chunks = seen("chunks")
    assert chunks["chunks"] >= 5
    assert chunks["firstAsked"] == chunks["last"]
    assert chunks["soughtAsked"] == 0
    assert "New this week" in chunks["early"]
    assert "Your cart" in chunks["late"]
    assert chunks["later"] != chunks["early"]
    assert chunks["note"] == ""


def test_an_open_session_is_followed(seen: Any) -> None:
    live = seen("followsLive")
    assert live["grown"] > live["before"]
    assert live["note"] == "" or live["note"].startswith("The recording ends here")


def test_a_session_in_packs_is_watched_while_it_goes_on(seen: Any) -> None:
    live = seen("openSession")
    assert live["address"] == OPEN
    assert live["badge"].lower() == "live"
    assert live["grown"] > live["before"]["length"]
    assert live["reason"] == 0


def test_a_hostile_recording_neither_runs_nor_calls_out(run: dict[str, Any]) -> None:
    result = run["hostile"]
    assert "error" not in result, result["error"]
    seen = result["seen"]
    assert "seen by the watcher" in seen["text"]
    assert set(seen["flags"]) == {None}
    assert seen["hits"] == []
    assert set(seen["clicked"]) == {"#"}
    assert set(seen["links"]) <= {"http:", "https:"}
    assert "Replay Lake" in seen["title"]
    assert seen["complaints"] == []  # nothing was left for the policy to refuse; then, without the neutraliser:
    assert seen["bare"]["drawn"]
    assert any("img-src" in one for one in result["complaints"])


def test_the_same_recording_does_call_out_where_nothing_protects(run: dict[str, Any]) -> None:
    result = run["unprotected"]
    assert "error" not in result, result["error"]
    assert {"/image", "/css", "/sheet.css"} <= set(result["seen"]["called"])
