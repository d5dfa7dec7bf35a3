"""`replaylake sql`: DuckDB over the lake, one query or a small shell."""

import contextlib
import csv
import io
import json
import re
import readline  # noqa: F401 - gives `input` its line editing and history
import sys
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import typer

from flows.cli.options import CommandFailed, JsonOption, LakeOption, opened_lake, settings_with
from flows.settings import ConfigurationError
from flows.shown import printable, printable_lines
from lake.duck import Duck, open_duck
from schemas.tables import TABLES
from sinks.swap import Days

_SHOWN_ROWS = 50
_WIDTH = 200
_LAST_DAY = "9999-12-31"
# What a spreadsheet takes for a formula, https://owasp.org/www-community/attacks/CSV_Injection; and what is none.
_FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
SinceOption = typer.Option(metavar="DAY", help="only folders of this UTC day and later")
UntilOption = typer.Option(metavar="DAY", help="only folders of this UTC day and earlier")


def sql(  # noqa: PLR0913 - one option per setting
    query: Annotated[
        str | None, typer.Argument(help="without it: from standard input, or a shell on a terminal")
    ] = None,
    lake: LakeOption = None,
    since: Annotated[str | None, SinceOption] = None,
    until: Annotated[str | None, UntilOption] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="print as CSV, safe to open in a spreadsheet")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="with --csv: cells exactly as they are in the lake")] = False,
    as_json: JsonOption = False,
) -> None:
    r"""Ask the lake in SQL: one query, or a shell.

    `sessions` and `views` have the latest revision only, `sessions_all` and `views_all` every one. A filter on
    `dt` or `retention` skips files. Needs DuckDB: pip install 'replaylake\[sql]'.
    A control character in a value is printed as `\x1b`. In CSV a text that a spreadsheet would take for a formula has
    an apostrophe before it. With --raw neither is so.
    Example: replaylake sql "select app_id, count(*) from sessions group by 1" --lake ./demo-lake
    """
    if as_csv and as_json:
        raise ConfigurationError("sql: --csv or --json, not both")
    if raw and not as_csv:
        raise ConfigurationError("sql: --raw goes with --csv")
    settings = settings_with(lake)
    store = opened_lake(settings)
    with open_duck(store, _days(since, until), settings.tables.promoted()) as duck:
        csv_printer = _print_raw_csv if raw else _print_csv
        show = csv_printer if as_csv else _print_json if as_json else _print_table
        if query is None and sys.stdin.isatty():
            _shell(duck, show)
            return
        try:
            show(duck, duck.query(query if query is not None else sys.stdin.read()))
        except duck.Error as error:
            raise CommandFailed(printable_lines(error)) from error


def _days(since: str | None, until: str | None) -> Days | None:
    for option, day in (("--since", since), ("--until", until)):
        try:
            date.fromisoformat(day or _LAST_DAY)
        except ValueError:
            raise ConfigurationError(f"{option}: {day!r} is not a day like 2026-01-31") from None
    return (since or "", until or _LAST_DAY) if since or until else None


def _shell(duck: Duck, show: Any) -> None:  # noqa: ANN401 - one of the three below
    """A statement ends with `;`. Each sees the lake as it is then."""
    print(f"Tables: {', '.join(sorted([*TABLES, 'sessions_all', 'views_all']))}. End with Ctrl-D.")
    lines: list[str] = []
    while True:
        try:
            lines.append(input("lake> " if not lines else "  ... "))
        except KeyboardInterrupt:
            lines = []
            print()
            continue
        except EOFError:
            print()
            return
        statement = "\n".join(lines).strip()
        if not statement.endswith(";"):
            lines = lines if statement else []
            continue
        lines = []
        try:
            duck.refresh()
            show(duck, duck.query(statement))
        except duck.Error as error:
            print(printable_lines(error), file=sys.stderr)


def _print_table(duck: Duck, rows: Any) -> None:  # noqa: ANN401 - an Arrow table; pyarrow has no types
    if not rows.num_columns:
        return
    width, text = None if sys.stdout.isatty() else _WIDTH, io.StringIO()
    with contextlib.redirect_stdout(text):  # DuckDB escapes some control characters of values, not all
        duck.connection.from_arrow(rows).show(max_rows=_SHOWN_ROWS, max_width=width)
    print(printable_lines(text.getvalue()), end="")


def _print_json(_: Duck, rows: Any) -> None:  # noqa: ANN401
    print(json.dumps(rows.to_pylist(maps_as_pydicts="lossy"), default=_text))


def _print_csv(_: Duck, rows: Any) -> None:  # noqa: ANN401
    _write_csv(rows, _safe)


def _print_raw_csv(_: Duck, rows: Any) -> None:  # noqa: ANN401
    _write_csv(rows, _text)


def _write_csv(rows: Any, cell: Callable[[object], object]) -> None:  # noqa: ANN401
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([cell(name) for name in rows.column_names])
    for row in rows.to_pylist(maps_as_pydicts="lossy"):
        writer.writerow(
            [json.dumps(one, default=_text) if isinstance(one, dict | list) else cell(one) for one in row.values()]
        )


def _safe(value: object) -> object:
    """A cell that does nothing in a terminal or a spreadsheet. Numbers stay, also those that are text."""
    shown = _text(value)
    if not isinstance(shown, str):
        return shown
    is_formula = shown.startswith(_FORMULA_BEGINS) and not _NUMBER.fullmatch(shown)
    return ("'" if is_formula else "") + printable(shown)


def _text(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):  # what DuckDB makes of a sum of int64
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str | int | float | None) else str(value)
