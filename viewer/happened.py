"""Which sessions something happened in: `table.column:value`, answered by the lines of the days of the sessions."""

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec
import pyarrow as pa

from schemas.units import MIB, MS_PER_DAY, US_PER_MS
from viewer.filters import BadRequest, Condition, SessionSet, Wanted, condition
from viewer.line_explorer import LineExplorer, used
from viewer.listed import LINES, WINDOW_HASH, Listed
from viewer.session_index import SessionIndex
from viewer.shared_cache import SharedCache

_KEPT_BYTES = 64 * MIB
_DAYS_MAX = 4_000
_EPOCH = date(1970, 1, 1)
_US_PER_DAY = MS_PER_DAY * US_PER_MS
_SIGNS = ":><"

_Key = tuple[str, str, str, frozenset[str]]  # table, condition, its parameters, files


class Event(msgspec.Struct, frozen=True):
    """What may have happened: rows of a table, and the filter that they fulfil."""

    of: Listed
    wanted: Wanted


def event(text: str, apps: frozenset[str] | None, app: str | None) -> Event:
    """Of `table.column:value`, or with `>` or `<` for numbers and times. Raises BadRequest."""
    table, dot, rest = text.partition(".")
    sign = next((one for one in rest if one in _SIGNS), "")
    if table not in LINES or not dot or not sign:
        raise BadRequest(f"{text[:80]!r} is not table.column:value")
    name, _, value = rest.partition(sign)
    pair = (f"{name}:{value}",)
    match sign:
        case ":":
            wanted = Wanted(apps, app, is_=pair)
        case ">":
            wanted = Wanted(apps, app, gt=pair)
        case _:
            wanted = Wanted(apps, app, lt=pair)
    condition(wanted, LINES[table])
    return Event(LINES[table], wanted)


class Happened:
    """Finds the windows, for any thread. What was asked last is kept as long as the files are the same."""

    def __init__(self, index: SessionIndex, lines: LineExplorer) -> None:
        self._index = index
        self._lines = lines
        self._kept = SharedCache[_Key, pa.Table](_KEPT_BYTES, lambda table: int(table.nbytes))

    def resolved(self, wanted: Wanted, has: Sequence[str], has_not: Sequence[str]) -> Wanted:
        """The filter with the windows in which all of `has` and nothing of `has_not` happened.

        Raises BadRequest, Busy, TooMuch, LakeRestless.
        """
        asked = [
            (event(text, wanted.apps, wanted.app), is_absent)
            for texts, is_absent in ((has, False), (has_not, True))
            for text in texts
        ]
        condition(wanted)
        days = self._days(wanted) if asked else frozenset()
        sets = [
            SessionSet(f"happened_{number}", self._windows(one, days), is_absent=is_absent)
            for number, (one, is_absent) in enumerate(asked)
        ]
        return msgspec.structs.replace(wanted, happened=tuple(sets))

    def _windows(self, one: Event, days: frozenset[str]) -> pa.Table:
        where = condition(one.wanted, one.of)
        with self._lines.asking(one.wanted, one.of, days) as ask:
            key = one.of.table, where.sql, repr(where.params), ask.file_names()
            sql = f"SELECT DISTINCT {WINDOW_HASH} AS window_hash FROM lines WHERE {where.sql}"
            columns = [*used(one.wanted, one.of), "app_id", "session_id", "session_part"]
            return self._kept.get(key, lambda: ask(sql, where.params, columns))

    def _days(self, wanted: Wanted) -> frozenset[str]:
        """UTC days on which something was received of the sessions that fulfil the rest of the filter."""
        where: Condition = condition(wanted)
        found = self._index.ask(
            f"""SELECT DISTINCT received_start // {_US_PER_DAY}, received_end // {_US_PER_DAY}
            FROM sessions WHERE {where.sql}""",
            where.params,
        )
        spans = ((int(str(first)), int(str(last))) for first, last in found)
        numbers = {number for first, last in spans for number in range(first, min(last, first + _DAYS_MAX) + 1)}
        return frozenset((_EPOCH + timedelta(days=number)).isoformat() for number in numbers)
