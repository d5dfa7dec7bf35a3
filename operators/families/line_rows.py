"""One RUM line, in any family's dialect, as a row of its table."""

from collections.abc import Callable

from operators.families.datadog.rows import datadog_row
from operators.families.guance.rows import guance_row
from operators.families.posthog.rows import posthog_row
from operators.rows.values import LineRow
from schemas.items import Family

_READERS: dict[int, Callable[[bytes], LineRow]] = {
    Family.GUANCE: guance_row,
    Family.DATADOG: datadog_row,
    Family.RRWEB: posthog_row,
}


def line_row(family: int, body: bytes) -> LineRow:
    """The row of a line: the columns it fills, typed, and `custom` with all else that it says.

    `body` is one JSON object as in `Item.body`. An attribute of a wrong type costs nobody but itself: it goes to
    `custom` as text. Raises ValueError only for what is no line: no JSON object, nested beyond the interpreter's depth,
    or of an unknown measurement or event type.
    """
    try:
        return _READERS[family](body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
