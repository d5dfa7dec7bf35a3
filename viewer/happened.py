"""Which sessions something happened in, answered by the lines of the days of the sessions: `table.column:value`, and
words of free text.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec
import pyarrow as pa

from schemas.units import MIB, MS_PER_DAY, US_PER_MS
from viewer.filters import BadRequest, Condition, SessionSet, TextSets, Wanted, condition, has_word
from viewer.found_windows import FoundWindows, InCopy
from viewer.line_copies import LineCopies
from viewer.line_copy import can_be_asked
from viewer.line_explorer import LineExplorer, used
from viewer.listed import HAPPENED, LINES, Listed
from viewer.session_index import SessionIndex

_FOUND_BYTES = 128 * MIB  # 8 for each window in which something happened
_DAYS_MAX = 4_000
_EPOCH = date(1970, 1, 1)
_US_PER_DAY = MS_PER_DAY * US_PER_MS
_SIGNS = ":><"


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
    """Finds the windows, for any thread."""

    def __init__(self, index: SessionIndex, lines: LineExplorer, copies: LineCopies) -> None:
        self._index = index
        self._lines = lines
        self._windows = FoundWindows(copies)

    def resolved(self, wanted: Wanted, has: Sequence[str] = (), has_not: Sequence[str] = ()) -> Wanted:
        """The filter of sessions with the windows in which all of `has` and nothing of `has_not` happened, and for each
        word of the free text those in which something happened that has it.

        Raises BadRequest, Busy, TooMuch, LakeRestless.
        """
        asked = [
            (event(text, wanted.apps, wanted.app), is_absent)
            for texts, is_absent in ((has, False), (has_not, True))
            for text in texts
        ]
        condition(wanted)
        words = wanted.words
        if not asked and not words:
            return wanted
        days = self._days(msgspec.structs.replace(wanted, text=""))
        left_bytes = _FOUND_BYTES
        sets = []
        for number, (one, is_absent) in enumerate(asked):
            windows = self._where(one, days, left_bytes)
            left_bytes -= windows.nbytes
            sets.append(SessionSet(f"happened_{number}", windows, is_absent=is_absent))
        texts = self._texts(Wanted(wanted.apps, wanted.app), words, days, left_bytes) if words else None
        return msgspec.structs.replace(wanted, happened=sets, texts=texts)

    def _where(self, one: Event, days: frozenset[str], limit_bytes: int) -> pa.Table:
        among = Wanted(one.wanted.apps, one.wanted.app)
        own = msgspec.structs.replace(one.wanted, apps=None, app=None)
        with self._lines.asking(among, one.of, days) as ask:
            conditions, columns = [condition(own, one.of)], used(one.wanted, one.of)
            in_copy = [_rows_in_copies(one.wanted)] if can_be_asked(one.of.table, one.wanted) else []
            found = self._windows.look(ask, condition(among), conditions, columns, limit_bytes, in_copy)
        if found.trouble is not None:
            raise found.trouble
        return found.windows[0]

    def _texts(self, among: Wanted, words: Sequence[str], days: frozenset[str], limit_bytes: int) -> TextSets:
        """Tables that have least to read come first, should there be no time for all."""
        found: list[list[pa.Table]] = [[] for _ in words]
        is_whole = True
        with self._lines.question() as question:
            for table, columns in HAPPENED.items():
                ask = self._lines.of(question, among, LINES[table], days)
                conditions = [has_word(columns, word) for word in words]
                in_copy = [in_copies(columns, word, among) for word in words]
                own = ["app_id", *columns]
                looked = self._windows.look(ask, condition(among), conditions, own, limit_bytes, in_copy)
                limit_bytes -= looked.nbytes
                is_whole &= looked.trouble is None
                for windows, more in zip(found, looked.windows, strict=True):
                    windows.append(more)
        sets = (SessionSet(f"text_{n}", pa.concat_tables(one), is_absent=False) for n, one in enumerate(found))
        return TextSets(list(sets), is_whole=is_whole)

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


def _rows_in_copies(wanted: Wanted) -> InCopy:
    return lambda copy: copy.windows(copy.rows(wanted))


def in_copies(columns: Sequence[str], word: str, among: Wanted) -> InCopy:
    """Windows of a copy that have the word in one of the columns, in a row of the wanted apps."""
    apps = among.apps if among.app is None else frozenset({among.app})
    return lambda copy: copy.windows_with(columns, word, apps)
