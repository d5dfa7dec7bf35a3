"""Results as text for a terminal and as docs/benchmarks.md."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.goals import Goal, standing
from bench.results import Figure, Place, Result, spread

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"

_INTRODUCTION = """# Benchmarks

Made by `python -m bench --write-docs` from `bench/results/*.json`; every number was measured. `make bench` runs all
measurements in a quick size, `make bench ARGS='lines storage'` some, `--full` the big sizes, `--list` describes each.

How to read it: sides of one figure were measured in turn, round by round, on the same machine, each in a process of its
own where it spends time; a ratio is of one round to the baseline in the same round. Absolute numbers belong to the
machine, ratios travel. "CPU second": user and system time of the side's process with all its threads. A range is the
least and the most of all rounds. The machine was shared while this was measured; `load` is how busy it was before.

Traffic: RUM lines are real lines of a Guance SDK with their own ids and times, sent by made-up visitors
(`bench/traffic.py`) with copies, disorder and late finals; replays are real recordings, cloned as ever new sessions
(`bench/clones.py`). Both depend on a seed alone.
"""


def terminal(result: Result) -> str:
    """A result for a person at a terminal."""
    lines = [f"{result.name}: {result.about}", f"  {_parameters(result.parameters)}"]
    for figure in result.figures:
        rows = [_row(figure, side) for side in figure.sides]
        widths = [max(len(row[column]) for row in [_head(figure), *rows]) for column in range(len(_head(figure)))]
        lines.append(f"  {figure.name}")
        for row in [_head(figure), *rows]:
            cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row, widths, strict=True))][1:]
            lines.append("    " + "  ".join([row[0].ljust(widths[0]), *cells[1:]]))
        lines += [f"    {figure.note}"] if figure.note else []
    return "\n".join(lines)


def page(results: Mapping[str, Result], order: Iterable[str]) -> str:
    """docs/benchmarks.md: what has been measured, in this order."""
    sections = ["\n".join(_section(results[name])) for name in order if name in results]
    return "\n".join([_INTRODUCTION, *_standing(results), *sections])


def _standing(results: Mapping[str, Result]) -> Iterator[str]:
    yield "## What was to be reached\n"
    yield "| goal | bound | measured | reached |"
    yield "| --- | ---: | ---: | --- |"
    for goal, value in standing(results):
        yield f"| {goal.what} | {_bound(goal)} | {' | '.join(_outcome(goal, value))} |"
    yield "\nWhat a line costs, and why: [decision 8](decisions/0008-speed-of-lines.md).\n"


def _bound(goal: Goal) -> str:
    return f"{'at least' if goal.is_least else 'at most'} {number(goal.bound)}"


def _outcome(goal: Goal, value: float | None) -> tuple[str, str]:
    if value is None:
        return "", "not measured"
    return number(value), "yes" if goal.reached(value) else "**no**"


def _section(result: Result) -> Iterator[str]:
    yield f"## {result.name}\n"
    yield f"{_wrapped(result.about)}\n"
    for figure in result.figures:
        yield f"**{figure.name}**{', ' if figure.unit else ''}{figure.unit}\n"
        head = _head(figure)
        yield f"| {' | '.join(head)} |"
        yield f"| --- |{' ---: |' * (len(head) - 1)}"
        for side in figure.sides:
            yield f"| {' | '.join(_row(figure, side))} |"
        yield ""
        if figure.note:
            yield f"{_wrapped(figure.note)}\n"
    yield _wrapped(f"`{result.command}`: {_parameters(result.parameters)}.") + "  "
    yield _wrapped(_where(result.place)) + "\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _head(figure: Figure) -> list[str]:
    return ["side", "median", "range", f"ratio to {figure.baseline}", "range"] if figure.ratios else _SHORT_HEAD


_SHORT_HEAD = ["side", "median", "range"]


def _row(figure: Figure, side: str) -> list[str]:
    cells = [side, *_cells(figure.sides[side])]
    if figure.ratios:
        cells += _cells(figure.ratios[side]) if side in figure.ratios else ["1", ""]
    return cells


def _cells(values: Sequence[float]) -> list[str]:
    middle, least, most = spread(values)
    return [number(middle), f"{number(least)} to {number(most)}" if least != most else ""]


def number(value: float) -> str:
    """Three digits, or all before the point."""
    if value == 0 or abs(value) >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _parameters(parameters: Mapping[str, str | float]) -> str:
    return ", ".join(
        f"{name} {value if isinstance(value, str) else number(value)}" for name, value in parameters.items()
    )


def _where(place: Place) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in place.packages.items())
    return (
        f"{place.day}, commit {place.commit}; {place.cores} cores {place.processor}, {place.memory_gib} GiB, "
        f"{place.system}, load {place.load}; Python {place.python}, {packages}."
    )
