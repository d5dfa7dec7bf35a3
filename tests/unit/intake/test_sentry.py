"""Sentry at the intake: a DSN of ours, answers as its servers give them, and what goes on to the topic."""

import json

import pytest

from flows.captures import CaptureCounts, read_captures
from intake.masking import Masking
from intake.policy import Policy, Rate
from operators.decode import decode
from operators.families.registry import line_row
from operators.requests import keyed_by_session, request_message, route_of
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item, Kind, Skipped, SkipReason
from tests.unit.asgi import Intake
from tests.unit.envelopes import REPLAY, SAMPLES, batch, envelope, event, replay, span

LIMITS = Limits()
PATH = "/api/4242/envelope/?sentry_version=7&sentry_key=anykey&sentry_client=sentry.javascript.browser%2F11.12.0"
MAIL = r"\w+@\w+\.\w+"


def policy(**changes: object) -> Policy:
    return Policy(**{"limits": LIMITS, **changes})  # type: ignore[arg-type]  # by name


def items(intake: Intake) -> list[Item]:
    kept = [one for stored in intake.kept.messages for one in decode(stored.message, LIMITS)]
    return [one for one in kept if isinstance(one, Item)]


def test_an_envelope_is_taken_and_its_id_is_the_answer() -> None:
    intake = Intake(policy())
    answer = intake.post(PATH, envelope(event(), event_id="ed1d15e1"), content_type="text/plain;charset=UTF-8")
    assert (answer.status, json.loads(answer.body)) == (200, {"id": "ed1d15e1"})
    [kept] = intake.kept.messages
    assert (kept.app_id, kept.session_id, kept.message.type) == ("4242", REPLAY, "sentry")
    assert kept.message.value == envelope(event(), event_id="ed1d15e1")
    assert json.loads(intake.post(PATH, envelope(event())).body) == {}
    assert json.loads(intake.post(PATH, b"garbage").body) == {}


@pytest.mark.parametrize(
    ("path", "app"),
    [("/api/77/envelope/", "77"), ("/api/77/envelope", "77"), ("/tunnel", "5"), ("/tunnel/?o=1", "5")],
)
def test_the_project_is_in_the_address_or_in_the_dsn_of_a_tunnelled_envelope(path: str, app: str) -> None:
    intake = Intake(policy())
    assert intake.post(path, envelope(event(), dsn="https://key@intake.example/prefix/5")).status == 200
    assert [one.app_id for one in intake.kept.messages] == [app]


def test_a_project_that_is_not_on_the_list_is_refused() -> None:
    intake = Intake(policy(apps=frozenset({"4242"})))
    assert intake.post("/api/1/envelope/", envelope(event())).status == 403
    assert intake.post(PATH, envelope(event())).status == 200
    assert [one.app_id for one in intake.kept.messages] == ["4242"]


def test_over_a_rate_the_sdk_is_told_for_how_long_to_send_nothing() -> None:
    intake = Intake(policy(address_rate=Rate(0.25, 1)))
    assert intake.post(PATH, envelope(event())).status == 200
    answer = intake.post(PATH, envelope(event()), origin="https://shop.example")
    assert (answer.status, answer.headers["retry-after"]) == (429, "4")
    assert answer.headers["x-sentry-rate-limits"] == "4::organization"
    assert "x-sentry-rate-limits" in answer.headers["access-control-expose-headers"]


def test_too_large_and_empty_are_refused() -> None:
    intake = Intake(policy(limits=Limits(message_bytes=100)))
    assert intake.post(PATH, b"x" * 101).status == 413
    assert intake.post(PATH, b"").status == 400


def test_what_is_of_no_recorded_visit_is_taken_and_counted_by_the_job() -> None:
    intake = Intake(policy())
    session = ({"type": "session"}, {"sid": "1", "init": True})
    assert intake.post(PATH, envelope(session)).status == 200
    [kept] = intake.kept.messages
    assert decode(kept.message, LIMITS) == [Skipped(SkipReason.RELEASE_HEALTH)]


def test_an_envelope_of_two_replays_becomes_a_message_for_each() -> None:
    other = event(event_id="other", tags={"replayId": "r2"})
    body = envelope(event(), other, batch("span", span("pageload")))
    message = request_message("sentry", "", {}, body, 7, "/api/4242/envelope")
    keyed = keyed_by_session(message, LIMITS)
    assert [(one.app_id, one.session_id) for one in keyed] == [("4242", REPLAY), ("4242", "r2")]
    found = [[item for item in decode(one.message, LIMITS) if isinstance(item, Item)] for one in keyed]
    assert [[Kind(one.kind) for one in of_one] for of_one in found] == [[Kind.ERROR, Kind.VIEW], [Kind.ERROR]]


def test_masking_reaches_lines_and_recordings_and_leaves_the_ids() -> None:
    masking = Masking([MAIL], [], "***", LIMITS)
    intake = Intake(policy(), masking)
    said = {"type": 4, "timestamp": 1_795_898_276_300, "data": {"href": "https://a.example/?m=bob@b.org"}}
    both = envelope(*replay(events=[said]), event(user={"email": "ann@a.org"}), event_id=REPLAY)
    assert intake.post(PATH, both).status == 200
    assert b"@a.org" not in b"".join(one.message.value for one in intake.kept.messages)
    found = items(intake)
    assert {one.session_id for one in found} == {REPLAY}
    assert sorted(Kind(one.kind) for one in found) == [Kind.ERROR, Kind.SEGMENT, Kind.NOTE]
    [segment] = [one for one in found if one.segment]
    assert b"?m=***" in segment.body
    everything = Masking([".+"], [], "***", LIMITS)
    hidden = Intake(policy(), everything)
    log = batch("log", {"timestamp": 1_795_898_276, "body": "x"})
    hidden.post(PATH, envelope(*replay(), event(), log, event_id=REPLAY))
    assert {(one.app_id, one.session_id) for one in items(hidden)} == {("4242", REPLAY)}


def test_the_address_of_the_sender_reaches_the_lines_that_name_none() -> None:
    intake = Intake(policy(), keeps_address=True)
    intake.post(PATH, envelope(event(), batch("span", span("pageload"))))
    rows = [line_row(one.family, one.body).row for one in items(intake)]
    assert [row["ip"] for row in rows] == ["198.51.100.7"] * 2


def test_a_message_without_a_type_is_recognised() -> None:
    for capture in SAMPLES.glob("*.jsonl.gz"):
        for captured in read_captures([capture], CaptureCounts()):
            message = captured.message
            alone = Message(None, {}, message.value, message.received_ms)
            of_kind = decode(Message("sentry", {}, message.value, message.received_ms), LIMITS)
            assert decode(alone, LIMITS) == of_kind


def test_a_kafka_message_names_its_project_in_a_header() -> None:
    [item] = decode(Message("sentry", {"app_id": b"9"}, envelope(event()), 7), LIMITS)
    assert isinstance(item, Item)
    assert item.app_id == "9"
    [nameless] = decode(Message("sentry", {}, envelope(event()), 7), LIMITS)
    assert isinstance(nameless, Item)
    assert nameless.app_id == "unknown"


def test_other_routes_of_sentry_are_none() -> None:
    for path in ("/api/1/store/", "/api/envelope/", "/api/1/2/envelope/"):
        assert Intake(policy()).post(path, b"x").status == 404
    assert route_of("/api/1/envelope/", "") == "/api/1/envelope"
