r"""Line protocol as the Guance SDK writes it: rows of `measurement,tag=value field=value,field=value time`.

The grammar is the inverse of the SDK's own writer (`escapeRowData`, `escapeFieldValueStr` in datakit-js), which differs
from the protocol's text book:

- Tags and keys have a backslash before every white space of JavaScript, comma, equals sign and quotation mark. Line
  breaks among them do not end the row. The backslash itself is not escaped: before anything else it is text.
- Texts of fields stand in quotation marks, hold raw line breaks, and escape `"` and `\`.
- Numbers come without the `i` suffix, which is accepted. Rows end in LF or CRLF, with or without a time.

A bad row costs that row only: the next one begins at the next line that starts like a row.
"""

import re
from collections.abc import Iterator

from operators.native import LEAF
from operators.wire.unusable import Unusable
from schemas.items import LINE_TABLE, RejectReason

Value = str | float | int | bool
Row = tuple[str, dict[str, str], dict[str, Value], float | None]  # measurement, tags, fields, time as written

TELEMETRY = "telemetry"  # what the SDK tells its makers about itself
_MEASUREMENTS = "|".join([*(kind.name.lower() for kind in LINE_TABLE), TELEMETRY])

# JavaScript's `\s`, which is not Python's.
_SPACES = "\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_ESCAPED = rf'[{_SPACES}=,"]'
# Where a tag's value ends in a backslash, what separates it from the next looks escaped. But inside of a value no
# equals sign stands bare, so a name with one behind it tells. Likewise for keys, by the value behind the equals sign.
# Python before 3.11.5 matches a possessive `(?:…)?+` wrongly where a look-ahead in it goes back: `(?>…|)` is the same.
_IN_VALUE = rf"\\(?>(?![, ][\w.$-]++=){_ESCAPED}|)"
_IN_KEY = rf'\\(?>(?!=(?:"|[^\\=,\s"]*+(?:[, \r\n]|\Z))){_ESCAPED}|)'
_TAG_KEY = rf"(?=[^=])[^\\=, \n]*+(?:{_IN_KEY}[^\\=, \n]*+)*+"
_TAG_VALUE = rf"[^\\, \n]*+(?:{_IN_VALUE}[^\\, \n]*+)*+"
_FIELD_KEY = rf'(?=[^=])[^\\=, \n"]*+(?:{_IN_KEY}[^\\=, \n"]*+)*+'
_TEXT = r'[^"\\]*+(?:\\[\s\S][^"\\]*+)*+'
_BARE = r'[^",\s]++'
_FIELD = rf'{_FIELD_KEY}=(?:"{_TEXT}"|{_BARE})'
_HEAD = rf"(?=[^ ]){_TAG_VALUE}(?:,{_TAG_KEY}={_TAG_VALUE})*+"

_ROW = re.compile(rf"({_HEAD}) ({_FIELD}(?:,{_FIELD})*+)(?: ([^\r\n ]*+) *+)?+(?:\r?\n|\r?\Z)")
_TAGS = re.compile(rf"({_TAG_VALUE})((?:,{_TAG_KEY}={_TAG_VALUE})*+)")
_TAG = re.compile(rf",({_TAG_KEY})=({_TAG_VALUE})")
_FIELDS = re.compile(rf'({_FIELD_KEY})=(?:"({_TEXT})"|({_BARE}))')
_ESCAPE = re.compile(rf"\\(?={_ESCAPED})")
_TEXT_ESCAPE = re.compile(r'\\(["\\])')
_BEFORE_DEFECT = re.compile(rf"{_HEAD} (?:{_FIELD},)*+(?>{_FIELD}(?= )|)")

_BREAKS = re.compile(r"[\r\n]*+")
_NEXT_ROW = re.compile(rf"\n(?=(?:{_MEASUREMENTS})[, ])")
_ID = re.compile(rb"[^\\, \n]*+")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WORDS: dict[str, Value] = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), False),
}
_INT_MAX = 1 << 63
_INT_DIGITS = 18  # so many always fit


def parse_rows(text: str, row_length: int) -> Iterator[tuple[str, Row | Unusable]]:
    """(text of the row, row or why it is none) for each row. `row_length`: the most characters that one may have."""
    position = _after_breaks(text, 0)
    while position < len(text):
        found = _ROW.match(text, position)
        row: Row | Unusable
        if found is None:
            row = _malformed(_defect(text, position))
            following = _NEXT_ROW.search(text, position)
            end = following.end() if following else len(text)
        else:
            end = found.end()
            try:
                row = _row(found) if end - position <= row_length else _too_long()
            except Unusable as refusal:
                row = refusal
        yield text[position:end], row
        position = _after_breaks(text, end)


def only_session(body: bytes) -> tuple[str, str] | None:
    """(app_id, session_id) of every row that has any, found without parsing; None when there may be several.

    It sees at least every tag of these names: a tag follows a comma, and its name has one spelling. What else looks
    like one, inside a text, can only make it say None.
    """
    if LEAF is not None:
        found: tuple[str, str] | None = LEAF.module.only_session(body)
        if found is not None:
            return found
    app_id = _only_value(body, b",app_id=")
    session_id = app_id and _only_value(body, b",session_id=")
    return (app_id.decode(errors="replace"), session_id.decode(errors="replace")) if session_id else None


def _only_value(body: bytes, name: bytes) -> bytes:
    """What stands behind each place of a name; empty where that differs, or has an escape."""
    _, *parts = body.split(name)
    found = _ID.match(parts[0]) if parts else None
    value = found[0] if found else b""
    ends = (value + b",", value + b" ", value + b"\n")
    return value if all(part.startswith(ends) or part == value for part in parts) else b""


def _after_breaks(text: str, position: int) -> int:
    found = _BREAKS.match(text, position)
    return found.end() if found else position


def _row(found: re.Match[str]) -> Row:
    head, section, stamp = found.groups()
    measurement, tags = _tags(head)
    fields: dict[str, Value] = {}
    for key, text, bare in _FIELDS.findall(section):
        if "\\" in key:
            key = _ESCAPE.sub("", key)  # noqa: PLW2901 - the same key
        if not bare:
            fields[key] = _TEXT_ESCAPE.sub(r"\1", text) if "\\\\" in text else text.replace('\\"', '"')
        elif bare.isdecimal() and len(bare) <= _INT_DIGITS:
            fields[key] = int(bare)
        else:
            fields[key] = _value(bare)
    return measurement, tags, fields, _stamp(stamp) if stamp else None


def _tags(head: str) -> tuple[str, dict[str, str]]:
    """(measurement, tags). Most rows can be split at commas, which is quicker; the grammar says the same of them."""
    measurement, *pairs = head.split(",")
    try:
        tags = dict([pair.split("=", 1) for pair in pairs])
    except ValueError:  # no equals sign: an escaped comma, or a bad row
        return _tags_by_grammar(head)
    if "" in tags or "\\" in measurement:
        return _tags_by_grammar(head)
    if "\\" in head:
        if "\\," in head or "\\" in "".join(tags):
            return _tags_by_grammar(head)
        for key, value in tags.items():
            if "\\" in value:
                tags[key] = _ESCAPE.sub("", value)
    return measurement, tags


def _tags_by_grammar(head: str) -> tuple[str, dict[str, str]]:
    found = _TAGS.fullmatch(head)
    if found is None:
        raise _malformed(f"no tags in {head[:40]!r}")
    measurement, tags = found.groups()
    pairs = _TAG.findall(tags)
    return _ESCAPE.sub("", measurement), {_ESCAPE.sub("", key): _ESCAPE.sub("", value) for key, value in pairs}


def _value(text: str) -> Value:
    """A value without quotation marks. What is no number is text: it costs its column, not its row."""
    word = _WORDS.get(text)
    if word is not None:
        return word
    number = text[:-1] if text[-1] in "iu" else text
    if not _NUMBER.fullmatch(number):
        return text
    if number.lstrip("+-").isdigit() and len(number) < 20:
        whole = int(number)
        return whole if -_INT_MAX <= whole < _INT_MAX else float(whole)
    return float(number)


def _stamp(text: str) -> float | None:
    """The time as a number; None for NaN, which the SDK writes where its page has no clock, as for no time."""
    try:
        stamp = float(text)
    except ValueError:
        raise Unusable(RejectReason.INVALID_TIME, f"time {text[:40]!r}") from None
    return stamp if stamp == stamp else None  # noqa: PLR0124 - NaN is the one number that is not itself


def _defect(text: str, start: int) -> str:
    found = _BEFORE_DEFECT.match(text, start)
    position = found.end() if found else start
    return f"no field or time at {text[position : position + 40]!r}" if found else "no space after the tags"


def _malformed(detail: str) -> Unusable:
    return Unusable(RejectReason.MALFORMED_LINE_PROTOCOL, detail)


def _too_long() -> Unusable:
    return Unusable(RejectReason.TOO_LARGE, "a row longer than the limit on lines")
