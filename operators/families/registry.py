"""The families of SDKs: the one list, and who is meant by a number, a name, a type of message or a path."""

import re

from operators.families.datadog.family import DATADOG
from operators.families.family import Family
from operators.families.guance.family import GUANCE
from operators.families.posthog.family import POSTHOG
from operators.families.sentry.family import SENTRY
from operators.rows.values import LineRow

# In the order in which they are asked whose a message is: rrweb takes any JSON, so it is the last.
FAMILIES: tuple[Family, ...] = (GUANCE, DATADOG, SENTRY, POSTHOG)

ROUTES = {path: kind for family in FAMILIES for path, kind in family.routes.items()}
_PATTERNS = [
    (re.compile(re.escape(path).replace(r"\*", "[^/]+")), kind) for path, kind in ROUTES.items() if "*" in path
]
_BY_NUMBER = {int(family.number): family for family in FAMILIES}
_BY_NAME = {family.name: family for family in FAMILIES}
_BY_KIND = {kind: family for family in FAMILIES for kind in family.kinds}


def family_of(number: int) -> Family:
    """The family of an item, by `Item.family`."""
    return _BY_NUMBER[number]


def family_named(name: str) -> Family | None:
    """The family of a blob or a row; None for one that this release does not know."""
    return _BY_NAME.get(name)


def family_of_kind(kind: str | None) -> Family | None:
    """The family that decodes a type of message; None for an unknown one."""
    return _BY_KIND.get(kind or "")


def kind_of_path(path: str) -> str | None:
    """The type of what is sent to a path, which has no slash at its end; None where no SDK sends anything."""
    kind = ROUTES.get(path)
    if kind is not None:
        return kind
    return next((kind for pattern, kind in _PATTERNS if pattern.fullmatch(path)), None)


def line_row(number: int, body: bytes) -> LineRow:
    """The row of a line: the columns it fills, typed, and `custom` with all else that it says.

    `body` is one JSON object as in `Item.body`, `number` its `Item.family`. An attribute of a wrong type costs nobody
    but itself: it goes to `custom` as text. Raises ValueError only for what is no line: no JSON object, nested beyond
    the interpreter's depth, or of an unknown measurement or event type.
    """
    try:
        return _BY_NUMBER[number].line_row(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
