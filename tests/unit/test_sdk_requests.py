"""Requests as messages: the right type, one session a message, bytes as they came unless something has to change."""

import gzip
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.captures import CaptureCounts, read_captures
from operators.decode import Limits, Message, decided, decode
from operators.line_protocol import only_session
from operators.sdk_requests import ROUTES, UnknownEncoding, keyed_by_session, request_message, route_of
from operators.unusable import Unusable
from schemas.items import Item, Rejected

LIMITS = Limits()


def line(session: str, app: str = "shop", text: str = "x") -> bytes:
    return (
        f'action,app_id={app},session_id={session},view_id=v action_id="a",action_name="{text}" 1795229663252'.encode()
    )


def event(session: str, app: str = "shop") -> bytes:
    ids = {"application": {"id": app}, "session": {"id": session}, "view": {"id": "v"}}
    return json.dumps({"type": "action", "date": 1795229663252, "action": {"id": "a"}, **ids}).encode()


def message(kind: str, value: bytes) -> Message:
    return Message(kind, {}, value, 1)


@pytest.mark.parametrize(
    ("path", "query", "route"),
    [
        ("/v1/write/rum", "precision=ms", "/v1/write/rum"),
        ("/s/", "compression=gzip-js", "/s"),
        ("/proxy", "ddforward=%2Fapi%2Fv2%2Frum%3Fddsource%3Dbrowser", "/api/v2/rum"),
        ("/anything/else", "a=b&ddforward=/api/v2/replay?x%3Dy", "/api/v2/replay"),
        ("/proxy", "ddforward=", ""),
        ("/proxy", "&" * 100 + "ddforward=/api/v2/rum", ""),
    ],
)
def test_the_route_is_the_path_or_what_datadogs_proxy_option_forwards(path: str, query: str, route: str) -> None:
    assert route_of(path, query) == route


@pytest.mark.parametrize("kind", ["guance.rum", "datadog.rum"])
def test_a_message_of_one_session_goes_on_as_it_came(kind: str) -> None:
    rows = b"\n".join([line("s-1"), line("s-1")] if kind == "guance.rum" else [event("s-1"), event("s-1")])
    for value in (rows, zlib.compress(rows), gzip.compress(rows)):
        [keyed] = keyed_by_session(message(kind, value), LIMITS)
        assert (keyed.app_id, keyed.session_id) == ("shop", "s-1")
        assert keyed.message.value is value


@pytest.mark.parametrize("kind", ["guance.rum", "datadog.rum"])
def test_a_request_with_rows_of_several_sessions_is_split_and_loses_no_row(kind: str) -> None:
    made = line if kind == "guance.rum" else event
    body = b"\n".join(made(f"s-{number % 3}") for number in range(30)) + b"\nnonsense"
    keyed = keyed_by_session(message(kind, body), LIMITS)
    assert {one.session_id for one in keyed} == {"s-0", "s-1", "s-2", ""}
    rows = [row for one in keyed for row in decode(one.message, LIMITS)]
    assert sorted(row.session_id for row in rows if isinstance(row, Item)) == sorted(f"s-{n % 3}" for n in range(30))
    assert [row.raw for row in rows if not isinstance(row, Item)] == [b"nonsense"]
    for one in keyed:
        items = [row for row in decode(one.message, LIMITS) if isinstance(row, Item)]
        assert {item.session_id for item in items} <= {one.session_id}


def test_what_is_put_together_anew_is_cut_into_messages_that_the_job_takes() -> None:
    body = b"\n".join(line(f"s-{number % 2}", text="y" * 100_000) for number in range(60))
    keyed = keyed_by_session(message("guance.rum", body), LIMITS)
    assert len(keyed) > 2
    assert max(len(one.message.value) for one in keyed) < LIMITS.message_bytes
    assert sum(len(decode(one.message, LIMITS)) for one in keyed) == 60


@pytest.mark.parametrize("sessions", [["s-1", "s-1"], ["s-1", "s-2"]])
def test_posthogs_envelope_is_opened_and_its_app_stays_with_every_event(sessions: list[str]) -> None:
    events = [
        {"event": "$pageview", "timestamp": "2026-11-21T00:00:00Z", "properties": {"$session_id": session}}
        for session in sessions
    ]
    body = gzip.compress(json.dumps({"api_key": "phc", "batch": events, "sent_at": "x"}).encode())
    keyed = keyed_by_session(message("rrweb", body), LIMITS)
    assert [(one.app_id, one.session_id) for one in keyed] == [("phc", session) for session in dict.fromkeys(sessions)]
    found = [row for one in keyed for row in decode(one.message, LIMITS)]
    assert [(row.app_id, row.session_id) for row in found if isinstance(row, Item)] == [("phc", s) for s in sessions]


def test_a_row_whose_text_looks_like_another_session_does_not_change_the_key() -> None:
    body = line("s-1", text=",session_id=s-2,") + b"\n" + line("s-1")
    assert only_session(body) is None
    assert [one.session_id for one in keyed_by_session(message("guance.rum", body), LIMITS)] == ["s-1"]


IDS = st.text(st.sampled_from('ab\\,= "\n'), min_size=0, max_size=6)


@given(rows=st.lists(st.tuples(IDS, IDS, IDS), min_size=1, max_size=4), same=st.booleans())
def test_the_shortcut_never_says_another_session_than_the_parser(
    rows: list[tuple[str, str, str]], *, same: bool
) -> None:
    ids = [(rows[0][0], rows[0][1], text) if same else row for row in rows for text in [row[2]]]
    body = "\n".join(
        f'view,app_id={app},session_id={session} a="{text}",time_spent=1 1795229663252' for app, session, text in ids
    ).encode()
    found = only_session(body)
    items = [item for item in decode(message("guance.rum", body), LIMITS) if isinstance(item, Item)]
    if found is not None:
        assert {(item.app_id, item.session_id) for item in items} <= {found}


@given(st.binary(max_size=300), st.sampled_from(sorted(set(ROUTES.values()))))
def test_nothing_that_comes_is_lost_or_makes_an_error(body: bytes, kind: str) -> None:
    keyed = keyed_by_session(message(kind, body), LIMITS)
    assert keyed
    assert all(one.message.type == kind for one in keyed)


def form_request(parts: Sequence[tuple[bytes, bytes]]) -> Message:
    body = b"".join(b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % part for part in parts)
    headers = {"content-type": "multipart/form-data; boundary=x", "cookie": "secret"}
    return request_message("guance.replay", headers, body + b"--x--\r\n", 7, LIMITS)


def test_a_segment_is_keyed_by_its_form_without_inflating_it() -> None:
    segment = b"\x78\x9cnot zlib"
    sent = form_request([(b"app_id", b"shop"), (b"session_id", b"s-1"), (b"start", b"5"), (b"segment", segment)])
    assert sent.headers.keys() == {"content-type"}
    [keyed] = keyed_by_session(sent, LIMITS)
    assert (keyed.app_id, keyed.session_id) == ("shop", "s-1")
    fields = {"app_id": b"shop", "session_id": b"s-1", "start": b"5"}
    assert keyed.message == decided(Message("guance.replay", fields, segment, 7), "shop", "s-1")


@pytest.mark.parametrize("family", ["guance", "datadog"])
def test_the_job_reads_the_same_from_headers_as_from_the_form(family: str, samples: Path) -> None:
    paths = sorted((samples / family).glob("*.jsonl.gz"))
    sent = [one.message for one in read_captures(paths, CaptureCounts()) if one.message.type == f"{family}.replay"]
    assert len(sent) > 10
    for one in sent:
        [keyed] = keyed_by_session(one, LIMITS)
        assert "content-type" not in keyed.message.headers
        assert decode(keyed.message, LIMITS) == decode(one, LIMITS)


def test_a_form_without_a_segment_stays_as_it_is() -> None:
    sent = form_request([(b"app_id", b"shop"), (b"session_id", b"s-1")])
    [keyed] = keyed_by_session(sent, LIMITS)
    assert (keyed.session_id, keyed.message) == ("s-1", decided(sent, "shop", "s-1"))


def test_no_name_in_a_form_changes_what_the_job_reads() -> None:
    names = [b"type", b"Type", b"SESSION_ID", b"Session_id", b"content-type", b"decision", b"Decision"]
    sent = form_request(
        [(b"app_id", b"shop"), (b"session_id", b"s-1"), *((name, b"rrweb") for name in names), (b"segment", b"x")]
    )
    [keyed] = keyed_by_session(sent, LIMITS)
    assert keyed.message.headers == {"app_id": b"shop", "session_id": b"s-1", "decision": b'["shop","s-1"]'}


def test_a_segment_that_looks_like_a_form_is_not_read_as_one() -> None:
    inner = b'--x\r\nContent-Disposition: form-data; name="session_id"\r\n\r\ns-2\r\n--x--\r\n'
    fields = {"app_id": b"shop", "session_id": b"s-1", "index_in_view": b"0"}
    [result] = decode(Message("guance.replay", fields, inner, 7), LIMITS)
    assert isinstance(result, Rejected)
    assert result.detail == "segment without view_id"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw", "identity"])
@pytest.mark.parametrize("form", [True, False])
def test_a_compression_that_the_header_names_is_understood(coding: str, *, form: bool) -> None:
    raw = b"--x\r\n\r\n--x--" if form else line("s-1")
    packer = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(raw),
        "deflate": zlib.compress(raw),
        "raw": packer.compress(raw) + packer.flush(),
        "identity": raw,
    }[coding]
    content_type = "multipart/form-data; boundary=x" if form else "text/plain"
    headers = {"content-type": content_type, "content-encoding": {"raw": "deflate"}.get(coding, coding)}
    sent = request_message("guance.rum", headers, packed, 1, LIMITS)
    if form or coding == "raw":
        assert sent.value == raw
    else:
        assert sent.value == packed


def test_a_compression_that_nobody_can_undo_is_said() -> None:
    with pytest.raises(UnknownEncoding):
        request_message("guance.rum", {"content-encoding": "br"}, b"x", 1, LIMITS)
    with pytest.raises(Unusable):
        request_message("guance.rum", {"content-encoding": "deflate"}, b"\xff\xff", 1, LIMITS)


def test_a_bomb_is_cut_off() -> None:
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(b"\0" * (64 << 20)) + packer.flush()
    with pytest.raises(Unusable):
        request_message("guance.rum", {"content-encoding": "deflate"}, bomb, 1, LIMITS)
    small = msgspec.structs.replace(LIMITS, inflated_bytes=1000)
    [keyed] = keyed_by_session(message("guance.rum", gzip.compress(b"a" * 10_000)), small)
    assert keyed.session_id == ""
