"""Bodies of rrweb and PostHog: one event, an array of them, a plain batch, or an envelope around a batch."""

import json
from collections.abc import Callable

import pytest
import xxhash

from operators.decode import decode
from operators.families.family import Result
from operators.wire.message import Message
from operators.wire.unusable import Limits, identity
from schemas.items import Item, Kind, Rejected, RejectReason

AT = "2026-11-18T10:00:00Z"


def event(session_id: str, **more: object) -> dict[str, object]:
    return {"event": "$pageview", "timestamp": AT, "properties": {"$session_id": session_id}, **more}


def decoded(body: object, **headers: bytes) -> list[Result]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode(Message("rrweb", headers, raw, 1_795_000_000_000), Limits(lines_per_message=3))


def ids(results: list[Result]) -> list[tuple[str, str]]:
    return [(one.app_id, one.session_id) for one in results if isinstance(one, Item)]


def test_an_envelope_gives_its_app_to_every_event_and_a_bad_one_is_refused_alone() -> None:
    bad = {"event": "$pageview", "properties": {"$session_id": "c"}}
    results = decoded({"sent_at": "x", "batch": [event("a"), bad, event("b", api_key="own")], "api_key": "phc"})
    assert ids(results) == [("phc", "a"), ("own", "b")]
    (refused,) = (one for one in results if isinstance(one, Rejected))
    assert (refused.reason, json.loads(refused.raw)) == (RejectReason.INVALID_TIME, bad)


def test_an_envelope_without_a_name_has_the_app_of_its_headers() -> None:
    assert ids(decoded({"batch": [event("a")]}, app_id=b"shop")) == [("shop", "a")]


@pytest.mark.parametrize("body", [{"batch": {"no": "array"}}, {"batch": 7, "api_key": "phc"}, {"batch": None}])
def test_an_envelope_without_an_array_is_refused_as_it_came(body: object) -> None:
    (refused,) = decoded(body)
    assert isinstance(refused, Rejected)
    assert json.loads(refused.raw) == body


@pytest.mark.parametrize("text", [b'"\xff"', b'"{\xff}"', b'"\\ud800"', b'"[\xff]"'])
def test_a_text_that_cannot_be_read_is_refused_and_what_is_beside_it_is_taken(text: bytes) -> None:
    bodies = b'{"data": %b}' % text, json.dumps(event("a", api_key="phc")).encode()
    refused, *taken = decoded(b"[%b]" % b", ".join(bodies))
    assert isinstance(refused, Rejected)
    assert refused.raw
    assert ids(taken) == [("phc", "a")]


AROUND: dict[str, Callable[[object], object]] = {
    "array": lambda one: [one],
    "batch": lambda one: {"batch": [one]},
    "text": lambda one: {"data": json.dumps(one)},
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND.keys())
@pytest.mark.parametrize("number", [1, 2])
def test_envelopes_may_be_in_arrays_and_in_each_other(around: Callable[[object], object], number: int) -> None:
    """As of proxies that collect bodies. Each names the app of what is in it."""
    body: object = [{"batch": [event("a"), event("b", api_key="own")], "api_key": "phc"}, event("c", api_key="other")]
    for _ in range(number):
        body = around(body)
    assert ids(decoded(body)) == [("phc", "a"), ("own", "b"), ("other", "c")]


def test_arrays_nested_on_purpose_and_a_bad_envelope_are_refused_alone() -> None:
    nested: object = [event("a")]
    for _ in range(50):
        nested = [nested]
    results = decoded([nested, {"batch": 7}, event("b", api_key="phc")])
    assert ids(results) == [("phc", "b")]
    assert [one.reason for one in results if isinstance(one, Rejected)] == [
        RejectReason.MALFORMED_JSON,
        RejectReason.INVALID_FIELD,
    ]


def test_the_events_of_envelopes_in_an_array_are_limited_together() -> None:
    envelope = {"batch": [event("a"), event("b")]}
    (refused,) = decoded([envelope, envelope])
    assert isinstance(refused, Rejected)
    assert refused.reason is RejectReason.TOO_MANY_LINES


def test_the_events_of_an_envelope_are_limited_as_those_of_an_array() -> None:
    events = [event(str(number)) for number in range(4)]
    for body in (events, {"batch": events}):
        (refused,) = decoded(body)
        assert isinstance(refused, Rejected)
        assert refused.reason is RejectReason.TOO_MANY_LINES


def test_an_event_a_plain_batch_and_what_is_no_json() -> None:
    batch = {"app_id": "shop", "session_id": "s", "events": [{"type": 4, "timestamp": 1_795_000_000_000, "data": {}}]}
    assert ids(decoded(event("a", api_key="phc"))) == [("phc", "a")]
    assert [one.kind for one in decoded(batch) if isinstance(one, Item)] == [Kind.SEGMENT]
    (refused,) = decoded(b'{"batch":[')
    assert isinstance(refused, Rejected)
    assert refused.reason is RejectReason.MALFORMED_JSON


def test_an_identity_is_a_hash_of_all_its_parts() -> None:
    assert identity(Kind.VIEW, "tab", "7", b"body") == xxhash.xxh3_64_intdigest(b"\0tab\x007\0body\0") >> 1
    assert identity(Kind.VIEW, "tab") == identity(Kind.VIEW, b"tab") == xxhash.xxh3_64_intdigest(b"\0tab\0") >> 1
    assert identity(Kind.VIEW, "a", b"b") != identity(Kind.VIEW, "ab", b"") != identity(Kind.ACTION, "ab", b"")
