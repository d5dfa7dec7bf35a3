"""Where visitors clicked on a page: clicks by the element that they hit, and a picture of the page to show them on.

An SDK says of a click which element it hit (a selector) and, some of them, where in it. So clicks in windows of any
size are put on one picture, where the same element is.
"""

from typing import Any

from viewer.explorer import Row, milliseconds
from viewer.filters import Wanted, condition
from viewer.line_explorer import AskLines, LineExplorer, used
from viewer.listed import LINES, WINDOW_HASH

CELLS = 20  # along each side of an element
_POINTS = 40  # of an element
_SELECTOR_MAX = 512  # characters; a longer one is as none
_OF = LINES["actions"]
_COLUMNS = ("action_type", "action_name", "action_target", "action_position", "action_frustration_types")
_OWNER = ("app_id", "session_id", "session_part", "view_id", "session_has_replay", "view_path_group", "time")
_READ = [*_COLUMNS, *_OWNER]


class ClickMap:
    """For any thread."""

    def __init__(self, lines: LineExplorer) -> None:
        self._lines = lines

    def of(self, wanted: Wanted, page: str, limit: int) -> Row:
        """The elements of a page (a path group) that were clicked most. Raises BadRequest, Busy, TooMuch."""
        where = condition(wanted, _OF).also("action_type = 'click' AND view_path_group = ?", page)
        with self._lines.asking(wanted, _OF) as ask:
            columns = [*used(wanted, _OF), *_READ]
            hit = _hit(where.sql)
            found = ask(
                f"""{hit} SELECT selector, count(*) AS count, count(DISTINCT window_hash) AS sessions,
                count(*) FILTER (frustrated) AS frustrated, mode(action_name) AS name, sum(count(*)) OVER () AS total,
                sum(count(*)) FILTER (selector IS NULL) OVER () AS without
                FROM hit GROUP BY selector ORDER BY selector IS NULL, count DESC, selector LIMIT {limit}""",
                where.params,
                columns,
            ).to_pylist()
            points = _points(ask, hit, where.params, columns, [row["selector"] for row in found])
            picture = _picture(ask, hit, where.params, columns)
        first = found[0] if found else {"total": 0, "without": 0}
        elements = [_shown(row, points) for row in found if row["selector"] is not None]
        total, without = int(first["total"]), int(first["without"] or 0)
        return {"page": page, "elements": elements, "total": total, "without": without, "picture": picture}


def _hit(where: str) -> str:
    """Clicks, each with its element and the cell of it. What an SDK sent as JSON may be anything."""
    value = "CASE WHEN json_valid({0}) THEN json_extract_string({0}, '$.{1}') END"
    number = f"try_cast({value} AS DOUBLE)"
    x, y = number.format("action_position", "x"), number.format("action_position", "y")
    width, height = number.format("action_target", "width"), number.format("action_target", "height")

    def cell(place: str, size: str) -> str:
        return f"""CASE WHEN {size} > 0 AND {place} BETWEEN 0 AND {size}
            THEN least({CELLS - 1}, floor({place} / {size} * {CELLS}))::INTEGER END"""

    return f""", hit AS (
        SELECT {WINDOW_HASH} AS window_hash, {", ".join(_OWNER)}, action_name,
        CASE WHEN length({value.format("action_target", "selector")}) BETWEEN 1 AND {_SELECTOR_MAX}
            THEN {value.format("action_target", "selector")} END AS selector,
        {cell(x, width)} AS cell_x, {cell(y, height)} AS cell_y,
        coalesce(action_frustration_types, '') NOT IN ('', '[]') AS frustrated
        FROM lines WHERE {where})"""


def _points(
    ask: AskLines, hit: str, params: tuple[object, ...], columns: list[str], selectors: list[str | None]
) -> dict[str, list[Row]]:
    """How many clicks hit which cell of an element; where no SDK says it, the cells are null."""
    rows = ask(
        f"""{hit}, spot AS (
            SELECT selector, if(cell_y IS NULL, NULL, cell_x) AS x, if(cell_x IS NULL, NULL, cell_y) AS y,
            count(*) AS count FROM hit WHERE list_contains(?::VARCHAR[], selector) GROUP BY ALL)
        SELECT * FROM spot
        QUALIFY row_number() OVER (PARTITION BY selector ORDER BY count DESC, x, y) <= {_POINTS}
        ORDER BY selector, count DESC, x, y""",
        (*params, [one for one in selectors if one is not None]),
        columns,
    ).to_pylist()
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.pop("selector"), []).append(row)
    return found


def _picture(ask: AskLines, hit: str, params: tuple[object, ...], columns: list[str]) -> Row | None:
    """The latest click of a session that has a replay, as far as its rows know."""
    names = ("app_id", "session_id", "session_part", "view_id")
    parts = ", ".join(f"'{name}': {name}" for name in names)
    [row] = ask(
        f"""{hit} SELECT arg_max({{{parts}, 'time': epoch_us(time)}},
        (coalesce(session_has_replay, false)::INTEGER, epoch_us(time))) AS sample
        FROM hit WHERE session_has_replay IS NOT FALSE AND time IS NOT NULL""",
        params,
        columns,
    ).to_pylist()
    sample: dict[str, Any] | None = row["sample"]
    return None if sample is None else sample | {"time": milliseconds(sample["time"])}


def _shown(row: dict[str, Any], points: dict[str, list[Row]]) -> Row:
    names = ("selector", "name", "count", "sessions", "frustrated")
    return {name: row[name] for name in names} | {"points": points.get(row["selector"], [])}
