"""The compiled leaf says what Python says, or nothing: for real messages, for mutated ones, and for hostile lines."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.decode import decode
from operators.families.family import Result
from operators.families.guance import decode as guance_decode
from operators.families.guance.native import LINES
from operators.families.guance.rows import plain_guance_row
from operators.families.registry import family_of
from operators.native import LEAF
from operators.replay.recording import open_body
from operators.replay.scan import is_snapshot
from operators.replay.styles import STYLE_BYTES_MIN, mark, styles_of
from operators.rows.last_values import last_values, plain_last_values
from operators.rows.values import Row
from operators.wire.inflate import inflate
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import LINE_TABLE, Item, StyleMark
from schemas.style import STYLES_BYTES_MAX
from schemas.tables import TABLES
from sinks import tables
from tests.fuzz.corpus import real_messages
from tests.fuzz.mutate import mutate
from tests.property.sdk_writer import Sent, as_json
from tests.property.sdk_writer import row as sdk_row
from tests.property.test_guance_lines import NOW_MS, ROWS
from tests.required_columns import required

pytestmark = pytest.mark.skipif(LEAF is None, reason="no compiled leaf in this environment")

LIMITS = Limits(lines_per_message=300, id_length=60, line_bytes=60_000)
IDS = '"tags":{"app_id":"shop","session_id":"s","view_id":"v"}'


@cache
def messages() -> list[Message]:
    """Lines of Guance as their SDK sent them, without compression."""
    found = [message for message in real_messages() if message.type == "guance.rum"]
    plain = [Message(one.type, {}, inflate(one.value, LIMITS.inflated_bytes), one.received_ms) for one in found]
    rows = [Message("guance.rum", {}, item.body, NOW_MS) for one in plain for item in _items(decode(one, LIMITS))]
    return plain + rows[::7]


def _items(results: list[Result]) -> list[Item]:
    return [result for result in results if isinstance(result, Item)]


@contextmanager
def python_alone() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guance_decode, "LINES", None)
        patch.setattr(tables, "LEAF", None)
        yield


def decoded(message: Message) -> list[Result]:
    """What both make of a message, which is the same to the type of each value."""
    by_leaf = decode(message, LIMITS)
    with python_alone():
        by_python = decode(message, LIMITS)
    assert repr(by_leaf) == repr(by_python)
    return by_leaf


def row(body: bytes) -> Row | None:
    """What both make of a body; None where the leaf leaves it to Python."""
    assert LINES is not None
    found = LINES.row(body)
    if found is None:
        return None
    kind, by_leaf = found
    by_python = plain_guance_row(body)
    assert repr(sorted(by_leaf.items())) == repr(sorted(by_python.row.items()))  # to the type of each value
    assert kind == by_python.kind
    return by_python.row


def test_most_lines_of_the_sdk_are_the_leafs() -> None:
    bodies = [item.body for message in messages() for item in _items(decoded(message))]
    taken = [body for body in bodies if row(body) is not None]
    assert len(taken) > 0.95 * len(bodies) > 500


@given(st.integers(0, 1 << 32))
def test_a_mutated_message_is_decoded_the_same(seed: int) -> None:
    chance = random.Random(seed)
    message = mutate(chance.choice(messages()), chance.choice(messages()), chance)
    for item in _items(decoded(msgspec.structs.replace(message, headers={}))):
        row(item.body)


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_any_line_is_read_the_same_as_json_and_as_line_protocol(rows: list[Sent]) -> None:
    for body in (as_json(rows), "\n".join(map(sdk_row, rows))):
        for item in _items(decoded(Message("guance.rum", {}, body.encode(), NOW_MS))):
            row(item.body)


HOSTILE_VALUES = [
    "-0", "0", "-1", "1.0", "1.5", "-0.0", "1e3", "1E-7", "1e999", "123456789012345678901", "9223372036854775807",
    "-9223372036854775808", "9223372036854775808", "9007199254740993", "1e16", "0.1e1", "01", "1.", ".5", "+1", "NaN",
    "null", "[]", "{}", "[" * 500 + "]" * 500, '{"a":' * 500 + "1" + "}" * 500, "true", "false", "tru", '"\\ud83d"',
    '"\\ud83d\\ude00"', '"\\udc00\\ud800"', '"\\u00e9\\n\\/\\b\\f"', '"\\x"', '"\0"', '"\t"', '"', '"\\', '"a\\"',
    '"é🦊\x7f"', '"\\u0000"', "1 2", '"a" "b"', "31622400000000000", "1e300", "-5.5",
]  # fmt: skip
KINDS = [kind.name.lower() for kind in LINE_TABLE]
HOSTILE_NAMES = [
    "duration", "time_spent", "view_id", "action_id", "userid", "custom", "time", "own", "app_id", "session_is_active",
    "largest_contentful_paint", "cumulative_layout_shift", "cumulative_layout_shift_time", "resource_size", "revision",
    "view_in_foreground", "view_url_query", "\\u0061pp_id", "", "document_version",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_value_is_read_the_same_or_left_to_python(name: str) -> None:
    for number, value in enumerate(HOSTILE_VALUES):
        kind = KINDS[number % len(KINDS)]
        lines = [
            f'{{"measurement":"view",{IDS},"fields":{{"{name}":{value}}},"time":1795230000000}}',
            f'{{"fields":{{"n":1,"{name}":{value},"z":"z"}},"time":1795230000000.5,{IDS},"measurement":"{kind}"}} ',
            f'{{"measurement":"{kind}",{IDS[:-1]},"{name}":{value}}},"fields":{{}},"time":1795230000000}}',
        ]
        for line in lines:
            decoded(Message("guance.rum", {}, line.encode(), NOW_MS))
            row_or_refusal(line.encode())


def test_a_text_of_a_megabyte_is_read_the_same() -> None:
    line = f'{{"measurement":"view",{IDS},"fields":{{"a":"{"é" * (1 << 19)}"}},"time":1795230000000}}'.encode()
    decoded(Message("guance.rum", {}, line, NOW_MS))
    assert row(line) is not None


@pytest.mark.parametrize("time", HOSTILE_VALUES)
def test_a_hostile_time_is_read_the_same_or_left_to_python(time: str) -> None:
    body = f'{{"measurement":"view",{IDS},"fields":{{}},"time":{time}}}'.encode()
    decoded(Message("guance.rum", {}, body, NOW_MS))
    row_or_refusal(body)


def row_or_refusal(body: bytes) -> None:
    """The same row, or none by the leaf, whatever Python says then."""
    assert LINES is not None
    if LINES.row(body) is not None:
        row(body)


DOUBLES = [
    b'{"measurement":"view",%s,"fields":{"a":1,"a":2},"time":1}',
    b'{"measurement":"view",%s,"fields":{"view_url":"a","view_url":"b"},"time":1}',
    b'{"measurement":"view",%s,"fields":{"view_id":"a"},"time":1}',
    b'{"measurement":"view",%s,"fields":{"duration":"a","duration":2},"time":1}',
    b'{"measurement":"view","measurement":"error",%s,"fields":{},"time":1}',
    b'{"measurement":"view",%s,"tags":{},"fields":{},"time":1}',
    b'{"measurement":"view",%s,"fields":{},"time":1,"time":2}',
    b'{"measurement":"view",%s,"fields":{},"time":1,"more":2}',
    b'{"measurement":"view",%s,"fields":{},"time":1}x',
    b'\xef\xbb\xbf{"measurement":"view",%s,"fields":{},"time":1}',
    b'{"measurement":"view",%s,"fields":{"a":"\xff"},"time":1}',
]


@pytest.mark.parametrize("line", DOUBLES)
def test_what_is_there_twice_or_too_much_is_pythons(line: bytes) -> None:
    assert LINES is not None
    body = line % IDS.encode()
    assert LINES.row(body) is None
    decoded(Message("guance.rum", {}, body, NOW_MS))


PROTOCOL = [
    b"view,app_id=a,session_id=s,view_id=v %s 1795230000000",
    b"error,session_id=s\\ 1,app_id=a\\=b %s 1795230000000\n",
    b'action,app_id=a,session_id=s %s,action_id="x" 1795230000000  \r\nview,app_id=a,session_id=s a=1 1795230000000\r',
]
PROTOCOL_VALUES = [
    b"a=1", b"a=-1", b"a=-0", b"a=007", b"a=1i", b"a=1u", b"a=1.50", b"a=1.5", b"a=0.00001", b"a=0.001", b"a=1e5",
    b"a=123456789012345678", b"a=0.1234567890123456", b"a=t,b=F,c=TRUE,d=false", b"a=yes", b"a=.5", b"a=5.", b"a=+1",
    b"time_spent=1500000000", b'time_spent="1"', b"session_is_active=f", b"session_is_active=1", b"action_id=5",
    b'a="\\"\\\\\\n"', b'a="line\nbreak\r\n\x01\x7f"', b'a="\xc3\xa9"', b'a="\xff"', b"\xc3\xa9=1", b"a\\ b=1",
    b"a=1,a=2", b"own=1,own=2", b'a="open', b'a="x"y', b"=1", b"a=", b"a", b"", b"a=1 ", b"a=1 b=2", b"a=1 ,b=2",
    b'a="1",', b"a=1\n", b"\x02=1", b"a=\xc2\xa01", b"a=1\x0b",
]  # fmt: skip
TAGS = [
    b"x=a\\ b", b"x=a\\ b=c", b"x=a\\,b", b"x=a\\", b"x=a\\\\ b", b"x=\\=", b'x=\\""', b"x=a\\\n", b"x=a\\\xc2\xa0b",
    b"x=a=b", b"x", b"=x", b"x=", b"x=1,x=2", b"app_id=b", b"x\\ y=1", b"x=a\tb\r", b'x"=1', b"x=a\\ \xc3\xa9=",
    b"x=a\\ .-$_9=b", b"x=a\\ ", b"x=a\\ \\ b",
]  # fmt: skip


@pytest.mark.parametrize("row", PROTOCOL)
def test_an_odd_row_of_line_protocol_is_read_the_same(row: bytes) -> None:
    for value in PROTOCOL_VALUES:
        for start in (b"", b"\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"):
            decoded(Message("guance.rum", {}, start + row % value, NOW_MS))
        decoded(Message("guance.rum", {}, (row % value + b"\n") * 20, NOW_MS))


@pytest.mark.parametrize("tag", TAGS)
def test_an_odd_tag_of_line_protocol_is_read_the_same(tag: bytes) -> None:
    for line in (
        b"view,app_id=a,session_id=s,%s a=1 1795230000000",
        b"view,%s,app_id=a,session_id=s a=1 1795230000000",
    ):
        decoded(Message("guance.rum", {}, line % tag, NOW_MS))
        decoded(Message("guance.rum", {}, (line % tag + b"\n") * 3, NOW_MS))


@pytest.mark.parametrize("table", [name for name in TABLES if name != "quarantine"])
def test_columns_are_the_same_whatever_the_rows_are(table: str) -> None:
    assert LINES is not None
    kinds = {LINE_TABLE[kind]: kind for kind in LINE_TABLE}
    bodies = [item.body for one in messages() for item in _items(decode(one, LIMITS)) if kinds.get(table) == item.kind]
    plain = [plain_guance_row(body).row for body in bodies[:300]]
    made = [{field.name: VALUES[field.type] for field in TABLES[table].fields[start::3]} for start in (0, 1, 2)] * 3
    fast = [
        found[1] if (found := LINES.row(body)) is not None else slow for body, slow in zip(bodies, plain, strict=False)
    ]
    whole: list[Any] = fast + made + [{}, {"app_id": None}]
    random.Random(1).shuffle(whole)
    by_leaf = tables.as_declared(table, whole)
    by_leaf.validate(full=True)
    with python_alone():
        by_python = tables.as_declared(table, [dict(one) for one in whole])
    assert by_leaf.equals(by_python, check_metadata=True)


VALUES = {
    "string": "é🦊", "int64": -(1 << 63), "double": 1.5, "bool": True, "timestamp": 1_795_230_000_000_000,
    "map<string,string>": {"a": "b", "": "", "é": "\0"}, "binary": b"",
}  # fmt: skip


@pytest.mark.parametrize(
    ("column", "value"),
    [("revision", 1 << 63), ("revision", 1.5), ("app_id", 5), ("app_id", "\ud800"), ("custom", {"a": 1}), ("no", 1)],
)
def test_a_value_of_another_type_ends_as_it_does_in_python(column: str, value: object) -> None:
    def outcome() -> object:
        try:
            return tables.as_declared("views", [{"app_id": "a"}, {column: value}]).to_pylist()
        except (ValueError, pa.ArrowException, OverflowError, TypeError) as error:
            return type(error), str(error)

    by_leaf = outcome()
    with python_alone():
        assert outcome() == by_leaf


@pytest.mark.parametrize("odd", [{"revision": 1.5}, {"custom": {"a": 1}}, {"custom": {"a": "b", "c": 1}, "time": 2}])
def test_a_row_that_is_not_taken_leaves_nothing_behind(odd: dict[str, object]) -> None:
    """The rest of a pile goes through Python; the file is the same whatever stands before and behind the odd row."""
    assert LEAF is not None
    columns = LEAF.tables.columns("views")
    assert columns is not None
    full: dict[str, object] = {field.name: VALUES[field.type] for field in TABLES["views"].fields}
    short: dict[str, object] = {"view_id": "v", "custom": {}}
    before: list[dict[str, object]] = [full, {"app_id": "a"}, full, *[short] * 5, full, full]
    assert columns.add([*before, full | odd, full]) == len(before)
    assert columns.add([{"time": 1}, odd]) == 1
    grown = tables._grown("views", columns)
    grown.validate(full=True)
    with python_alone():
        assert grown.equals(tables.as_declared("views", [*before, {"time": 1}]), check_metadata=True)
    assert len(columns) == 0


def test_rows_that_the_leaf_takes_and_rows_that_it_does_not_keep_their_order() -> None:
    rows: list[dict[str, object]] = [required("views") | {"view_name": str(number)} for number in range(30)]
    rows[11]["custom"] = [("a", "b")]  # Arrow takes pairs, the leaf does not

    def content() -> list[tuple[object, bytes, str]]:
        waiting = tables.Rows(loose_max=5)
        for start in range(0, len(rows), 4):
            waiting.add("views", 14, "2026-11-21", [dict(row) for row in rows[start : start + 4]])
        return list(waiting.take())

    by_leaf = content()
    with python_alone():
        assert content() == by_leaf


NAMES = st.sampled_from(["userid", "user_name", "os", "custom", "no such"])


@given(
    st.lists(st.dictionaries(NAMES, st.sampled_from(["a", "b", None, 1]), max_size=3), max_size=6),
    st.lists(NAMES, unique=True),
    st.none() | st.tuples(NAMES, st.sampled_from(["a", None])),
)
def test_the_last_values_of_rows(
    rows: list[dict[str, object]], names: list[str], only: tuple[str, object] | None
) -> None:
    assert LEAF is not None
    assert LINES is not None
    line = b'{"measurement":"view","tags":{"app_id":"shop","session_id":"s","view_id":"v"},"fields":{},"time":1}'
    lazy: list[Any] = []
    for row in rows:
        found = LINES.row(line)
        assert found is not None
        cast("dict[str, object]", found[1]).update(row)
        lazy.append(found[1])
    assert last_values(rows, names, only) == plain_last_values(rows, names, only)
    assert list(last_values(lazy, names, only).items()) == list(plain_last_values(rows, names, only).items())
    mixed = [one if number % 2 else lazy[number] for number, one in enumerate(rows)]
    assert last_values(mixed, names, only) == plain_last_values(rows, names, only)


@cache
def pages() -> list[bytes]:
    """What full snapshots of real segments hold: trees, and changes of Datadog 7."""
    found: list[bytes] = []
    for message in real_messages():
        for item in _items(decode(message, Limits())):
            if item.segment is not None:
                recording = family_of(item.family).recording
                records = open_body(inflate(item.body, LIMITS.inflated_bytes), recording).records
                found += [bytes(record.data) for record in records if is_snapshot(record)]
    return found


def marks(page: bytes) -> list[StyleMark] | None:
    """What both make of a page; None where the leaf leaves it to Python."""
    assert LEAF is not None
    found = LEAF.module.link_styles(page, STYLE_BYTES_MIN, STYLES_BYTES_MAX)
    if found is None:
        return None
    by_leaf = [StyleMark(*one) for one in found]
    assert Counter(by_leaf) == Counter(map(mark, styles_of(page)))
    return by_leaf


def test_the_styles_of_most_pages_are_the_leafs() -> None:
    trees = [page for page in pages() if page.startswith(b"{")]
    taken = [found for page in trees if (found := marks(page)) is not None]
    assert len(taken) > 0.95 * len(trees) > 20
    assert sum(map(len, taken)) > 20


@given(st.integers(0, 1 << 32))
def test_the_styles_of_a_mutated_page_are_the_same(seed: int) -> None:
    chance = random.Random(seed)
    text = bytearray(chance.choice(pages()))
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(text))
        text[place : place + chance.choice((0, 0, 1, 5, 500))] = chance.choice(
            [
                b'"',
                b"\\",
                b"{",
                b"}",
                b"[",
                b"]",
                b",",
                b":",
                b"0",
                b"\xff",
                b"null",
                b'"tagName":"LINK",',
                b'"_cssText":"',
            ]
        )
    marks(bytes(text))
    assert LEAF is not None
    assert LEAF.module.is_utf8(bytes(text)) == is_utf8(bytes(text))


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


SHEET = '"' + "a" * STYLE_BYTES_MIN + '"'
LINK = f'"tagName":"link","attributes":{{"_cssText":{SHEET}}}'
HOSTILE_PAGES = [
    f'{{"node":{{{LINK}}}}}', f'{{"node":{{{LINK}}}}}x', f' {{ "a" : null , "node" : {{{LINK}}} }} ', "{}", "[]",
    '{"node":null}', f'{{"node":{{{LINK}}},"node":{{}}}}', f'{{"node":{{{LINK},"tagName":"a"}}}}',
    f'{{"node":{{"tagName":null,{LINK[17:]}}}}}', f'{{"node":{{{LINK},"childNodes":[{{{LINK}}},{{}}]}}}}',
    f'{{"node":{{{LINK},"childNodes":null}}}}',
    f'{{"node":{{{LINK},"childNodes":[],"childNodes":[{{{LINK}}}]}}}}', f'{{"node":{{{LINK},"attributes":{{}}}}}}',
    f'{{"node":{{"tagName":"lin\u212a","attributes":{{"_cssText":{SHEET}}}}}}}',
    f'{{"node":{{"tagName":"\\u006cink","attributes":{{"_cssText":{SHEET}}}}}}}',
    '{"node":{"tagName":"LINK","attributes":{"_cssText":1}}}', '{"node":{"tagName":"link","attributes":{}}}',
    f'{{"node":{{"tagName":"link","attributes":{{"_cssText":"",  "_cssText":{SHEET}}}}}}}',
    f'{{"node":{{"tagName":"link","attributes":{{"\\u005fcssText":{SHEET}}}}}}}',
    f'{{"node":{{"tagName":"link","attributes":{{"_cssText":{SHEET[:-2]}\\"""}}}}}}',
    f'{{"node":{{"tagName":"link","attributes":{{"_cssText":{SHEET[:-9]}\\ud83d"}}}}}}',
    f'{{"node":{{{LINK},"childNodes":[' + '{"childNodes":[' * 300 + "]}" * 300 + "]}}",
    f'{{"node":{{{LINK},"x":' + "[" * 300 + "]" * 300 + "}}",
]  # fmt: skip


@pytest.mark.parametrize("page", HOSTILE_PAGES)
def test_the_styles_of_a_hostile_page_are_the_same_or_left_to_python(page: str) -> None:
    marks(page.encode())
