"""A stack as browsers and SDKs write it, as frames. Pure.

at name (https://host/app.js:1:2345)      Chrome, Edge; also `at https://host/app.js:1:2345`
at name @ https://host/app.js:1:2345      Guance, Datadog
name@https://host/app.js:1:2345           Firefox, Safari
"""

import re
from urllib.parse import unquote, urlsplit

import msgspec

FRAMES_MAX = 50
_LINE_MAX = 1000
_SAFE_NUMBER = 9  # digits of a line or column
# The name is taken apart from the place by hand: two open ends in one pattern would be tried against each other.
_PLACE = re.compile(rf"(\S+?):(\d{{1,{_SAFE_NUMBER}}})(?::(\d{{1,{_SAFE_NUMBER}}}))?\)?\s*\Z")
_NAMELESS = {"", "?", "<anonymous>", "anonymous", "Object.<anonymous>"}


class Frame(msgspec.Struct, frozen=True):
    """A line of a stack. `line` and `column` count from 1; 0: not told. `text`: the line as it stands."""

    text: str
    function: str
    file: str
    line: int
    column: int

    @property
    def path(self) -> str:
        """The path of the script on its site, decoded; "" where the file is not an address."""
        try:
            parts = urlsplit(self.file)
        except ValueError:
            return ""
        return unquote(parts.path).lstrip("/") if parts.scheme in {"http", "https"} else ""


def frames(stack: str) -> list[Frame]:
    """The frames of a stack, the innermost first; lines that are none (the message) are left out."""
    found = []
    for line in stack.split("\n"):
        frame = _frame(line) if len(line) <= _LINE_MAX else None
        if frame is not None:
            found.append(frame)
        if len(found) == FRAMES_MAX:
            break
    return found


def _frame(line: str) -> Frame | None:
    text = line.strip()
    is_chrome = text.startswith("at ")
    name, place = _halves(text.removeprefix("at ").strip(), is_chrome=is_chrome)
    found = _PLACE.match(place)
    if found is None:
        return None
    function = name.removeprefix("async ").removeprefix("new ").strip()
    return Frame(text, "" if function in _NAMELESS else function, found[1], int(found[2]), int(found[3] or 0))


def _halves(text: str, *, is_chrome: bool) -> tuple[str, str]:
    """The name and the place of a frame."""
    for between in (" @ ", " (") if is_chrome else ("@",):
        name, found, place = text.rpartition(between)
        if found:
            return name.strip(), place.strip()
    return ("", text) if is_chrome else ("", "")
