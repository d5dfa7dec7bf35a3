"""Errors by their fingerprint: how many, of how many sessions and users, since when, where, and one of them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from schemas.units import US_PER_MS
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
        with self._lines.asking(wanted, _OF) as ask:
            found = ask(
                f"""SELECT {", ".join(_GROUP)}, count(*) AS count, count(DISTINCT {WINDOW_HASH}) AS sessions,
                count(DISTINCT userid) AS users, epoch_us(min(time)) AS first_ms, epoch_us(max(time)) AS last_ms,
                count(*) OVER () AS total FROM lines WHERE {where.sql} GROUP BY ALL
                ORDER BY {name} {"DESC" if sort.startswith("-") else "ASC"} NULLS LAST, {", ".join(_GROUP)}
                LIMIT {limit}""",
                where.params,
                [*used(wanted, _OF), *_GROUP, "session_id", "session_part", "userid", "time"],
            ).to_pylist()
            first, step = _steps(wanted, found)
            details = _details(ask, wanted, where, found, first, step) if found else {}
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
    prints = [row["error_fingerprint"] for row in found]
    some = where.also("list_contains(?::VARCHAR[], coalesce(error_fingerprint, ''))", [one or "" for one in prints])
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
    samples = ask(
        f"""SELECT {group}, arg_max({{{sample}, 'time': epoch_us(time)}}, coalesce(epoch_us(time), 0)) AS sample
        FROM lines WHERE {some.sql} GROUP BY ALL""",
        some.params,
        columns,
    )
    for row in samples.to_pylist():
        details[row["app_id"], row["error_fingerprint"]]["sample"] = row["sample"]
    return details


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
