"""Every attribute on the wire is in its column, with the right type and value, or in `custom`; and nothing else is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.oracle.dictionary import COMPUTED, CONSUMED, DERIVED, DICTIONARIES, GUANCE
from tests.oracle.wire_lines import WireLine, wire_lines

TABLES = {"view": "views", "action": "actions", "error": "errors", "resource": "resources", "long_task": "long_tasks"}
ARROW = {
    "text": pa.string(),
    "json": pa.string(),
    "flag": pa.bool_(),
    "ratio": pa.float64(),
    "time": pa.timestamp("us", tz="UTC"),
    **dict.fromkeys(("ns", "ms", "bytes", "count", "ms_as_ns"), pa.int64()),
}
# PostHog's address of a view is the first one said: a single-page app has moved on when it is left.
FIRST_SAID = ("view_url", "view_host", "view_path", "view_path_group", "view_url_query", "view_referrer")
Row = dict[str, Any]
Own = tuple[str, str, str]


@pytest.fixture(scope="module")
def rows(recorded_lake: Path) -> dict[Own, Row]:
    """Of each line its row, of a view the one of the highest revision; not what was seen in a recording."""
    found: dict[Own, Row] = {}
    for kind, table in TABLES.items():
        for file in recorded_lake.glob(f"tables/{table}/**/*.parquet"):
            for row in pq.ParquetFile(file).read().to_pylist():
                if row["from_recording"]:
                    continue
                own = row["session_id"], kind, row[f"{kind}_id"]
                if own not in found or row["revision"] > found[own]["revision"]:
                    found[own] = row
    return found


@pytest.fixture(scope="module")
def lines(recorded_captures: list[Path]) -> dict[Own, list[WireLine]]:
    """What was received of each line, the newest last."""
    found: dict[Own, list[WireLine]] = {}
    for line in wire_lines(recorded_captures):
        found.setdefault(line.own, []).append(line)
    return {own: sorted(copies, key=lambda line: line.span) for own, copies in found.items()}


@pytest.mark.parametrize("kind", TABLES)
def test_every_attribute_of_the_dictionary_is_a_column_of_its_type(kind: str, recorded_lake: Path) -> None:
    file = next(recorded_lake.glob(f"tables/{TABLES[kind]}/**/*.parquet"))
    schema = pq.read_schema(file)
    for column, value_kind in GUANCE[kind].values():
        assert schema.field(column).type == ARROW[value_kind], column


def test_every_line_has_its_row_and_every_row_its_line(rows: dict[Own, Row], lines: dict[Own, list[WireLine]]) -> None:
    assert rows.keys() == lines.keys()
    assert {line.family for copies in lines.values() for line in copies} == set(DICTIONARIES)


def test_every_attribute_has_its_value(rows: dict[Own, Row], lines: dict[Own, list[WireLine]]) -> None:
    wrong, compared = [], 0
    for own, copies in lines.items():
        row = rows[own]
        expected = _expected(copies)
        custom = dict(row["custom"] or ())
        derived = DERIVED[copies[-1].family].split()
        for place, value in expected.items():
            found = custom.pop(place[7:], None) if place.startswith("custom.") else row[place]
            compared += 1
            if found != value or type(found) is not type(value):
                wrong.append(f"{own}: {place}: sent {value!r}, stored {found!r}")
        filled = {name for name, value in row.items() if value is not None}
        wrong += [f"{own}: {name} was not sent" for name in filled - expected.keys() - {*COMPUTED.split(), *derived}]
        wrong += [f"{own}: custom {name} was not sent" for name in custom if name not in _consumed(copies)]
    assert wrong == []
    assert compared > 10_000


def test_times_are_those_sent(rows: dict[Own, Row], lines: dict[Own, list[WireLine]]) -> None:
    for own, copies in lines.items():
        if own[1] != "view" or copies[-1].family != "posthog":  # PostHog's begin before their first event: see the SQL
            assert round(rows[own]["time"].timestamp() * 1_000_000) == copies[-1].time_us, own


def _expected(copies: list[WireLine]) -> dict[str, Any]:
    """Columns, and `custom.<path>`, with the values that they must have."""
    newest = copies[-1]
    if newest.family != "posthog" or newest.kind != "view":
        return dict(_columns(newest))
    merged: dict[str, Any] = {}
    for line in copies:
        found = dict(_columns(line))
        merged |= {place: value for place, value in found.items() if place not in FIRST_SAID or place not in merged}
    return merged


def _columns(line: WireLine) -> Iterator[tuple[str, Any]]:
    dictionary = DICTIONARIES[line.family][line.kind]
    consumed = CONSUMED[line.family].split()
    for path, value in _leaves(line.attributes, "", dictionary):
        column, kind = dictionary.get(path, (f"custom.{path}", "custom"))
        if path.startswith("_dd.") and path not in dictionary:
            continue  # the SDK's own affairs are not stored
        if path == "action.id" and isinstance(value, str):
            column, kind = "action_id", "text"
        # The leave of a view may name the next view there.
        sent = line.own[2] if path == "properties.$pageview_id" and line.kind == "view" else value
        if path not in consumed:
            yield column, _converted(sent, kind)


def _leaves(node: dict[str, Any], prefix: str, dictionary: dict[str, tuple[str, str]]) -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        path = prefix + name
        if isinstance(value, dict) and value and path not in dictionary:
            yield from _leaves(value, f"{path}.", dictionary)
        elif value is not None:
            yield path, value


def _converted(value: Any, kind: str) -> Any:
    if kind in ("ns", "ms", "bytes", "count"):
        assert value == int(value)
        return int(value)
    if kind == "ratio":
        return float(value)
    if kind == "ms_as_ns":
        return round(value * 1_000_000)
    if kind == "json" or (kind == "custom" and not isinstance(value, str)):
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        return value if isinstance(value, str) else json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
    return value


def _consumed(copies: list[WireLine]) -> set[str]:
    """Paths that may be kept in `custom` although a column was made of them."""
    return set(CONSUMED[copies[-1].family].split())
