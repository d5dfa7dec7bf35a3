"""Sentry: lines as rows, from the shapes of SDK 7 to 11."""

import json
from typing import Any

import pytest

from operators.families.sentry.rows import sentry_row
from operators.rows.values import LineRow
from schemas.items import LINE_TABLE, Item, Kind
from schemas.tables import TABLES
from tests.unit.envelopes import (
    REPLAY,
    SAMPLES,
    START_S,
    TRACE,
    Json,
    batch,
    decoded,
    envelope,
    event,
    received,
    replay,
    span,
)

MS = 1_000_000
TABLE_OF = {int(kind): table for kind, table in LINE_TABLE.items()}
TYPES = {"string": str, "int64": int, "double": float, "bool": bool, "timestamp": int, "map<string,string>": dict}


def rows(*items: tuple[Json, bytes | Json], **header: Any) -> list[LineRow]:
    found = [one for one in decoded(envelope(*items, trace={"replay_id": REPLAY}, **header)) if isinstance(one, Item)]
    return [sentry_row(one.body) for one in found if one.segment is None]


def row(*items: tuple[Json, bytes | Json], **header: Any) -> Json:
    [found] = rows(*items, **header)
    return dict(found.row)


def old_span(op: str, description: str, **more: Any) -> Json:
    """A span of SDK 7 to 10."""
    times = {"start_timestamp": START_S + 1, "timestamp": START_S + 1.5}
    return {"op": op, "description": description, "span_id": "b", "trace_id": TRACE, **times, **more}


def transaction(*spans: Json, op: str = "pageload", **more: Any) -> tuple[Json, Json]:
    """As SDK 7 to 10 send it."""
    return {"type": "transaction"}, {
        "event_id": "29648b36186f4148af5af1bc3c1db7ff",
        "type": "transaction",
        "transaction": "/cart/:id",
        "start_timestamp": START_S,
        "timestamp": START_S + 2,
        "contexts": {"trace": {"trace_id": TRACE, "span_id": "a", "op": op, "data": {}}},
        "request": {"url": "https://shop.example/cart/7"},
        "release": "shop@1",
        "environment": "prod",
        "user": {"id": "u-7", "ip_address": "{{auto}}"},
        "spans": list(spans),
    } | more


def test_every_row_of_real_captures_fits_its_table() -> None:
    for capture in SAMPLES.glob("*.jsonl.gz"):
        for body, _ in received(capture):
            for item in decoded(body):
                if not isinstance(item, Item) or item.segment is not None:
                    continue
                line = sentry_row(item.body)
                assert line.kind == item.kind
                columns = {field.name: field for field in TABLES[TABLE_OF.get(line.kind, "views")].fields}
                for name, value in line.row.items():
                    assert type(value) is TYPES[columns[name].type], (name, value)


def test_an_error_has_type_message_stack_and_handling() -> None:
    found = row(event())
    assert found["error_type"] == "TypeError"
    assert found["error_message"] == "boom"
    assert found["error_stack"] == (
        "TypeError: boom\n    at inner (https://shop.example/b.js:3:4)\n    at outer (https://shop.example/a.js:1:2)"
    )
    assert found["error_handling"] == "unhandled"
    assert found["error_source"] == "source"
    assert found["view_id"] == found["trace_id"] == TRACE
    assert found["view_path"] == "/cart"
    assert found["view_referrer"] == "https://shop.example/"
    assert (found["env"], found["version"], found["time_zone"]) == ("prod", "shop@1", "UTC")
    assert found["custom"] == {"tags.tenant": "t1", "level": "error"}


def test_the_exception_listed_last_was_thrown_and_the_others_are_its_causes() -> None:
    values = [{"type": "A", "value": "root"}, {"type": "B", "value": "middle"}, {"type": "C", "value": "thrown"}]
    found = row(event(exception={"values": values}))
    assert (found["error_type"], found["error_message"]) == ("C", "thrown")
    assert json.loads(found["error_causes"]) == [
        {"type": "B", "message": "middle"},
        {"type": "A", "message": "root"},
    ]


def test_a_message_is_an_error_without_a_type() -> None:
    found = row(event(exception=None, message="a message", level="warning"))
    assert found["error_message"] == "a message"
    assert "error_type" not in found
    assert found["error_source"] == "custom"
    assert found["custom"]["level"] == "warning"


@pytest.mark.parametrize(
    ("mechanism", "source"),
    [
        ("auto.http.client.xhr", "network"),
        ("auto.core.capture_console", "console"),
        ("onunhandledrejection", "source"),
        ("instrument", "source"),
        ("generic", "custom"),
    ],
    ids=str,
)
def test_the_mechanism_says_who_noticed_an_error(mechanism: str, source: str) -> None:
    assert row(event(exception={"values": [{"mechanism": {"type": mechanism}}]}))["error_source"] == source


def test_an_error_of_the_http_client_names_a_request_and_no_page() -> None:
    thrown = {"type": "Error", "value": "500", "mechanism": {"type": "auto.http.client.fetch", "handled": False}}
    request = {"url": "https://api.example/x", "method": "GET"}
    found = row(event(exception={"values": [thrown]}, request=request))
    assert "view_url" not in found
    assert found["custom"]["request.url"] == "https://api.example/x"


def test_the_visitor_of_an_event() -> None:
    user = {"id": 7, "email": "a@example.org", "username": "ann", "ip_address": "{{auto}}", "geo": {"city": "Bern"}}
    found = row(event(user=user))
    assert (found["userid"], found["user_email"], found["user_name"], found["is_signin"]) == (
        "7",
        "a@example.org",
        "ann",
        "T",
    )
    assert found["city"] == "Bern"
    assert "ip" not in found
    assert row(event(user={"ip_address": "203.0.113.7"}))["ip"] == "203.0.113.7"


def test_a_page_load_of_sdk_11_is_a_view() -> None:
    vitals = {
        "browser.web_vital.fcp.value": 924,
        "browser.web_vital.ttfb.value": 415.5,
        "browser.web_vital.fp.value": 900,
    }
    page = {"url.full": "https://shop.example/cart?x=1", "url.path": "/cart", "network.connection.effective_type": "4g"}
    found = row(batch("span", span("pageload", "Pageload", {**vitals, **page, "user.id": "u-7"}, 1.25)))
    assert found["time"] == round(START_S * 1e6)
    assert found["view_id"] == TRACE
    assert found["view_name"] == "/cart"
    assert found["view_loading_type"] == "initial_load"
    assert found["loading_time"] == 1250 * MS
    assert (found["first_contentful_paint"], found["first_byte"], found["first_paint_time"]) == (
        924 * MS,
        415_500_000,
        900 * MS,
    )
    assert (found["network_type"], found["userid"], found["version"]) == ("4g", "u-7", "shop@1")
    assert row(batch("span", span("navigation", "/cart/:id")))["view_name"] == "/cart/:id"


def test_a_page_load_of_sdk_7_to_10_is_a_view_and_its_spans_know_the_page() -> None:
    measurements = {
        "lcp": {"value": 484, "unit": "millisecond"},
        "cls": {"value": 0.25, "unit": ""},
        "fcp": {"value": 0.5, "unit": "second"},
        "connection.rtt": {"value": 100, "unit": "millisecond"},
    }
    script = old_span("resource.script", "/a.js?v=2", data={"http.response_transfer_size": 10})
    task = old_span("ui.long-task", "Main UI thread blocked")
    view, resource, long_task = rows(transaction(script, task, measurements=measurements))
    assert view.row["view_name"] == "/cart/:id"
    assert view.row["view_path"] == "/cart/7"
    assert view.row["loading_time"] == 2000 * MS
    assert (view.row["largest_contentful_paint"], view.row["first_contentful_paint"]) == (484 * MS, 500 * MS)
    assert view.row["cumulative_layout_shift"] == 0.25
    assert view.row["custom"] == {"measurements.connection.rtt": "100"}
    assert resource.row["resource_url"] == "https://shop.example/a.js?v=2"
    assert (resource.row["resource_type"], resource.row["resource_transfer_size"]) == ("js", 10)
    assert resource.row["view_id"] == view.row["view_id"] == TRACE
    assert (resource.row["userid"], resource.row["version"], resource.row["env"]) == ("u-7", "shop@1", "prod")
    assert long_task.row["duration"] == 500 * MS


def test_a_request_has_its_address_answer_and_phases() -> None:
    phases = {
        "http.request.domain_lookup_start": START_S + 0.1,
        "http.request.domain_lookup_end": START_S + 0.15,
        "http.request.secure_connection_start": 0,
        "http.request.connection_end": START_S + 0.2,
        "http.request.request_start": START_S + 0.2,
        "http.request.response_start": START_S + 0.4,
        "http.request.response_end": START_S + 0.5,
    }
    said = {
        "url.full": "https://api.example/x?a=1",
        "http.request.method": "POST",
        "http.response.status_code": 404,
        "type": "xhr",
        "network.protocol.name": "http",
        "network.protocol.version": "2",
        "http.response.body.decoded_size": 30,
    }
    found = row(batch("span", span("http.client", "POST api.example", said | phases, 0.5)))
    assert (found["resource_type"], found["resource_method"]) == ("xhr", "POST")
    assert (found["resource_status"], found["resource_status_group"]) == ("404", "4xx")
    assert (found["resource_url_host"], found["resource_url_path"]) == ("api.example", "/x")
    assert found["resource_protocol"] == "h2"
    assert found["resource_size"] == 30
    assert (found["resource_dns"], found["resource_ttfb"], found["resource_trans"]) == (50 * MS, 200 * MS, 100 * MS)
    assert "resource_ssl" not in found
    assert found["duration"] == 500 * MS
    assert "custom" not in found


def test_a_request_of_sdk_7_has_its_status_among_the_tags() -> None:
    request = old_span(
        "http.client", "GET /price.json", data={"url": "/price.json", "type": "fetch"}, tags={"http.status_code": "200"}
    )
    _, found = rows(transaction(request))
    assert found.row["resource_url"] == "https://shop.example/price.json"
    assert (found.row["resource_status"], found.row["resource_type"]) == ("200", "fetch")


@pytest.mark.parametrize(
    ("op", "url", "kind"),
    [
        ("resource.link", "https://a.example/x.css?v=1", "css"),
        ("resource.link", "https://a.example/font.woff2", "font"),
        ("resource.css", "https://a.example/back.png", "image"),
        ("resource.other", "https://a.example/favicon.ico", "image"),
        ("resource.img", "https://a.example/pixel", "image"),
        ("resource.script", "https://a.example/x", "js"),
        ("resource.iframe", "https://a.example/x.html", "document"),
        ("resource.beacon", "https://a.example/b", "beacon"),
        ("resource.other", "https://a.example/x", "other"),
        ("http.client", "https://a.example/x.js", "fetch"),
    ],
    ids=lambda value: value.rpartition("/")[2],
)
def test_the_kind_of_a_resource(op: str, url: str, kind: str) -> None:
    assert row(batch("span", span(op, "x", {"url.full": url})))["resource_type"] == kind


def test_a_vital_that_is_sent_by_itself_is_a_note_of_its_view() -> None:
    said = {"browser.web_vital.inp.value": 176, "browser.web_vital.inp.target": "body > button"}
    [new] = rows(batch("span", span("ui.interaction.press", "Key press", said)))
    measured = {"inp": {"value": 176, "unit": "millisecond"}}
    [old] = rows(({"type": "span"}, old_span("ui.interaction.press", "body > button", measurements=measured)))
    [shift] = rows(batch("span", span("ui.webvital.cls", "Layout shift", {"browser.web_vital.cls.value": 0.25})))
    for found in (new, old):
        assert found.kind == Kind.NOTE
        assert found.row["view_id"] == TRACE
        assert found.adds == {
            "interaction_to_next_paint": 176 * MS,
            "interaction_to_next_paint_target_selector": "body > button",
        }
    assert shift.adds == {"cumulative_layout_shift": 0.25}


def test_what_a_page_measures_is_in_custom_of_its_view() -> None:
    [timed] = rows(batch("span", span("ui.task", "checkout", seconds=0.25)))
    assert timed.kind == Kind.NOTE
    assert timed.row["custom"] == {"span.checkout.duration": str(250 * MS), "span.checkout.op": "ui.task"}
    [metric] = rows(batch("trace_metric", {"timestamp": START_S, "name": "clicks", "value": 3, "trace_id": TRACE}))
    assert metric.row["custom"] == {"metric.clicks": "3"}
    _, phase = rows(transaction(old_span("browser", "DNS")))
    assert phase.row["custom"] == {"browser.DNS.duration": str(500 * MS)}


def test_a_log_is_a_row_of_the_console() -> None:
    said = {"sentry.origin": {"value": "auto.log.console", "type": "string"}, "a": {"value": 1, "type": "integer"}}
    log = {"timestamp": START_S, "level": "info", "body": "hello", "trace_id": TRACE, "severity_number": 9}
    taken = log | {"severity_number": 10, "attributes": said}
    own, of_console = rows(batch("log", log, taken))
    assert own.kind == Kind.CONSOLE
    assert (own.row["level"], own.row["message"], own.row["is_cut"]) == ("info", "hello", False)
    assert (own.row["time"], own.row["view_id"]) == (round(START_S * 1e6), TRACE)
    assert (of_console.row["level"], of_console.row["custom"]) == ("log", {"a": "1"})
    assert own.row["console_id"] != of_console.row["console_id"]


def test_feedback_is_an_action() -> None:
    said = {"message": "ugly page", "contact_email": "eve@example.org", "replay_id": REPLAY}
    feedback = {"event_id": "f", "timestamp": START_S, "contexts": {"feedback": said, "trace": {"trace_id": TRACE}}}
    [found] = rows(({"type": "feedback"}, feedback))
    assert found.kind == Kind.ACTION
    assert (found.row["action_type"], found.row["action_name"], found.row["action_id"]) == (
        "feedback",
        "ugly page",
        "f",
    )
    assert found.row["custom"] == {"contexts.feedback.contact_email": "eve@example.org"}


def test_a_replay_event_tells_of_the_visitor() -> None:
    found = row(replay()[0])
    assert (found["userid"], found["user_email"], found["env"], found["version"]) == (
        "u-7",
        "ann@example.org",
        "prod",
        "shop@1",
    )
    assert found["sdk_version"] == "11.12.0"


def test_a_wrong_type_costs_its_column() -> None:
    said = {"http.response.status_code": "soon", "http.response.size": [1], "url.full": 5}
    found = row(batch("span", span("http.client", "x", said)))
    assert "resource_status" not in found
    assert "resource_transfer_size" not in found
    assert found["resource_type"] == "fetch"
    broken = row(event(contexts=[], request="x", user=5, tags=[["a", "b"]], exception="none"), event_id=REPLAY)
    assert broken["error_source"] == "custom"


def test_what_is_no_line_is_refused() -> None:
    for body in (b"[]", b'{"type":"event"}', b'{"type":"hologram","payload":{}}', b'{"type":"event","payload":[]}'):
        with pytest.raises(ValueError, match=r".+"):
            sentry_row(body)


def test_every_column_that_is_filled_says_from_what() -> None:
    filled: set[tuple[str, str]] = set()
    for capture in SAMPLES.glob("*.jsonl.gz"):
        for body, _ in received(capture):
            for item in decoded(body):
                if isinstance(item, Item) and item.kind in (*LINE_TABLE, Kind.NOTE) and item.kind != Kind.CONSOLE:
                    line = sentry_row(item.body)
                    filled |= {(TABLE_OF.get(line.kind, "views"), name) for name in (*line.row, *line.adds)}
    declared = {
        (table, field.name) for table in set(TABLE_OF.values()) for field in TABLES[table].fields if field.sentry
    }
    assert filled - declared == set()
