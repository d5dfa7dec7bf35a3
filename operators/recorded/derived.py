"""A row that was made from a recording, and what every such row has."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import NamedTuple, cast

from operators.recorded.browser_window import BrowserWindow, Seen
from operators.recorded.requests import requests_once
from operators.rows.values import Row
from operators.rows.views import browser_window_of
from schemas.items import Item, Kind
from schemas.line_columns import VIEW, VISITOR

_IDS = {
    Kind.ACTION: "action_id",
    Kind.RESOURCE: "resource_id",
    Kind.LONG_TASK: "long_task_id",
    Kind.CONSOLE: "console_id",
}
_INHERITED = tuple(field.name for field in (*VISITOR, *VIEW) if field.name != "display")


class Derived(NamedTuple):
    """`received_ms` decides its day. With its kind, `ident` names it in its session."""

    kind: Kind
    at_us: int
    ident: int
    received_ms: int
    item: Item  # the segment that told it
    row: Row

    @property
    def key(self) -> tuple[Kind, int]:
        return self.kind, self.ident


Known = Mapping[tuple[Kind, int], Derived]


class Told:
    """What lines tell of the window."""

    def __init__(self, tables: Mapping[str, Iterable[Mapping[str, object]]]) -> None:
        """`tables`: rows by table, in order of time."""
        self._by_window: dict[tuple[str, str], list[Row]] = {}
        for table, rows in tables.items():
            for row in cast("Iterable[Row]", rows):
                self._by_window.setdefault((table, browser_window_of(row)), []).append(row)

    def of(self, table: str, browser_window: str) -> list[Row]:
        """Those of a browser window; a line that names none is of all."""
        anywhere = self._by_window.get((table, ""), [])
        here = self._by_window.get((table, browser_window), []) if browser_window else []
        return sorted([*anywhere, *here], key=time_of) if anywhere and here else anywhere or here


class Pages:
    """The pages of a browser window, to find the one that something belongs to."""

    def __init__(self, window: BrowserWindow, views: Iterable[Row]) -> None:
        """A page begins with the request of its document, some time before anything shows it."""
        documents_us = [request.at_us for request, _ in requests_once(window) if request.initiator == "navigation"]
        self._views = list(views)
        self.begins_us: list[int] = []
        before_us = 0
        for start_us in map(time_of, self._views):
            place = bisect_right(documents_us, start_us)
            is_of_it = place and before_us < documents_us[place - 1]
            self.begins_us.append(documents_us[place - 1] if is_of_it else start_us)
            before_us = start_us

    def at(self, at_us: int) -> Row | None:
        """The page that was open; before the first one, the first."""
        if not self._views:
            return None
        return self._views[max(0, bisect_right(self.begins_us, at_us) - 1)]

    def derived(self, kind: Kind, seen: Seen, row: Row) -> Derived:
        """A row of an entry, with its page and visitor."""
        ident = seen.ident(kind)
        view = self.at(seen.entry.at_us)
        inherited = {} if view is None else {name: view[name] for name in ("view_id", *_INHERITED) if name in view}
        return Derived(
            kind,
            seen.entry.at_us,
            ident,
            seen.received_ms,
            seen.item,
            {**of_sdk(seen.item), **inherited, "time": seen.entry.at_us, _IDS[kind]: id_text(ident), **row},
        )


def of_sdk(item: Item) -> Row:
    """What a segment says of its SDK."""
    assert item.segment is not None
    known = {"sdk_name": item.segment.sdk_name, "sdk_version": item.segment.sdk_version}
    return {name: value for name, value in known.items() if value}


def id_text(ident: int) -> str:
    """An identity as the id of a row."""
    return f"{ident:016x}"


def time_of(row: Row) -> int:
    """When it began, us; 0 where it does not say."""
    time_us = row.get("time")
    return time_us if isinstance(time_us, int) else 0
