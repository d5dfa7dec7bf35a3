"""What the job says on standard error: text for people or one JSON object a line. Never content of sessions."""

import json
import logging
import re
import sys
from collections.abc import Callable

from pythonjsonlogger.json import JsonFormatter

LOGGER = "replaylake"
_ERROR = "error: "
_AGAIN_SECONDS = 60.0
_TEXTS_MAX = 1000
_VARIES = re.compile(r"\[rdkafka#[^\]]*\]|\[thrd:[^\]]*\]|\d+ms\b|, \d+ identical error\(s\) suppressed")


def say_error(text: str) -> None:
    """The last line of a command that failed, in the format of the log."""
    line = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in " ".join(text.split()))
    if any(isinstance(one.formatter, JsonFormatter) for one in logging.getLogger().handlers):
        logging.getLogger(LOGGER).error("%s%s", _ERROR, line)
    else:
        sys.stderr.write(f"{_ERROR}{line}\n")


def error_said(line: bytes) -> str:
    """What another process of ours said with `say_error`; "" for any other line."""
    text = line.decode(errors="replace").strip()
    if text.startswith("{"):
        try:
            text = str(json.loads(text).get("message", ""))
        except ValueError:
            return ""
    return text.removeprefix(_ERROR) if text.startswith(_ERROR) else ""


class BrokerLines(logging.Filter):
    """Lets a text of librdkafka through once a minute: it says again 20 times a second that a broker is away.

    What changes from line to line (the client, its threads, milliseconds) makes no other text.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now, text = self._clock(), _VARIES.sub("", record.getMessage())
        if now - self._said.get(text, -_AGAIN_SECONDS) < _AGAIN_SECONDS:
            return False
        if len(self._said) >= _TEXTS_MAX:
            self._said = {known: at for known, at in self._said.items() if now - at < _AGAIN_SECONDS}
        if len(self._said) < _TEXTS_MAX:
            self._said[text] = now
        return True
