"""The list of commands, and the group that imports one only when it is called: most of a short command is imports."""

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

_WRITING, _READING, _KEEPING = "Write a lake", "Read a lake", "Maintain a lake"


class Place(NamedTuple):
    """Where a command is (`module:attribute`), and what the list says of it: the first paragraph of its docstring."""

    place: str
    panel: str
    summary: str


# fmt: off
COMMANDS = {
    "demo": Place("demo:demo", _WRITING,
        "Everything at once on this machine: real broker and S3 server, real recordings, the streaming job."),
    "run": Place("run:run", _WRITING,
        "The streaming job: Kafka to lake, until stopped."),
    "intake": Place("intake:intake", _WRITING,
        "The HTTP service that SDKs send to: browsers to Kafka, until stopped. 2xx only once Kafka has it."),
    "backfill": Place("backfill:backfill", _WRITING,
        "Put capture files, or a range of the topics, into the lake with the operators of the job, then exit."),
    "sessions": Place("read:sessions", _READING,
        "List sessions, newest first."),
    "show": Place("read:show", _READING,
        "One session: summary, timeline of views, actions and errors, replay index."),
    "export": Place("read:export", _READING,
        "The replay as a JSON array of rrweb events, on standard output."),
    "serve": Place("serve:serve", _READING,
        "Session explorer, details and player for the browser, and the API behind them. Reads only."),
    "sql": Place("sql:sql", _READING,
        "Ask the lake in SQL: one query, or a shell."),
    "tables": Place("tables:tables", _READING,
        "The tables and their columns, or their definitions for other engines."),
    "verify": Place("verify:verify", _READING,
        "Read the whole lake back: checksums, index against bytes, counts, orphans. "
        "Exit code 1 if the lake is damaged."),
    "config": Place("config:config", _READING,
        "The effective settings, secrets hidden."),
    "erase": Place("erase:erase", _KEEPING,
        "Erase a session, a person or an app: tables, replays, packs, staging, quarantine, and what is still to come."),
    "compact": Place("compact:compact_command", _KEEPING,
        "Merge the small files of finished days, per class and table, into few large ones; drop superseded revisions."),
    "iceberg": Place("iceberg:app", _KEEPING,
        "The lake's files as Apache Iceberg tables: one state for every reader, superseded rows left out."),
    "retention": Place("retention:app", _KEEPING,
        "How long data lives. A class of N days means: gone at latest N + 2 days after the day it was received."),
    "sourcemaps": Place("sourcemaps:app", _KEEPING,
        "Source maps by app and release, so that `serve` shows stacks in the sources."),
}
# fmt: on


class ImportedWhenCalled(TyperGroup):
    """Its list has names and summaries alone; what is called is imported then."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - Typer's own
        super().__init__(**attributes)
        for name, place in COMMANDS.items():
            self.add_command(TyperCommand(name, help=place.summary, rich_help_panel=place.panel))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - of the click inside Typer, which has no public name
        """The command that the arguments name, and the arguments that are its own."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, imported(listed.name or "") if listed else None, rest


def imported(name: str) -> TyperCommand | TyperGroup:
    """A command of the list, with its options."""
    module, _, attribute = COMMANDS[name].place.partition(":")
    found = getattr(import_module(f"flows.cli.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        app = typer.Typer(add_completion=False)
        app.command(name)(found)
        found = app
    command = typer.main.get_command(found)
    if not isinstance(command, TyperCommand | TyperGroup):
        raise TypeError(f"{name}: Typer made a {type(command).__name__} of it")
    return command
