"""Errors by their fingerprint: how many, of how many sessions and users, since when, where, and one of them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from schemas.units import US_PER_MS
from viewer.distinct import distinct_by_value
from viewer.explorer import milliseconds
from viewer.filters import BadRequest, Condition, Wanted, condition, microseconds
from viewer.leads import Row, leads
from viewer.line_explorer import AskLines, LineExplorer, used
from viewer.listed import LINES, WINDOW_HASH

SORTS = ("count", "sessions", "users", "first_ms", "last_ms")
_TREND = 24  # steps
_VALUES = 5  # releases and browsers of a group
_OF = LINES["errors"]
_GROUP = ("app_id", "error_fingerprint")
_GROUP_HASH = f"hash({', '.join(_GROUP)})"
_DISTINCT = ("sessions", "users")
_DISTINCT_SQL = (
    f"count(DISTINCT {WINDOW_HASH}) AS sessions, count(DISTINCT hash(userid)) FILTER (userid IS NOT NULL) AS users,"
)
_DISTINCT_COLUMNS = ("session_id", "session_part", "userid")
_SAMPLE = ("app_id", "session_id", "session_part", "view_id", "error_id", "error_type", "error_message")


class ErrorGroups:
    """For any thread."""

    def __init__(self, lines: LineExplorer) -> None:
        self._lines = lines

    def page(self, wanted: Wanted, sort: str, limit: int) -> Row:
        """The first groups in an order (`-count`), and how many there are. Raises BadRequest, Busy, TooMuch."""
        name = sort.removeprefix("-")
        if name not in SORTS:
            raise BadRequest(f"groups are sorted by {', '.join(SORTS)}, not by {name[:80]!r}")
        where = condition(wanted, _OF)
        is_sorted_by_both = name in _DISTINCT
        with self._lines.asking(wanted, _OF) as ask:
            found = ask(
                f"""SELECT {", ".join(_GROUP)}, {_GROUP_HASH} AS number, count(*) AS count,
                {_DISTINCT_SQL if is_sorted_by_both else ""}
                epoch_us(min(time)) AS first_ms, epoch_us(max(time)) AS last_ms,
                count(*) OVER () AS total FROM lines WHERE {where.sql} GROUP BY ALL
                ORDER BY {name} {"DESC" if sort.startswith("-") else "ASC"} NULLS LAST, {", ".join(_GROUP)}
                LIMIT {limit}""",
                where.params,
                [*used(wanted, _OF), *_GROUP, *_DISTINCT_COLUMNS, "time"],
            ).to_pylist()
            first, step = _steps(wanted, found)
            details = _details(ask, wanted, where, found, first, step) if found else {}
            if found and not is_sorted_by_both:  # to tell them apart costs more than to count, so only for those shown
                _add_distinct(ask, wanted, where, found)
        told = [(row, details[row["app_id"], row["error_fingerprint"]]) for row in found]
        groups = [_shown(row, wanted, own) for row, own in told if own["sample"]]  # else erased between two statements
        total = found[0]["total"] if found else 0
        return {"groups": groups, "total": total, "from_ms": first / US_PER_MS, "step_ms": step / US_PER_MS}


def _steps(wanted: Wanted, found: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Begin and length of a step of the trend, in us."""
    times = [row[name] for row in found for name in ("first_ms", "last_ms") if row[name] is not None] or [0]
    first = min(times) if wanted.from_ms is None else microseconds(wanted.from_ms)
    last = max(times) + 1 if wanted.to_ms is None else microseconds(wanted.to_ms)
    return first, max(US_PER_MS, -(-(last - first) // _TREND))


def _details(  # noqa: PLR0913 - what a trend is made of
    ask: AskLines, wanted: Wanted, where: Condition, found: Sequence[dict[str, Any]], first: int, step: int
) -> dict[tuple[str, str | None], dict[str, Any]]:
    """Trend, releases, browsers and a sample by group."""
    columns = [*used(wanted, _OF), *_GROUP, *_SAMPLE, "version", "browser", "time"]
    some = _of_groups(where, found)
    group = ", ".join(_GROUP)
    counted = ask(
        f""", hit AS (SELECT {group}, version, browser,
            least(greatest((epoch_us(time)::HUGEINT - ?) // ?, 0), {_TREND - 1})::INTEGER AS step
            FROM lines WHERE {some.sql})
        SELECT {group}, GROUPING(version, browser, step) AS bits, version, browser, step, count(*) AS count FROM hit
        GROUP BY GROUPING SETS (({group}, version), ({group}, browser), ({group}, step))
        ORDER BY count DESC, version, browser""",
        (first, step, *some.params),
        columns,
    )
    details: dict[tuple[str, str | None], dict[str, Any]] = defaultdict(
        lambda: {"trend": [0] * _TREND, "releases": [], "browsers": [], "sample": {}}
    )
    for row in counted.to_pylist():
        own = details[row["app_id"], row["error_fingerprint"]]
        if row["bits"] == 0b110:
            own["trend"][row["step"] or 0] += row["count"]
            continue
        name, column = ("releases", "version") if row["bits"] == 0b011 else ("browsers", "browser")
        if len(own[name]) < _VALUES:
            own[name].append({"value": row[column], "count": row["count"]})
    sample = ", ".join(f"'{name}': {name}" for name in _SAMPLE)
    latest = [row["last_ms"] for row in found if row["last_ms"] is not None]
    moments = [f"time IN ({', '.join(['make_timestamptz(?)'] * len(latest))})"] if latest else []
    last = some.also(" OR ".join([*moments, *(["time IS NULL"] if len(latest) < len(found) else [])]), *latest)
    samples = ask(  # of few rows: most columns of most row groups are not read
        f"""SELECT {group}, arg_max({{{sample}, 'time': epoch_us(time)}}, coalesce(epoch_us(time), 0)) AS sample
        FROM lines WHERE {last.sql} GROUP BY ALL""",
        last.params,
        columns,
    )
    for row in samples.to_pylist():
        details[row["app_id"], row["error_fingerprint"]]["sample"] = row["sample"]
    return details


def _of_groups(where: Condition, found: Sequence[dict[str, Any]]) -> Condition:
    """Rows of some groups, and perhaps of the same fingerprints in other apps."""
    prints = [row["error_fingerprint"] or "" for row in found]
    return where.also("list_contains(?::VARCHAR[], coalesce(error_fingerprint, ''))", prints)


def _add_distinct(ask: AskLines, wanted: Wanted, where: Condition, found: Sequence[dict[str, Any]]) -> None:
    """How many sessions and users each group has."""
    some = _of_groups(where, found)
    rows = ask(
        f"""SELECT {_GROUP_HASH} AS number, {WINDOW_HASH} AS sessions,
        CASE WHEN userid IS NOT NULL THEN hash(userid) END AS users FROM lines WHERE {some.sql}""",
        some.params,
        [*used(wanted, _OF), *_GROUP, *_DISTINCT_COLUMNS],
    )
    for name in _DISTINCT:
        known = rows.select(["number", name]).rename_columns(["group", "number"]).drop_null()
        counted = distinct_by_value(known.to_batches(), ["group"])
        for row in found:
            row[name] = counted.get(("group", row["number"]), 0)


def _shown(row: dict[str, Any], wanted: Wanted, details: dict[str, Any]) -> Row:
    sample = dict(details["sample"])
    moment = sample.pop("time")
    said = {"app": [row["app_id"]], "is": [f"error_fingerprint:{row['error_fingerprint'] or ''}"]}
    return {
        "app_id": row["app_id"],
        "fingerprint": row["error_fingerprint"],
        "error_type": sample.pop("error_type"),
        "message": sample.pop("error_message"),
        **{name: row[name] for name in ("count", "sessions", "users")},
        **{name: None if row[name] is None else milliseconds(row[name]) for name in ("first_ms", "last_ms")},
        **{name: details[name] for name in ("trend", "releases", "browsers")},
        "sample": sample | {"time": None if moment is None else milliseconds(moment)},
        **leads("errors", wanted, said),
    }
