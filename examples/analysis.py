"""What a product manager asks of a lake, as three pictures: a funnel, errors by release, the slowest pages.

    python examples/analysis.py LAKE FOLDER [--step PAGE ...]

Needs DuckDB and matplotlib: pip install 'replaylake[sql]' matplotlib. LAKE is a local path; for S3 give `open_store`
the options that s3fs takes.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lake.duck import Duck, open_duck
from sinks.open_store import open_store

STEPS = ("/shop/", "/shop/product.html", "/shop/cart.html", "click:Pay now")
_BLUE, _RED, _GREY = "#3266ad", "#c44536", "#6b7280"
_COLOURS = (_RED, "#e08e45", "#8a5a83", "#4f9d8b", "#b8b042", _GREY)
_SHOWN_ERRORS = 5

Row = dict[str, Any]


def funnel(duck: Duck, steps: Sequence[str]) -> list[int]:
    """How many sessions come to each step after the ones before it. A step is a page's path, or `click:` and a name."""
    events = """
        select app_id, session_id, session_part, view_path as step, time from views
        union all
        select app_id, session_id, session_part, 'click:' || action_name, time
        from actions where action_type = 'click'"""
    reached = "select app_id, session_id, session_part, min(time) as time from events where step = ? group by all"
    then = """
        select app_id, session_id, session_part, min(events.time) as time
        from events join step_{before} using (app_id, session_id, session_part)
        where step = ? and events.time >= step_{before}.time group by all"""
    parts = [f"step_{n} as ({then.format(before=n - 1) if n else reached})" for n in range(len(steps))]
    counts = ", ".join(f"(select count(*) from step_{n}) as step_{n}" for n in range(len(steps)))
    [row] = rows(duck, f"with events as ({events}), {', '.join(parts)} select {counts}", list(steps))
    return list(row.values())


def errors_by_release(duck: Duck) -> list[Row]:
    """Errors and sessions of each release, and message by message."""
    return rows(
        duck,
        """select concat_ws(' ', service, coalesce(version, 'unknown')) as release,
                  coalesce(error_message, error_type, 'unknown') as error,
                  count(*) as errors, count(distinct session_id) as sessions
           from errors group by all order by errors desc, error""",
    )


def slowest_pages(duck: Duck) -> list[Row]:
    """Pages by the 75th percentile of their loading time, each with the recorded session in which it was slowest."""
    return rows(
        duck,
        """select view_path as page, count(*) as views, quantile_disc(loading_time, 0.75) / 1e6 as p75_ms,
                  max_by(session_id, loading_time) filter (sessions.session_has_replay) as watch
           from views join sessions using (app_id, session_id, session_part)
           where loading_time > 0 group by page order by p75_ms desc, page limit 8""",
    )


def rows(duck: Duck, sql: str, parameters: list[object] | None = None) -> list[Row]:
    found: list[Row] = duck.query(sql, parameters).to_pylist()
    return found


def draw_funnel(path: Path, steps: Sequence[str], counts: Sequence[int]) -> None:
    figure, axes = _picture("How far visitors come", "sessions", len(steps))
    names = [step.replace("click:", "clicked ") for step in steps]
    axes.barh(names, counts, color=_BLUE, height=0.6)
    for place, count in enumerate(counts):
        share = f"  ({count / counts[0]:.0%})" if counts[0] and place else ""
        axes.annotate(f"{count}{share}", (count, place), xytext=(5, 0), textcoords="offset points", va="center")
    _save(figure, axes, path, max(counts, default=0))


def draw_errors(path: Path, found: Sequence[Row]) -> None:
    releases, frequent = _by_errors(found, "release"), _by_errors(found, "error")[:_SHOWN_ERRORS]
    figure, axes = _picture("Errors by release", "errors", len(releases) + 2)
    left = dict.fromkeys(releases, 0)
    for label, colour in zip([*frequent, "others"], _COLOURS, strict=False):
        mine = [row for row in found if (row["error"] if row["error"] in frequent else "others") == label]
        widths = [sum(row["errors"] for row in mine if row["release"] == release) for release in releases]
        if any(widths):
            axes.barh(releases, widths, left=list(left.values()), color=colour, height=0.6, label=_short(label, 60))
        left = {release: before + width for (release, before), width in zip(left.items(), widths, strict=True)}
    if releases:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), frameon=False, fontsize=8)
    _save(figure, axes, path, max(left.values(), default=0))


def draw_pages(path: Path, found: Sequence[Row]) -> None:
    figure, axes = _picture("Slowest pages, and the replay to watch", "loading time, ms (75th percentile)", len(found))
    axes.barh(
        [_short(str(row["page"]), 32) for row in found], [row["p75_ms"] for row in found], color=_BLUE, height=0.6
    )
    for place, row in enumerate(found):
        watch = f"watch {row['watch'][:8]}" if row["watch"] else "not recorded"
        text = f"{row['p75_ms']:.0f}  {watch}"
        axes.annotate(text, (row["p75_ms"], place), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8)
    _save(figure, axes, path, max((row["p75_ms"] for row in found), default=0.0))


def _by_errors(found: Sequence[Row], column: str) -> list[str]:
    """Its values, most errors first."""
    totals: dict[str, int] = {}
    for row in found:
        totals[row[column]] = totals.get(row[column], 0) + row["errors"]
    return sorted(totals, key=lambda value: (-totals[value], value))


def _picture(title: str, unit: str, lines: int) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 1.2 + 0.4 * max(1, lines)))
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xlabel(unit, color=_GREY)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    return figure, axes


def _save(figure: Figure, axes: Axes, path: Path, longest: float) -> None:
    axes.invert_yaxis()
    axes.set_xlim(0, longest * 1.3 or 1)
    figure.savefig(path, dpi=80, bbox_inches="tight")


def _short(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--step", action="append", help="of the funnel: a page's path, or click: and a button's name")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    steps = options.step or STEPS
    with open_duck(open_store(options.lake)) as duck:
        counts, errors, pages = funnel(duck, steps), errors_by_release(duck), slowest_pages(duck)
    draw_funnel(options.folder / "funnel.png", steps, counts)
    draw_errors(options.folder / "errors.png", errors)
    draw_pages(options.folder / "pages.png", pages)
    for step, count in zip(steps, counts, strict=True):
        print(f"{count:6} {step}")
    for row in pages:
        print(f"{row['p75_ms']:8.0f} ms {row['page']}: replaylake export {row['watch']} --lake {options.lake}")


if __name__ == "__main__":
    main()
