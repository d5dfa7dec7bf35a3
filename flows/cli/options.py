"""What several commands share: options, settings with the flags over them, the lake they open."""

from collections.abc import Mapping
from typing import Annotated

import typer

from flows.settings import Settings, load_settings
from schemas.errors import ReplayLakeError
from sinks.open_store import open_lake
from sinks.store import ObjectStore

LakeOption = Annotated[str | None, typer.Option("--lake", help="local path or s3://bucket/prefix", metavar="URI")]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON for machines")]


class CommandFailed(ReplayLakeError):
    """The command cannot be done; the message is one line that says what to do."""


def settings_with(lake: str | None, **sections: dict[str, object]) -> Settings:
    """The settings with the command's flags over them; flags that were not given are left out."""
    flags: dict[str, object] = {"lake": lake} if lake is not None else {}
    base = load_settings(**flags)
    given = {
        name: {key: value for key, value in section.items() if value is not None} for name, section in sections.items()
    }
    merged = {name: getattr(base, name).model_dump() | section for name, section in given.items() if section}
    return load_settings(**flags, **merged) if merged else base


def opened_lake(settings: Settings) -> ObjectStore:
    """The lake that a command reads or keeps. Raises NoLake."""
    return open_lake(settings.lake, settings.s3.storage_options())


def as_arguments(flags: Mapping[str, object]) -> list[str]:
    """Flags as they are written on a command line; those that were not given are left out."""
    found = []
    for name, value in flags.items():
        values = value if isinstance(value, list) else [] if value is None else [value]
        for one in values:
            found += [f"--{name}", str(one)]
    return found
