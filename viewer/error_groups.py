"""Errors by their fingerprint: how many, of how many sessions and users, since when, where, and one of them."""

from collections.abc import Sequence

import msgspec

from lake.block_files import Question
from schemas.units import US_PER_MS
from viewer.copied_groups import GROUP, CopiedGroups, Group, Numbers
from viewer.distinct import distinct_by_value
from viewer.explorer import milliseconds
from viewer.filters import BadRequest, Condition, Wanted, condition, microseconds
from viewer.leads import Row, leads
from viewer.line_copies import LineCopies
from viewer.line_copy import LineCopy
from viewer.line_explorer import AskLines, LineExplorer, used
from viewer.listed import LINES, WINDOW_HASH

SORTS = ("count", "sessions", "users", "first_ms", "last_ms")
_TREND = 24  # steps
_VALUES = 5  # of a group
_VALUES_OF = {"releases": "version", "browsers": "browser"}  # columns
_OF = LINES["errors"]
_GROUP_HASH = f"hash({', '.join(GROUP)})"
_DISTINCT = ("sessions", "users")
_DISTINCT_SQL = (
    f"count(DISTINCT {WINDOW_HASH}) AS sessions, count(DISTINCT hash(userid)) FILTER (userid IS NOT NULL) AS users,"
)
_DISTINCT_COLUMNS = ("session_id", "session_part", "userid")
_SAMPLE = ("app_id", "session_id", "session_part", "view_id", "error_id", "error_type", "error_message")


class ErrorGroups:
    """For any thread."""

    def __init__(self, lines: LineExplorer, copies: LineCopies) -> None:
        self._lines = lines
        self._copies = copies

    def page(self, wanted: Wanted, sort: str, limit: int) -> Row:
        """The first groups in an order (`-count`), and how many there are. Raises BadRequest, Busy, TooMuch."""
        name = sort.removeprefix("-")
        if name not in SORTS:
            raise BadRequest(f"groups are sorted by {', '.join(SORTS)}, not by {name[:80]!r}")

        def counted(copies: Sequence[LineCopy]) -> _Counted:
            return _in_copies(CopiedGroups(copies, wanted), wanted, name, limit, is_descending=sort.startswith("-"))

        with self._lines.question() as question:
            ask = self._lines.of(question, wanted, _OF)
            found = None if name in _DISTINCT else self._copies.counted(ask, wanted, counted)
            if found is None:
                found = _in_files(ask, wanted, name, limit, is_descending=sort.startswith("-"))
            samples = self._samples(question, wanted, found.rows) if found.rows else {}
        told = [(row, samples.get((row["app_id"], row["error_fingerprint"]))) for row in found.rows]
        groups = [_shown(row, wanted, own) for row, own in told if own]  # else erased between two statements
        return {
            "groups": groups,
            "total": found.total,
            "from_ms": found.first_us / US_PER_MS,
            "step_ms": found.step_us / US_PER_MS,
        }

    def _samples(self, question: Question, wanted: Wanted, found: Sequence[Numbers]) -> dict[Group, Numbers]:
        """The latest error of each group. Only files of these moments are looked into."""
        latest = [row["last_ms"] for row in found if row["last_ms"] is not None]
        within = wanted
        if len(latest) == len(found):
            first_ms, end_ms = min(latest) // US_PER_MS, max(latest) // US_PER_MS + 1
            within = msgspec.structs.replace(
                wanted,
                from_ms=first_ms if wanted.from_ms is None else max(first_ms, wanted.from_ms),
                to_ms=end_ms if wanted.to_ms is None else min(end_ms, wanted.to_ms),
            )
        moments = [f"time IN ({', '.join(['make_timestamptz(?)'] * len(latest))})"] if latest else []
        moments += ["time IS NULL"] if len(latest) < len(found) else []
        last = _of_groups(condition(within, _OF), found).also(" OR ".join(moments), *latest)
        names = ", ".join(f"'{name}': {name}" for name in _SAMPLE)
        samples = self._lines.of(question, within, _OF)(  # of few rows: most columns of most row groups are not read
            f"""SELECT {", ".join(GROUP)},
            arg_max({{{names}, 'time': epoch_us(time)}},
                row(coalesce(epoch_us(time), 0), coalesce(error_id, ''), session_id)) AS sample
            FROM lines WHERE {last.sql} GROUP BY ALL""",
            last.params,
            [*used(within, _OF), *GROUP, *_SAMPLE, "time"],
        )
        return {(row["app_id"], row["error_fingerprint"]): row["sample"] for row in samples.to_pylist()}


class _Counted(msgspec.Struct, frozen=True):
    """Groups with their numbers and values, how many there are in all, and the trend's begin and step."""

    rows: Sequence[Numbers]
    total: int
    first_us: int
    step_us: int


def _in_copies(groups: CopiedGroups, wanted: Wanted, name: str, limit: int, *, is_descending: bool) -> _Counted:
    found, total = groups.page(name, limit, is_descending=is_descending)
    first, step = _steps(wanted, found)
    names = [(row["app_id"], row["error_fingerprint"]) for row in found]
    for row, trend in zip(found, groups.trend(names, first, step, _TREND), strict=True):
        row["trend"] = trend
    for shown, column in _VALUES_OF.items():
        for row, counts in zip(found, groups.values(names, column), strict=True):
            most = sorted(counts.items(), key=lambda one: (-one[1], one[0] is None, one[0] or ""))[:_VALUES]
            row[shown] = [{"value": value, "count": count} for value, count in most]
    return _Counted(found, total, first, step)


def _in_files(ask: AskLines, wanted: Wanted, name: str, limit: int, *, is_descending: bool) -> _Counted:
    """The same out of the files of the lake."""
    where = condition(wanted, _OF)
    is_sorted_by_both = name in _DISTINCT
    found = ask(
        f"""SELECT {", ".join(GROUP)}, {_GROUP_HASH} AS number, count(*) AS count,
        {_DISTINCT_SQL if is_sorted_by_both else ""}
        epoch_us(min(time)) AS first_ms, epoch_us(max(time)) AS last_ms,
        count(*) OVER () AS total FROM lines WHERE {where.sql} GROUP BY ALL
        ORDER BY {name} {"DESC" if is_descending else "ASC"} NULLS LAST, {", ".join(GROUP)} LIMIT {limit}""",
        where.params,
        [*used(wanted, _OF), *GROUP, *_DISTINCT_COLUMNS, "time"],
    ).to_pylist()
    first, step = _steps(wanted, found)
    if found:
        _add_details(ask, wanted, where, found, first, step)
        if not is_sorted_by_both:  # to tell them apart costs more than to count, so only for those shown
            _add_distinct(ask, wanted, where, found)
    return _Counted(found, found[0]["total"] if found else 0, first, step)


def _steps(wanted: Wanted, found: Sequence[Numbers]) -> tuple[int, int]:
    """Begin and length of a step of the trend, in us."""
    times = [row[name] for row in found for name in ("first_ms", "last_ms") if row[name] is not None] or [0]
    first = min(times) if wanted.from_ms is None else microseconds(wanted.from_ms)
    last = max(times) + 1 if wanted.to_ms is None else microseconds(wanted.to_ms)
    return first, max(US_PER_MS, -(-(last - first) // _TREND))


def _add_details(  # noqa: PLR0913 - what a trend is made of
    ask: AskLines, wanted: Wanted, where: Condition, found: Sequence[Numbers], first: int, step: int
) -> None:
    """Trend, releases and browsers of each group."""
    some = _of_groups(where, found)
    group = ", ".join(GROUP)
    counted = ask(
        f""", hit AS (SELECT {group}, version, browser,
            least(greatest((epoch_us(time)::HUGEINT - ?) // ?, 0), {_TREND - 1})::INTEGER AS step
            FROM lines WHERE {some.sql})
        SELECT {group}, GROUPING(version, browser, step) AS bits, version, browser, step, count(*) AS count FROM hit
        GROUP BY GROUPING SETS (({group}, version), ({group}, browser), ({group}, step))
        ORDER BY count DESC, version, browser""",
        (first, step, *some.params),
        [*used(wanted, _OF), *GROUP, *_VALUES_OF.values(), "time"],
    )
    details: dict[Group, Numbers] = {}
    for row in found:
        row |= {"trend": [0] * _TREND, **{shown: [] for shown in _VALUES_OF}}
        details[row["app_id"], row["error_fingerprint"]] = row
    for row in counted.to_pylist():
        own = details.get((row["app_id"], row["error_fingerprint"]))
        if own is None:
            continue  # the same fingerprint in another app
        if row["bits"] == 0b110:
            own["trend"][row["step"] or 0] += row["count"]
            continue
        shown = "releases" if row["bits"] == 0b011 else "browsers"
        if len(own[shown]) < _VALUES:
            own[shown].append({"value": row[_VALUES_OF[shown]], "count": row["count"]})


def _of_groups(where: Condition, found: Sequence[Numbers]) -> Condition:
    """Rows of some groups, and perhaps of the same fingerprints in other apps."""
    prints = [row["error_fingerprint"] or "" for row in found]
    return where.also("list_contains(?::VARCHAR[], coalesce(error_fingerprint, ''))", prints)


def _add_distinct(ask: AskLines, wanted: Wanted, where: Condition, found: Sequence[Numbers]) -> None:
    """How many sessions and users each group has."""
    some = _of_groups(where, found)
    rows = ask(
        f"""SELECT {_GROUP_HASH} AS number, {WINDOW_HASH} AS sessions,
        CASE WHEN userid IS NOT NULL THEN hash(userid) END AS users FROM lines WHERE {some.sql}""",
        some.params,
        [*used(wanted, _OF), *GROUP, *_DISTINCT_COLUMNS],
    )
    for name in _DISTINCT:
        known = rows.select(["number", name]).rename_columns(["group", "number"]).drop_null()
        counted = distinct_by_value(known.to_batches(), ["group"])
        for row in found:
            row[name] = counted.get(("group", row["number"]), 0)


def _shown(row: Numbers, wanted: Wanted, sample: Numbers) -> Row:
    sample = dict(sample)
    moment = sample.pop("time")
    said = {"app": [row["app_id"]], "is": [f"error_fingerprint:{row['error_fingerprint'] or ''}"]}
    return {
        "app_id": row["app_id"],
        "fingerprint": row["error_fingerprint"],
        "error_type": sample.pop("error_type"),
        "message": sample.pop("error_message"),
        **{name: row[name] for name in ("count", "sessions", "users")},
        **{name: None if row[name] is None else milliseconds(row[name]) for name in ("first_ms", "last_ms")},
        **{name: row[name] for name in ("trend", *_VALUES_OF)},
        "sample": sample | {"time": None if moment is None else milliseconds(moment)},
        **leads("errors", wanted, said),
    }
