"""Guance lines become rows: every attribute in its typed column, or as text in `custom`."""

import base64
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.families.guance.rows import unusual_guance_row
from operators.families.registry import line_row
from operators.rows.values import Row, decode_object
from schemas.fields import Field
from schemas.items import LINE_TABLE, Family, Kind
from schemas.tables import TABLES

Line = dict[str, object]

NS_PER_MS = 1_000_000
TIME_MS = 1_795_230_394_222
PYTHON_TYPES = {"string": str, "int64": int, "double": float, "bool": bool, "timestamp": int}


def row_of(measurement: str = "view", tags: object = None, fields: object = None, **top_level: object) -> Row:
    line = {"measurement": measurement, "tags": tags or {}, "fields": fields or {}, "time": TIME_MS, **top_level}
    return line_row(Family.GUANCE, json.dumps(line).encode()).row


def custom_of(row: Row) -> dict[str, str]:
    custom = row.get("custom", {})
    assert isinstance(custom, dict)
    return custom


@pytest.mark.parametrize("kind", LINE_TABLE)
def test_the_measurement_is_the_kind(kind: Kind) -> None:
    body = json.dumps({"measurement": kind.name.lower(), "tags": {}, "fields": {}, "time": TIME_MS}).encode()
    found = line_row(Family.GUANCE, body)
    assert (found.kind, found.row) == (kind, {"time": TIME_MS * 1000})


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"1", b'{"measurement":"telemetry"}', b"[" * 3000, b"{}"])
def test_what_is_no_line_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        line_row(Family.GUANCE, body)


def test_whole_floats_become_integers() -> None:
    row = row_of(fields={"time_spent": 3228000000.0, "view_error_count": 0.0, "cumulative_layout_shift": 0})
    assert (row["time_spent"], row["view_error_count"]) == (3_228_000_000, 0)
    assert type(row["time_spent"]) is int
    assert type(row["cumulative_layout_shift"]) is float


@pytest.mark.parametrize(
    ("name", "sent", "kept"),
    [
        ("time_spent", 1.5, "1.5"),
        ("time_spent", "12", "12"),
        ("time_spent", True, "true"),
        ("time_spent", [1, 2], "[1,2]"),
        ("time_spent", float("nan"), "NaN"),
        ("cumulative_layout_shift", float("inf"), "Infinity"),
        ("time_spent", 1 << 63, "9223372036854775808"),
        ("time_spent", -(1 << 63) - 1, "-9223372036854775809"),
        ("time_spent", 1 << 70, str(1 << 70)),
        ("is_active", 1, "1"),
        ("is_active", "true", "true"),
        ("view_url", 7.0, "7"),
        ("cumulative_layout_shift", "0.1", "0.1"),
    ],
)
def test_a_value_that_does_not_fit_its_column_is_kept_as_text(name: str, sent: object, kept: str) -> None:
    row = row_of(fields={name: sent})
    assert name not in row
    assert custom_of(row) == {name: kept}


@pytest.mark.parametrize("edge", [(1 << 63) - 1, -(1 << 63)])
def test_the_largest_integers_fit(edge: int) -> None:
    assert row_of(fields={"drift": edge})["drift"] == edge


@pytest.mark.parametrize("spent", [-1, -5e9, 1 << 62, 366 * 86_400 * 10**9])
def test_a_duration_that_cannot_be_costs_itself(spent: float) -> None:
    row = row_of(fields={"time_spent": spent, "drift": -1})
    assert "time_spent" not in row
    assert row["drift"] == -1
    assert "time_spent" in custom_of(row)


@pytest.mark.parametrize("name", ["time_spent", "first_contentful_paint", "loading_time"])
@pytest.mark.parametrize("value", [-1, -5.0, -(1 << 63), -(1 << 70)])
def test_a_negative_duration_costs_itself(name: str, value: float) -> None:
    row = row_of(fields={name: value, "dom": 7})
    assert row == {"time": TIME_MS * 1000, "dom": 7, "custom": {name: str(int(value))}}


@pytest.mark.parametrize(("sent", "stored"), [(1001, "1001"), (-5, "-5"), (12.0, "12"), ("u-1", "u-1")])
def test_an_id_that_is_a_number_is_text(sent: object, stored: str) -> None:
    row = row_of("action", tags={"userid": sent, "view_id": sent}, fields={"action_id": sent})
    assert (row["userid"], row["view_id"], row["action_id"]) == (stored, stored, stored)
    assert "custom" not in row


@given(st.lists(st.sampled_from(sorted(f.name for f in TABLES["views"].fields if f.guance)), unique=True))
def test_null_is_as_absent(names: list[str]) -> None:
    """In tags and fields, whatever the column."""
    nothing = dict.fromkeys(names)
    assert row_of(tags=nothing) == row_of(fields=nothing) == {"time": TIME_MS * 1000}


def test_attributes_of_the_page_go_to_custom() -> None:
    fields = {"tier": "gold", "cohort": 7.0, "beta": False, "cart": {"sum": 1.25, "items": ["a", "ü"]}, "nothing": None}
    assert custom_of(row_of(fields=fields)) == {
        "tier": "gold",
        "cohort": "7",
        "beta": "false",
        "cart.sum": "1.25",
        "cart.items": '["a","ü"]',
    }


def test_columns_of_the_writer_cannot_be_set_from_outside() -> None:
    fields = {"revision": 3, "session_part": 1, "received_at": 5, "custom": "x", "time": 4}
    row = row_of(fields=fields)
    assert row["time"] == TIME_MS * 1000
    assert custom_of(row) == {name: str(value) for name, value in fields.items()}


def test_sdk_2_sends_fields_as_tags() -> None:
    row = row_of("resource", tags={"resource_url": "http://a/b", "view_url_query": "{}", "resource_type": "js"})
    assert (row["resource_url"], row["view_url_query"], row["resource_type"]) == ("http://a/b", "{}", "js")


def test_a_name_that_is_tag_and_field_loses_neither_value() -> None:
    row = row_of(tags={"env": "prod", "mine": "a"}, fields={"env": "test", "mine": "b"})
    assert row["env"] == "prod"
    assert custom_of(row) == {"fields.env": "test", "mine": "a", "fields.mine": "b"}


def test_a_structure_in_json_mode_becomes_its_text() -> None:
    assert row_of(fields={"view_url_query": {"id": "7"}})["view_url_query"] == '{"id":"7"}'


@pytest.mark.parametrize("time", ["NaN", 1e305, -1e305, 9.3e15, True])
def test_a_time_that_is_none_is_kept_as_text(time: object) -> None:
    row = row_of(time=time)
    assert "time" not in row
    assert "time" in custom_of(row)


def test_half_an_emoji_does_not_cost_the_line() -> None:
    body = b'{"measurement":"action","tags":{"env":"e"},"fields":{"action_name":"Pay \\ud83d"},"time":1}'
    assert line_row(Family.GUANCE, body).row["action_name"] == "Pay ?"


def test_deep_and_wide_structures_stay_small() -> None:
    deep: object = 1
    for _ in range(400):
        deep = {"k" * 40: deep}
    custom = custom_of(row_of(fields={"deep": deep, "wide": {"n" * 500: {str(i): i for i in range(500)}}}))
    assert max(map(len, custom)) < 1000
    assert len(custom) == 2


def test_the_time_of_the_largest_shift_is_sent_in_ms() -> None:
    assert row_of(fields={"cumulative_layout_shift_time": 370.6})["cumulative_layout_shift_time"] == 370_600_000


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)
names = st.text(max_size=5) | st.sampled_from([field.name for field in TABLES["views"].fields])


@given(st.dictionaries(names, st.text() | values), st.dictionaries(names, values), st.integers() | st.floats())
def test_the_quick_way_and_the_careful_way_agree_and_nothing_raises(tags: Line, fields: Line, time: float) -> None:
    body = json.dumps({"measurement": "view", "tags": tags, "fields": fields, "time": time}).encode()
    assert line_row(Family.GUANCE, body) == unusual_guance_row(decode_object(body))


def test_every_recorded_attribute_is_in_its_column_or_in_custom(recordings: Path) -> None:
    checked = 0
    for line in _recorded_lines(recordings / "guance"):
        found = line_row(Family.GUANCE, json.dumps(line).encode())
        _compare(line, found.kind, found.row)
        checked += 1
    assert checked > 3000


def _compare(line: Line, kind: Kind, row: Row) -> None:
    columns = {field.name: field for field in TABLES[LINE_TABLE[kind]].fields}
    custom = custom_of(row)
    tags, fields = line["tags"], line["fields"]
    assert isinstance(tags, dict)
    assert isinstance(fields, dict)
    assert isinstance(line["time"], int)
    assert row["time"] == line["time"] * 1000
    sent = tags | fields
    assert set(row) - {"time", "custom"} | custom.keys() == sent.keys()
    for name, value in sent.items():
        if name in columns:
            assert row[name] == _in_unit(columns[name], value), name
            assert type(row[name]) is PYTHON_TYPES[columns[name].type], name
        else:
            assert custom[name] == (value if isinstance(value, str) else json.dumps(value).removesuffix(".0")), name


def _in_unit(column: Field, value: object) -> object:
    if column.name == "cumulative_layout_shift_time":
        assert isinstance(value, float)
        return round(value * NS_PER_MS)
    return value


def _recorded_lines(folder: Path) -> Iterator[Line]:
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt") as capture:
            for request in map(json.loads, capture):
                if request["method"] == "POST" and request["path"].startswith("/v1/write/rum?"):
                    body = base64.b64decode(request["body_b64"])
                    text = (zlib.decompress(body) if "encoding=deflate" in request["path"] else body).decode()
                    yield from json.loads(text) if text.startswith("[") else _parse_line_protocol(text)


_HEAD = re.compile(r"((?:\\.|[^, \\])+)([, ])")
_PAIR = re.compile(r'((?:\\.|[^,= \\])+)=("(?:\\.|[^"\\])*"|(?:\\.|[^, \\])*)([, ])', re.DOTALL)
_TIME = re.compile(r"(\d+)\n?")


def _parse_line_protocol(text: str) -> Iterator[Line]:
    """A second, slow reader of the format, so that the product's own one is not its own judge."""
    at = 0
    while at < len(text):
        head = _match(_HEAD, text, at)
        at = head.end()
        tags: Line = {}
        fields: Line = {}
        into = tags if head[2] == "," else fields
        while True:
            pair = _match(_PAIR, text, at)
            at = pair.end()
            into[re.sub(r"\\(.)", r"\1", pair[1])] = _value(pair[2], is_tag=into is tags)
            if pair[3] == " ":
                if into is fields:
                    break
                into = fields
        time = _match(_TIME, text, at)
        at = time.end()
        yield {"measurement": head[1], "tags": tags, "fields": fields, "time": int(time[1])}


def _match(pattern: re.Pattern[str], text: str, at: int) -> re.Match[str]:
    found = pattern.match(text, at)
    assert found, text[at : at + 80]
    return found


def _value(literal: str, *, is_tag: bool) -> object:
    if is_tag:
        return re.sub(r"\\([,= ])", r"\1", literal)
    if literal.startswith('"'):
        return re.sub(r'\\(["\\])', r"\1", literal[1:-1])
    return {"true": True, "false": False}[literal] if literal in ("true", "false") else float(literal)
