"""The command line: `replaylake COMMAND`. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration."""

import sys

import typer

from flows.commands_compact import compact_command
from flows.commands_erase import erase
from flows.commands_intake import intake
from flows.commands_job import CommandFailed, backfill, demo, run
from flows.commands_read import config, export, sessions, show, verify
from flows.commands_retention import app as retention
from flows.commands_serve import serve
from flows.commands_sql import sql
from flows.commands_tables import tables
from flows.demo import DemoFailed
from flows.server_process import ServerError
from flows.settings import ConfigurationError
from sinks.store import StoreError

_HELP = """Session replay and RUM sessions from Kafka to a lake.

Start with `replaylake demo`, then `replaylake sessions --lake demo-lake`.
"""

app = typer.Typer(
    help=_HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich"
)
_WRITING, _READING, _KEEPING = "Write a lake", "Read a lake", "Keep a lake"
for writing in (demo, run, intake, backfill):
    app.command(rich_help_panel=_WRITING)(writing)
for reading in (sessions, show, export, serve, sql, tables, verify, config):
    app.command(rich_help_panel=_READING)(reading)
app.command(rich_help_panel=_KEEPING)(erase)
app.command("compact", rich_help_panel=_KEEPING)(compact_command)
app.add_typer(retention, name="retention", rich_help_panel=_KEEPING)


def main() -> None:
    """The console script."""
    try:
        app()
    except ConfigurationError as error:
        _fail(error, 2)
    except (CommandFailed, DemoFailed, ServerError, StoreError) as error:
        _fail(error, 1)
    except BrokenPipeError:
        sys.exit(0)  # the reader of a pipe has seen enough


def _fail(error: Exception, code: int) -> None:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
