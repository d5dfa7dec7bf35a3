"""What the intake answers: yes to what is stored, "again" to what a retry can save, "never" to the rest; no 500."""

import asyncio
import gzip
import json
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake.masking import Masking
from intake.policy import Policy, Rate
from intake.refusals import STATUS, Refusal, Refused, may_come_again
from operators.decode import decode
from operators.families.registry import ROUTES, family_of_kind
from operators.requests import Keyed
from operators.wire.unusable import Limits
from schemas.items import Item
from tests.unit.asgi import Answer, Intake, ask

LIMITS = Limits()
SDK_RETRIES = {408, 429, 500, 502, 503, 504}


def line(app: str = "shop", session: str = "s-1", text: str = "x") -> bytes:
    return (
        f'action,app_id={app},session_id={session},view_id=v action_id="a",action_name="{text}" 1795229663252'
    ).encode()


def event(app: str = "phc", session: str = "s-1") -> bytes:
    properties = {"token": app, "$session_id": session}
    return json.dumps({"event": "$pageview", "timestamp": "2026-11-21T00:00:00Z", "properties": properties}).encode()


def policy(**changes: object) -> Policy:
    return Policy(**{"limits": LIMITS, **changes})  # type: ignore[arg-type]  # by name


def test_each_family_hears_the_yes_that_its_sdk_takes_for_one() -> None:
    intake = Intake(policy())
    rum = json.dumps({"type": "view", "date": 1795229663252, "application": {"id": "a"}, "session": {"id": "s"}})
    assert intake.post("/v1/write/rum?precision=ms", line()).status == 200
    assert intake.post("/api/v2/rum?ddsource=browser", rum.encode()).status == 202
    assert intake.post("/proxy?ddforward=%2Fapi%2Fv2%2Frum%3Fddsource%3Dbrowser", rum.encode()).status == 202
    posthog = intake.post("/e/?compression=gzip-js", gzip.compress(event()))
    assert (posthog.status, json.loads(posthog.body)) == (200, {"status": 1})  # 202 would make it send again
    assert [one.message.type for one in intake.kept.messages] == ["guance.rum", *["datadog.rum"] * 2, "rrweb"]
    assert intake.counts.messages == {"guance.rum": 1, "datadog.rum": 2, "rrweb": 1}


def test_a_deflated_body_is_taken_wherever_the_sdk_says_so() -> None:
    intake = Intake(policy())
    for headers in ({}, {"content_encoding": "deflate"}):
        assert intake.post("/v1/write/rum?encoding=deflate", zlib.compress(line()), **headers).status == 200
    assert [one.message.value for one in intake.kept.messages] == [zlib.compress(line())] * 2


@pytest.mark.parametrize("reason", Refusal)
@pytest.mark.parametrize("kind", sorted(set(ROUTES.values())))
def test_no_sdk_gives_up_what_a_retry_could_save(reason: Refusal, kind: str) -> None:
    again = {500, 502, 503, 504} if kind == "rrweb" else SDK_RETRIES  # posthog-js gives up at any 4xx
    family = family_of_kind(kind)
    assert family is not None
    assert (family.refusal_status(STATUS[reason]) in again) == may_come_again(reason)


def test_an_app_that_is_not_on_the_list_is_refused_for_good() -> None:
    intake = Intake(policy(apps=frozenset({"shop"})))
    assert intake.post("/v1/write/rum", line("other")).status == 403
    assert intake.kept.messages == []
    assert intake.counts.refused == {Refusal.UNKNOWN_APP: 1}


def test_rows_of_an_allowed_app_are_stored_beside_those_of_another_which_are_counted() -> None:
    intake = Intake(policy(apps=frozenset({"shop"})))
    assert intake.post("/v1/write/rum", line("other") + b"\n" + line()).status == 200
    assert [one.app_id for one in intake.kept.messages] == ["shop"]
    assert intake.counts.left_out == {Refusal.UNKNOWN_APP: 1}


def test_what_cannot_be_read_goes_on_to_the_quarantine() -> None:
    intake = Intake(policy(apps=frozenset({"shop"})))
    assert intake.post("/v1/write/rum", b"garbage").status == 200
    [kept] = intake.kept.messages
    assert (kept.session_id, kept.message.value) == ("", b"garbage")
    assert intake.counts.unreadable == 1


def test_an_address_over_its_rate_is_asked_to_come_again() -> None:
    intake = Intake(policy(address_rate=Rate(0.5, 2)))
    answers = [intake.post("/v1/write/rum", line()) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "2"
    assert intake.post("/e/", event()).status == 503
    intake.clocks.now += 2
    assert intake.post("/v1/write/rum", line()).status == 200


def test_an_app_over_its_rate_does_not_hold_up_another() -> None:
    intake = Intake(policy(app_rate=Rate(1, 1)))
    assert [intake.post("/v1/write/rum", line(app)).status for app in ("a", "a", "b")] == [200, 429, 200]


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit_is_refused_for_good(*, declared: bool) -> None:
    intake = Intake(policy(limits=Limits(message_bytes=1000)))
    at_limit, over = line(text="y" * (1000 - len(line(text="")))), b"y" * 1001
    assert len(at_limit) == 1000

    def sent(body: bytes) -> Answer:
        return intake.post("/v1/write/rum", body, **({"content_length": str(len(body))} if declared else {}))

    assert sent(at_limit).status == 200
    answer = sent(over)
    assert answer.status == 413
    assert ("connection" in answer.headers) is not declared  # nobody reads on for ever
    assert intake.counts.pending_bytes == 0


def test_a_body_that_does_not_come_is_asked_for_again() -> None:
    intake = Intake(policy(body_seconds=0.01))
    answer = asyncio.run(ask(intake.app, "POST", b"/v1/write/rum", [], [line(), b"...", b""]))
    assert (answer.status, intake.counts.refused) == (408, {Refusal.SLOW: 1})


def test_a_sender_that_goes_away_leaves_nothing_behind() -> None:
    intake = Intake(policy())
    asyncio.run(ask(intake.app, "POST", b"/v1/write/rum", [], [line(), None]))
    assert (intake.kept.messages, intake.counts.pending_bytes) == ([], 0)
    assert intake.counts.refused == {Refusal.CUT_OFF: 1}


def test_bodies_in_memory_are_bounded() -> None:
    intake = Intake(policy(pending_bytes=3 * len(line())))

    async def all_at_once() -> list[Answer]:
        asked = [ask(intake.app, "POST", b"/v1/write/rum", [], [line()]) for _ in range(5)]
        return await asyncio.gather(*asked)

    statuses = sorted(answer.status for answer in asyncio.run(all_at_once()))
    assert statuses == [200, 200, 200, 503, 503]
    assert intake.counts.pending_bytes == 0


def test_only_listed_origins_may_send_and_read_the_answer() -> None:
    intake = Intake(policy(origins=("https://shop.example",)))
    good = intake.post("/v1/write/rum", line(), origin="https://shop.example")
    assert good.headers["access-control-allow-origin"] == "https://shop.example"
    assert good.headers["access-control-allow-credentials"] == "true"
    bad = intake.post("/v1/write/rum", line(), origin="https://evil.example")
    assert (bad.status, "access-control-allow-origin" in bad.headers) == (403, False)
    assert intake.post("/v1/write/rum", line()).status == 200  # not a browser


def test_a_preflight_is_answered() -> None:
    asked = [(b"origin", b"https://a"), (b"access-control-request-method", b"POST")]
    asked.append((b"access-control-request-headers", b"content-type,x-own"))
    answer = asyncio.run(ask(Intake(policy()).app, "OPTIONS", b"/v1/write/rum", asked, [b""]))
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "https://a"
    assert "x-own" in answer.headers["access-control-allow-headers"]


def test_stamps_follow_a_clock_that_had_jumped_ahead_back_again() -> None:
    intake = Intake(policy())
    start_ms = intake.clocks.ms
    for hours in (0, 10, 0):
        intake.clocks.ms = start_ms + hours * 3_600_000
        intake.post("/v1/write/rum", line())
    assert [one.message.received_ms - start_ms for one in intake.kept.messages] == [0, 36_000_000, 0]


def test_masked_rows_are_stored_masked_and_what_cannot_be_read_is_not_stored() -> None:
    masking = Masking([r"\w+@\w+\.\w+"], [], "***", LIMITS)
    intake = Intake(policy(), masking)
    assert intake.post("/v1/write/rum", line(text="ann@example.org") + b"\ngarbage ann@example.org").status == 200
    assert intake.post("/v1/write/rum", b"garbage ann@example.org").status == 422
    assert b"ann@" not in b"".join(one.message.value for one in intake.kept.messages)
    assert intake.counts.left_out == {Refusal.UNMASKABLE: 1}
    assert intake.counts.refused == {Refusal.UNMASKABLE: 1}


def test_a_line_that_no_rule_matches_is_stored_as_it_came() -> None:
    intake = Intake(policy(), Masking(["nothing like it"], [], "***", LIMITS))
    intake.post("/v1/write/rum", line())
    assert intake.kept.messages[0].message.value == line()


def test_the_address_reaches_the_line_only_when_asked_for() -> None:
    for keeps in (False, True):
        intake = Intake(policy(), keeps_address=keeps)
        intake.post("/v1/write/rum", line())
        [item] = decode(intake.kept.messages[0].message, LIMITS)
        assert isinstance(item, Item)
        assert (b'"ip":"198.51.100.7"' in item.body) is keeps


def test_a_broker_that_does_not_confirm_is_no_yes() -> None:
    intake = Intake(policy(retry_seconds=7))

    async def away(_: list[Keyed]) -> None:
        raise Refused(Refusal.BROKER)

    intake.kept.write = away  # type: ignore[assignment,method-assign]  # a writer whose broker is away
    answer = intake.post("/v1/write/rum", line())
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    assert (intake.counts.messages, intake.counts.pending_bytes) == ({}, 0)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/write/rum", 405),
        ("PUT", "/api/v2/rum", 405),
        ("POST", "/v1/write/logs", 404),
        ("GET", "/", 404),
        ("GET", "/array/phc_x/config", 200),
        ("POST", "/flags/?v=2", 200),
        ("POST", "/decide/?v=3", 200),
        ("DELETE", "/flags/", 404),
    ],
)
def test_other_methods_and_routes(method: str, path: str, status: int) -> None:
    answer = asyncio.run(ask(Intake(policy()).app, method, path.encode(), [], [b""]))
    assert answer.status == status
    if status == 200:
        assert json.loads(answer.body)["sessionRecording"]["endpoint"] == "/s/"


def test_a_coding_that_nobody_can_undo_is_refused_for_good() -> None:
    intake = Intake(policy())
    assert intake.post("/v1/write/rum", b"x", content_encoding="br").status == 415
    assert intake.post("/v1/write/rum", b"\xff\xff", content_encoding="deflate").status == 415
    assert intake.post("/v1/write/rum", b"").status == 400


@pytest.mark.parametrize("patterns", [[], ["x"]])
def test_a_request_of_what_is_skipped_is_taken(patterns: list[str]) -> None:
    """It holds nothing to mask, and nothing to store where it would have to be masked."""
    intake = Intake(policy(), Masking(patterns, [], "", LIMITS))
    assert intake.post("/v1/write/rum", b'telemetry,service=sdk type="usage" 1795229663252').status == 200
    assert len(intake.kept.messages) == (not patterns)
    assert intake.counts.pending_bytes == 0


def test_the_unit_and_the_encoding_of_the_address_go_with_the_message() -> None:
    intake = Intake(policy())
    assert intake.post("/v1/write/rum?precision=s&encoding=deflate", zlib.compress(line())).status == 200
    assert (
        intake.kept.messages[0].message.headers.items() >= {"precision": b"s", "content-encoding": b"deflate"}.items()
    )


def test_every_refusal_has_a_status() -> None:
    assert STATUS.keys() == set(Refusal)


TARGETS = st.one_of(
    st.sampled_from([route.encode() + end for route in ROUTES for end in (b"", b"/", b"?x=1")]),
    st.sampled_from([b"/flags/", b"/array/x/config", b"/proxy?ddforward=/api/v2/replay", b"/s/?ddforward=%00%ff"]),
    st.binary(max_size=60).map(lambda tail: b"/" + tail),
)
NAMES = st.sampled_from(
    ["content-type", "content-encoding", "content-length", "origin", "cookie", "x-forwarded-for", "host", "range"]
).map(str.encode)
VALUES = st.one_of(
    st.sampled_from([b"multipart/form-data; boundary=x", b"gzip", b"deflate", b"zstd", b"99999999999999999", b"-1"]),
    st.binary(max_size=40),
)
LEAVES = st.none() | st.text(max_size=5) | st.floats() | st.integers()
TREES = st.recursive(LEAVES, lambda t: st.lists(t) | st.dictionaries(st.text(max_size=8), t), max_leaves=8)
FORM = b'--x\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n--x--\r\n'
BODIES = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=200).map(gzip.compress),
    st.binary(max_size=200).map(zlib.compress),
    st.tuples(st.sampled_from([b"event", b"segment", b"session_id"]), st.binary(max_size=60)).map(lambda p: FORM % p),
    TREES.map(lambda tree: json.dumps(tree).encode()),
    st.just(line() + b"\n" + event()),
)


@settings(max_examples=100)
@given(
    st.sampled_from(["POST", "POST", "POST", "GET", "OPTIONS", "HEAD", "X"]),
    TARGETS,
    st.lists(st.tuples(NAMES, VALUES), max_size=4),
    st.lists(BODIES, max_size=3),
    st.booleans(),
)
def test_no_request_makes_a_500_or_leaves_bytes_behind(
    method: str,
    target: bytes,
    headers: list[tuple[bytes, bytes]],
    chunks: list[bytes],
    masked: bool,  # noqa: FBT001 - drawn
) -> None:
    masking = Masking([r"\w+@\w+"], ["user_email"], "***", LIMITS) if masked else None
    intake = Intake(policy(limits=Limits(message_bytes=500, inflated_bytes=2000)), masking, keeps_address=True)
    answer = asyncio.run(ask(intake.app, method, target, headers, [*chunks, b""]))
    assert answer.status < 500
    assert intake.counts.pending_bytes == 0
    assert sum(intake.counts.requests.values()) <= 1
    stored = intake.counts.messages.total()
    assert (stored > 0) == (200 <= answer.status < 300 and bool(intake.kept.messages))
