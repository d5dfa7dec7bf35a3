"""Inputs after public bug reports, through the commands: what each must become, and that it costs nothing else."""

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lake.verify import verify
from sinks.store import LocalStore
from tests.conftest import REPOSITORY
from tests.flow.made import Done, Event, command

REPORTED = REPOSITORY / "tests" / "data" / "reported"
RRWEB, SHOP = REPOSITORY / "samples/rrweb/rr-spa.jsonl.gz", REPOSITORY / "samples/datadog/dd-shop.jsonl.gz"
RRWEB_SESSION, SHOP_SESSION = "fc7daeb2-5977-4af2-9240-f29721069541", "d943978f-e680-4189-8810-0ac8ae2ee381"
SHOP_APP, OTHER_APP = "6f2a1c9e-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"
Request = dict[str, Any]


class Expected(msgspec.Struct, frozen=True):
    """`events`: how many `export` prints, None where nothing is recorded. `answers`: to queries, in order."""

    quarantine: list[str] = []
    events: int | None = None
    answers: dict[str, object] = {}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """What the recording plays as it was sent."""
    lake = backfilled(RRWEB, tmp_path_factory.mktemp("recorded"))
    return events(command("export", RRWEB_SESSION, lake=lake))


SMALL = {
    "min-ph-snapshot-items": Expected(events=2),
    "min-ph-spa-time-spent": Expected(
        answers={"select list(round(time_spent / 1e9, 1) order by time) from views": [6.0, 20.0, 30.0]}
    ),
    "min-ph-no-pageview-id": Expected(
        answers={"select session_view_count from sessions": 3, "select is_bounce from sessions": False}
    ),
    "min-gc-tag-escapes": Expected(
        answers={
            "select count(*) from views": 7,
            "select count(*) from views where concat_ws('|', user_name, userid, view_name) like '%\\\\%' escape '~'": 0,
            "select user_name from views where view_id = 'v-nbsp'": "Ann\u00a0Lee",
        }
    ),
    "min-content-encoding": Expected(["corrupt_compression"], answers={"select count(*) from views": 2}),
    "min-form-gzip-cut": Expected(["corrupt_compression"], answers={"select count(*) from views": 2}),
    "gc-null-tag": Expected(answers={"select count(*) from views": 1}),
    "gc-precision-s": Expected(answers={"select min(start) > timestamptz '2020-01-01' from sessions": True}),
    "gc-crlf-notime": Expected(answers={"select count(*) from sessions": 1}),
    "rr-deep-300": Expected(events=3),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_small_input_becomes_what_is_right(name: str, tmp_path: Path) -> None:
    expected = SMALL[name]
    lake = backfilled(REPORTED / f"{name}.jsonl.gz", tmp_path)
    assert reasons(lake) == expected.quarantine
    assert {query: value(lake, query) for query in expected.answers} == expected.answers
    if expected.events is not None:
        [session_id] = asked(lake, "select session_id from sessions")
        assert len(events(command("export", str(session_id), lake=lake))) == expected.events


def test_every_small_input_is_tried() -> None:
    assert {path.name.removesuffix(".jsonl.gz") for path in REPORTED.glob("*.jsonl.gz")} == set(SMALL)


@pytest.mark.parametrize("time", [None, "soon"])
def test_an_event_without_a_time_costs_itself(time: str | None, recorded: list[Event], tmp_path: Path) -> None:
    """Not the batch with the full snapshot that it came in; and nothing is made up in its place."""
    mark = {"type": 5, "data": {"tag": "app-mark", "payload": {}}, "timestamp": time}
    lake = backfilled(rrweb_changed(tmp_path, lambda first: [[*first, mark]]), tmp_path)
    done = command("export", RRWEB_SESSION, lake=lake)
    assert events(done) == recorded
    assert len(done.warnings) == 1
    assert reasons(lake) == ["invalid_time"]


def test_batches_of_one_millisecond_play_after_the_snapshot_they_need(recorded: list[Event], tmp_path: Path) -> None:
    """A change of styles in the millisecond of the snapshot, sent before it, in a batch of its own."""
    styles = {"id": 1, "source": 15, "styleIds": [1], "styles": [{"styleId": 1, "rules": []}]}

    def change(first: list[Event]) -> list[list[Event]]:
        place = next(number for number, event in enumerate(first) if event["type"] == 2)
        early = {"type": 3, "data": styles, "timestamp": first[place]["timestamp"]}
        return [first[:place], [early], first[place : place + 1], first[place + 1 :]]

    lake = backfilled(rrweb_changed(tmp_path / "changed", change), tmp_path / "changed")
    played = events(command("export", RRWEB_SESSION, lake=lake))
    assert len(played) == len(recorded) + 1
    assert [event for event in played if event["data"].get("source") != 15] == recorded
    at = {event["data"].get("source", event["type"]): number for number, event in reversed(list(enumerate(played)))}
    assert at[2] < at[15]


def test_a_recording_without_meta_gets_one(recorded: list[Event], tmp_path: Path) -> None:
    """So that a player has a size; as many events as with the one that was sent, and a word about it."""
    path = rrweb_changed(tmp_path / "changed", lambda first: [[event for event in first if event["type"] != 4]])
    done = command("export", RRWEB_SESSION, lake=backfilled(path, tmp_path / "changed"))
    assert [event["type"] for event in events(done) if event["type"] != 4] == [
        event["type"] for event in recorded if event["type"] != 4
    ]
    assert len(events(done)) == len(recorded)
    assert any("size of the page" in warning for warning in done.warnings)


def test_a_session_id_that_two_apps_share_is_two_sessions(tmp_path: Path) -> None:
    """An export that does not say which is refused and names both."""
    path = tmp_path / "two.jsonl.gz"
    other = [changed(one, lambda body: body.replace(SHOP_APP.encode(), OTHER_APP.encode())) for one in requests(SHOP)]
    lake = backfilled(written(path, [*requests(SHOP), *other]), tmp_path)
    refused = command("export", SHOP_SESSION, lake=lake)
    assert (refused.code, refused.out) == (1, "")
    assert SHOP_APP in refused.error
    assert OTHER_APP in refused.error
    both = [events(command("export", SHOP_SESSION, "--app", app, lake=lake)) for app in (SHOP_APP, OTHER_APP)]
    assert both[0] == both[1] != []


@pytest.mark.parametrize("index", [b'"index_in_view":null', b'"_":0'])
def test_the_place_of_a_segment_in_its_view_is_optional(index: bytes, tmp_path: Path) -> None:
    """Null or absent: all segments are kept, and play like those that say their place."""
    whole = backfilled(SHOP, tmp_path / "whole")
    without = [changed(one, lambda body: re.sub(rb'"index_in_view":\d+', index, body)) for one in requests(SHOP)]
    lake = backfilled(written(tmp_path / "null.jsonl.gz", without), tmp_path)
    assert reasons(lake) == []
    names = ("view", "action", "error", "resource", "long_task")
    counts = [value(lake, f"select session_{name}_count from sessions") for name in names]
    assert [*counts, value(lake, "select replay_segment_count from sessions")] == [7, 26, 20, 52, 11, 16]
    assert events(command("export", SHOP_SESSION, lake=lake)) == events(command("export", SHOP_SESSION, lake=whole))


def backfilled(capture: Path, folder: Path) -> Path:
    """The lake of a capture file, made by the command. It is sound and plays, whatever was in the file."""
    lake = folder / "lake"
    done = command("backfill", str(capture), lake=lake)
    assert done.code == 0, done.error
    report = verify(LocalStore(lake))
    assert (report.problems, report.unplayable) == ([], [])
    return lake


def asked(lake: Path, query: str) -> list[object]:
    """The first column of the answer."""
    done = command("sql", query, "--json", lake=lake)
    assert done.code == 0, done.error
    return [next(iter(row.values())) for row in json.loads(done.out)]


def value(lake: Path, query: str) -> object:
    [one] = asked(lake, query)
    return one


def reasons(lake: Path) -> list[object]:
    return asked(lake, "select reason from quarantine order by 1")


def events(done: Done) -> list[Event]:
    assert done.code == 0, done.error
    found: list[Event] = json.loads(done.out)
    return found


def requests(capture: Path) -> Iterator[Request]:
    with gzip.open(capture) as lines:
        yield from map(json.loads, lines)


def written(path: Path, lines: list[Request]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(json.dumps(one) + "\n" for one in lines).encode()))
    return path


def changed(request: Request, change: Callable[[bytes], bytes]) -> Request:
    """The same request with another body."""
    return with_body(request, change(base64.b64decode(request["body_b64"])))


def with_body(request: Request, body: bytes) -> Request:
    return request | {"body_b64": base64.b64encode(body).decode()}


def rrweb_changed(folder: Path, change: Callable[[list[Event]], list[list[Event]]]) -> Path:
    """The recording with other batches, a request each, in place of its first one, which has the full snapshot."""
    first, *rest = requests(RRWEB)
    body = json.loads(base64.b64decode(first["body_b64"]))
    data = body["properties"]["$snapshot_data"]
    bodies = [body | {"properties": body["properties"] | {"$snapshot_data": batch}} for batch in change(data)]
    batches = [with_body(first, json.dumps(body).encode()) for body in bodies]
    return written(folder / "changed.jsonl.gz", [*batches, *rest])
