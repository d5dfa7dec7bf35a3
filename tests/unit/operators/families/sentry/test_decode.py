"""Sentry: envelopes to items; what is damaged costs itself, what names no replay is counted."""

import json
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from operators.families.sentry.envelope import read_envelope, write_envelope
from operators.families.sentry.joined import joined
from operators.families.sentry.records import open_segment
from operators.wire.json_text import without_halves
from operators.wire.unusable import Limits, Unusable
from schemas.items import NOT_NUMBERED, Item, Kind, Rejected, RejectReason, Skipped, SkipReason
from tests.unit.envelopes import (
    REPLAY,
    SAMPLES,
    START_S,
    TRACE,
    batch,
    decoded,
    default_events,
    envelope,
    event,
    plainly_read,
    received,
    replay,
    span,
)

CAPTURES = sorted(SAMPLES.glob("*.jsonl.gz"))
START_MS = int(START_S * 1000)


def kinds(results: list[Item | Rejected | Skipped]) -> Counter[str]:
    return Counter(Kind(one.kind).name if isinstance(one, Item) else str(one.reason) for one in results)


def only(results: list[Item | Rejected | Skipped], kind: Kind) -> Item:
    [found] = [one for one in results if isinstance(one, Item) and one.kind == kind]
    return found


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name.partition(".")[0])
def test_real_envelopes_give_what_a_plain_reader_counts(capture: Path) -> None:
    counted: Counter[str] = Counter()
    results: list[Item | Rejected | Skipped] = []
    events = 0
    for body, received_ms in received(capture):
        results += decoded(body)
        assert received_ms
        for kind, payload in plainly_read(body):
            counted[kind] += 1
            events += len(payload) if kind == "replay_recording" else 0
    found = kinds(results)
    segments = [one for one in results if isinstance(one, Item) and one.segment is not None]
    assert not [one for one in results if isinstance(one, Rejected)]
    assert found["SEGMENT"] == counted["replay_recording"] == counted["replay_event"]
    assert sum(one.scan.records_count for one in segments if one.scan) == events
    assert [one.segment.index_in_view for one in segments if one.segment] == list(range(len(segments)))
    assert found["ACTION"] == counted["feedback"]
    assert found["release_health"] == counted["session"]
    assert len({one.session_id for one in results if isinstance(one, Item)}) == 1


def test_a_kitchen_session_has_the_counts_of_its_manifest() -> None:
    found = kinds([one for body, _ in received(SAMPLES / "se-kitchen-session.jsonl.gz") for one in decoded(body)])
    assert found["ERROR"] == 5
    assert found["SEGMENT"] == 6
    assert found["VIEW"] == 3
    assert found["RESOURCE"] == 16
    assert found["LONG_TASK"] == 6


def test_a_session_is_a_replay_and_an_app_a_project() -> None:
    item = only(decoded(envelope(event())), Kind.ERROR)
    assert (item.app_id, item.session_id) == ("4242", REPLAY)
    assert item.begin_us == item.end_us == round((START_S + 10) * 1e6)


def test_a_tunnelled_envelope_names_its_project_in_the_dsn() -> None:
    body = envelope(event(), dsn="https://key@intake.example/rum/77")
    assert only(decoded(body, app_id=""), Kind.ERROR).app_id == "77"
    assert only(decoded(body, app_id="5"), Kind.ERROR).app_id == "5"


def test_a_segment_has_its_number_and_its_times_in_ms() -> None:
    item = only(decoded(envelope(*replay(3))), Kind.SEGMENT)
    assert item.segment is not None
    assert item.segment.index_in_view == 3
    assert item.segment.view_id == REPLAY
    assert item.segment.start_ms == START_MS + 15_000
    assert item.segment.end_ms == START_MS + 19_000
    assert item.segment.has_full_snapshot
    assert item.segment.creation_reason == "session"
    assert item.scan is not None
    assert item.scan.input_offsets_ms == (900,)
    assert [one.timestamp for one in open_segment(item.body).records][-1] == START_MS + 19_000


def test_a_segment_keeps_both_parts_as_they_came() -> None:
    events = json.dumps(default_events()).encode()
    [(event_header, said), (recording_header, _)] = replay(packed=False)
    body = envelope((event_header, said), (recording_header, b'{"segment_id":0}\n' + events))
    stored = only(decoded(body), Kind.SEGMENT).body
    assert events in stored
    assert json.dumps(said).encode() in stored


@pytest.mark.parametrize("packing", ["zlib", "plain"])
@pytest.mark.parametrize("order", [1, -1], ids=["event-first", "recording-first"])
def test_the_parts_of_a_segment_may_come_in_any_order_and_packing(packing: str, order: int) -> None:
    results = decoded(envelope(*replay(packed=packing == "zlib")[::order]))
    assert kinds(results) == {"NOTE": 1, "SEGMENT": 1}
    assert only(results, Kind.SEGMENT).ident == only(decoded(envelope(*replay())), Kind.SEGMENT).ident


def test_a_recording_alone_is_of_the_replay_that_its_envelope_names() -> None:
    item = only(decoded(envelope(replay(2)[1], event_id=REPLAY)), Kind.SEGMENT)
    assert item.session_id == REPLAY
    assert item.segment is not None
    assert item.segment.index_in_view == 2


def test_what_a_performance_span_tells_of_the_past_does_not_begin_a_segment() -> None:
    late = {"type": 5, "timestamp": START_S - 20, "data": {"tag": "performanceSpan", "payload": {"op": "web-vital"}}}
    item = only(decoded(envelope(*replay(1, [*default_events(1), late]))), Kind.SEGMENT)
    assert item.segment is not None
    assert item.segment.start_ms == START_MS + 5_000
    alone = only(decoded(envelope(*replay(1, [late]))), Kind.SEGMENT)
    assert alone.segment is not None
    assert alone.segment.start_ms == alone.segment.end_ms == START_MS - 20_000


def test_a_number_that_cannot_be_is_none() -> None:
    [(event_header, said), (recording_header, recording)] = replay()
    assert isinstance(recording, bytes)
    assert isinstance(said, dict)
    bad = b'{"segment_id":-5}\n' + recording.partition(b"\n")[2]
    item = only(decoded(envelope((event_header, said | {"segment_id": "x"}), (recording_header, bad))), Kind.SEGMENT)
    assert item.segment is not None
    assert item.segment.index_in_view == NOT_NUMBERED


@pytest.mark.parametrize(
    ("recording", "reason"),
    [
        (b'{"segment_id":0}\n', RejectReason.EMPTY_BODY),
        (b'{"segment_id":0}\n[]', RejectReason.INVALID_FIELD),
        (b'{"segment_id":0}\n[{"type":2,', RejectReason.MALFORMED_JSON),
        (b'{"segment_id":0}\n{"type":2}', RejectReason.INVALID_FIELD),
        (b'{"segment_id":0}\nx\x9ccut', RejectReason.CORRUPT_COMPRESSION),
        (b'{"segment_id":0}\n[{"data":{}}]', RejectReason.INVALID_FIELD),
    ],
    ids=["nothing", "no-events", "cut", "an-object", "damaged", "no-usable-event"],
)
def test_a_bad_recording_costs_itself(recording: bytes, reason: RejectReason) -> None:
    results = decoded(envelope(replay()[0], ({"type": "replay_recording"}, recording), event()))
    assert kinds(results) == {"NOTE": 1, "ERROR": 1, reason: 1}
    [refused] = [one for one in results if isinstance(one, Rejected)]
    assert recording in refused.raw


def test_records_without_a_time_stay_in_their_segment() -> None:
    item = only(decoded(envelope(*replay(0, [*default_events(), {"type": 3, "data": {}}]))), Kind.SEGMENT)
    assert item.scan is not None
    assert (item.scan.records_count, item.scan.unusable_count) == (4, 1)


def test_spans_of_one_item_are_lines_of_their_own() -> None:
    spans = [
        span("http.client", seconds=0.5),
        span("ui.long-task") | {"span_id": "2"},
        span("pageload") | {"span_id": "3"},
    ]
    results = decoded(envelope(batch("span", *spans)))
    assert kinds(results) == {"RESOURCE": 1, "LONG_TASK": 1, "VIEW": 1}
    resource = only(results, Kind.RESOURCE)
    assert resource.end_us - resource.begin_us == 500_000


def test_a_damaged_member_of_an_item_costs_itself() -> None:
    item_header, whole = batch("span", span("http.client"), span("pageload") | {"span_id": "2"})
    text = json.dumps(whole).encode().replace(b"1795898277.25", b"17958982x", 1)
    results = decoded(envelope((item_header, text)))
    assert kinds(results) == {"malformed_json": 1, "VIEW": 1}


def test_the_spans_of_a_transaction_are_lines_of_the_same_replay() -> None:
    trace = {"trace_id": TRACE, "span_id": "1", "op": "pageload", "data": {}}
    child = {"op": "resource.script", "description": "/a.js", "span_id": "2", "trace_id": TRACE}
    transaction = {
        "event_id": "29648b36186f4148af5af1bc3c1db7ff",
        "type": "transaction",
        "transaction": "/page.html",
        "start_timestamp": START_S,
        "timestamp": START_S + 2,
        "contexts": {"trace": trace},
        "spans": [child | {"start_timestamp": START_S + 1, "timestamp": START_S + 1.5}, child, "no span"],
    }
    results = decoded(envelope(({"type": "transaction"}, transaction), trace={"replay_id": REPLAY}))
    assert kinds(results) == {"VIEW": 1, "RESOURCE": 1, "invalid_time": 1, "invalid_field": 1}
    assert {one.session_id for one in results if isinstance(one, Item)} == {REPLAY}


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        ("session", {"sid": "1", "init": True}, SkipReason.RELEASE_HEALTH),
        ("sessions", {"aggregates": []}, SkipReason.RELEASE_HEALTH),
        ("client_report", {"discarded_events": []}, SkipReason.TELEMETRY),
        ("check_in", {"check_in_id": "1"}, SkipReason.OTHER_PRODUCT),
        ("profile", {"version": "1"}, SkipReason.OTHER_PRODUCT),
        ("attachment", b"\n\n\x00", SkipReason.OTHER_PRODUCT),
        ("event", {"event_id": "1", "timestamp": START_S}, SkipReason.NOT_RECORDED),
        ("span", {"op": "pageload", "start_timestamp": START_S}, SkipReason.NOT_RECORDED),
        ("log", {"items": [{"timestamp": START_S, "body": "x"}]}, SkipReason.NOT_RECORDED),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_no_place_is_counted(kind: str, payload: bytes | dict[str, object], reason: SkipReason) -> None:
    assert kinds(decoded(envelope(({"type": kind}, payload)))) == {reason: 1}


def test_an_unknown_type_goes_to_quarantine_with_its_bytes() -> None:
    [refused] = decoded(envelope(({"type": "hologram"}, {"a": 1})))
    assert isinstance(refused, Rejected)
    assert refused.reason == RejectReason.UNKNOWN_MEASUREMENT
    assert b'{"a": 1}' in refused.raw


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"timestamp": "soon"}, RejectReason.INVALID_TIME),
        ({"timestamp": None}, RejectReason.INVALID_TIME),
        ({"timestamp": -1}, RejectReason.INVALID_TIME),
        ({"tags": {"replayId": "r" * 200}}, RejectReason.ID_TOO_LONG),
    ],
    ids=["text", "null", "negative", "long-id"],
)
def test_an_event_that_cannot_be_placed_costs_itself(change: dict[str, object], reason: RejectReason) -> None:
    results = decoded(envelope(event(**change), event()))
    assert kinds(results) == {reason: 1, "ERROR": 1}


def test_times_may_be_iso_texts() -> None:
    item = only(decoded(envelope(event(timestamp="2026-11-28T20:38:09.098Z"))), Kind.ERROR)
    assert item.begin_us == 1_795_898_289_098_000


def test_copies_have_one_identity_and_two_errors_do_not() -> None:
    first, copy = (only(decoded(envelope(event(), sent_at=at)), Kind.ERROR) for at in ("a", "b"))
    assert first.ident == copy.ident
    assert first.ident != only(decoded(envelope(event(event_id="other"))), Kind.ERROR).ident


def test_logs_of_one_span_are_not_copies() -> None:
    logs = [{"timestamp": START_S + n, "body": "x", "trace_id": TRACE, "span_id": "1"} for n in (0, 1)]
    results = decoded(envelope(batch("log", *logs), trace={"replay_id": REPLAY}))
    assert len({one.ident for one in results if isinstance(one, Item)}) == 2


def test_more_items_than_allowed_are_refused() -> None:
    with pytest.raises(Unusable) as refused:
        decoded(envelope(event(), event(), event()), msgspec.structs.replace(Limits(), lines_per_message=2))
    assert refused.value.reason == RejectReason.TOO_MANY_LINES


def test_a_length_that_cannot_be_is_as_absent() -> None:
    for length in (None, -1, 10**9, "12", 3, True):
        _, said = event()
        head = json.dumps({"type": "event", "length": length}).encode()
        body = b"\n".join([b"{}", head, json.dumps(said).encode(), *envelope(event(event_id="b")).split(b"\n")[1:]])
        assert kinds(decoded(body)) == {"ERROR": 2}, length


@pytest.mark.parametrize("kind", [None, ["event"], {"a": 1}, 5, ""], ids=["null", "list", "object", "number", "empty"])
def test_an_item_whose_type_is_no_text_costs_itself(kind: object) -> None:
    odd = ({"type": kind}, {"event_id": "x"})
    assert kinds(decoded(envelope(odd, event()))) == {"invalid_field": 1, "ERROR": 1}


def test_a_recording_without_a_length_ends_at_the_next_item() -> None:
    [first, (recording_header, recording)] = replay()
    assert isinstance(recording, bytes)
    parts = [envelope(first), json.dumps(recording_header).encode(), recording, *envelope(event()).split(b"\n")[1:]]
    assert kinds(decoded(b"\n".join(parts))) == {"NOTE": 1, "SEGMENT": 1, "ERROR": 1}


def test_an_envelope_that_is_written_is_read_back() -> None:
    body = envelope(*replay(), event(), batch("span", span("pageload")))
    read = read_envelope(body, Limits())
    again = write_envelope(read.header, [(one.header, one.payload) for one in read.items])
    assert [(one.type, one.payload) for one in read_envelope(again, Limits()).items] == [
        (one.type, one.payload) for one in read.items
    ]


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name.partition(".")[0])
def test_items_that_are_put_together_anew_are_the_same_items(capture: Path) -> None:
    for body, _ in received(capture):
        items = [one for one in decoded(body) if isinstance(one, Item)]
        again = [one for one in decoded(joined((one, one.body) for one in items)) if isinstance(one, Item)]
        assert {one.ident: whole(one) for one in again} == {one.ident: whole(one) for one in items}


def whole(item: Item) -> Item:
    """Half of a surrogate pair is U+FFFD once it has been read."""
    scan = item.scan and msgspec.structs.replace(item.scan, raw_digest=b"")
    return msgspec.structs.replace(item, body=without_halves(item.body), scan=scan)


def test_what_the_intake_knows_of_the_sender_stays_with_its_line() -> None:
    item = only(decoded(envelope(event())), Kind.ERROR)
    line = json.loads(item.body) | {"visitor": {"city": "Bern"}}
    again = only(decoded(joined([(item, json.dumps(line).encode())])), Kind.ERROR)
    assert json.loads(again.body)["visitor"] == {"city": "Bern"}
