"""Guance lines: what the SDK writes is read back, whatever is in it; and damage costs the row that has it."""

import json
import random
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flows.captures import CaptureCounts, read_captures
from operators.decode import decode
from operators.families.family import Result
from operators.families.guance import line_protocol
from operators.families.guance.line_protocol import only_session, parse_rows
from operators.families.registry import line_row
from operators.native import LEAF
from operators.requests import keyed_by_session
from operators.wire.inflate import inflate
from operators.wire.message import Message
from operators.wire.unusable import Limits, Unusable
from schemas.items import LINE_TABLE, Family, Item, Kind, Rejected, RejectReason, Skipped
from tests.property import protocol_of_the_textbook as textbook
from tests.property.sdk_writer import WHITE_SPACE, Sent, as_json, escape_row_data, row

NOW_MS = 1_795_230_000_000
LIMITS = Limits()
IDS = {"app_id": "shop", "session_id": "s-1", "view_id": "v"}

# Every escape and what stands beside one, far more often than chance would have it.
TEXTS = st.text(st.sampled_from(f'{WHITE_SPACE}=,"\\aZ0_é\0\x1c\x85張🦊') | st.characters(exclude_categories=["Cs"]))
NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
VALUES = TEXTS | st.booleans() | st.integers(0, 1 << 53) | st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.tuples(
    st.sampled_from([kind.name.lower() for kind in LINE_TABLE]),
    st.dictionaries(NAMES, TEXTS, max_size=5).map(lambda tags: IDS | tags | IDS),
    st.dictionaries(NAMES | TEXTS.filter(bool), VALUES, min_size=1, max_size=5).map(lambda more: {"drift": 0} | more),
    st.integers(1, NOW_MS),
)


def rum(body: bytes, **headers: str) -> Message:
    return Message("guance.rum", {name: value.encode() for name, value in headers.items()}, body, NOW_MS)


def parsed(text: str) -> list[Sent]:
    found: list[Sent] = []
    for source, one in parse_rows(text, LIMITS.line_bytes):
        assert not isinstance(one, Unusable), (source, one.detail)
        measurement, tags, fields, time = one
        assert time is not None
        found.append((measurement, tags, fields, int(time)))
    return found


def without_empty_tags(sent: Sent) -> Sent:
    return sent[0], {name: value for name, value in sent[1].items() if value}, sent[2], sent[3]


@given(rows=st.lists(ROWS, min_size=1, max_size=4), end=st.sampled_from(["\n", "\r\n"]), last=st.booleans())
@example(rows=[("view", IDS | {"user_name": "Ann\nview,a=b c=1 1"}, {"drift": 0}, 1)], end="\n", last=False)
@example(rows=[("view", IDS | {"user_name": "C:\\", "env": "a\\,b\\ c"}, {"x\\": "y"}, 1)], end="\r\n", last=True)
@example(
    rows=[("view", {**IDS, "view_name": 'a\\\\"\\', "z": "\\"}, {"drift": 0, "k=\\": 1.5, "\\": "\\"}, 1)],
    end="\n",
    last=True,
)
def test_what_the_sdk_writes_is_read_back(rows: list[Sent], end: str, *, last: bool) -> None:
    text = end.join(map(row, rows)) + end * last
    assert parsed(text) == [without_empty_tags(sent) for sent in rows]


NO_BACKSLASH = TEXTS.map(lambda text: text.replace("\\", ""))  # with one the SDK's writer is ambiguous
ODD_NAMES = st.tuples(
    st.just("action"),
    st.dictionaries(NO_BACKSLASH.filter(bool), NO_BACKSLASH, max_size=5).map(lambda tags: IDS | tags | IDS),
    st.dictionaries(NO_BACKSLASH.filter(bool), NO_BACKSLASH | st.integers(0, 9), min_size=1, max_size=3),
    st.integers(1, NOW_MS),
)


@given(rows=st.lists(ODD_NAMES, min_size=1, max_size=3))
@example(rows=[("view", IDS | {"order id": "5", "z": "1"}, {"drift": 0}, 1)])
@example(rows=[("view", IDS | {"\u2003 it": "a b", "k,=": "say=1, 2"}, {"a b ": 0}, 1)])
def test_names_may_have_white_space_and_separators(rows: list[Sent]) -> None:
    """They are keys of the page's own context."""
    assert parsed("\n".join(map(row, rows))) == [without_empty_tags(sent) for sent in rows]


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_both_ways_that_the_sdk_writes_give_the_same_rows(rows: list[Sent]) -> None:
    rows = [without_empty_tags(sent) for sent in rows]
    protocol = decode(rum("\n".join(map(row, rows)).encode()), LIMITS)
    found = decode(rum(as_json(rows).encode()), LIMITS)
    assert [line_row(Family.GUANCE, one.body) for one in protocol if isinstance(one, Item)] == [
        line_row(Family.GUANCE, one.body) for one in found if isinstance(one, Item)
    ]
    assert len(protocol) == len(found) == len(rows)
    assert all(isinstance(one, Item) for one in protocol)


@pytest.mark.parametrize("white", WHITE_SPACE)
def test_a_name_with_white_space_is_that_name(white: str) -> None:
    name = f"Ann{white}Lee"
    assert escape_row_data(name) == f"Ann\\{white}Lee"
    [item] = items(decode(rum(row(("view", IDS | {"user_name": name}, {"time_spent": 1}, NOW_MS)).encode()), LIMITS))
    assert line_row(Family.GUANCE, item.body).row["user_name"] == name


def items(results: list[Result]) -> list[Item]:
    assert all(isinstance(one, Item) for one in results), results
    return [one for one in results if isinstance(one, Item)]


@given(st.lists(ROWS, min_size=1, max_size=3))
def test_the_session_found_without_parsing_is_the_session_of_every_row(rows: list[Sent]) -> None:
    body = "\n".join(map(row, rows)).encode()
    for leaf in (LEAF, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(line_protocol, "LEAF", leaf)
            assert only_session(body) in (("shop", "s-1"), None)
    assert {(keyed.app_id, keyed.session_id) for keyed in keyed_by_session(rum(body), LIMITS)} == {("shop", "s-1")}


PIECES = [
    ",app_id=a", ",session_id=s", ",session_id=s2", ",session_id=", ",app_id=a\\,b", ",session_id=s\\", "\\,app_id=x",
    ",app", ",x_app_id=y", ' t=",session_id=z"', "\n", " 1", ",session_id=é", ",session_id=\udcff", "app_id=a", "=",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_the_leaf_finds_the_session_that_python_finds_or_none(pieces: list[str]) -> None:
    body = "".join(["view", *pieces]).encode(errors="surrogateescape")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_protocol, "LEAF", None)
        by_python = only_session(body)
    assert only_session(body) == by_python
    if LEAF is not None:
        assert LEAF.module.only_session(body) in (by_python, None)


UNITS = {
    "n": 10**6,
    "ns": 10**6,
    "u": 10**3,
    "us": 10**3,
    "MS": 1,
    "ms": 1,
    "s": 1e-3,
    "m": 1 / 60_000,
    "h": 1 / 3_600_000,
}


@pytest.mark.parametrize("unit", UNITS)
@given(hours=st.integers(1, 500_000), as_json_too=st.booleans())
def test_a_time_means_the_same_in_every_unit(unit: str, hours: int, *, as_json_too: bool) -> None:
    sent = [("action", IDS, {"drift": 0}, round(hours * 3_600_000 * UNITS[unit]))]
    body = as_json(sent) if as_json_too else row(sent[0])
    [item] = items(decode(rum(body.encode(), precision=unit), LIMITS))
    assert item.begin_us == hours * 3_600_000_000
    assert line_row(Family.GUANCE, item.body).row["time"] == item.begin_us


@pytest.mark.parametrize("body", ["{row}", "{row} ", "{row} NaN", '[{{"measurement":"action",{json}}}]', "{null}"])
def test_a_line_without_a_time_has_that_of_its_receipt(body: str) -> None:
    whole = row(("action", IDS, {"drift": 0}, 1)).removesuffix(" 1")
    line = {"measurement": "action", "tags": IDS, "fields": {}, "time": None}
    inner = json.dumps({"tags": IDS, "fields": {}})[1:-1]
    [item] = items(decode(rum(body.format(row=whole, json=inner, null=json.dumps(line)).encode()), LIMITS))
    assert item.begin_us == NOW_MS * 1000
    assert line_row(Family.GUANCE, item.body).row["time"] == item.begin_us


ODD_NUMBERS: st.SearchStrategy[object] = st.sampled_from(
    [-1, -0.5, 1e30, 1 << 70, "12", "NaN", [], {}, None, float("nan"), float("inf")]
)


@given(
    kind=st.sampled_from(list(LINE_TABLE)),
    odd=st.dictionaries(st.sampled_from(["duration", "time_spent"]), ODD_NUMBERS),
)
def test_an_impossible_number_costs_itself(kind: Kind, odd: dict[str, object]) -> None:
    """In JSON as `json.dumps` of Python writes it: NaN and Infinity included."""
    line = {"measurement": kind.name.lower(), "tags": IDS, "fields": {"drift": 3, **odd}, "time": NOW_MS}
    for body in (json.dumps(line), f"[{json.dumps(line)}]"):
        [item] = items(decode(rum(body.encode()), LIMITS))
        assert item.begin_us == item.end_us
        found = line_row(Family.GUANCE, item.body).row
        assert found["drift"] == 3
        assert not odd.keys() & found.keys()


@pytest.mark.parametrize("value", ["-5", "-5.0", "NaN", "-Infinity", "1e400", "undefined", "1_0", "-"])
def test_an_impossible_number_costs_itself_in_line_protocol(value: str) -> None:
    body = row(("resource", IDS, {"drift": 3}, NOW_MS)).replace("drift=3", f"duration={value},drift=3")
    [item] = items(decode(rum(body.encode()), LIMITS))
    assert item.begin_us == item.end_us
    found = line_row(Family.GUANCE, item.body).row
    assert (found.get("duration"), found["drift"]) == (None, 3)


OPTIONAL = [
    "view_id",
    "action_id",
    "resource_id",
    "error_id",
    "long_task_id",
    "duration",
    "time_spent",
    "session_is_active",
]


@given(
    kind=st.sampled_from(list(LINE_TABLE)),
    tags=st.dictionaries(st.sampled_from(OPTIONAL) | NAMES, st.none()),
    fields=st.dictionaries(st.sampled_from(OPTIONAL) | NAMES, st.none()),
)
def test_null_is_as_absent(kind: Kind, tags: dict[str, None], fields: dict[str, None]) -> None:
    def line(tags: dict[str, None], fields: dict[str, None]) -> Item:
        body = {"measurement": kind.name.lower(), "tags": tags | IDS, "fields": fields, "time": NOW_MS}
        [item] = items(decode(rum(json.dumps(body).encode()), LIMITS))
        return item

    full, empty = line(tags, fields), line({}, {})
    assert (full.begin_us, full.end_us, full.opens, full.ends) == (
        empty.begin_us,
        empty.end_us,
        empty.opens,
        empty.ends,
    )
    assert line_row(Family.GUANCE, full.body) == line_row(Family.GUANCE, empty.body)


@pytest.mark.parametrize("name", ["app_id", "session_id", "view_id", "userid"])
def test_an_id_that_is_a_number_is_text(name: str) -> None:
    line = {"measurement": "view", "tags": IDS | {name: 1001}, "fields": {}, "time": NOW_MS}
    [item] = items(decode(rum(json.dumps(line).encode()), LIMITS))
    assert (item.app_id, item.session_id) == tuple(
        "1001" if name == key else IDS[key] for key in ("app_id", "session_id")
    )
    if name not in ("app_id", "session_id"):
        assert line_row(Family.GUANCE, item.body).row[name] == "1001"


@given(rows=st.lists(ROWS, min_size=1, max_size=5), data=st.data(), as_json_too=st.booleans())
def test_a_bad_byte_costs_its_row_alone(rows: list[Sent], data: st.DataObject, *, as_json_too: bool) -> None:
    """Anywhere in a text, and the row goes to the quarantine with its bytes."""
    at = data.draw(st.integers(0, len(rows) - 1))
    bad = data.draw(st.sampled_from([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f\xa6"]))
    rows = [(measurement, tags, {**fields, "where": "@@"}, time) for measurement, tags, fields, time in rows]
    written = [
        json.dumps({"measurement": m, "tags": t, "fields": f, "time": n}) if as_json_too else row((m, t, f, n))
        for m, t, f, n in rows
    ]
    sources = [one.encode() for one in written]
    place = sources[at].rindex(b"@@") + 1
    sources[at] = sources[at][:place] + bad + sources[at][place:]
    body = b"[" + b",".join(sources) + b"]" if as_json_too else b"\n".join(sources)
    results = decode(rum(body), LIMITS)
    assert [isinstance(one, Item) for one in results] == [number != at for number in range(len(rows))]
    refused = results[at]
    assert isinstance(refused, Rejected)
    assert (refused.reason, refused.raw.strip(b"\n")) == (RejectReason.INVALID_UTF8, sources[at])


@given(rows=st.lists(ROWS, min_size=1, max_size=4), data=st.data(), as_json_too=st.booleans())
def test_a_cut_body_loses_what_is_cut(rows: list[Sent], data: st.DataObject, *, as_json_too: bool) -> None:
    """The rows before the cut are whole; the rest is in the quarantine, every byte of it."""
    sources = [
        json.dumps({"measurement": m, "tags": t, "fields": f, "time": n}) if as_json_too else row((m, t, f, n))
        for m, t, f, n in rows
    ]
    body = ("[" + ",".join(sources) + "]" if as_json_too else "\n".join(sources)).encode()
    end = data.draw(st.integers(1, len(body) - 1))
    whole = sum(len(",".join(sources[: number + 1]).encode()) + as_json_too <= end for number in range(len(rows)))
    results = decode(rum(body[:end]), LIMITS)
    assert all(isinstance(one, Item) for one in results[: max(0, whole - 1)])
    assert len(results) <= whole + 1


@given(kinds=st.lists(st.sampled_from(["view", "telemetry"]), min_size=1, max_size=6), as_json_too=st.booleans())
def test_telemetry_is_counted_and_not_kept(kinds: list[str], *, as_json_too: bool) -> None:
    """It needs no session, and whatever is around it is kept."""
    tags = {"view": IDS, "telemetry": {"service": "browser-rum-sdk"}}
    rows: list[Sent] = [(kind, tags[kind], {"type": "usage"}, NOW_MS) for kind in kinds]
    body = (as_json(rows) if as_json_too else "\n".join(map(row, rows))).encode()
    assert [type(one) for one in decode(rum(body), LIMITS)] == [Item if kind == "view" else Skipped for kind in kinds]
    keyed = keyed_by_session(rum(body), LIMITS)
    found = [type(one) for message in keyed for one in decode(message.message, LIMITS)]
    assert found.count(Item) == kinds.count("view")
    assert Rejected not in found
    assert keyed_by_session(rum(row(rows[0]).encode()), LIMITS, lambda item: item.body) or kinds[0] == "telemetry"


def real_texts(samples: Path) -> list[str]:
    paths = sorted((samples / "guance").glob("*.jsonl.gz"))
    found = [one.message for one in read_captures(paths, CaptureCounts()) if one.message.type == "guance.rum"]
    bodies = [inflate(message.value, LIMITS.inflated_bytes).decode() for message in found]
    return [body for body in bodies if body[0] not in "[{"]


CHANGES = [",", " ", "=", '"', "\n", "a", "1", "-", ".", "\\ ", "\\,", "=1i", "t", '="a\nb"', "\nview,a=b c=1 1\n", "é"]
# Where the SDK's writer and the text book differ: a backslash before anything that the text book does not escape in
# tags and keys, or before what only looks escaped; carriage returns; what is no number.
SDK_ONLY = re.compile(r"\\[^,= ]|\\[, ][\w.$-]+=|\\=|\r")
QUOTED = re.compile(r'(?<==)"(?:[^"\\]|\\[\s\S])*"')


def test_the_grammar_of_the_textbook_says_the_same_of_what_both_know(samples: Path) -> None:
    """Real rows with up to four changes, read by the plain grammar that was here first and by the quick one."""
    chance = random.Random(1)
    texts = real_texts(samples)
    compared = 0
    for _ in range(1_000):
        rows = chance.choice(texts).split("\n")
        start = chance.randrange(len(rows))
        text = "\n".join(rows[start : start + 2])
        for _ in range(chance.choice((0, 1, 1, 2, 4))):
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chance.choice(CHANGES) + text[at + chance.choice((0, 0, 1, 3)) :]
        if SDK_ONLY.search(QUOTED.sub("", text)):
            continue
        found, expected = list(parse_rows(text, 1 << 20)), list(textbook.parse_rows(text, 1 << 20))
        if any(isinstance(one, Unusable) and one.detail.startswith("value ") for _, one in expected):
            continue  # costs its column now
        if any(isinstance(one, Unusable) for _, one in expected):  # where a bad row ends, the quick one knows better
            assert any(isinstance(one, Unusable) for _, one in found), text
        else:
            assert found == expected, text
        compared += 1
    assert compared > 500


def test_an_empty_precision_is_as_none() -> None:
    [with_none] = decode(rum(row(("view", IDS, {"drift": 0}, NOW_MS)).encode()), LIMITS)
    [with_empty] = decode(rum(row(("view", IDS, {"drift": 0}, NOW_MS)).encode(), precision=""), LIMITS)
    assert isinstance(with_empty, Item)
    assert with_empty == with_none
