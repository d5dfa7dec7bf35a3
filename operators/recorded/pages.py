"""Pages of a recording as rows of `views`: each from its address on to the next one."""

from collections.abc import Iterable, Sequence

from operators.client.screen import size_text
from operators.recorded.browser_window import BrowserWindow
from operators.recorded.derived import Derived, Known, Pages, id_text, of_sdk, time_of
from operators.rows.urls import view_url_columns
from operators.rows.values import Row, compact_json
from operators.wire.unusable import identity
from schemas.items import Item, Kind
from schemas.recorded import Load, Page
from schemas.units import NS_PER_US, US_PER_MS, US_PER_SECOND

_SAME_PATH_US, _SAME_MOMENT_US = US_PER_SECOND, 50 * US_PER_MS


def page_views(window: BrowserWindow, known: Known, window_end_us: int) -> list[Derived]:
    """The views of a browser window, in order. The last one lasts until the last event, within the session's window."""
    starts = _starts(window, known)
    ends_us = [*(start.at_us for start in starts[1:]), min(window.end_us, window_end_us)]
    return [
        start._replace(row=start.row | {"time_spent": max(0, end_us - start.at_us) * NS_PER_US})
        for start, end_us in zip(starts, ends_us, strict=True)
    ]


def untold_views(window: BrowserWindow, views: Sequence[Derived], told: Iterable[Row], known: Known) -> list[Derived]:
    """Those of a browser window that no view line tells: one of the same path that begins when its page does, or of any
    path at the very same moment. A page without address was told if a line tells of one before it.
    """
    lines = sorted(told, key=time_of)
    found: list[Derived] = []
    for view, begin_us in zip(views, Pages(window, [view.row for view in views]).begins_us, strict=True):
        line = next((line for line in lines if _is_same(view.row, begin_us, line)), None)
        if line is not None:
            lines.remove(line)
        if line is None or view.key in known:
            found.append(view)
    return found


def _is_same(view: Row, begin_us: int, line: Row) -> bool:
    apart_us = abs(time_of(line) - begin_us)
    if "view_url" not in view:
        return time_of(line) <= begin_us
    is_same_path = line.get("view_path") == view.get("view_path")
    return apart_us <= (_SAME_PATH_US if is_same_path else _SAME_MOMENT_US)


def put_time_spent(views: Sequence[Row], end_us: int) -> None:
    """Each view lasts until the next one, the last until the end, unless a line says it. `views`: in order of time."""
    for number, view in enumerate(views):
        until_us = time_of(views[number + 1]) if number + 1 < len(views) else end_us
        view.setdefault("time_spent", max(0, until_us - time_of(view)) * NS_PER_US)


def _starts(window: BrowserWindow, known: Known) -> list[Derived]:
    starts: list[Derived] = []
    url: str | None = None
    is_loaded = False
    for entry, received_ms, item in [(one.entry, one.received_ms, one.item) for one in window.entries]:
        if isinstance(entry, Load):
            is_loaded = True
        elif isinstance(entry, Page):
            start = _start(window, entry, item, received_ms)
            if entry.url != url or is_loaded or start.key in known:
                starts.append(start)
            url, is_loaded = entry.url, False
    first = window.segments[0].item
    if not starts or first.end_us < starts[0].at_us:  # the page was open before the window began
        unknown = Page(first.begin_us, "")
        starts.insert(0, _start(window, unknown, first, first.received_ms))
    return starts


def _start(window: BrowserWindow, page: Page, item: Item, received_ms: int) -> Derived:
    # A browser window has one page without address at most, whose start is moved by what comes late; its name is not.
    place = (str(page.at_us), page.url) if page.url else ()
    ident = identity(Kind.VIEW, "recorded", item.session_id, window.name, *place)
    row: Row = {**of_sdk(item), "view_id": id_text(ident), "time": page.at_us}
    if page.url:
        row |= {"view_url": page.url, **view_url_columns(page.url)}
    size = size_text(page.width, page.height)
    if size:
        row["display"] = compact_json({"viewport": {"width": page.width, "height": page.height}})
        row["screen_size"] = size
    return Derived(Kind.VIEW, page.at_us, ident, received_ms, item, row)
