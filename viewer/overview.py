"""The state of an application in one answer: who came, how fast it was, what went wrong, and by what it differs.

The filter is applied to the rows of each table, so it may name only columns that sessions, views, errors and resources
all have; then every number is what its own list counts (`viewer.leads`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import pyarrow as pa

from schemas.units import NS_PER_MS
from sinks.parallel import in_parallel
from viewer.copied_counts import Slow, by_value, slowest, tallied
from viewer.distinct import distinct_by_value
from viewer.error_groups import ErrorGroups
from viewer.filters import CUSTOM, BadRequest, Wanted, condition
from viewer.leads import Row, leads
from viewer.line_copies import LineCopies
from viewer.line_copy import BREAKDOWNS, FILTERED, steps_sql
from viewer.line_explorer import LineExplorer, used
from viewer.listed import LINES, SESSIONS, Listed
from viewer.session_index import SessionIndex
from viewer.vitals import VITALS, Place, Vital, VitalCounts, VitalTally

_TABLES = ("views", "errors", "resources")
_SLOWEST = 10
_SHARE_LEAST = 1000  # a page or resource counts as slow when it is at least so small a part of all


_OF_SESSIONS = ("sessions", "bounced", "bounce_known", "with_errors")
_Counts = Mapping[tuple[str, object], dict[str, int]]  # by breakdown and value; all are of "" and None


class Overview:
    """For any thread."""

    def __init__(self, index: SessionIndex, lines: LineExplorer, groups: ErrorGroups, copies: LineCopies) -> None:
        self._index = index
        self._lines = lines
        self._groups = groups
        self._copies = copies

    def of(self, wanted: Wanted, top: int) -> Row:
        """The answer; `top`: values of a breakdown. Raises BadRequest, Busy, TooMuch, LakeRestless."""
        _check(wanted)

        def told(part: Callable[[], Row]) -> Row:
            return part()

        # About as much work each.
        halves = (lambda: self._numbers(wanted, top), lambda: self._errors(wanted) | self._slow(wanted))
        parts = in_parallel(told, halves)
        return {name: value for _, part in parts for name, value in part.items()}

    def _numbers(self, wanted: Wanted, top: int) -> Row:
        counts = self._sessions(wanted)
        for name in ("views", "errors"):
            for place, number in self._lines_by_value(wanted, LINES[name]).items():
                counts.setdefault(place, _nothing())[name] = number
        shown = {name: _shown(name, counts, top) for name in BREAKDOWNS}
        vitals = self._vitals(wanted, shown)
        return {
            **_numbers(counts.get(("", None), _nothing()), wanted),
            "vitals": [_vital(vital, vitals[vital.name, "", None], wanted) for vital in VITALS],
            "breakdowns": {name: _breakdown(name, shown[name], counts, vitals, wanted) for name in BREAKDOWNS},
        }

    def _errors(self, wanted: Wanted) -> Row:
        errors = self._groups.page(wanted, "-count", _SLOWEST)
        return {"top_errors": errors["groups"], "error_groups": errors["total"]}

    def _slow(self, wanted: Wanted) -> Row:
        return {
            "slowest_pages": self._slowest(wanted, "views", ["view_path_group"], "loading_time"),
            "slowest_resources": self._slowest(
                wanted, "resources", ["resource_url_host", "resource_url_path_group"], "duration"
            ),
        }

    def _sessions(self, wanted: Wanted) -> dict[tuple[str, object], dict[str, int]]:
        where = condition(wanted)
        names = ", ".join(BREAKDOWNS)
        sets = ", ".join(f"({name})" for name in BREAKDOWNS)
        hashes = ", ".join(f"hash({name}) AS {name}" for name in BREAKDOWNS)
        with self._index.snapshot(where.sets) as ask:
            found = ask(
                f"""SELECT GROUPING({names}), count(*), count(*) FILTER (is_bounce), count(is_bounce),
                count(*) FILTER (session_error_count > 0), {names}, {", ".join(f"hash({name})" for name in BREAKDOWNS)}
                FROM sessions WHERE {where.sql} GROUP BY GROUPING SETS ((), {sets})""",
                where.params,
            )
            visitors = ask.in_batches(
                f"SELECT hash(userid) AS number, {hashes} FROM sessions WHERE ({where.sql}) AND userid IS NOT NULL",
                where.params,
                lambda batches: distinct_by_value(batches, BREAKDOWNS),
            )
        counts = {}
        for bits, *row in found:
            numbers, values = row[: len(_OF_SESSIONS)], row[len(_OF_SESSIONS) :]
            place = _set_of(int(str(bits)), values[: len(BREAKDOWNS)])
            hashed = _set_of(int(str(bits)), values[len(BREAKDOWNS) :])
            counts[place] = _nothing() | dict(zip(_OF_SESSIONS, (int(str(one)) for one in numbers), strict=True))
            counts[place]["visitors"] = visitors.get(hashed, 0)
        return counts

    def _lines_by_value(self, wanted: Wanted, of: Listed) -> dict[tuple[str, object], int]:
        where = condition(wanted, of)
        names = ", ".join(BREAKDOWNS)
        sets = ", ".join(f"({name})" for name in BREAKDOWNS)
        with self._lines.asking(wanted, of) as ask:
            copied = self._copies.counted(ask, wanted, lambda copies: by_value(copies, wanted, BREAKDOWNS), FILTERED)
            if copied is not None:
                return copied
            found = ask(
                f"""SELECT GROUPING({names}) AS bits, {names}, count(*) AS count
                FROM lines WHERE {where.sql} GROUP BY GROUPING SETS ((), {sets})""",
                where.params,
                [*used(wanted, of), *BREAKDOWNS],
            )
        return {_set_of(row["bits"], [row[name] for name in BREAKDOWNS]): row["count"] for row in found.to_pylist()}

    def _vitals(self, wanted: Wanted, shown: Mapping[str, Sequence[str | None]]) -> dict[Place, VitalCounts]:
        of = LINES["views"]
        where = condition(wanted, of)

        def of_rows(batches: Iterable[pa.RecordBatch]) -> dict[Place, VitalCounts]:
            counts = VitalTally(shown)
            counts.add_rows(batches)
            return counts.found()

        with self._lines.asking(wanted, of) as ask:
            copied = self._copies.counted(ask, wanted, lambda copies: tallied(copies, wanted, shown), FILTERED)
            if copied is not None:
                return copied
            empty = VitalTally(shown)
            return ask.in_batches(
                f"SELECT {empty.sql} FROM lines WHERE {where.sql}",
                [*empty.params, *where.params],
                [*used(wanted, of), *BREAKDOWNS, *(vital.column for vital in VITALS)],
                of_rows,
            )

    def _slowest(self, wanted: Wanted, table: str, group: Sequence[str], column: str) -> list[Row]:
        """Groups of rows by what three of four of them do not exceed, to a ms."""
        of = LINES[table]
        where = condition(wanted, of).also(f"{column} IS NOT NULL AND {group[-1]} IS NOT NULL")
        with self._lines.asking(wanted, of) as ask:
            found = self._copies.counted(
                ask, wanted, lambda copies: slowest(copies, wanted, group, column, _SHARE_LEAST), FILTERED
            )
            if found is None:
                rows = ask(
                    f"""SELECT {", ".join(group)}, count(*) AS count,
                    quantile_disc({steps_sql(column, NS_PER_MS)}, 0.75) AS p75, sum(count(*)) OVER () AS every
                    FROM lines WHERE {where.sql} GROUP BY {", ".join(group)}
                    QUALIFY count(*) * {_SHARE_LEAST} >= every
                    ORDER BY p75 DESC, {", ".join(group)} LIMIT {_SLOWEST}""",
                    where.params,
                    [*used(wanted, of), *group, column],
                )
                found = [Slow(tuple(row[name] for name in group), row["count"], row["p75"]) for row in rows.to_pylist()]
        return [
            {
                "value": "".join(value or "" for value in one.group),
                "count": one.count,
                "p75_ns": one.p75 * NS_PER_MS,
                **leads(
                    table,
                    wanted,
                    {
                        "is": [f"{name}:{value or ''}" for name, value in zip(group, one.group, strict=True)],
                        "not": [f"{column}:"],
                    },
                ),
            }
            for one in found[:_SLOWEST]
        ]


def _check(wanted: Wanted) -> None:
    for pair in (*wanted.is_, *wanted.not_, *wanted.gt, *wanted.lt, *wanted.between):
        name = pair.partition(":")[0]
        lacking = [table for table in _TABLES if name not in LINES[table].columns]
        if not name.startswith(CUSTOM) and (name not in SESSIONS.columns or lacking):
            raise BadRequest(f"the overview is of sessions, views, errors and resources: not all have {name[:80]!r}")


def _nothing() -> dict[str, int]:
    return dict.fromkeys((*_OF_SESSIONS, "visitors", "views", "errors"), 0)


def _set_of(bits: int, values: Sequence[object]) -> tuple[str, object]:
    """Of which breakdown a row is, and of which value; "" is all."""
    for place, name in enumerate(BREAKDOWNS):
        if not bits >> (len(BREAKDOWNS) - 1 - place) & 1:
            return name, values[place]
    return "", None


def _numbers(found: Mapping[str, int], wanted: Wanted, more: dict[str, list[str]] | None = None) -> Row:
    """Numbers of some sessions. `more`: what is said of them beside the filter."""

    def counted(value: int, route: str, **said: list[str]) -> Row:
        every = {name: [*(more or {}).get(name, []), *said.get(name, [])] for name in {*(more or {}), *said}}
        return {"value": value, **leads(route, wanted, every)}

    return {
        "visitors": counted(found["visitors"], "sessions"),
        "sessions": counted(found["sessions"], "sessions"),
        "views": counted(found["views"], "views"),
        "errors": counted(found["errors"], "errors"),
        "bounce": counted(found["bounced"], "sessions", **{"is": ["is_bounce:true"]})
        | {"rate": _rate(found["bounced"], found["bounce_known"])},
        "sessions_with_errors": counted(found["with_errors"], "sessions", gt=["session_error_count:0"])
        | {"rate": _rate(found["with_errors"], found["sessions"])},
    }


def _vital(vital: Vital, found: VitalCounts, wanted: Wanted, more: dict[str, list[str]] | None = None) -> Row:
    ratings = {"good": found.good, "middle": found.middle, "poor": found.poor}
    count = sum(ratings.values())
    shares = []
    for rating, number in ratings.items():
        said = vital.said(rating)
        every = {name: [*(more or {}).get(name, []), *said.get(name, [])] for name in {*(more or {}), *said}}
        shares.append(
            {"rating": rating, "count": number, "share": _rate(number, count), **leads("views", wanted, every)}
        )
    p75 = None if found.p75 is None else vital.value(found.p75)
    return {"name": vital.name, "unit": vital.unit, "p75": p75, "count": count, "shares": shares}


def _shown(name: str, counts: _Counts, top: int) -> list[str | None]:
    """Values of a breakdown, that with most sessions first."""
    values = [value for which, value in counts if which == name]
    values.sort(key=lambda value: (-counts[name, value]["sessions"], str(value)))
    return [None if value is None else str(value) for value in values[:top]]


def _breakdown(
    name: str,
    shown: Sequence[str | None],
    counts: _Counts,
    vitals: Mapping[Place, VitalCounts],
    wanted: Wanted,
) -> list[Row]:
    return [
        {
            "value": value,
            **_numbers(counts[name, value], wanted, said := {"is": [f"{name}:{'' if value is None else value}"]}),
            "vitals": [_vital(vital, vitals[vital.name, name, value], wanted, said) for vital in VITALS],
        }
        for value in shown
    ]


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None
