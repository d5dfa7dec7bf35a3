"""What fuzzing and reading for it found in the decoders, each as the smallest message that showed it."""

import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard

from operators.decode import decode
from operators.families.datadog.rows import _cached_tag_columns
from operators.families.registry import family_of, line_row
from operators.replay.cut import CutReplay, ReplayWindow, cut
from operators.replay.scan import replay_segment
from operators.rows.values import keep
from operators.wire.json_text import without_halves
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import NOT_NUMBERED, Family, Item, Rejected, RejectReason

NOW_MS = 1_795_230_000_000
ROW = b'action,app_id=shop,session_id=s1 action_id="a1" 1795230000000\n'
RECORDS = b'{"records":[{"type":2,"timestamp":1795230000000,"data":%b}]}'
SECONDS = 2.0  # what took a minute or more takes a few ms; a shared machine may be slow


def rum(body: bytes, kind: str = "guance.rum") -> Message:
    return Message(kind, {}, body, NOW_MS)


def segment(body: bytes, **changes: str) -> Message:
    headers = {
        "app_id": "shop", "session_id": "s1", "view_id": "v1", "index_in_view": "0", "start": str(NOW_MS),
        "end": str(NOW_MS), "records_count": "1", "has_full_snapshot": "true", **changes,
    }  # fmt: skip
    return Message("guance.replay", {name: value.encode() for name, value in headers.items()}, body, NOW_MS)


def datadog_segment(**changes: object) -> Message:
    ids = {name: {"id": name} for name in ("application", "session", "view")}
    event = {"start": NOW_MS, "end": NOW_MS, "records_count": 1, "index_in_view": 0, **ids, **changes}
    return Message("datadog.replay", {"event": json.dumps(event).encode()}, RECORDS % b"{}", NOW_MS)


def reason(message: Message) -> str:
    (result,) = decode(message, Limits())
    assert isinstance(result, Rejected)
    return result.reason


def items(message: Message) -> list[Item]:
    results = decode(message, Limits())
    assert all(isinstance(result, Item) for result in results), results
    return [result for result in results if isinstance(result, Item)]


def blob_of(message: Message) -> CutReplay:
    (item,) = items(message)
    return cut(ReplayWindow("shop", "s1", 0, (replay_segment(item, family_of(item.family).recording),)))


@pytest.mark.parametrize("time_ms", ["1" + "0" * 400, "-1" + "0" * 400, "9" * 4300])
def test_a_time_beyond_every_float_costs_itself(time_ms: str) -> None:
    """Integers of the headers have any length; `math.isfinite` raised OverflowError for them."""
    for message in (segment(RECORDS % b"{}", start=time_ms), datadog_segment(end=int(time_ms[:300]))):
        (item,) = items(message)
        assert (item.begin_us, item.end_us) == (NOW_MS * 1000, NOW_MS * 1000)
    assert reason(segment(b'{"records":[]}', start=time_ms)) == RejectReason.INVALID_TIME


@pytest.mark.parametrize("number", [1 << 31, 1 << 63, 10**30])
@pytest.mark.parametrize("name", ["index_in_view", "records_count"])
def test_a_segment_number_that_no_sum_can_hold_costs_itself(name: str, number: int) -> None:
    """It was taken, and then no pack and no index could be written: the job failed at it at every start."""
    for message in (segment(RECORDS % b"{}", **{name: str(number)}), datadog_segment(**{name: number})):
        (item,) = items(message)
        assert item.segment is not None
        assert (item.segment.index_in_view, item.segment.records_count) in {(NOT_NUMBERED, 1), (0, 1)}
        assert blob_of(message).counts.kept == 1


def test_the_largest_segment_numbers_can_be_stored() -> None:
    largest = str((1 << 31) - 1)
    assert blob_of(segment(RECORDS % b"{}", index_in_view=largest, records_count=largest)).counts.kept == 1


@pytest.mark.parametrize("text", [b'"\xff"', b'{"href":"\xff"}', b'{"href":"\xed\xa0\x80"}'])
def test_a_segment_that_is_no_utf8_is_refused_as_a_value(text: bytes) -> None:
    """The decoder skips texts unread; reading the page's address then raised, and a reader could not parse the blob."""
    record = b'{"records":[{"type":4,"timestamp":1795230000000,"data":%b}]}' % text
    assert reason(segment(zlib.compress(record))) == RejectReason.MALFORMED_JSON


def test_a_segment_too_deep_for_the_stack_at_close_is_stored() -> None:
    """How deep is too deep depends on the caller: what decode lets through may be too deep when the window closes."""
    nested = b'{"node":{"childNodes":[{"tagName":"link","attributes":{"_cssText":"%b"}}]},"x":%b}'
    data = nested % (b"a" * 5_000, b"[" * 600 + b"]" * 600)
    (item,) = items(segment(zlib.compress(RECORDS % data)))
    assert item.scan is not None
    assert [style.length for style in item.scan.styles] == [5_000]
    window = ReplayWindow("shop", "s1", 0, (replay_segment(item, family_of(item.family).recording),))

    def deeper(frames: int) -> CutReplay:
        return deeper(frames - 1) if frames else cut(window)

    done = deeper(400)
    assert done.counts.kept == 1
    assert len(done.styles) in (0, 1)  # Python 3.12 counts otherwise


@pytest.mark.parametrize(
    "pack", [gzip.compress, zstandard.compress, zlib.compress, bytes], ids=["gzip", "zstd", "zlib", "plain"]
)
def test_a_segment_reaches_the_blob_whatever_its_compression(pack: Callable[[bytes], bytes]) -> None:
    """gzip and zstd passed decode and were refused as malformed JSON when the window closed."""
    assert blob_of(segment(pack(RECORDS % b"{}"))).counts.kept == 1


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_no_row_of_a_body_of_several_streams_is_lost(pack: Callable[[bytes], bytes]) -> None:
    """Of two zstd frames the second vanished without a trace."""
    assert len(items(rum(pack(ROW) + pack(ROW.replace(b"a1", b"a2"))))) == 2


def test_a_zstd_body_cut_between_two_blocks_is_refused() -> None:
    """What could be inflated was taken, and the rest was lost without a trace."""
    stream = zstandard.ZstdCompressor().compressobj()
    begun = stream.compress(ROW) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    assert reason(rum(begun)) == RejectReason.CORRUPT_COMPRESSION


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_thousands_of_empty_streams_cost_no_time(pack: Callable[[bytes], bytes]) -> None:
    """Each cost a copy of all that followed: minutes for one message."""
    body = pack(b"") * 300_000
    begun = time.process_time()
    assert reason(rum(body[: 8 << 20])) == RejectReason.CORRUPT_COMPRESSION
    assert time.process_time() - begun < SECONDS


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (lambda: b"[" + b"0," * (4 << 20) + b"0]", "guance.rum"),
        (lambda: b"[" + b"{}," * (3 << 20) + b"{}]", "rrweb"),
        (lambda: b"ab\n" * (3 << 20), "datadog.rum"),
        (lambda: b"\n" * (8 << 20), "datadog.rum"),
        (lambda: b" \n" * (4 << 20), "datadog.rum"),
        (lambda: b"\n" * (8 << 20), "guance.rum"),
        (lambda: b"data=eA&" + b"a=b&" * (2 << 20) + b"a=b", "rrweb"),
        (lambda: ROW[:33] + b",".join(b"f%d=1" % number for number in range(800_000)), "guance.rum"),
        (lambda: ROW[:32] + b",a=b" * (2 << 20) + ROW[32:], "guance.rum"),
    ],
    ids=["array", "objects", "lines", "empty lines", "blank lines", "line ends", "form", "fields", "tags"],
)
def test_a_small_message_of_countless_parts_costs_little(made: Callable[[], bytes], kind: str) -> None:
    """Counted only after all were held: 1.6 GB for a message of 30 kB."""
    body = made()
    message = rum(zlib.compress(body), kind)
    tracemalloc.start()
    results = decode(message, Limits())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert all(isinstance(result, Rejected) for result in results)
    assert peak < 8 * len(body)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"measurement":"view","tags":{"app_id":"a","session_id":"s"},"fields":{"x":[%b]}}', "guance.rum"),
        (b'{"type":"view","date":1,"application":{"id":"a"},"session":{"id":"s"},"context":[%b]}', "datadog.rum"),
        (b'{"event":"x","api_key":"a","properties":{"$session_id":"s","$time":1,"x":[%b]}}', "rrweb"),
        (b'action,app_id=a,session_id=s x="%b" 1795230000000', "guance.rum"),
    ],
    ids=["guance", "datadog", "posthog", "line protocol"],
)
def test_a_line_beyond_the_limit_is_refused_alone(body: bytes, kind: str) -> None:
    """A line is taken apart when its window closes, so its size is what that may cost."""
    limits = Limits(line_bytes=1000)
    (small,) = decode(rum(body % b"1", kind), limits)
    (large,) = decode(rum(body % (b"1," * 500 + b"1"), kind), limits)
    assert isinstance(small, Item)
    assert isinstance(large, Rejected)
    assert large.reason == RejectReason.TOO_LARGE


CUT = [b'{"tags":', b"[1,", b'{"a":"b', b'"']
BROKEN = [b'{"a":"\x01"}', b"nonsense", b'{"x":%b}' % (b"[" * 2000 + b"]" * 2000), b'{"a":NaN,}', b"{,}"]


@pytest.mark.parametrize("bad", CUT + BROKEN)
def test_damage_in_an_array_costs_one_element(bad: bytes) -> None:
    """It cost the whole request."""
    good = (
        b'{"measurement":"action","tags":{"app_id":"a","session_id":"s"},"fields":{"x":"%d ]},{"},"time":1795230000000}'
    )
    elements = [good % 1, bad, good % 2] if bad in BROKEN else [good % 1, good % 2, bad]
    results = decode(rum(b"[" + b",".join(elements) + b"]"), Limits())
    assert [one.body for one in results if isinstance(one, Item)] == [good % 1, good % 2]
    [refused] = [one for one in results if isinstance(one, Rejected)]
    assert bad in refused.raw


def test_a_bad_byte_costs_its_line_of_ndjson() -> None:
    good = b'{"type":"action","date":1795230000000,"application":{"id":"a"},"session":{"id":"s"},"context":{"x":"%b"}}'
    results = decode(rum(b"\n".join([good % b"1", good % b"\xff", good % b"2"]), "datadog.rum"), Limits())
    assert [type(one) for one in results] == [Item, Rejected, Item]
    assert isinstance(results[1], Rejected)
    assert (results[1].reason, results[1].raw) == (RejectReason.INVALID_UTF8, good % b"\xff")


@pytest.mark.parametrize(
    "body",
    [
        b'[{"a":"' + b'\\"' * 4_000_000,
        b"[" * 8_000_000 + b"x",
        b'["' + b'",x"' * 2_000_000,
        b"[x" + b"{}" * 4_000_000,
        b'[{"a":' * 1_000_000,
        b"view,a=b " + b'x="' * 2_500_000,
        b"view," + b"a\\=" * 2_500_000 + b"b c=1",
        b"view,a=" + b"\\,b" * 2_500_000 + b" c=1",
        b"view,a=b " + b"\\=1" * 2_500_000 + b'"',
        b'view,a=b c="1\n' * 500_000,
    ],
    ids=["escapes", "brackets", "texts", "objects", "nested", "quotes", "keys", "values", "fields", "rows"],
)  # fmt: skip
def test_damage_costs_no_time(body: bytes) -> None:
    begun = time.process_time()
    assert all(isinstance(one, Rejected) for one in decode(rum(zlib.compress(body, 1)), Limits()))
    assert time.process_time() - begun < 5 * SECONDS


def test_many_paths_that_are_alike_cost_no_time() -> None:
    """Each tried all names that went before; every value is kept under a name of its own."""
    custom: dict[str, str] = {}
    begun = time.process_time()
    for number in range(20_000):
        keep(custom, "a.b", number)
    assert time.process_time() - begun < SECONDS
    assert len(custom) == 20_000
    assert list(custom)[:2] == ["a.b", "a.b~"]


HALVES = [rb"\ud83d", rb"\udc00", rb"\ud83d\ud83d\ude00", rb"\ud83d\u0041", rb"\\\ud83d", rb"\uD83D.", rb"\n\ud83d\\"]


@pytest.mark.parametrize("half", HALVES)
def test_half_an_emoji_costs_no_row_and_no_segment(half: bytes) -> None:
    """Browsers write it where a page cuts a text by length. It cost the whole upload."""
    guance = b'{"measurement":"action","tags":{"app_id":"a","session_id":"s"},"fields":{"x":"%b"},"time":1795230000000}'
    datadog = b'{"type":"view","date":1795230000000,"application":{"id":"a"},"session":{"id":"s"},"context":{"x":"%b"}}'
    posthog = b'{"event":"x","api_key":"a","properties":{"$session_id":"s","$time":1795230000,"x":"%b"}}'
    lines = [
        rum(guance % half),
        rum(b"[" + guance % half + b"]"),
        rum(datadog % half, "datadog.rum"),
        rum(posthog % half, "rrweb"),
    ]
    for message in lines:
        (item,) = items(message)
        json.dumps(dict(line_row(item.family, item.body).row), ensure_ascii=False).encode()
    body = RECORDS % (b'{"text":"%b"}' % half)
    (item,) = items(segment(zlib.compress(body)))
    assert zlib.decompress(item.body) == body  # as it came: players take it
    assert blob_of(segment(body)).counts.kept == 1


def test_a_refusal_does_not_repeat_what_it_refuses() -> None:
    """The raw bytes are kept beside it; the reason held them once more, megabytes in a column to read."""
    (result,) = decode(rum(b"data=" + b"x" * 100_000 + b"&" + b"y" * 100_000, "rrweb"), Limits())
    assert isinstance(result, Rejected)
    assert len(result.detail) <= 300


def test_long_tags_are_not_remembered() -> None:
    """The cache counts texts, not their size: a thousand long ones filled the memory."""
    remembered = _cached_tag_columns.cache_info().currsize
    body = b'{"type":"view","date":1,"ddtags":"env:test,%b"}' % (b"x" * 3000)
    assert line_row(Family.DATADOG, body).row["env"] == "test"
    assert _cached_tag_columns.cache_info().currsize == remembered


def test_only_halves_are_replaced() -> None:
    whole = rb'{"a":"\ud83d\ude00 \\ud83d \\\\udc00 \uD83D\uDE00 \u00ff"}'
    assert without_halves(whole) == whole
    assert without_halves(rb'"\ud83d\ude00\ude00\\\ud83d"') == rb'"\ud83d\ude00\ufffd\\\ufffd"'


def test_json_that_is_broken_otherwise_stays_refused() -> None:
    assert reason(rum(rb'{"measurement":"action","tags":{"x":"\ud83d"},')) == RejectReason.MALFORMED_JSON


def test_a_fault_of_a_decoder_costs_its_message_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(text: bytes) -> object:
        raise KeyError(f"none is {text[:10]!r}")

    good = rum(ROW)
    assert isinstance(decode(good, Limits())[0], Item)
    monkeypatch.setattr(type(family_of(Family.GUANCE)), "decode", lambda _, message, __: fails(message.value))
    (result,) = decode(good, Limits())
    assert isinstance(result, Rejected)
    assert (result.reason, result.raw) == (RejectReason.DECODER_FAULT, ROW)
    assert result.detail.startswith("KeyError in fails, line ")
    assert "of test_decode_regressions.py: " in result.detail


def test_a_fault_in_reading_a_form_does_not_come_out_when_its_ids_are_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: object) -> object:
        raise KeyError("form")

    form = segment(RECORDS % b"{}")
    monkeypatch.setattr("operators.decode.form_parts", fails)
    monkeypatch.setattr(type(family_of(Family.GUANCE)), "decode", fails)
    (result,) = decode(form, Limits())
    assert isinstance(result, Rejected)
    assert (result.reason, result.app_id, result.raw) == (RejectReason.DECODER_FAULT, None, form.value)
