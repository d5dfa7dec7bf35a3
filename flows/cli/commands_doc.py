"""Writes docs/commands.md from the commands themselves: `python -m flows.cli.commands_doc > docs/commands.md`."""

import sys
from collections.abc import Iterator
from enum import Enum
from typing import Any

from typer.core import TyperCommand, TyperGroup

from flows.cli.commands import COMMANDS, imported

_HEAD = """\
# Commands

Made from the commands by `python -m flows.cli.commands_doc`; do not edit. `replaylake COMMAND --help` says the same.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration. Without `--lake` the [setting](settings.md) `lake` counts.
"""


def commands_markdown() -> str:
    """The whole page."""
    found = [one for name in COMMANDS for one in _commands(imported(name), f"replaylake {name}")]
    return _HEAD + "".join(_section(path, command) for path, command in found)


def _commands(command: object, path: str) -> Iterator[tuple[str, TyperCommand]]:
    if isinstance(command, TyperGroup):
        for name, child in command.commands.items():
            yield from _commands(child, f"{path} {name}")
    elif isinstance(command, TyperCommand):
        yield path, command


def _section(path: str, command: TyperCommand) -> str:
    arguments = "".join(f" {one.name.upper()}" for one in command.params if one.param_type_name == "argument")
    text, _, example = (command.help or "").replace("\\[", "[").partition("Example: ")
    shown = f"\n`{' '.join(example.split())}`\n" if example else ""
    table = "".join(_row(option) for option in command.params if option.param_type_name == "option")
    head = "\n| option | meaning | default |\n| --- | --- | --- |\n" if table else ""
    return f"\n## {path}{arguments}\n\n{' '.join(text.split())}\n{shown}{head}{table}"


def _row(option: Any) -> str:  # noqa: ANN401 - Typer's options are those of the click inside it, which has no public name
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    default = option.default.value if isinstance(option.default, Enum) else option.default
    shown = "" if default in (None, False, [], ()) else f"`{default}`"
    return f"| {names} | {(option.help or '').replace('|', chr(92) + '|')} | {shown} |\n"


if __name__ == "__main__":
    sys.stdout.write(commands_markdown())
