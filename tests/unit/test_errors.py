"""The tree of errors: everything of ours hangs in it, and the command line says it in one line."""

import errno
import importlib
import pkgutil
from types import ModuleType

import pytest

import flows
import intake
import lake
import operators
import schemas
import sinks
import viewer
from flows.cli import main as cli
from flows.settings import ConfigurationError
from flows.stopping import Stopped
from schemas.blob import BlobFormatError
from schemas.errors import ReplayLakeError, causes

# Values of a protocol inside one room, or answers to a request; none of them leaves a command.
_INSIDE = {
    "BadPerson",
    "BadRequest",
    "BadSignIn",
    "Missing",
    "NotAllowed",
    "NotKnown",
    "Refused",
    "NoRecords",
    "_TooLarge",
    "ShapeError",
    "Stopped",
    "UnknownEncoding",
    "Unmaskable",
    "UnreadRows",
    "Unreadable",
    "Unusable",
}


def _errors_of(package: ModuleType) -> set[type[BaseException]]:
    found: set[type[BaseException]] = set()
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for one in vars(importlib.import_module(module.name)).values():
            if isinstance(one, type) and issubclass(one, BaseException) and one.__module__ == module.name:
                found.add(one)
    return found


@pytest.mark.parametrize("package", [flows, intake, lake, operators, schemas, sinks, viewer])
def test_every_error_of_ours_is_in_the_tree(package: ModuleType) -> None:
    errors = _errors_of(package)
    assert {one.__name__ for one in errors if not issubclass(one, ReplayLakeError)} <= _INSIDE


def test_causes_go_from_the_outermost_inwards() -> None:
    root = ValueError("root")
    middle = ReplayLakeError("what a person can do")
    middle.__cause__ = root
    outer = RuntimeError("(src/worker.rs:147:18) error unbuilding flow")
    outer.__cause__ = middle
    assert list(causes(outer)) == [outer, middle, root]


def test_the_outermost_words_of_ours_are_said_and_the_engine_s_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    careful = ConfigurationError("kafka.bootstrap: no answer from h:1")
    careful.__cause__ = BlobFormatError("a detail")
    wrapped = RuntimeError("(src/worker.rs:147:18) error building flow")
    wrapped.__cause__ = careful
    assert cli._told(wrapped) == 2
    assert capsys.readouterr().err == "error: kafka.bootstrap: no answer from h:1\n"


def test_a_line_of_an_error_is_one_line_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._told(ReplayLakeError("no session '\x1b[2J\x07'\n  in the lake\u202e")) == 1
    assert capsys.readouterr().err == "error: no session '\\x1b[2J\\x07' in the lake\\u202e\n"


def test_what_the_machine_refuses_is_one_line_with_the_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._told(OSError(errno.ENOSPC, "No space left on device", "/mnt/receipt.json")) == 1
    assert capsys.readouterr().err == "error: No space left on device: /mnt/receipt.json\n"


def test_a_stop_before_the_begin_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    wrapped = RuntimeError("engine")
    wrapped.__cause__ = Stopped("stopped before the broker answered")
    assert cli._told(wrapped) == 0
    assert capsys.readouterr().err == ""


def test_what_is_not_known_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._told(ZeroDivisionError("a bug")) == 1
    assert "ZeroDivisionError: a bug" in capsys.readouterr().err
