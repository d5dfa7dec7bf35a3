"""The state of an application in one answer: who came, how fast it was, what went wrong, and by what it differs.

The filter is applied to the rows of each table, so it may name only columns that sessions, views, errors and resources
all have; then every number is what its own list counts (`viewer.leads`).
"""

from collections.abc import Mapping, Sequence

import msgspec

from schemas.units import NS_PER_MS
from viewer.error_groups import ErrorGroups
from viewer.filters import CUSTOM, BadRequest, Wanted, condition
from viewer.leads import Row, leads
from viewer.line_explorer import LineExplorer, used
from viewer.listed import LINES, SESSIONS
from viewer.session_index import SessionIndex

BREAKDOWNS = ("version", "browser", "country", "device")
_TABLES = ("views", "errors", "resources")
_SLOWEST = 10
_SHARE_LEAST = 1000  # a page or resource counts as slow when it is at least so small a part of all


class _Vital(msgspec.Struct, frozen=True):
    """A web vital: its column, how many of its units are one step, and its bounds of good and poor in steps.

    A value counts for the step that it does not exceed, so a bound is met exactly.
    """

    name: str
    column: str
    unit: str
    step: float
    good: int
    poor: int

    def value(self, steps: int) -> float:
        return steps if self.unit == "ms" else steps * self.step

    def said(self, rating: str) -> dict[str, list[str]]:
        """The filter of a rating."""
        good, poor = (f"{bound * self.step:.15g}" for bound in (self.good, self.poor))
        return {
            "good": {"between": [f"{self.column}:0,{good}"]},
            "middle": {"gt": [f"{self.column}:{good}"], "between": [f"{self.column}:0,{poor}"]},
            "poor": {"gt": [f"{self.column}:{poor}"]},
        }[rating]


VITALS = (
    _Vital("lcp", "largest_contentful_paint", "ms", NS_PER_MS, 2500, 4000),
    _Vital("inp", "interaction_to_next_paint", "ms", NS_PER_MS, 200, 500),
    _Vital("cls", "cumulative_layout_shift", "ratio", 0.001, 100, 250),
)
_OF_SESSIONS = ("sessions", "visitors", "bounced", "bounce_known", "with_errors")
_BY: Sequence[tuple[str, ...]] = ((), *((name,) for name in BREAKDOWNS))


class _Counts(msgspec.Struct, frozen=True):
    """Views, those that have the vital by rating, and the step that three of four of these do not exceed."""

    views: int = 0
    p75: int | None = None
    good: int = 0
    middle: int = 0
    poor: int = 0


_Vitals = Mapping[tuple[str, str, object], _Counts]  # by vital, breakdown and value


class Overview:
    """For any thread."""

    def __init__(self, index: SessionIndex, lines: LineExplorer, groups: ErrorGroups) -> None:
        self._index = index
        self._lines = lines
        self._groups = groups

    def of(self, wanted: Wanted, top: int) -> Row:
        """The answer; `top`: values of a breakdown. Raises BadRequest, Busy, TooMuch, LakeRestless."""
        _check(wanted)
        sessions, vitals = self._sessions(wanted), self._vitals(wanted)
        views = {(by, value): found.views for (vital, by, value), found in vitals.items() if vital == VITALS[0].name}
        for name, counts in (("views", views), ("errors", self._errors(wanted))):
            for place, number in counts.items():
                sessions.setdefault(place, _nothing())[name] = number
        everything = sessions.get(("", None), _nothing())
        errors = self._groups.page(wanted, "-count", _SLOWEST)
        return {
            **_numbers(everything, wanted),
            "vitals": [_vital(vital, vitals.get((vital.name, "", None), _Counts()), wanted) for vital in VITALS],
            "top_errors": errors["groups"],
            "error_groups": errors["total"],
            "slowest_pages": self._slowest(wanted, "views", ["view_path_group"], "loading_time"),
            "slowest_resources": self._slowest(
                wanted, "resources", ["resource_url_host", "resource_url_path_group"], "duration"
            ),
            "breakdowns": {name: _breakdown(name, sessions, vitals, wanted, top) for name in BREAKDOWNS},
        }

    def _sessions(self, wanted: Wanted) -> dict[tuple[str, object], dict[str, int]]:
        where = condition(wanted)
        names = ", ".join(BREAKDOWNS)
        sets = ", ".join(f"({name})" for name in BREAKDOWNS)
        found = self._index.ask(
            f"""SELECT GROUPING({names}), {names}, count(*), count(DISTINCT userid), count(*) FILTER (is_bounce),
            count(is_bounce), count(*) FILTER (session_error_count > 0)
            FROM sessions WHERE {where.sql} GROUP BY GROUPING SETS ((), {sets})""",
            where.params,
            where.sets,
        )
        return {
            _set_of(int(str(bits)), values[: len(BREAKDOWNS)]): _nothing()
            | dict(zip(_OF_SESSIONS, (int(str(one)) for one in values[len(BREAKDOWNS) :]), strict=True))
            for bits, *values in found
        }

    def _errors(self, wanted: Wanted) -> dict[tuple[str, object], int]:
        of = LINES["errors"]
        where = condition(wanted, of)
        names = ", ".join(BREAKDOWNS)
        sets = ", ".join(f"({name})" for name in BREAKDOWNS)
        with self._lines.asking(wanted, of) as ask:
            found = ask(
                f"""SELECT GROUPING({names}) AS bits, {names}, count(*) AS count
                FROM lines WHERE {where.sql} GROUP BY GROUPING SETS ((), {sets})""",
                where.params,
                [*used(wanted, of), *BREAKDOWNS],
            )
        return {_set_of(row["bits"], [row[name] for name in BREAKDOWNS]): row["count"] for row in found.to_pylist()}

    def _vitals(self, wanted: Wanted) -> _Vitals:
        """All in one pass: rows are counted by step, and what is asked for is made of these counts."""
        of = LINES["views"]
        where = condition(wanted, of)
        names, vitals = ", ".join(BREAKDOWNS), ", ".join(vital.name for vital in VITALS)
        steps = ", ".join(f"ceil({vital.column} / {vital.step})::BIGINT AS {vital.name}" for vital in VITALS)
        sets = ", ".join(f"({', '.join((vital.name, *by))})" for vital in VITALS for by in _BY)
        good, fair = (
            " OR ".join(f"{vital.name} <= {bound}" for vital, bound in zip(VITALS, bounds, strict=True))
            for bounds in zip(*((vital.good, vital.poor) for vital in VITALS), strict=True)
        )
        with self._lines.asking(wanted, of) as ask:
            found = ask(
                f""", hit AS NOT MATERIALIZED (SELECT {names}, {steps} FROM lines WHERE {where.sql}),
                counted AS (
                    SELECT GROUPING({vitals}, {names}) AS bits, {names}, {vitals}, coalesce({vitals}) AS step,
                        count(*) AS count
                    FROM hit GROUP BY GROUPING SETS ({sets})
                ), summed AS (
                    SELECT *, sum(count) OVER (PARTITION BY bits, {names} ORDER BY step NULLS LAST) AS until,
                        sum(count) FILTER (step IS NOT NULL) OVER (PARTITION BY bits, {names}) AS known
                    FROM counted
                )
                SELECT bits, {names}, sum(count)::BIGINT AS views, coalesce(max(known), 0)::BIGINT AS known,
                    min(step) FILTER (until * 4 >= known * 3) AS p75,
                    coalesce(sum(count) FILTER ({good}), 0)::BIGINT AS good,
                    coalesce(sum(count) FILTER ({fair}), 0)::BIGINT AS fair
                FROM summed GROUP BY ALL""",
                where.params,
                [*used(wanted, of), *BREAKDOWNS, *(vital.column for vital in VITALS)],
            )
        vital_of = {2 ** len(VITALS) - 1 - 2 ** (len(VITALS) - 1 - place): one.name for place, one in enumerate(VITALS)}
        return {
            (vital_of[row["bits"] >> len(BREAKDOWNS)], *_set_of(row["bits"], [row[name] for name in BREAKDOWNS])):
            _Counts(row["views"], row["p75"], row["good"], row["fair"] - row["good"], row["known"] - row["fair"])
            for row in found.to_pylist()
        }  # fmt: skip

    def _slowest(self, wanted: Wanted, table: str, group: Sequence[str], column: str) -> list[Row]:
        of = LINES[table]
        where = condition(wanted, of).also(f"{column} IS NOT NULL AND {group[-1]} IS NOT NULL")
        with self._lines.asking(wanted, of) as ask:
            found = ask(
                f"""SELECT {", ".join(group)}, count(*) AS count, quantile_disc({column}, 0.75) AS p75,
                sum(count(*)) OVER () AS every FROM lines WHERE {where.sql} GROUP BY {", ".join(group)}
                QUALIFY count(*) * {_SHARE_LEAST} >= every ORDER BY p75 DESC, {", ".join(group)} LIMIT {_SLOWEST}""",
                where.params,
                [*used(wanted, of), *group, column],
            )
        return [
            {
                "value": "".join(row[name] or "" for name in group),
                "count": row["count"],
                "p75_ns": row["p75"],
                **leads(table, wanted, {"is": [f"{name}:{row[name] or ''}" for name in group], "not": [f"{column}:"]}),
            }
            for row in found.to_pylist()
        ]


def _check(wanted: Wanted) -> None:
    for pair in (*wanted.is_, *wanted.not_, *wanted.gt, *wanted.lt, *wanted.between):
        name = pair.partition(":")[0]
        lacking = [table for table in _TABLES if name not in LINES[table].columns]
        if not name.startswith(CUSTOM) and (name not in SESSIONS.columns or lacking):
            raise BadRequest(f"the overview is of sessions, views, errors and resources: not all have {name[:80]!r}")


def _nothing() -> dict[str, int]:
    return dict.fromkeys((*_OF_SESSIONS, "views", "errors"), 0)


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


def _vital(vital: _Vital, found: _Counts, wanted: Wanted, more: dict[str, list[str]] | None = None) -> Row:
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


def _breakdown(
    name: str, sessions: Mapping[tuple[str, object], dict[str, int]], vitals: _Vitals, wanted: Wanted, top: int
) -> list[Row]:
    rows = [(value, found) for (which, value), found in sessions.items() if which == name]
    rows.sort(key=lambda row: (-row[1]["sessions"], str(row[0])))
    return [
        {
            "value": value,
            **_numbers(found, wanted, said := {"is": [f"{name}:{'' if value is None else value}"]}),
            "vitals": [
                _vital(vital, vitals.get((vital.name, name, value), _Counts()), wanted, said) for vital in VITALS
            ],
        }
        for value, found in rows[:top]
    ]


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None
