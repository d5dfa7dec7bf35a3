"""Runs commands again and again, each in a process of its own, and counts how they end.

The processes are forks of one that has imported everything and run nothing, so that fifty cost what two starts do.
Reads a JSON list of argument lists from standard input; writes, for each, its exit codes and how often each came.
"""

import json
import os
import sys
from collections import Counter
from importlib import import_module

from flows.cli import main as cli
from flows.cli.commands import COMMANDS

_AT_ONCE = 3
_TIMES = int(sys.argv[1])


def main() -> None:
    for command in COMMANDS.values():
        import_module(f"flows.cli.{command.place.partition(':')[0]}")
    commands: list[list[str]] = json.load(sys.stdin)
    waiting = [number for number in range(len(commands)) for _ in range(_TIMES)]
    endings = [Counter[int]() for _ in commands]
    running: dict[int, int] = {}
    while waiting or running:
        while waiting and len(running) < _AT_ONCE:
            number = waiting.pop()
            running[_start(commands[number])] = number
        process_id, status = os.wait()
        endings[running.pop(process_id)][os.waitstatus_to_exitcode(status)] += 1
    json.dump([dict(ending) for ending in endings], sys.stdout)


def _start(arguments: list[str]) -> int:
    process_id = os.fork()
    if process_id == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.argv = ["replaylake", *arguments]
        cli.main()
    return process_id


if __name__ == "__main__":
    main()
