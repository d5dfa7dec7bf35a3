"""What datakit-js writes: its escape functions and the order of a row, character by character as in its source."""

import json
import re
from collections.abc import Mapping, Sequence

Scalar = str | int | float | bool
Sent = tuple[str, Mapping[str, str], Mapping[str, Scalar], int]  # measurement, tags, fields, time

# `\s` of a JavaScript regular expression.
WHITE_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_ESCAPED = re.compile(f'[{WHITE_SPACE}=,"]')


def escape_row_data(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\\" + found[0], text)


def escape_field_value_str(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def escape_row_field(value: Scalar) -> str:
    if isinstance(value, str):
        return escape_field_value_str(value)
    return json.dumps(value)  # numbers and booleans look alike in JavaScript


def row(sent: Sent) -> str:
    """As line protocol. Tags that are empty are left out."""
    measurement, tags, fields, time = sent
    head = ",".join(f"{escape_row_data(key)}={escape_row_data(value)}" for key, value in tags.items() if value)
    body = ",".join(f"{escape_row_data(key)}={escape_row_field(value)}" for key, value in fields.items())
    return f"{measurement},{head} {body} {time}"


def as_json(rows: Sequence[Sent]) -> str:
    """As `sendContentTypeByJson` has it."""
    return json.dumps([{"tags": t, "fields": f, "measurement": m, "time": at} for m, t, f, at in rows])
