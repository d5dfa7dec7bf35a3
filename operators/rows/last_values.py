"""The last value that a window's rows have under a name: what is known of the visitor in the end."""

from collections.abc import Sequence

from operators.native import LEAF

Row = dict[str, object]
Condition = tuple[str, object]


def last_values(rows: list[Row], names: Sequence[str], only: Condition | None = None) -> Row:
    """Of each name the value of the last row that has one.

    `only`: a name and a value; then rows count that have this value under it, or nothing where it is None.
    """
    if LEAF is None:
        return plain_last_values(rows, names, only)
    found: Row = LEAF.tables.last_values(rows, names, only)
    return found


def plain_last_values(rows: list[Row], names: Sequence[str], only: Condition | None = None) -> Row:
    """The same without the compiled leaf."""
    values: Row = {}
    missing = list(names)
    for row in reversed(rows):
        if not missing:
            break
        if only is not None and row.get(only[0]) != only[1]:
            continue
        found = [name for name in missing if name in row]
        if found:
            values.update((name, row[name]) for name in found)
            missing = [name for name in missing if name not in row]
    return values
