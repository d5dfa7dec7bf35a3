"""A command begins fast: it imports what it needs, and the list of commands imports none of them."""

import inspect
import subprocess
import sys
from importlib import import_module

import pytest
import typer

from flows.cli.commands import COMMANDS

_STORE = {"aiobotocore", "aiohttp", "botocore", "fsspec", "s3fs"}  # of S3; a local lake needs none
_JOB = {"bytewax", "confluent_kafka"}
_SERVER = {"fastapi", "starlette", "uvicorn"}
_EXTRAS = {"duckdb", "pandas", "pyarrow.dataset", "pyiceberg", "sqlalchemy"}
_READING = _STORE | _JOB | _SERVER | _EXTRAS
_TELLING = {*_READING, "pyarrow", "pydantic", "flows.settings"}
UNNEEDED = {  # by command, what is slow to import and of no use to it
    "--version": _TELLING,
    "--help": _TELLING,
    "run": _STORE | _SERVER | _EXTRAS | {"pyarrow.compute"},
    "backfill": _STORE | _SERVER | _EXTRAS,
    "intake": _STORE | _EXTRAS | {"bytewax"},
    **dict.fromkeys(("sessions", "show", "export", "verify", "config", "tables"), _READING),
    **dict.fromkeys(("retention", "iceberg", "compact"), _READING),
    "erase": _STORE | _SERVER | _EXTRAS,
    "serve": _READING,  # imports the service once it is sure that it may start
}


@pytest.mark.parametrize("command", UNNEEDED)
def test_a_command_imports_nothing_that_it_does_not_need(command: str) -> None:
    arguments = [command] if command.startswith("--") else [command, "--help"]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "flows.cli", *arguments], capture_output=True, text=True, check=True
    )
    lines = done.stderr.splitlines()
    loaded = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    assert "flows.cli.main" in loaded
    assert not UNNEEDED[command] & loaded


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_the_command_says_of_itself(name: str) -> None:
    module, _, attribute = COMMANDS[name].place.partition(":")
    found = getattr(import_module(f"flows.cli.{module}"), attribute)
    said = found.info.help if isinstance(found, typer.Typer) else inspect.getdoc(found)
    assert (said or "").split("\n\n")[0].replace("\n", " ") == COMMANDS[name].summary
