"""The command line: `replaylake COMMAND`. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.

The one place where errors become a line for a person, and where a command ends.
"""

import errno
import logging
import os
import sys
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from flows.cli.commands import ImportedWhenCalled
from flows.logs import say_error
from flows.stopping import Stopped
from schemas.errors import ReplayLakeError, causes

_HELP = """Session replay and RUM sessions from Kafka to a lake.

Start with `replaylake demo`, then `replaylake sessions --lake demo-lake`.
"""

app = typer.Typer(
    cls=ImportedWhenCalled,
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
_OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


def _print_version(is_asked: bool) -> None:  # noqa: FBT001 - how Typer calls it
    if is_asked:
        print(f"replaylake {version('replaylake')}")
        raise typer.Exit


@app.callback()
def _replaylake(
    _version: Annotated[
        bool, typer.Option("--version", help="print the version and exit", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """The console script. It ends the process itself: see `_end`."""
    _end(_exit_code())


def _exit_code() -> int:
    try:
        app()
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):
            return 0  # the reader of a pipe has seen enough
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException as error:  # noqa: BLE001 - a panic of the engine is no Exception; it is shown whole
        return _told(error)
    return 0


def _told(error: BaseException) -> int:
    """Say what went wrong, in a line where it is known, and the exit code for it."""
    for cause in causes(error):
        if isinstance(cause, Stopped):
            return 0
        if isinstance(cause, ReplayLakeError):
            say_error(str(cause))
            return cause.exit_code
    for cause in causes(error):
        if isinstance(cause, OSError) and (cause.filename or cause.errno in _OF_THE_MACHINE):
            place = f": {cause.filename}" if cause.filename else ""
            say_error(f"{cause.strerror}{place}")
            return 1
    sys.excepthook(type(error), error, error.__traceback__)
    return 1


def _end(code: int) -> NoReturn:
    """Flush, and leave without taking the interpreter apart.

    Threads of Arrow's pool may still be letting go of a scan then, and one that meets a finalizing Python aborts the
    process, whatever the command did. Nothing is left to do: files, locks and temporary folders end with their blocks.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            pass
        except OSError as error:
            code = code or 1
            if stream is sys.stdout:
                say_error(f"standard output: {error.strerror}")
    logging.shutdown()
    os._exit(code)


if __name__ == "__main__":
    main()
