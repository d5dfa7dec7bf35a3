"""What the intake has checked is all that the job stores of a request, however forms and envelopes nest in it."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from intake.masking import Masking
from intake.policy import Policy
from intake.refusals import Refusal
from operators.decode import decided, decode
from operators.families.registry import FAMILIES, ROUTES
from operators.requests import Keyed
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item, Rejected
from tests.unit.asgi import Intake, ask

LIMITS = Limits(lines_per_message=4, inflated_bytes=4000, id_length=12)  # small enough to be passed
JOB_LIMITS = Limits()  # the job's may be wider: what the intake refused could then be read
ALLOWED = frozenset({"shop", "docs"})
_DEEPER_THAN_OPENED = 8
T0 = 1_795_229_663_252

APPS = st.sampled_from(["shop", "shop", "docs", "victim", "", "shop,x", "x" * 20])
SESSIONS = st.sampled_from(["s-1", "s-1", "s-2", "stolen", "", "s 1", "é" * 7])
PACKS = st.sampled_from([bytes, zlib.compress, gzip.compress, lambda body: zlib.compress(body)[:-3]])


def protocol_row(app: str, session: str, extra: str) -> bytes:
    tags = f"app_id={app.replace(',', chr(92) + ',')},session_id={session.replace(' ', chr(92) + ' ')}"
    return f'action,{tags},view_id=v{extra} action_id="a",x="y\nview,app_id=victim,session_id=s a=1" {T0}'.encode()


def json_row(app: str, session: str) -> object:
    tags = {"app_id": app, "session_id": session, "view_id": "v"}
    return {"measurement": "action", "tags": tags, "fields": {"action_id": "a"}, "time": T0}


def datadog_event(app: str, session: str) -> object:
    ids = {"application": {"id": app}, "session": {"id": session}, "view": {"id": "v"}}
    return {"type": "action", "date": T0, "action": {"id": "a"}, **ids}


def posthog_event(app: str, session: str) -> object:
    properties = {"token": app, "$session_id": session}
    return {"event": "click", "timestamp": "2026-11-21T00:00:00Z", "properties": properties}


def rrweb_batch(app: str, session: str) -> object:
    events = [{"type": 4, "timestamp": T0, "data": {"href": "https://x"}}]
    return {"app_id": app, "session_id": session, "window_id": "w", "events": events}


def segment(app: str, session: str) -> object:
    head = {"start": T0, "end": T0 + 1, "records_count": 1, "has_full_snapshot": True, "index_in_view": 0}
    ids = {"app": {"id": app}, "application": {"id": app}, "session": {"id": session}, "view": {"id": "v"}}
    return {"records": [{"type": 4, "timestamp": T0, "data": {"href": "x", "width": 1, "height": 1}}], **head, **ids}


MAKERS = [json_row, datadog_event, posthog_event, rrweb_batch, segment]
ROWS = st.builds(lambda make, app, session: make(app, session), st.sampled_from(MAKERS), APPS, SESSIONS)
TREES = st.recursive(
    ROWS,
    lambda below: st.one_of(
        st.lists(below, min_size=1, max_size=5),
        st.builds(lambda app, batch: {"api_key": app, "batch": batch}, APPS, st.lists(below, max_size=3)),
        st.builds(lambda app, session, inner: {**posthog_event(app, session), "batch": inner}, APPS, SESSIONS, below),  # type: ignore[dict-item]
    ),
    max_leaves=4,
)
TEXTS = st.one_of(
    TREES.map(lambda tree: json.dumps(tree).encode()),
    st.lists(ROWS, max_size=5).map(lambda rows: b"\n".join(json.dumps(row).encode() for row in rows)),
    st.lists(
        st.builds(protocol_row, APPS, SESSIONS, st.sampled_from(["", ",app_id=victim", ",session_id=stolen"])),
        max_size=5,
    ).map(b"\n".join),
    st.binary(max_size=30),
)
BODIES = st.builds(lambda text, pack: pack(text), TEXTS, PACKS)
IDS = ["app_id", "App_ID", "session_id", "SESSION_ID", "view_id", "event", "segment"]
OTHERS = ["index_in_view", "start", "end", "records_count", "has_full_snapshot", "decision", "type", "content-type"]
FIELD_NAMES = st.sampled_from([*IDS, *OTHERS])


def form(parts: list[tuple[str, bytes]], boundary: str) -> bytes:
    lines = [
        b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (boundary.encode(), name.encode(), content)
        for name, content in parts
    ]
    return b"".join(lines) + b"--%b--\r\n" % boundary.encode()


def whole_form(  # noqa: PLR0913 - what a form may differ in
    app: str, session: str, content: bytes, extra: list[tuple[str, bytes]], without: str, boundary: str
) -> bytes:
    fields = {"view_id": b"v", "index_in_view": b"0", "start": b"%d" % T0, "end": b"%d" % T0, "records_count": b"1"}
    ids = {"app": {"id": app}, "application": {"id": app}, "session": {"id": session}, "view": {"id": "v"}}
    described = {"start": T0, "end": T0, "records_count": 1, "index_in_view": 0, **ids}
    parts = [("app_id", app.encode()), ("session_id", session.encode()), ("has_full_snapshot", b"true")]
    parts += [*fields.items(), ("event", json.dumps(described).encode()), ("segment", content), *extra]
    return form([part for part in parts if part[0] != without], boundary)


VALUES = st.one_of(APPS.map(str.encode), SESSIONS.map(str.encode), st.just(b'["victim","stolen"]'), BODIES)
EXTRA = st.lists(st.tuples(FIELD_NAMES, VALUES), max_size=2)
FORMS = st.recursive(
    BODIES,
    lambda inner: st.builds(whole_form, APPS, SESSIONS, inner, EXTRA, FIELD_NAMES, st.sampled_from(["x", "y"])),
    max_leaves=3,
)
REPLAY_ROUTES = [route for route, kind in ROUTES.items() if any(kind in one.form_kinds for one in FAMILIES)]
REQUESTS = st.one_of(
    st.tuples(st.sampled_from(sorted(ROUTES)), TEXTS),
    st.tuples(st.sampled_from(REPLAY_ROUTES), FORMS),
    st.tuples(st.sampled_from(sorted(ROUTES)), FORMS),
)
CONTENT_TYPES = st.sampled_from(["multipart/form-data; boundary=x", "text/plain", "application/json", ""])


def stored_by_job(keyed: Keyed) -> set[tuple[str, str]]:
    """App and session of everything that a message leaves in the lake, the quarantine included."""
    found = set()
    for result in decode(keyed.message, JOB_LIMITS):
        if isinstance(result, Item):
            found.add((result.app_id, result.session_id))
        elif isinstance(result, Rejected) and result.app_id is not None:
            found.add((result.app_id, result.session_id or ""))
    return found


@settings(max_examples=1000)
@given(
    request=REQUESTS,
    query=st.sampled_from([b"", b"?precision=ms", b"?app_id=victim&session_id=stolen&token=victim"]),
    content_type=CONTENT_TYPES,
    named=st.sampled_from([[], [(b"app_id", b"victim"), (b"session_id", b"stolen"), (b"decision", b'["victim","s"]')]]),
    masked=st.booleans(),
)
def test_the_job_stores_nothing_that_the_intake_has_not_checked(
    request: tuple[str, bytes], query: bytes, content_type: str, named: list[tuple[bytes, bytes]], *, masked: bool
) -> None:
    masking = Masking(["nothing like it"], [], "***", LIMITS) if masked else None
    intake = Intake(Policy(limits=LIMITS, apps=ALLOWED), masking)
    headers = [(b"content-type", content_type.encode()), *named]
    route, body = request
    answer = asyncio.run(ask(intake.app, "POST", route.encode() + query, headers, [body, b""]))
    assert answer.status < 500
    for keyed in intake.kept.messages:
        stored = stored_by_job(keyed)
        assert stored <= {(keyed.app_id, keyed.session_id)}, "the key of a message is its session's"
        assert {app for app, _ in stored} <= ALLOWED
        event("stored" if stored else "of nobody")


def test_an_envelope_in_an_envelope_is_checked_like_any_other() -> None:
    inner = [posthog_event("victim", "stolen")]
    own = [posthog_event("shop", "s-1"), posthog_event("shop", "s-2")]
    for body in ([inner, *own], {"api_key": "shop", "batch": [{"api_key": "victim", "batch": inner}, *own]}):
        intake = Intake(Policy(limits=LIMITS, apps=ALLOWED))
        assert intake.post("/e/", json.dumps(body).encode()).status == 200
        assert [one.session_id for one in intake.kept.messages] == ["s-1", "s-2"]
        assert intake.counts.left_out == {Refusal.UNKNOWN_APP: 1}


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda inner: [inner], id="arrays"),
        pytest.param(lambda inner: {"api_key": "shop", "batch": [inner]}, id="envelopes"),
    ],
)
def test_what_the_intake_refused_is_not_read_by_a_wider_job(wrap: Callable[[object], object]) -> None:
    """Envelopes deeper than any SDK nests them: refused as an item, and never taken for a whole message."""
    inner: object = posthog_event("victim", "stolen")
    for _ in range(_DEEPER_THAN_OPENED):
        inner = wrap(inner)
    intake = Intake(Policy(limits=LIMITS, apps=ALLOWED))
    body = [inner, posthog_event("shop", "s-1"), posthog_event("shop", "s-2")]
    assert intake.post("/e/", json.dumps(body).encode()).status == 200
    assert sorted(one.session_id for one in intake.kept.messages) == ["", "s-1", "s-2"]
    [refused] = [one for one in intake.kept.messages if not one.session_id]
    [result] = decode(refused.message, JOB_LIMITS)
    assert isinstance(result, Rejected)
    assert result.app_id is None


def test_a_form_inside_a_form_is_a_segment_that_cannot_be_read() -> None:
    inner = whole_form("victim", "stolen", b"{}", [], "", "y")
    intake = Intake(Policy(limits=JOB_LIMITS, apps=ALLOWED))
    for without in ("index_in_view", "view_id", "event"):
        outer = whole_form("shop", "s-1", inner, [], without, "x")
        headers = {"content_type": "multipart/form-data; boundary=x"}
        assert intake.post("/v1/write/rum/replay", outer, **headers).status == 200
        [keyed] = intake.kept.messages
        intake.kept.messages.clear()
        [result] = decode(keyed.message, JOB_LIMITS)
        assert isinstance(result, Rejected)
        assert (result.app_id, result.session_id) == ("shop", "s-1")


def test_headers_that_say_whose_a_value_is_end_the_guessing_also_without_an_intake() -> None:
    inner = whole_form("victim", "stolen", b"{}", [], "", "y")
    for headers in ({"app_id": b"shop", "session_id": b"s-1"}, {"app_id": b"shop"}, {"view_id": b"v"}):
        [result] = decode(Message("guance.replay", headers, inner, 7), JOB_LIMITS)
        assert isinstance(result, Rejected)
        assert "victim" not in {result.app_id, result.session_id}


def test_a_decision_that_nobody_can_read_allows_nothing() -> None:
    message = Message("rrweb", {}, json.dumps(posthog_event("shop", "s-1")).encode(), T0)
    assert isinstance(decode(decided(message, "shop", "s-1"), JOB_LIMITS)[0], Item)
    for spoiled in (b"", b"[]", b'["shop"]', b'["shop",1]', b"\xff"):
        [result] = decode(Message("rrweb", {"decision": spoiled}, message.value, T0), JOB_LIMITS)
        assert isinstance(result, Rejected)
