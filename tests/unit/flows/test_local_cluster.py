"""Processes of a cluster: what one says goes on as it is, and why it ended is said once, by the one that started it."""

import json
import subprocess
import sys

import pytest

from flows.local_cluster import Member, ProcessDied, _check
from flows.logs import error_said
from flows.settings import ConfigurationError


def _member(said: list[str], code: int) -> Member:
    script = f"import sys; [print(line, file=sys.stderr) for line in {said!r}]; sys.exit({code})"
    member = Member(subprocess.Popen([sys.executable, "-S", "-c", script], stderr=subprocess.PIPE))
    member.process.wait()
    return member


def test_lines_go_on_but_for_the_last_words(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    member = _member(["2026-11-28 INFO reading", "error: kafka.topics: no topic 'x'", "a trace"], 1)
    assert member.last_words() == "kafka.topics: no topic 'x'"
    assert capfdbinary.readouterr().err == b"2026-11-28 INFO reading\na trace\n"


def test_the_process_that_says_why_is_named() -> None:
    members = [_member([], 1), _member(["error: lake /x: full"], 1)]
    with pytest.raises(ProcessDied, match=r"^process 1 of 2: lake /x: full$"):
        _check(members, (0,))
    with pytest.raises(ProcessDied, match=r"^process 0 of 1 ended with code 7"):
        _check([_member([], 7)], (0,))


def test_a_wrong_configuration_is_that_of_all() -> None:
    with pytest.raises(ConfigurationError, match=r"^kafka\.client: no such option$"):
        _check([_member(["error: kafka.client: no such option"], 2)], (0,))
    _check([_member([], 0)], (0,))


def test_last_words_are_read_from_text_and_json() -> None:
    assert error_said(b"error: a\n") == "a"
    assert error_said(json.dumps({"level": "ERROR", "message": "error: b"}).encode()) == "b"
    for other in (b"", b"{", b"[1]", b'{"message": "reading"}', b'{"message": null}', b"2026 ERROR error: c", b"\xff"):
        assert error_said(other) == ""
