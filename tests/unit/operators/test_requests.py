"""Requests as messages: the right type, one session a message, bytes as they came unless something has to change."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import brotli
import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from flows.captures import CaptureCounts, read_captures
from operators.decode import decided, decode
from operators.families.guance.line_protocol import only_session
from operators.families.registry import ROUTES, line_row
from operators.requests import keyed_by_session, request_message, route_of
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Family, Item, Rejected, RejectReason

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
    assert [row.raw for row in rows if isinstance(row, Rejected)] == [b"nonsense"]
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
    return request_message("guance.replay", "", headers, body + b"--x--\r\n", 7)


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
    assert result.detail.startswith("JSON is malformed")


def raw_deflate(raw: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(raw) + packer.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "identity": bytes,
    "gzip, deflate": lambda raw: zlib.compress(gzip.compress(raw)),
    "deflate,gzip": lambda raw: gzip.compress(raw_deflate(raw)),
    "br, identity, zstd": lambda raw: zstandard.compress(brotli.compress(raw)),
}
FORM = "multipart/form-data; boundary=x"


def segment_form(session: str) -> bytes:
    segment = zlib.compress(b'{"records":[{"type":4,"timestamp":1795229663252,"data":{"href":"http://a/"}}]}')
    fields = {"app_id": b"shop", "session_id": session.encode(), "view_id": b"v", "start": b"1795229663252"}
    parts = [*fields.items(), ("segment", segment)]
    rows = [b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (n.encode(), v) for n, v in parts]
    return b"".join(rows) + b"--x--\r\n"


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("kind", ["guance.rum", "guance.replay", "datadog.rum"])
def test_what_the_header_names_is_undone_once_by_the_intake_and_by_the_job(coding: str, kind: str) -> None:
    raw = {"guance.rum": line("s-1"), "guance.replay": segment_form("s-1"), "datadog.rum": event("s-1")}[kind]
    packed = CODINGS[coding](raw)
    headers = {"content-type": FORM if kind == "guance.replay" else "text/plain", "content-encoding": coding}
    sent = request_message(kind, "", headers, packed, 1)
    assert sent.value == packed
    [item] = decode(sent, LIMITS)
    [keyed] = keyed_by_session(sent, LIMITS)
    assert isinstance(item, Item)
    assert (keyed.app_id, keyed.session_id) == ("shop", "s-1")
    assert decode(keyed.message, LIMITS) == [item]


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip"])
def test_guances_address_may_name_the_encoding(coding: str) -> None:
    for pack in (CODINGS[coding], CODINGS.get(coding.title(), CODINGS[coding])):
        sent = request_message("guance.rum", f"precision=ms&encoding={coding}", {}, pack(line("s-1")), 1)
        [keyed] = keyed_by_session(sent, LIMITS)
        assert keyed.session_id == "s-1"
        assert isinstance(decode(keyed.message, LIMITS)[0], Item)


@pytest.mark.parametrize("coding", [name for name in CODINGS if name != "identity"])
@pytest.mark.parametrize("form", [True, False])
@given(data=st.data())
def test_a_body_cut_anywhere_is_refused_with_its_bytes(coding: str, data: st.DataObject, *, form: bool) -> None:
    """A cut may leave whole rows behind only where nothing was compressed."""
    packed = CODINGS[coding](segment_form("s-1") if form else line("s-1"))
    cut = packed[: data.draw(st.integers(1, len(packed) - 1))]
    headers = {"content-type": FORM if form else "text/plain", "content-encoding": coding}
    sent = request_message("guance.replay" if form else "guance.rum", "", headers, cut, 1)
    [refused] = decode(sent, LIMITS)
    assert isinstance(refused, Rejected)
    assert refused.raw == cut
    [keyed] = keyed_by_session(sent, LIMITS)
    assert keyed.message == decided(sent, "", "")


@pytest.mark.parametrize(
    ("coding", "body", "reason"),
    [
        ("br", b"anything", RejectReason.CORRUPT_COMPRESSION),
        ("deflate", line("s-1"), RejectReason.CORRUPT_COMPRESSION),
        ("deflate", b"\xff\xff", RejectReason.CORRUPT_COMPRESSION),
        ("gzip", gzip.compress(line("s-1")) + b"more", RejectReason.CORRUPT_COMPRESSION),
        ("br", brotli.compress(line("s-1")) + b"more", RejectReason.CORRUPT_COMPRESSION),
        ("compress", line("s-1"), RejectReason.UNKNOWN_ENCODING),
        ("gzip, aes128gcm", line("s-1"), RejectReason.UNKNOWN_ENCODING),
        (",".join(["gzip"] * 5), line("s-1"), RejectReason.UNKNOWN_ENCODING),
    ],
    ids=map(str, range(8)),  # a gzip body has the time in it
)
def test_what_is_not_what_its_header_says_is_refused_with_its_bytes(
    coding: str, body: bytes, reason: RejectReason
) -> None:
    assert_refused(coding, body, reason)


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("br", lambda raw: brotli.compress(raw, quality=1)),
        ("deflate", raw_deflate),
        ("gzip, gzip", lambda raw: gzip.compress(gzip.compress(raw))),
    ],
    ids=["br", "deflate", "gzip twice"],
)
def test_what_inflates_beyond_the_limit_is_refused_with_its_bytes(coding: str, pack: Callable[[bytes], bytes]) -> None:
    assert_refused(coding, pack(b"a" * (64 << 20)), RejectReason.INFLATED_TOO_LARGE)


def assert_refused(coding: str, body: bytes, reason: RejectReason) -> None:
    sent = request_message("guance.rum", "", {"content-encoding": coding}, body, 1)
    tracemalloc.start()
    [refused] = decode(sent, LIMITS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(refused, Rejected)
    assert (refused.reason, refused.raw) == (reason, body)
    assert peak < 3 * LIMITS.inflated_bytes


def test_a_bomb_is_cut_off() -> None:
    small = msgspec.structs.replace(LIMITS, inflated_bytes=1000)
    [keyed] = keyed_by_session(message("guance.rum", gzip.compress(b"a" * 10_000)), small)
    assert keyed.session_id == ""


@pytest.mark.parametrize("sessions", [["s-1", "s-1"], ["s-1", "s-2"]])
@pytest.mark.parametrize("as_json", [True, False])
def test_the_unit_of_the_address_is_used_once(sessions: list[str], *, as_json: bool) -> None:
    """Rows that go on in a message of their own have their times in ms already."""
    rows = [line(session).replace(b"1795229663252", b"1795229663") for session in sessions]
    if as_json:
        ids = [{"app_id": "shop", "session_id": session, "view_id": "v"} for session in sessions]
        body = [{"measurement": "action", "tags": tags, "fields": {}, "time": 1795229663} for tags in ids]
        rows = [json.dumps(body).encode()]
    sent = request_message("guance.rum", "precision=s", {}, b"\n".join(rows) + b"\nview,a=b\n" * (not as_json), 1)
    found = [row for one in keyed_by_session(sent, LIMITS) for row in decode(one.message, LIMITS)]
    items = [row for row in found if isinstance(row, Item)]
    assert [item.begin_us for item in items] == [1795229663_000_000] * 2
    assert [line_row(Family.GUANCE, item.body).row["time"] for item in items] == [1795229663_000_000] * 2
    assert len(found) - len(items) == (not as_json)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_what_a_proxy_has_undone_is_read_as_it_is(coding: str) -> None:
    """Both begin with bytes of their own, so that it can be told."""
    [item] = decode(request_message("guance.rum", "", {"content-encoding": coding}, line("s-1"), 1), LIMITS)
    assert isinstance(item, Item)


BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64)", "sec-ch-ua": '"Chromium";v="156"', "cookie": "secret=1"}
NAMED = {name: text.encode() for name, text in BROWSER.items() if name != "cookie"}


@pytest.mark.parametrize("sessions", [["s-1"], ["s-1", "s-2"]], ids=["one-session", "split"])
def test_what_names_the_browser_goes_with_every_message(sessions: list[str]) -> None:
    body = b"\n".join(map(event, sessions))
    found = keyed_by_session(request_message("datadog.rum", "", BROWSER, body, 1), LIMITS)
    assert [keyed.session_id for keyed in found] == sessions
    for keyed in found:
        assert NAMED.items() <= keyed.message.headers.items()
        assert "cookie" not in keyed.message.headers


def test_a_segment_keeps_what_names_the_browser_and_a_form_cannot_forge_it() -> None:
    forged = {"user-agent": b"Mozilla/5.0 (forged)", "sec-ch-ua-platform": b'"forged"'}
    parts = {"event": b'{"application":{"id":"shop"},"session":{"id":"s-1"}}', "segment": b"{}", **forged}
    body = (
        b"".join(
            b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name.encode(), value)
            for name, value in parts.items()
        )
        + b"--x--\r\n"
    )
    headers = {**BROWSER, "content-type": "multipart/form-data; boundary=x"}
    [keyed] = keyed_by_session(request_message("datadog.replay", "", headers, body, 1), LIMITS)
    assert keyed.message.value == b"{}"
    assert NAMED.items() <= keyed.message.headers.items()
    assert "sec-ch-ua-platform" not in keyed.message.headers


def test_a_header_too_long_to_be_read_is_not_passed_on() -> None:
    found = request_message("datadog.rum", "", {"user-agent": "x" * 513, "sec-ch-ua": "y" * 512}, b"{}", 1)
    assert found.headers.keys() == {"sec-ch-ua"}
