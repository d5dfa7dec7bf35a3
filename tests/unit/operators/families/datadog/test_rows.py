"""Datadog events become rows under the same column names: by path, cut out of another attribute, or in `custom`."""

import base64
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from operators.families.registry import line_row
from operators.rows.values import Row
from schemas.items import LINE_TABLE, Family, Kind
from schemas.tables import TABLES

Event = dict[str, object]

DATE_MS = 1_795_230_258_032
DERIVED = {"action.id": "action_id", "usr.id": "userid", "resource.status_code": "resource_status"}
VIEW_URL = "http://me@shop.test:8080/item/17/list/?q=rain%20jacket&empty=#top"


def row_of(kind: str = "view", /, **event: object) -> Row:
    return line_row(Family.DATADOG, json.dumps({"type": kind, "date": DATE_MS, **event}).encode()).row


def custom_of(row: Row) -> dict[str, str]:
    custom = row.get("custom", {})
    assert isinstance(custom, dict)
    return custom


@pytest.mark.parametrize("kind", LINE_TABLE)
def test_the_type_is_the_kind(kind: Kind) -> None:
    body = json.dumps({"type": kind.name.lower(), "date": DATE_MS}).encode()
    found = line_row(Family.DATADOG, body)
    assert (found.kind, found.row) == (kind, {"time": DATE_MS * 1000})


@pytest.mark.parametrize("body", [b"", b"[]", b'{"type":"transition"}', b"{}", b'{"type":["view"]}'])
def test_what_is_no_event_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        line_row(Family.DATADOG, body)


def test_the_address_of_a_view_is_cut_up() -> None:
    row = row_of(view={"id": "v", "url": VIEW_URL})
    assert row["view_url"] == VIEW_URL
    assert row["view_host"] == "shop.test:8080"
    assert row["view_path"] == "/item/17/list/"
    assert row["view_path_group"] == "/item/?/list"
    assert row["view_url_query"] == '{"q":"rain jacket","empty":""}'


@pytest.mark.parametrize(
    ("url", "path", "group"),
    [
        ("http://a", "/", "/"),
        ("http://a/", "/", "/"),
        ("http://a/docs/#/guide/v2?x=1", "/#/guide/v2", "/#/guide/?"),
        ("http://a/docs/#anchor", "/docs/", "/docs"),
        ("http://a/b7.svg", "/b7.svg", "/?"),
    ],
)
def test_paths_and_their_groups(url: str, path: str, group: str) -> None:
    row = row_of(view={"url": url})
    assert (row["view_path"], row["view_path_group"]) == (path, group)


@pytest.mark.parametrize("url", ["", "about:blank", "http://[::1", "data:image/png;base64," + "A" * 9000])
def test_an_address_without_host_has_no_parts(url: str) -> None:
    row = row_of("resource", resource={"url": url})
    assert row["resource_url"] == url
    assert "resource_url_path" not in row


def test_a_resource_has_its_host_without_port_its_status_and_phases() -> None:
    phases = {"dns": {"duration": 5, "start": 1}, "first_byte": {"duration": 7, "start": 6}}
    row = row_of("resource", resource={"url": "http://a.test:81/x/1", "status_code": 404, "duration": 9, **phases})
    assert (row["resource_url_host"], row["resource_url_path_group"]) == ("a.test", "/x/?")
    assert (row["resource_status"], row["resource_status_group"]) == ("404", "4xx")
    assert (row["resource_dns"], row["resource_ttfb"], row["resource_first_byte"], row["duration"]) == (5, 7, 7, 9)
    assert row["resource_dns_time"] == '{"duration":5,"start":1}'
    assert "custom" not in row


def test_a_status_that_is_no_http_status_has_no_group() -> None:
    row = row_of("resource", resource={"status_code": 0})
    assert row["resource_status"] == "0"
    assert "resource_status_group" not in row


def test_an_action_has_its_own_id() -> None:
    row = row_of("action", action={"id": "a1", "type": "click", "frustration": {"type": ["rage_click"]}})
    assert row["action_id"] == "a1"
    assert row["action_frustration_types"] == '["rage_click"]'
    assert "action_ids" not in row


@pytest.mark.parametrize(("sent", "last"), [(["a1", "a2"], "a2"), ("a1", "a1")])
def test_other_lines_have_the_actions_they_belong_to(sent: object, last: str) -> None:
    row = row_of("error", action={"id": sent})
    assert row["action_id"] == last
    assert row.get("action_ids") == ('["a1","a2"]' if isinstance(sent, list) else None)
    assert "custom" not in row


@pytest.mark.parametrize("sent", [[], [None]])
def test_a_list_without_an_id_at_its_end_names_no_action(sent: list[None]) -> None:
    row = row_of("error", action={"id": sent})
    assert "action_id" not in row
    assert json.loads(str(row["action_ids"])) == sent


@pytest.mark.parametrize(("sent", "kept"), [(True, {"action.id": "true"}), ({"a": 1}, {"action.id.a": "1"})])
def test_odd_action_ids_are_kept_as_text(sent: object, kept: dict[str, str]) -> None:
    assert custom_of(row_of("error", action={"id": sent})) == kept


@pytest.mark.parametrize("event", ["view", "error", "resource"])
def test_ids_that_are_numbers_are_text(event: str) -> None:
    row = row_of(event, **{"action": {"id": 5}, "view": {"id": 7}, "usr": {"id": 42}, event: {"id": 9}})
    assert row["userid"] == "42"
    assert (row["view_id"], row["is_signin"]) == ("9" if event == "view" else "7", "T")
    assert row["action_id"] == "5"


def test_a_signed_in_user_is_known_by_id_and_an_anonymous_one_by_the_browser() -> None:
    signed_in = row_of(usr={"id": "u-1", "anonymous_id": "x", "plan": "gold"})
    assert (signed_in["userid"], signed_in["is_signin"]) == ("u-1", "T")
    assert custom_of(signed_in) == {"usr.anonymous_id": "x", "usr.plan": "gold"}
    anonymous = row_of(usr={"anonymous_id": "x"})
    assert (anonymous["userid"], anonymous["is_signin"]) == ("x", "F")


def test_environment_and_sdk_version_come_from_the_tags() -> None:
    row = row_of(ddtags="sdk_version:7.16.2,env:prod,version:1.4.2,odd", version="1.4.2")
    assert (row["env"], row["sdk_version"], row["version"]) == ("prod", "7.16.2", "1.4.2")


def test_of_the_internals_only_those_with_a_column_are_kept() -> None:
    internals = {"document_version": 3, "format_version": 2, "replay_stats": {"records_count": 1}, "drift": "odd"}
    row = row_of(_dd=internals)
    assert (row["document_version"], row["session_replay_stats"]) == (3, '{"records_count":1}')
    assert custom_of(row) == {"_dd.drift": "odd"}


def test_what_has_no_column_goes_to_custom_by_its_path() -> None:
    row = row_of(
        "error", error={"fingerprint": "f", "message": 5}, context={"cart": {"sum": 1.5}, "a": []}, **{"x.y": 1}
    )
    assert custom_of(row) == {
        "error.fingerprint": "f",
        "error.message": "5",
        "context.cart.sum": "1.5",
        "context.a": "[]",
        "x.y": "1",
    }


def test_two_paths_that_look_alike_lose_neither_value() -> None:
    assert custom_of(row_of(**{"a": {"b": 1}, "a.b": 2})) == {"a.b": "1", "a.b~": "2"}


@pytest.mark.parametrize("odd", [None, 1, "text", [1], [[]], True, {}])
@pytest.mark.parametrize("part", ["_dd", "view", "action", "resource", "usr", "session", "ddtags", "date", "display"])
def test_a_part_of_any_shape_does_not_raise(part: str, odd: object) -> None:
    for kind in LINE_TABLE:
        row_of(kind.name.lower(), **{part: odd})


def test_every_recorded_attribute_is_in_its_column_or_in_custom(recordings: Path) -> None:
    checked = 0
    for event in _recorded_events(recordings / "datadog"):
        found = line_row(Family.DATADOG, json.dumps(event).encode())
        checked += _compare(event, found.kind, found.row)
    assert checked > 70_000


def _compare(event: Event, kind: Kind, row: Row) -> int:
    by_path = {field.datadog: field for field in TABLES[LINE_TABLE[kind]].fields}
    custom = dict(custom_of(row))
    checked = 0
    for path, value in _nodes(event):
        field = by_path.get(path)
        if path == "date":
            assert isinstance(value, int)
            assert row["time"] == value * 1000
        elif field is not None:
            stored = row[field.name]
            assert (json.loads(str(stored)) if field.unit == "JSON" else stored) == value, path
        elif path in DERIVED and isinstance(value, list):
            assert json.loads(str(row["action_ids"])) == value
        elif path in DERIVED:
            assert row[DERIVED[path]] == str(value), path
        elif not isinstance(value, dict) and not _is_known(path, by_path.keys()):
            assert custom.pop(path) == (value if isinstance(value, str) else json.dumps(value, separators=(",", ":")))
        checked += 1
    assert not custom
    return checked


def _is_known(path: str, columns: object) -> bool:
    """Lies in a structure that is one column, or says what the row is, or is internal to the SDK."""
    assert isinstance(columns, type({}.keys()))
    above = path.split(".")
    within = any(".".join(above[:depth]) in columns for depth in range(1, len(above)))
    return within or path == "type" or above[0] == "_dd"


def _nodes(node: Event, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in node.items():
        yield prefix + name, value
        if isinstance(value, dict):
            yield from _nodes(value, f"{prefix}{name}.")


def _recorded_events(folder: Path) -> Iterator[Event]:
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt") as capture:
            for request in map(json.loads, capture):
                if request["method"] == "POST" and request["path"].startswith("/api/v2/rum?"):
                    body = base64.b64decode(request["body_b64"])
                    text = zlib.decompress(body) if "dd-evp-encoding=deflate" in request["path"] else body
                    yield from map(json.loads, text.splitlines())
