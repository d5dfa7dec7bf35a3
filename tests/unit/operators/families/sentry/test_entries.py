"""Sentry: what a recording tells beside its picture."""

import json
from typing import Any

from operators.families.sentry.entries import sentry_entries
from operators.families.sentry.records import open_segment, segment_body
from schemas.recorded import Click, Console, Custom, Entry, Input, Load, Page, Request, Vital, decode_recorded
from tests.unit.envelopes import REPLAY, SAMPLES, START_S, Json, decoded, received

AT_US = round(START_S * 1e6)
PAGE = "https://shop.example/cart?x=1"


def entries(*events: Any) -> list[Entry]:
    records = open_segment(segment_body(REPLAY, 0, b"{}", json.dumps(events).encode())).records
    return decode_recorded(sentry_entries(records, PAGE)).entries


def crumb(category: str, message: str = "", *, at_s: float = START_S, **data: Any) -> Json:
    payload = {"timestamp": at_s, "category": category, "message": message, "data": data}
    return {"type": 5, "timestamp": at_s * 1000, "data": {"tag": "breadcrumb", "payload": payload}}


def performance(op: str, name: str, seconds: float = 0.5, **data: Any) -> Json:
    """Its stamp is in seconds."""
    times = {"startTimestamp": START_S, "endTimestamp": START_S + seconds}
    payload = {"op": op, "description": name, "data": data, **times}
    return {"type": 5, "timestamp": START_S, "data": {"tag": "performanceSpan", "payload": payload}}


def node(text: str = "Buy", **attributes: str) -> Json:
    return {"nodeId": 7, "node": {"id": 7, "tagName": "button", "textContent": text, "attributes": attributes}}


def test_pages_are_meta_records_and_routes() -> None:
    meta = {"type": 4, "timestamp": START_S * 1000, "data": {"href": PAGE, "width": 800, "height": 600}}
    parsed = {"type": 0, "timestamp": START_S * 1000, "data": {}}
    assert entries(parsed, meta, performance("navigation.push", "/two")) == [
        Load(AT_US),
        Page(AT_US, PAGE, 800, 600),
        Page(AT_US, "https://shop.example/two"),
    ]


def test_the_load_of_a_document_is_a_request_and_begins_a_page() -> None:
    found = entries(performance("navigation.reload", PAGE, size=10, decodedBodySize=20, encodedBodySize=15))
    assert found == [
        Request(AT_US, PAGE, "navigation", 500_000_000, transfer_bytes=10, encoded_bytes=15, decoded_bytes=20),
        Load(AT_US),
    ]


def test_a_click_is_judged_by_what_the_sdk_says_of_it_later() -> None:
    selector = "body > button"
    assert entries(
        crumb("ui.click", selector, **node()),
        crumb("ui.slowClickDetected", selector, clickCount=1, **node()),
        crumb("ui.slowClickDetected", selector, clickCount=3, **node()),
        crumb("ui.multiClick", selector, clickCount=5, **node()),
        crumb("ui.multiClick", selector, clickCount=2, **node()),
    ) == [
        Click(AT_US, 7, name="Buy", target=selector, frustrations=signs, is_judged=True)
        for signs in ((), ("dead_click",), ("rage_click", "dead_click"), ("rage_click",), ())
    ]


def test_an_element_without_text_is_named_by_its_label() -> None:
    label = {"aria-label": "Search"}
    field: Json = {"nodeId": 7, "node": {"tagName": "textarea", "textContent": "typed", "attributes": {"id": "q"}}}
    assert entries(crumb("ui.input", "input#q", **node("", id="q", **label)), crumb("ui.input", "#q", **field)) == [
        Input(AT_US, 7, "Search", "input#q"),
        Input(AT_US, 7, "q", "#q"),
    ]


def test_what_was_logged_reads_as_the_sdks_own_logs_do() -> None:
    error = {"message": "inner", "name": "Error", "stack": "Error: inner\n    at x"}
    found = entries(
        {**crumb("console", "log [object Object]", arguments=["log", {"a": [1, 2]}, 3])},
        {**crumb("console", "bad", arguments=["bad", error], _meta={"warnings": []})},
        {**crumb("console", "only a message")},
    )
    message = 'bad {"message":"inner","name":"Error","stack":"Error: inner\\n    at x"}'
    assert found == [
        Console(AT_US, "log", 'log {"a":[1,2]} 3'),
        Console(AT_US, "log", message, error["stack"], is_cut=True),
        Console(AT_US, "log", "only a message"),
    ]


def test_requests_are_told_with_their_answer_relative_to_the_page() -> None:
    response = {"size": 11, "headers": {}, "body": "secret"}
    [found] = entries(performance("resource.xhr", "/data/x?s=1", method="get", statusCode=404, response=response))
    assert found == Request(
        AT_US, "https://shop.example/data/x?s=1", "xmlhttprequest", 500_000_000, "GET", 404, decoded_bytes=11
    )


def test_vitals_are_columns_of_the_page() -> None:
    paint = performance("paint", "first-contentful-paint")
    paint["data"]["payload"]["startTimestamp"] += 0.25
    found = entries(
        performance("navigation.navigate", PAGE),
        paint,
        performance("web-vital", "cumulative-layout-shift", value=0.25),
        performance("largest-contentful-paint", "largest-contentful-paint", value=484),
    )
    assert found[2:] == [
        Vital(AT_US + 250_000, "first_contentful_paint", 250_000_000),
        Vital(AT_US, "cumulative_layout_shift", 0.25),
        Vital(AT_US, "largest_contentful_paint", 484_000_000),
    ]


def test_what_the_page_reports_is_custom_and_what_the_sdk_does_is_nothing() -> None:
    found = entries(
        crumb("checkout", "paid"),
        crumb("step"),
        *(
            crumb(category)
            for category in ("sentry.feedback", "replay.mutations", "ui.blur", "navigation", "fetch", "")
        ),
        {"type": 5, "timestamp": START_S * 1000, "data": {"tag": "options", "payload": {}}},
        performance("memory", "memory"),
        performance("web-vital", "largest-contentful-paint", value="x"),
    )
    assert found == [Custom(AT_US, "checkout: paid"), Custom(AT_US, "step")]


def test_records_of_another_shape_are_counted_or_nothing() -> None:
    records = open_segment(
        segment_body(
            REPLAY, 0, b"{}", b'[{"type":4,"timestamp":1795898276250,"data":5},{"type":5,"timestamp":1795898276}]'
        )
    ).records
    assert decode_recorded(sentry_entries(records, "")).omitted_count == 2


def test_every_real_recording_tells_its_clicks_and_pages() -> None:
    for capture in SAMPLES.glob("*.jsonl.gz"):
        found: list[Entry] = []
        for body, _ in received(capture):
            for item in decoded(body):
                scan = getattr(item, "scan", None)
                if scan is not None:
                    recorded = decode_recorded(scan.recorded)
                    assert recorded.omitted_count == 0
                    found += recorded.entries
        kinds = {type(one) for one in found}
        assert kinds >= {Page, Load, Click, Console, Request, Vital}
