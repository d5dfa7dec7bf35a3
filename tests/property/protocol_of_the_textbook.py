"""Line protocol as the Guance SDK writes it: rows of `measurement,tag=value field=value,field=value time`.

It is not one row per line: quoted values hold raw newlines. Tags escape `,` `=` and space with a backslash, quoted
values escape `"` and `\\`. Numbers come without the `i` suffix, which is accepted. A bad row costs that row only: the
next one begins at the next line that starts like a row.
"""

import re
from collections.abc import Iterator

from operators.wire.unusable import Unusable
from schemas.items import RejectReason

Value = str | float | int | bool
Row = tuple[str, dict[str, str], dict[str, Value], float | None]  # measurement, tags, fields, time in ms

_BREAKS = re.compile(r"[\r\n]*+")
_HEAD = re.compile(r"((?:[^\\ \n]|\\.)++) ")
_MEASUREMENT = re.compile(r"(?:[^\\,]|\\.)*+")
_TAG = re.compile(r",((?:[^\\=,]|\\.)++)=((?:[^\\,]|\\.)*+)")
_FIELD = re.compile(r'((?:[^\\=, \n"]|\\.)++)=("(?:[^"\\]|\\[\s\S])*+"|[^",\s]++)(,| |\n|\Z)')
_TIME = re.compile(r"([^\n ]*+) *+(\n|\Z)")
_NEXT_ROW = re.compile(r"\n(?=(?:view|action|error|resource|long_task|telemetry)[, ])")
_TAG_ESCAPE = re.compile(r"\\([,= ])")
_TEXT_ESCAPE = re.compile(r'\\(["\\])')
_IDS = re.compile(rb",(app_id|session_id)=((?:[^\\, \n]|\\.)*+)")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WORDS: dict[str, Value] = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), False),
}
_INT_MAX = 1 << 63


def parse_rows(text: str, row_length: int) -> Iterator[tuple[str, Row | Unusable]]:
    """(text of the row, row or why it is none) for each row. `row_length`: the most characters that one may have."""
    position = _after_breaks(text, 0)
    while position < len(text):
        try:
            row, end = _row(text, position, position + row_length)
            yield text[position:end], row
        except Unusable as refusal:
            found = _NEXT_ROW.search(text, position)
            end = found.end() if found else len(text)
            yield text[position:end], refusal
        position = _after_breaks(text, end)


def only_session(body: bytes) -> tuple[str, str] | None:
    """(app_id, session_id) of every row that has any, found without parsing; None when there may be several.

    It sees at least every tag of these names: a tag follows a comma, and its name has one spelling. What else looks
    like one, inside a text, can only make it say None.
    """
    found = set(_IDS.findall(body))
    if len(found) != 2:
        return None
    (name, app_id), (other, session_id) = sorted(found)
    if name == other or not app_id or not session_id or b"\\" in app_id + session_id:
        return None
    return app_id.decode(errors="replace"), session_id.decode(errors="replace")


def _after_breaks(text: str, position: int) -> int:
    found = _BREAKS.match(text, position)
    return found.end() if found else position


def _row(text: str, start: int, limit: int) -> tuple[Row, int]:
    head = _HEAD.match(text, start)
    if head is None:
        raise _malformed("no space after the tags")
    if head.end() > limit:
        raise _too_long()
    fields: dict[str, Value] = {}
    position, mark = head.end(), ","
    while mark == ",":
        found = _FIELD.match(text, position)
        if found is None:
            raise _malformed(f"no field at {text[position : position + 40]!r}")
        key, value, mark = found.groups()
        position = found.end()
        if position > limit:
            raise _too_long()
        fields[_plain(key)] = _value(value)
    time_ms = None
    if mark == " ":
        stamp = _TIME.match(text, position)
        if stamp is None:
            raise _malformed(f"no time at {text[position : position + 40]!r}")
        time_ms, position = _stamp(stamp[1]), stamp.end()
    measurement, tags = _tags(head[1])
    return (measurement, tags, fields, time_ms), position


def _tags(head: str) -> tuple[str, dict[str, str]]:
    name = _MEASUREMENT.match(head)
    end = name.end() if name else 0
    tags: dict[str, str] = {}
    position = end
    for found in _TAG.finditer(head, end):
        if found.start() != position:
            break
        tags[_plain(found[1])] = _plain(found[2])
        position = found.end()
    if position != len(head):
        raise _malformed(f"no tag at {head[position : position + 40]!r}")
    return _plain(head[:end]), tags


def _plain(text: str) -> str:
    return _TAG_ESCAPE.sub(r"\1", text) if "\\" in text else text


def _value(text: str) -> Value:
    if text[0] == '"':
        inner = text[1:-1]
        return _TEXT_ESCAPE.sub(r"\1", inner) if "\\" in inner else inner
    word = _WORDS.get(text)
    if word is not None:
        return word
    number = text[:-1] if text[-1] in "iu" else text
    if not _NUMBER.fullmatch(number):
        if text.lstrip("+-").lower() in {"nan", "inf", "infinity"}:
            return text  # no number JSON knows: kept as text, for the custom column
        raise _malformed(f"value {text[:40]!r}")
    if number.lstrip("+-").isdigit() and len(number) < 20:
        whole = int(number)
        return whole if -_INT_MAX <= whole < _INT_MAX else float(whole)
    return float(number)


def _stamp(text: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise Unusable(RejectReason.INVALID_TIME, f"time {text[:40]!r}") from None


def _malformed(detail: str) -> Unusable:
    return Unusable(RejectReason.MALFORMED_LINE_PROTOCOL, detail)


def _too_long() -> Unusable:
    return Unusable(RejectReason.TOO_LARGE, "a row longer than the limit on lines")
