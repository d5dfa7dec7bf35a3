"""The shapes of the API's answers, from which its OpenAPI description is made. Rows follow the declared tables."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from lake.notes import NoteKind
from schemas.tables import TABLES
from viewer.access import How

_TYPES: dict[str, Any] = {
    "string": str,
    "int64": int,
    "double": float,
    "bool": bool,
    "timestamp": float,
    "map<string,string>": dict[str, str],
}


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _row(table: str) -> type[BaseModel]:
    """A row of a table; every column is there, null when it is not known. Times are epoch ms."""
    columns: dict[str, Any] = {}
    for field in TABLES[table].fields:
        unit = "epoch ms" if field.type == "timestamp" else field.unit
        doc = f"{field.doc} ({unit})" if unit else field.doc
        columns[field.name] = (_TYPES[field.type] | None, Field(description=doc))
    name = "".join(word.capitalize() for word in table.removesuffix("s").split("_")) + "Row"
    return create_model(name, __config__=ConfigDict(extra="forbid"), __doc__=TABLES[table].doc, **columns)


SessionRow: Any = _row("sessions")
ViewRow: Any = _row("views")
ActionRow: Any = _row("actions")
ErrorRow: Any = _row("errors")
ResourceRow: Any = _row("resources")
LongTaskRow: Any = _row("long_tasks")
ConsoleRow: Any = _row("console")


class Failure(_Answer):
    """What went wrong, in one line."""

    error: str


class App(_Answer):
    """An app that the caller may read."""

    app_id: str
    name: str | None = Field(description="what `serve.app_names` calls it")
    sessions: int = Field(description="windows in the lake")
    first_ms: float | None = Field(description="start of the earliest")
    last_ms: float | None = Field(description="start of the latest")


class Apps(_Answer):
    """Apps, those with most sessions first."""

    apps: list[App]


class Column(_Answer):
    """A column of a table."""

    name: str
    type: str
    unit: str
    doc: str
    label: str = Field(description="what people call it; empty: its name in words")
    group: str = Field(description="where the page shows it, of a session")

    filter: bool = Field(description="`is`, `not`, and where it is a number or a time `gt`, `lt`, `between` take it")
    sort: bool = Field(description="`sort` takes it")
    facet: bool = Field(description="counting its values makes sense; those of lines are counted only then")


class LineColumns(_Answer):
    """The columns of what a timeline lists. One name has one type and unit wherever it is."""

    views: list[Column]
    actions: list[Column]
    errors: list[Column]
    resources: list[Column]
    long_tasks: list[Column]
    console: list[Column]


class Fields(_Answer):
    """`fields`: what can be filtered, sorted and counted by; `custom.KEY` can be filtered and counted by, too."""

    fields: list[Column]
    groups: list[str] = Field(description="of `fields`, in the order in which the page shows them")
    lines: LineColumns


class Sessions(_Answer):
    """One page of windows."""

    sessions: list[SessionRow]
    next: str | None = Field(description="`cursor` of the next page; null on the last")
    total: int = Field(description="windows on all pages")
    complete: bool = Field(description="false while a server that has just started still reads older sessions")
    text_complete: bool = Field(
        description="false: `q` was not looked for in all that happened, for want of time or memory; ask again, or for "
        "fewer days. Of facets and histogram the header `X-Text-Complete` says that"
    )


class LiveSession(_Answer):
    """A session that goes on; what is not known, or never said, is null."""

    app_id: str
    session_id: str
    received_ms: float = Field(description="receipt of the newest thing, epoch ms")
    has_replay: bool = Field(description="a segment of its replay is among what came in the last two minutes")
    view_url: str | None
    userid: str | None
    user_name: str | None
    browser: str | None
    os: str | None
    device: str | None
    country: str | None


class LiveSessions(_Answer):
    """Sessions that were heard of in the last two minutes, the latest first."""

    sessions: list[LiveSession]
    complete: bool = Field(description="there are no more; too much came to look at all of it when not")


class FacetValue(_Answer):
    """A value and how many windows have it; null: not known."""

    value: str | bool | float | None
    count: int


class Facets(_Answer):
    """The most frequent values of each column that was asked for."""

    facets: dict[str, list[FacetValue]]


class Bucket(_Answer):
    """Windows that start in `[start_ms, start_ms + step_ms)`."""

    start_ms: float
    sessions: int
    errors: int = Field(description="of these, with at least one error")
    replays: int = Field(description="of these, with a replay")


class Histogram(_Answer):
    """Windows over time. Without a window there is nothing to cut into buckets."""

    from_ms: float | None
    to_ms: float | None
    step_ms: float | None
    buckets: list[Bucket]


class LineBucket(_Answer):
    """Rows in `[start_ms, start_ms + step_ms)`."""

    start_ms: float
    count: int


class LineHistogram(_Answer):
    """Rows over time. Without a row there is nothing to cut into buckets."""

    from_ms: float | None
    to_ms: float | None
    step_ms: float | None
    buckets: list[LineBucket]


def _page(table: str, row: Any) -> type[BaseModel]:  # noqa: ANN401 - a model made from a table
    """One page of a table's rows."""
    name = "".join(word.capitalize() for word in table.split("_")) + "Page"
    columns: dict[str, Any] = {
        table: (list[row], Field(description="rows, in the order that was asked for")),
        "next": (str | None, Field(description="`cursor` of the next page; null on the last")),
        "total": (int, Field(description="rows on all pages")),
    }
    return create_model(name, __config__=ConfigDict(extra="forbid"), __doc__="One page of rows.", **columns)


LINE_PAGES: dict[str, type[BaseModel]] = {
    table: _page(table, row)
    for table, row in {
        "views": ViewRow,
        "actions": ActionRow,
        "errors": ErrorRow,
        "resources": ResourceRow,
        "long_tasks": LongTaskRow,
        "console": ConsoleRow,
    }.items()
}


class Leads(_Answer):
    """The way to what a number counts."""

    route: str = Field(description="the list that has just these rows")
    filter: dict[str, list[str]] = Field(description="its parameters, each with its values")


class ErrorSample(_Answer):
    """The latest error of a group."""

    app_id: str
    session_id: str
    session_part: int
    view_id: str | None
    error_id: str | None
    time: float | None


class ErrorGroup(Leads):
    """Errors of one app with one fingerprint; null: those without."""

    app_id: str
    fingerprint: str | None
    error_type: str | None = Field(description="of the latest")
    message: str | None = Field(description="of the latest")
    count: int
    sessions: int = Field(description="windows in which one happened")
    users: int
    first_ms: float | None
    last_ms: float | None
    trend: list[int] = Field(description="errors in each step from `from_ms` on")
    releases: list[FacetValue]
    browsers: list[FacetValue]
    sample: ErrorSample


class ErrorGroups(_Answer):
    """Groups of errors."""

    groups: list[ErrorGroup]
    total: int = Field(description="of all groups")
    from_ms: float = Field(description="where the trends begin")
    step_ms: float


class ClickPoint(_Answer):
    """Clicks on a part of an element, which is cut into 20 by 20; null: where in it is not known."""

    x: int | None = Field(ge=0, le=19)
    y: int | None = Field(ge=0, le=19)
    count: int


class ClickedElement(_Answer):
    """An element of a page that was clicked."""

    selector: str = Field(description="CSS selector, as the SDK says it")
    name: str | None = Field(description="what most of its clicks are called")
    count: int
    sessions: int = Field(description="windows in which it was clicked")
    frustrated: int = Field(description="clicks with a sign of frustration")
    points: list[ClickPoint] = Field(description="the most frequent ones, at most 40")


class Picture(_Answer):
    """A moment of a replay."""

    app_id: str
    session_id: str
    session_part: int
    view_id: str | None
    time: float


class Clicks(_Answer):
    """Where visitors clicked on a page."""

    page: str
    elements: list[ClickedElement] = Field(description="those clicked most first")
    total: int = Field(description="of all clicks on the page")
    without: int = Field(description="of clicks of which no SDK says the element")
    picture: Picture | None = Field(description="the latest click of a session that has a replay, as far as rows know")


class Counted(Leads):
    """A number, and the way to what it counts."""

    value: int


class Share(Counted):
    """A number, and which part it is; null: of nothing."""

    rate: float | None


class VitalShare(Leads):
    """How many views were good, middle or poor (Core Web Vitals)."""

    rating: Literal["good", "middle", "poor"]
    count: int
    share: float | None


class Vital(_Answer):
    """A web vital over the views that have it."""

    name: Literal["lcp", "inp", "cls"]
    unit: Literal["ms", "ratio"]
    p75: float | None = Field(description="three of four do not exceed it; to a ms, or a thousandth")
    count: int
    shares: list[VitalShare]


class _Numbers(_Answer):
    visitors: Counted = Field(description="different users, anonymous ones included")
    sessions: Counted
    views: Counted
    errors: Counted
    bounce: Share
    sessions_with_errors: Share
    vitals: list[Vital]


class Broken(_Numbers):
    """The same of one value of a column."""

    value: str | None


class Slow(Leads):
    """A page or resource with its 75th percentile of loading."""

    value: str
    count: int
    p75_ns: int


class Overview(_Numbers):
    """The state of an application."""

    top_errors: list[ErrorGroup]
    error_groups: int = Field(description="how many there are")
    slowest_pages: list[Slow] = Field(description="by path group, of those with a thousandth of the views or more")
    slowest_resources: list[Slow] = Field(description="by host and path group, likewise")
    breakdowns: dict[str, list[Broken]] = Field(description="by version, browser, country, device: most sessions first")


class Session(_Answer):
    """The windows of a session, first part first. One without `close_reason` is still open: its row says how things
    stand, and changes.
    """

    windows: list[SessionRow]
    live: bool = Field(description="a window is open, and not for longer than it can be without anything new")


class Timeline(_Answer):
    """Everything that was received of a session, or seen in its replay, each list in order of time."""

    views: list[ViewRow]
    actions: list[ActionRow]
    errors: list[ErrorRow]
    resources: list[ResourceRow]
    long_tasks: list[LongTaskRow]
    console: list[ConsoleRow]


class StackWanted(_Answer):
    """A stack as it was recorded."""

    release: str = Field(max_length=256, description="`version` of the row that has the stack")
    stack: str = Field(max_length=65_536)


class SourceLines(_Answer):
    """Lines of a source, cut at 300 characters."""

    before: list[str]
    line: str
    after: list[str]


class StackFrame(_Answer):
    """A frame: in the source where a map tells it, else as recorded. Lines and columns count from 1; 0: not told."""

    function: str = Field(description="empty: not known")
    file: str
    line: int
    column: int
    own: bool = Field(description="code of the page itself, not of a library, an extension or the browser")
    mapped: bool
    recorded: str = Field(description="the line of the stack as it was recorded")
    source: SourceLines | None = Field(description="null without a map, without sources in it, and for links")


class Stack(_Answer):
    """A stack, the innermost frame first."""

    frames: list[StackFrame]
    without: list[str] = Field(description="paths of scripts without a usable map of this release")


class ReplayChunk(_Answer):
    """Can be played alone: it begins with a full snapshot, if the track has any."""

    chunk: int
    start_ms: int
    end_ms: int
    raw_bytes: int = Field(description="of the segments as the SDK made them")


class ReplayView(_Answer):
    """A page of the recording; with rrweb a browser window."""

    view_id: str
    start_ms: int
    end_ms: int
    url: str | None


class Track(_Answer):
    """What one player shows from beginning to end; tabs that were open together are tracks of their own."""

    track: int
    start_ms: int
    end_ms: int
    source: str = Field(description="family of the recording: guance, datadog or rrweb")
    chunks: list[ReplayChunk]
    idle: list[tuple[int, int]] = Field(description="more than 60 s without user input: [from, to]")
    views: list[ReplayView]


class Note(_Answer):
    """Something of a recording that is lost or cannot be shown."""

    kind: NoteKind
    count: int = Field(description="of segments, blobs, records or drawings, as the kind says")
    detail: str = Field(description="key of a blob, or why records were left out")
    track: int | None = Field(description="null: of the recording as a whole")
    text: str = Field(description="the same for a person, in one line")


class Missing(_Answer):
    """A stretch of time of which segments are missing."""

    from_ms: int
    to_ms: int
    count: int = Field(description="of segments")
    kind: NoteKind
    view_id: str | None = Field(description="null: of all views")


class Replay(_Answer):
    """The tracks of a session. `live`: it may go on; then the last chunks grow and others follow."""

    live: bool
    tracks: list[Track]
    notes: list[Note] = Field(description="what is lost, and why nothing is there to play; empty when all is there")
    missing: list[Missing] = Field(description="when that was, as far as it is known, in order of time")


class Event(BaseModel):
    """An rrweb event."""

    type: int
    timestamp: float
    data: Any = None


class ChunkEvents(_Answer):
    """The events of a chunk, with what could not be converted."""

    events: list[Event]
    notes: list[Note]


class Blob(_Answer):
    """A replay blob as it lies in the lake: docs/formats.md."""

    url: str
    bytes: int
    part: int
    revision: int
    styles: list[str]  # urls of what its frames need as dictionary, in this order


class Blobs(_Answer):
    """The blobs of a session, window by window, later revisions behind."""

    blobs: list[Blob]


class SignIn(_Answer):
    """A token, to sign in with."""

    token: str = Field(max_length=1024)


class Known(_Answer):
    """What a caller is known as."""

    name: str = Field(description="as in the audit log: of a token, or `user:` and the name of a person")
    how: How
    apps: list[str] | None = Field(description="that may be read; null: all")
    expires_ms: int | None = Field(description="end of the sign-in")


class Lake(_Answer):
    """The lake behind the server. `none`: nothing of a lake is there; `empty`: no session is in it yet."""

    state: Literal["none", "empty", "filled"]
    where: str | None = Field(description="its address; null for callers who may not read all apps")


class LinkWanted(_Answer):
    """A link to one session."""

    app: str = Field(max_length=1024)
    session_id: str = Field(max_length=1024)
    seconds: int = Field(ge=60, le=365 * 86_400, description="how long it shall hold; the server may allow less")


class Link(_Answer):
    """A link that opens one session and nothing else, without a token."""

    url: str
    expires_ms: int


class Standing(_Answer):
    """How far the index of sessions is. `/health/ready` answers 503 while it is failing."""

    status: Literal["ok", "catching up", "failing"]
    files_listed: int
    files_read: int
    files_left_out: dict[str, int] = Field(description="listed files whose sessions are not shown, by reason")
    trouble: str = Field(description="why it is failing")
    copies_missing: int | None = Field(
        None,
        description="narrow copies of lines still to be made: until then some questions take longer; null: not known",
    )
