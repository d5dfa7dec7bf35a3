"""Signing in and out in a real Chromium, and what the page says of a lake that is empty or is none."""

from pathlib import Path
from typing import Any

import pytest

from tests.viewer import hostile
from tests.viewer.test_viewer import TOKEN, drive, seen_in, shots

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, recordings_or_samples: Path) -> dict[str, Any]:
    """Every scenario of signing.mjs, run once."""
    return drive(shots(tmp_path_factory), recordings_or_samples, ["signing"])


@pytest.fixture
def seen(run: dict[str, Any]) -> Any:
    """As in test_viewer.py; that nobody is signed in yet is a failed request, of which the browser complains."""
    for result in run.values():
        result["complaints"] = [one for one in result["complaints"] if "status of 401" not in one]
    return lambda name: seen_in(run, name)


def test_a_token_is_asked_for_once_and_not_in_every_tab(seen: Any) -> None:
    once = seen("signsInOnce")
    assert once["own"] == []
    assert once["apps"] == ["All apps", hostile.APP]
    assert [TOKEN in kept for kept in once["kept"]] == [False, False, False]
    assert once["kept"][2] == ""  # no script sees the cookie
    assert once["cookie"]["httpOnly"]
    assert once["cookie"]["sameSite"] == "Strict"
    assert TOKEN not in once["cookie"]["value"]
    assert "test" in once["account"]
    assert "Until" in once["account"]
    assert once["cookies"] == []
    assert once["isHidden"]  # a link is nobody's account
    assert once["expired"].startswith("This link does not open the session any more")


def test_whom_a_proxy_has_signed_in_is_asked_for_nothing(seen: Any) -> None:
    person = seen("signedInByProxy")
    assert person["apps"] == ["All apps", hostile.APP]
    assert "ada@example.com" in person["account"]
    assert person["out"] == 0  # the proxy's matter


def test_an_empty_or_wrong_lake_says_what_it_is_and_how_to_send_data(seen: Any) -> None:
    lakes = seen("emptyLakes")
    assert "No lake here" in lakes["none"]
    assert "a wrong name" in lakes["none"]
    assert "A lake without sessions" in lakes["empty"]
    assert "replaylake run --lake /" in lakes["empty"]
    assert lakes["copied"].startswith("replaylake backfill samples/*/*.jsonl.gz --lake /")
    assert lakes["rows"] > 20


def test_nothing_of_signing_in_is_in_the_way_of_assistive_technology(seen: Any) -> None:
    accessible = seen("accessibleSignIn")
    assert {view: found for view, found in accessible["found"].items() if found} == {}
    assert len(accessible["found"]) == 18
    assert {view: by for view, by in accessible["overflow"].items() if by > 0} == {}
