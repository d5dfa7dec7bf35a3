"""A real browser with real SDKs on a site of our own, through the intake, Kafka and the job: what is in the lake."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lake.catalog import read_rows, table_keys
from lake.export import blob_keys, native_segments
from lake.verify import verify
from operators.families.posthog.cv import CvDecoder
from sinks.store import LocalStore
from tests.browser.closed_loop import APPS, FAMILIES, SNIPPETS, Visited, missing, snippet, visited_lake, watch
from tests.serve.server import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200), pytest.mark.skipif(bool(missing()), reason=missing())]
Rows = list[dict[str, Any]]
PLAYER = Path(__file__).parents[2] / "viewer" / "page" / "vendor" / "replay.js"


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visited]:
    with visited_lake(tmp_path_factory.mktemp("browser")) as found:
        yield found


def rows(visited: Visited, family: str, table: str) -> Rows:
    store = LocalStore(visited.lake)
    return read_rows(store, table_keys(store, table), table, {"session_id": visited.visits[family].session})


@pytest.mark.parametrize("family", [*FAMILIES, *SNIPPETS])
def test_the_intake_answered_every_request_with_yes(visited: Visited, family: str) -> None:
    visit = visited.visits[family]
    left = "net::ERR_ABORTED"  # the browser gave up a request of the page that it left; the SDK has sent it again
    assert [failure for failure in visit.failures if not failure.endswith(left)] == []
    assert visit.answers
    assert {answer.rpartition(" ")[2][0] for answer in visit.answers} == {"2"}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_visit_is_one_session_with_a_replay(visited: Visited, family: str) -> None:
    found = rows(visited, family, "sessions")
    latest = max(found, key=lambda row: row["revision"])
    assert {row["session_part"] for row in found} == {0}
    assert latest["app_id"] == APPS[family]
    assert latest["replay_segment_count"] >= 1
    assert latest["replay_record_count"] > 10


@pytest.mark.parametrize("family", FAMILIES)
def test_the_replay_holds_what_the_page_showed(visited: Visited, family: str) -> None:
    store = LocalStore(visited.lake)
    segments = native_segments(store, blob_keys(rows(visited, family, "replay_segments")))
    shown = json.dumps([clear(json.loads(segment)) for segment in segments])
    assert "Corner shop" in shown
    assert "tents" in shown


def clear(segment: Any) -> Any:
    """PostHog compresses single records inside a message."""
    records = segment.get("properties", {}).get("$snapshot_data")
    return segment if records is None else [CvDecoder().decode(record) for record in records]


def test_datadog_lines_are_views_actions_errors_and_resources(visited: Visited) -> None:
    views, actions = rows(visited, "datadog", "views"), rows(visited, "datadog", "actions")
    assert {row["view_path"] for row in views} >= {"/datadog.html"}
    assert {row["action_name"] for row in actions} >= {"Buy a lamp", "Tents", "Break something"}
    [error] = rows(visited, "datadog", "errors")
    assert (error["error_message"], error["error_handling"]) == ("The lamp fell down", "unhandled")
    assert any("price.json" in row["resource_url"] for row in rows(visited, "datadog", "resources"))


def test_posthog_events_are_views_actions_and_errors(visited: Visited) -> None:
    assert rows(visited, "posthog", "views")
    assert {row["action_name"] for row in rows(visited, "posthog", "actions")} >= {"Buy a lamp", "Tents"}
    assert "The lamp fell down" in {row["error_message"] for row in rows(visited, "posthog", "errors")}


def test_sentry_items_are_views_errors_and_resources(visited: Visited) -> None:
    [view] = [row for row in rows(visited, "sentry", "views") if row["view_loading_type"] == "initial_load"]
    assert (view["view_path"], view["version"], view["env"]) == ("/sentry.html", "shop@1.2.3", "test")
    assert view["loading_time"]
    assert view["first_contentful_paint"]
    [error] = rows(visited, "sentry", "errors")
    assert (error["error_message"], error["error_handling"]) == ("The lamp fell down", "unhandled")
    assert "shop.js" in error["error_stack"]
    resources = rows(visited, "sentry", "resources")
    assert {"fetch", "js"} <= {row["resource_type"] for row in resources}
    assert [row["resource_status"] for row in resources if "price.json" in row["resource_url"]] == ["200"]
    clicks = [row for row in rows(visited, "sentry", "actions") if row["action_type"] == "click"]
    assert {row["action_name"] for row in clicks} >= {"Buy a lamp", "Tents", "Break something"}
    assert all(row["from_recording"] for row in clicks)
    session = rows(visited, "sentry", "sessions")[-1]
    assert (session["userid"], session["user_email"]) == ("u-7", "ann@example.org")
    segments = rows(visited, "sentry", "replay_segments")
    assert sorted(row["index_in_view"] for row in segments) == list(range(len(segments)))


@pytest.mark.parametrize("page", SNIPPETS)
def test_a_snippet_of_the_documentation_gives_a_session_with_a_replay_and_masks_what_is_typed(
    visited: Visited, page: str
) -> None:
    latest = max(rows(visited, page, "sessions"), key=lambda row: row["revision"])
    assert latest["app_id"] in snippet(SNIPPETS[page])
    assert latest["replay_record_count"] > 10
    assert latest["session_view_count"] >= 1
    assert latest["session_action_count"] >= 3  # the lamp, the tents, and what breaks
    segments = native_segments(LocalStore(visited.lake), blob_keys(rows(visited, page, "replay_segments")))
    assert "Ann" not in json.dumps([clear(json.loads(segment)) for segment in segments])


@pytest.mark.parametrize("name", FAMILIES)
def test_a_snippet_is_short_enough_to_paste(name: str) -> None:
    assert len(snippet(name).splitlines()) <= 12


def test_the_lake_verifies_and_nothing_was_refused(visited: Visited) -> None:
    store = LocalStore(visited.lake)
    assert verify(store).problems == []
    assert read_rows(store, table_keys(store, "quarantine"), "quarantine") == []
    assert all(count == 0 for name, count in visited.intake_metrics.items() if "intake_refused" in name)


@pytest.mark.skipif(not PLAYER.is_file(), reason="no player in viewer/page/vendor: run `make setup`")
def test_every_visit_is_in_the_explorer_and_plays_in_the_player(visited: Visited, tmp_path: Path) -> None:
    sessions = [{"family": name, "app": APPS[name], "id": visited.visits[name].session} for name in FAMILIES]
    with serving(str(visited.lake), tmp_path / "serve") as served:
        seen = watch({"origin": served.url, "sessions": sessions}, tmp_path)
    assert len(seen["rows"]) == len(visited.visits)
    for family in FAMILIES:
        assert "Corner shop" in seen["shown"][family]["text"], family
        assert seen["shown"][family]["events"] >= min(1, len(rows(visited, family, "views"))), family
    assert seen["complaints"] == []
