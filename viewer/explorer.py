"""The explorer's questions: which apps, which sessions, how many of each value, how many when."""

from collections.abc import Iterable, Mapping, Sequence

from schemas.units import US_PER_MS
from viewer.filters import Column, Condition, Wanted, column, condition, microseconds
from viewer.listed import SESSIONS
from viewer.paging import Order, after, cursor, order
from viewer.session_index import OF_SESSION, Ask, SessionIndex

Row = dict[str, object]

COLUMNS = SESSIONS.columns
_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)


def milliseconds(value: int) -> float:
    """Epoch us as epoch ms, whole when it is."""
    whole, rest = divmod(value, US_PER_MS)
    return whole if not rest else value / US_PER_MS


def as_row(values: Sequence[object]) -> Row:
    """A row of the index as the API shows it."""
    return {
        name: milliseconds(value) if field.type == "timestamp" and isinstance(value, int) else value
        for (name, field), value in zip(COLUMNS.items(), values, strict=True)
    }


def apps(index: SessionIndex, allowed: frozenset[str] | None) -> list[Row]:
    """Each app with its number of windows and its first and last one."""
    where = condition(Wanted(allowed))
    found = index.ask(
        f"""SELECT app_id, count(*), min("start"), max("start") FROM sessions WHERE {where.sql}
        GROUP BY app_id ORDER BY count(*) DESC, app_id""",
        where.params,
    )
    return [
        {"app_id": app, "sessions": count, "first_ms": _ms(first), "last_ms": _ms(last)}
        for app, count, first, last in found
    ]


def sessions(index: SessionIndex, wanted: Wanted, sort: str, limit: int, behind_cursor: str) -> Row:
    """One page of windows, the way to the next, and how many there are in all."""
    by = order(sort)
    behind = after(behind_cursor, sort) if behind_cursor else Condition("TRUE", ())
    with index.snapshot(condition(wanted).sets) as ask:
        numbers, total = _page(ask, wanted, behind, by, limit + 1)
        # All columns of these rows alone: DuckDB skips the rest for a join, but not for a list in the text.
        found = ask(
            f"SELECT {_NAMES} FROM sessions WHERE rowid IN (SELECT unnest(?::BIGINT[])) ORDER BY {by.sql}",
            [numbers[:limit]],
        )
    rows = [dict(zip(COLUMNS, values, strict=True)) for values in found]
    following = None
    if len(numbers) > limit:
        following = cursor(sort, rows[-1][by.column.name], [rows[-1][name] for name in SESSIONS.uses])
    return {
        "sessions": [as_row(values) for values in found],
        "next": following,
        "total": total,
        "complete": index.is_whole,
        "text_complete": wanted.texts is None or wanted.texts.is_whole,
    }


def _page(ask: Ask, wanted: Wanted, behind: Condition, by: Order, limit: int) -> tuple[list[int], int]:
    """Row numbers of a page in its order, and how many rows there are on all pages."""
    where = condition(wanted)
    if wanted.text:  # it is looked for only once, for both
        columns = ", ".join(f'"{name}"' for name in dict.fromkeys((by.column.name, *SESSIONS.uses)))
        found = ask(
            f"""WITH hit AS MATERIALIZED (SELECT rowid AS number, {columns} FROM sessions WHERE {where.sql})
            SELECT number, (SELECT count(*) FROM hit) FROM hit WHERE {behind.sql} ORDER BY {by.sql} LIMIT {limit}""",
            (*where.params, *behind.params),
        )
        if found:
            return [_whole(number) for number, _ in found], _whole(found[0][1])
    page = where.also(behind.sql, *behind.params)
    found = ask(f"SELECT rowid FROM sessions WHERE {page.sql} ORDER BY {by.sql} LIMIT {limit}", page.params)
    total = ask(f"SELECT count(*) FROM sessions WHERE {where.sql}", where.params)
    return [_whole(number) for (number,) in found], _whole(total[0][0])


def _whole(value: object) -> int:
    return int(str(value))


def known_sessions(index: SessionIndex, asked: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the sessions, by app and id, that are in the lake."""
    pairs = list(asked)
    found = index.ask(
        """SELECT DISTINCT s.app_id, s.session_id FROM sessions s
        SEMI JOIN (SELECT unnest(?::VARCHAR[]) AS app_id, unnest(?::VARCHAR[]) AS session_id) asked
        USING (app_id, session_id)""",
        [[app_id for app_id, _ in pairs], [session_id for _, session_id in pairs]],
    )
    return {(str(app_id), str(session_id)) for app_id, session_id in found}


def window_rows(index: SessionIndex, app_id: str, session_id: str) -> list[Row]:
    """The windows of one session, first part first."""
    found = index.ask(f"SELECT {_NAMES} FROM sessions WHERE {OF_SESSION}", [app_id, session_id, app_id, session_id])
    # A handful; in the query, sorting rows of so many columns would be a third of its time.
    return sorted(map(as_row, found), key=lambda row: int(str(row["session_part"])))


def facets(
    index: SessionIndex, wanted: Wanted, names: Sequence[str], top: int, *, own: bool = True
) -> dict[str, list[Row]]:
    """The most frequent values of some columns among the wanted sessions; `own`: see `per_filter`."""
    columns = [column(name) for name in dict.fromkeys(names)]
    found: dict[str, list[Row]] = {one.name: [] for one in columns}
    for some, their in per_filter(wanted, columns, own=own):
        _count_values(index, condition(their), some, top, found)
    return found


def per_filter(wanted: Wanted, columns: Sequence[Column], *, own: bool) -> list[tuple[list[Column], Wanted]]:
    """Which columns are counted among which rows: without `own`, what is said of a column itself is left out for it,
    so that its other values show too.
    """
    said = {pair.partition(":")[0] for pair in (*wanted.is_, *wanted.not_)}
    apart = [] if own else [one for one in columns if one.name in said]
    together = [one for one in columns if one not in apart]
    return [(together, wanted)] * bool(together) + [([one], wanted.without(one.name)) for one in apart]


def _count_values(
    index: SessionIndex, where: Condition, columns: Sequence[Column], top: int, found: dict[str, list[Row]]
) -> None:
    selected = ", ".join(f"{one.sql} AS c{number}" for number, one in enumerate(columns))
    params = [value for one in columns for value in one.params]
    counted = " UNION ALL ".join(
        f"""SELECT * FROM (SELECT {number} AS n, c{number}::VARCHAR AS value, count(*) AS hits FROM hit
        GROUP BY c{number} ORDER BY hits DESC, value NULLS LAST LIMIT {top})"""
        for number in range(len(columns))
    )
    rows = index.ask(
        f"""WITH hit AS MATERIALIZED (SELECT {selected} FROM sessions WHERE {where.sql})
        SELECT n, value, hits FROM ({counted}) ORDER BY n, hits DESC, value NULLS LAST""",
        [*params, *where.params],
        where.sets,
    )
    for number, value, hits in rows:
        one = columns[int(str(number))]
        found[one.name].append({"value": shown(one.type, value), "count": hits})


def histogram(index: SessionIndex, wanted: Wanted, buckets: int) -> Row:
    """Sessions over time by their start, of these with errors and with replay, in equal steps.

    Differences are HUGEINT: what may be asked for reaches over the whole of int64.
    """
    where = condition(wanted)
    found = index.ask(
        f"""WITH hit AS MATERIALIZED (
            SELECT "start" AS began, session_error_count > 0 AS wrong, session_has_replay AS shown
            FROM sessions WHERE {where.sql}
        ), span AS (
            SELECT coalesce(?::HUGEINT, min(began)) AS first,
                coalesce(?::HUGEINT, max(began)::HUGEINT + {US_PER_MS}) AS last
            FROM hit
        ), step AS (
            SELECT first, last, ((last - first - 1) // {buckets * US_PER_MS} + 1) * {US_PER_MS} AS step FROM span
        )
        SELECT first, last, step, (began - first) // step AS bucket,
            count(began), count(*) FILTER (wrong), count(*) FILTER (shown)
        FROM step LEFT JOIN hit ON true GROUP BY ALL""",
        [*where.params, *(None if one is None else microseconds(one) for one in (wanted.from_ms, wanted.to_ms))],
        where.sets,
    )
    first, last, step = (value if isinstance(value, int) else None for value in found[0][:3])
    if first is None or last is None or step is None or last <= first:
        return {"from_ms": _ms(first), "to_ms": _ms(last), "step_ms": None, "buckets": []}
    counted = {bucket: counts for _, _, _, bucket, *counts in found}
    return in_buckets(first, last, step, ("sessions", "errors", "replays"), counted)


def in_buckets(
    first: int, last: int, step: int, names: Sequence[str], counted: Mapping[object, Sequence[object]]
) -> Row:
    """A histogram, from counts by number of the bucket. Times: epoch us."""
    nothing = [0] * len(names)
    return {
        "from_ms": _ms(first),
        "to_ms": _ms(last),
        "step_ms": _ms(step),
        "buckets": [
            {"start_ms": _ms(first + number * step)} | dict(zip(names, counted.get(number, nothing), strict=True))
            for number in range(-(-(last - first) // step))
        ],
    }


def _ms(value: object) -> float | None:
    return milliseconds(value) if isinstance(value, int) else None


def shown(kind: str, value: object) -> object:
    """A value of a facet, which DuckDB gave as text."""
    if value is None or kind == "string":
        return value
    if kind == "bool":
        return value == "true"
    if kind == "double":
        return float(str(value))
    number = int(str(value))
    return milliseconds(number) if kind == "timestamp" else number
