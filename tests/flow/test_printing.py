"""What visitors send does nothing to the terminal, log or spreadsheet of who looks at it."""

import csv
import io
import json
import logging
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.cli.sql import _safe
from flows.shown import PrintableFormatter, plain, printable
from schemas.keys import table_key
from schemas.tables import TABLES
from sinks.store import LocalStore
from sinks.tables import encode_rows
from tests.flow.made import START_MS, command
from tests.required_columns import required

HOSTILE = "=A\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\u202eb\u2066c\u2028d\r\ne\tf[red]g\\[/red]\x00"
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")  # all but line ends
OF_RICH = re.compile(r"\x1b\[[0-9;]*m")  # its colours
DAY = "2026-11-20"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every text of every row is hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    for table, declared in TABLES.items():
        row = required(table)
        for field in declared.fields:
            if field.type == "string" and field.name != "replay_key":
                row[field.name] = HOSTILE
            elif field.type == "timestamp":
                row[field.name] = START_MS * 1000
            elif field.type.startswith("map"):
                row[field.name] = {HOSTILE: HOSTILE}
        if table in {"sessions", "replay_segments"}:
            row["replay_key"] = "replays/retention=14d/dt=2026-11-20/app_id=x/\x1b[2J.0.jsonl.zst"
        LocalStore(folder).put({table_key(table, 14, DAY, "0000-0000000001-0123456789ab"): encode_rows(table, [row])})
    return folder


COMMANDS = [
    ["sessions"],
    ["show", HOSTILE],
    ["show", "=A"],
    ["verify"],
    ["sql", "select * from sessions"],
    ["sql", "select error_message, custom from errors", "--csv"],
    ["sql", "select * from errors", "--csv"],
    ["sql", "select error_message::int from errors"],
    ["export", "=A"],
    ["export", "=A", "--native"],
    ["retention", "sweep", "--dry-run"],
    ["erase", "--session", "=A", "--dry-run"],
    ["compact", "--dry-run"],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=range(len(COMMANDS)))
def test_no_command_prints_a_control_character(lake: Path, arguments: list[str]) -> None:
    done = command(*arguments, lake=lake)
    for text in (done.out, *done.warnings, done.error):
        assert CONTROL.findall(text) == []
    if arguments[0] in {"sessions", "show", "sql"} and done.code == 0:
        assert "\\x1b]0;owned\\x07" in done.out or "\\e]0;owned\\a" in done.out  # DuckDB has names of its own


@pytest.mark.parametrize("arguments", [["sessions", "--json"], ["show", "=A", "--json"], ["verify", "--json"],
                                       ["sql", "select * from sessions", "--json"]])  # fmt: skip
def test_json_escapes_and_keeps(lake: Path, arguments: list[str]) -> None:
    done = command(*arguments, lake=lake)
    assert CONTROL.findall(done.out) == []
    found = json.loads(done.out)
    if arguments[0] != "verify":
        row = found["session"] if arguments[0] == "show" else found[0]
        assert row["user_name"] == HOSTILE


def test_a_terminal_gets_no_more_than_colours(lake: Path) -> None:
    for arguments in (["sessions"], ["show", "=A"], ["sql", "select user_name, custom from sessions"], ["verify"]):
        ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
        with subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *arguments, "--lake", str(lake)],
            stdout=theirs, stderr=theirs, stdin=theirs, env=environment,
        ) as process:  # fmt: skip
            os.close(theirs)
            said = b""
            while True:
                try:
                    part = os.read(ours, 4096)
                except OSError:  # the other end is closed
                    break
                said += part
                if not part:
                    break
            process.wait()
        os.close(ours)
        text = OF_RICH.sub("", said.decode()).replace("\r\n", "\n")
        text = re.sub(r"\x1b\[(\?25[lh]|2K|1A|\d*G)|\r(?=\x1b|$|\n)", "", text)  # a status line of rich comes and goes
        assert "owned" in text or arguments == ["verify"]
        assert "\x1b]" not in text
        assert "\x1b[2J" not in text
        assert CONTROL.findall(text.replace("\r", "")) == []


@given(st.text(st.characters(), max_size=50))
def test_printable_text_has_no_control_and_changes_nothing_else(text: str) -> None:
    shown = printable(text)
    assert CONTROL.findall(shown) == []
    assert "\n" not in shown
    shown.encode()  # no halves of surrogate pairs
    assert plain(text).plain == shown
    if text.isprintable():
        assert shown == text


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"), ("+1+1", "'+1+1"), ("-2+3", "'-2+3"), ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\\t=1"), ("\r=1", "'\\r=1"), ("\n=1", "'\\n=1"), ("\uff1d1", "'\uff1d1"), ("=", "'="), ("-", "'-"),
        ("+49 170 1234567", "'+49 170 1234567"), ("-5", "-5"), ("+5", "+5"), ("-0.5", "-0.5"), ("-1e-7", "-1e-7"),
        ("-5\n", "'-5\\n"), ("-\u0665", "'-\u0665"), (-7, -7), (-0.25, -0.25), (5, 5), (None, None), ("a=b", "a=b"),
        ("two\nlines", "two\\nlines"), ("\u8d2d\u7269\u8f66 \U0001f600", "\u8d2d\u7269\u8f66 \U0001f600"),
    ],
)  # fmt: skip
def test_a_cell_is_no_formula(value: object, cell: object) -> None:
    assert _safe(value) == cell


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_no_text_is_a_formula_or_a_command(text: str) -> None:
    cell = str(_safe(text))
    assert CONTROL.findall(cell) == []
    assert not cell.startswith(("=", "@", "\t", "\r"))
    if cell.startswith(("+", "-")):
        float(cell)


def test_raw_csv_is_what_the_lake_has(lake: Path) -> None:
    query = "select user_name, -5 as n, '-7' as m, '=1' as f from sessions"
    done = command("sql", query, "--csv", "--raw", lake=lake)
    assert list(csv.reader(io.StringIO(done.out, newline="")))[1] == [HOSTILE, "-5", "-7", "=1"]
    done = command("sql", query, "--csv", lake=lake)
    assert list(csv.reader(io.StringIO(done.out, newline="")))[1] == [f"'{printable(HOSTILE)}", "-5", "-7", "'=1"]
    for wrong in (["--raw"], ["--raw", "--json"]):
        assert command("sql", query, *wrong, lake=lake).error == "sql: --raw goes with --csv"


def test_a_log_line_is_one_line_and_a_trace_keeps_its_own() -> None:
    formatter = PrintableFormatter("%(levelname)s %(message)s")
    record = logging.LogRecord("x", logging.INFO, "", 0, "about %s", (HOSTILE,), None)
    line = formatter.format(record)
    assert CONTROL.findall(line) == []
    assert "\n" not in line
    try:
        int(HOSTILE)
    except ValueError as error:
        raised = (ValueError, ValueError(HOSTILE), error.__traceback__)
        record = logging.LogRecord("x", logging.INFO, "", 0, "about it", (), raised)
    traced = formatter.format(record)
    assert CONTROL.findall(traced) == []
    assert "Traceback" in traced.splitlines()[1]
